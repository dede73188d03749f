//! Metrics of the order alone.

use ndarray::ArrayView1;

use super::MetricError;
use crate::input;

/// Rows from the highest score to the lowest, with the ends of the runs of equal scores: sorted once, judged often.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// Rows by falling score.
    rows: Vec<u32>,
    /// For each of `rows`, whether a run of equal scores ends with it.
    ends: Vec<bool>,
    /// For each of `rows`, whether its label is 1.
    positive: Vec<bool>,
}

impl Ranking {
    pub(super) fn new(y: &ArrayView1<'_, f64>, scores: &ArrayView1<'_, f64>) -> Self {
        let mut sorted: Vec<(f64, u32, bool)> =
            scores.iter().zip(y).zip(0_u32..).map(|((score, label), row)| (*score + 0.0, row, *label == 1.0)).collect();
        sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let next = sorted.iter().skip(1).map(|entry| Some(entry.0)).chain([None]);
        Self {
            ends: sorted.iter().zip(next).map(|(entry, next)| next != Some(entry.0)).collect(),
            rows: sorted.iter().map(|entry| entry.1).collect(),
            positive: sorted.iter().map(|entry| entry.2).collect(),
        }
    }

    /// Calls `at` at the end of every run of equal scores with the weight of positives and negatives from the top.
    fn walk(&self, weights: Option<&[f64]>, mut at: impl FnMut(f64, f64)) {
        let (mut positives, mut negatives) = (0.0, 0.0);
        for ((row, end), positive) in self.rows.iter().zip(&self.ends).zip(&self.positive) {
            let weight = weights.map_or(1.0, |weights| weights.get(*row as usize).copied().unwrap_or(0.0));
            if *positive {
                positives += weight;
            } else {
                negatives += weight;
            }
            if *end {
                at(positives, negatives);
            }
        }
    }

    fn totals(&self, weights: Option<&[f64]>) -> (f64, f64) {
        let mut totals = (0.0, 0.0);
        self.walk(weights, |positives, negatives| totals = (positives, negatives));
        totals
    }

    /// Area under the ROC curve; NaN without both classes.
    pub(super) fn auc(&self, weights: Option<&[f64]>) -> f64 {
        let (mut area, mut last) = (0.0, (0.0, 0.0));
        self.walk(weights, |positives, negatives| {
            // A trapezoid: the positives and negatives of one score are half before and half after one another.
            area += (negatives - last.1) * (positives + last.0) / 2.0;
            last = (positives, negatives);
        });
        area / (last.0 * last.1)
    }

    /// Average precision; NaN without positives.
    pub(super) fn average_precision(&self, weights: Option<&[f64]>) -> f64 {
        let (mut sum, mut last) = (0.0, 0.0);
        self.walk(weights, |positives, negatives| {
            if positives > last {
                sum += (positives - last) * positives / (positives + negatives);
            }
            last = positives;
        });
        sum / last
    }

    /// Largest distance of the two classes' distributions; NaN without both classes.
    pub(super) fn kolmogorov_smirnov(&self, weights: Option<&[f64]>) -> f64 {
        let (all_positive, all_negative) = self.totals(weights);
        if all_positive == 0.0 || all_negative == 0.0 {
            return f64::NAN;
        }
        let mut largest = 0.0_f64;
        self.walk(weights, |positives, negatives| {
            largest = largest.max((positives / all_positive - negatives / all_negative).abs());
        });
        largest
    }

    /// Runs of equal scores from the top: weight of positives and negatives in each, and a row of the run.
    pub(super) fn runs(&self, weights: Option<&[f64]>) -> Vec<(f64, f64)> {
        let (mut runs, mut last) = (Vec::new(), (0.0, 0.0));
        self.walk(weights, |positives, negatives| {
            runs.push((positives - last.0, negatives - last.1));
            last = (positives, negatives);
        });
        runs
    }
}

/// Checked labels of both classes, finite scores and weights, ranked.
pub(super) fn ranked(
    y: &ArrayView1<'_, f64>,
    scores: &ArrayView1<'_, f64>,
    weights: Option<&ArrayView1<'_, f64>>,
) -> Result<(Ranking, Option<Vec<f64>>), MetricError> {
    input::same_rows("the scores", scores.len(), y.len())?;
    input::two_classes(y, weights)?;
    input::finite("the score", scores)?;
    Ok((Ranking::new(y, scores), weights.map(|weights| weights.to_vec())))
}

/// Area under the ROC curve: the probability that a positive scores above a negative, equal scores counting half
/// (Hanley & McNeil 1982; with midranks the statistic of Mann and Whitney). In 0 to 1; .5 is chance.
///
/// # Errors
/// [`MetricError::Input`] for other lengths, labels beside 0 and 1, one class only, or a score or weight not finite.
pub fn roc_auc(
    y: ArrayView1<'_, f64>,
    scores: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    let (ranking, weights) = ranked(&y, &scores, weights.as_ref())?;
    Ok(ranking.auc(weights.as_deref()))
}

/// Average precision, `sum_k (R_k - R_(k-1)) P_k` over distinct scores from the top: no interpolation, as
/// scikit-learn's `average_precision_score`. In 0 to 1; the share of positives is chance.
///
/// # Errors
/// As [`roc_auc`].
pub fn average_precision(
    y: ArrayView1<'_, f64>,
    scores: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    let (ranking, weights) = ranked(&y, &scores, weights.as_ref())?;
    Ok(ranking.average_precision(weights.as_deref()))
}

/// Kolmogorov-Smirnov distance between the scores of positives and of negatives. In 0 to 1.
///
/// # Errors
/// As [`roc_auc`].
pub fn kolmogorov_smirnov(
    y: ArrayView1<'_, f64>,
    scores: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    let (ranking, weights) = ranked(&y, &scores, weights.as_ref())?;
    Ok(ranking.kolmogorov_smirnov(weights.as_deref()))
}
