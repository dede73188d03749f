//! Whether a probability, or a prediction, means what it says.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::pointwise::{check_probabilities, check_values};
use crate::conformal::Intervals;
use crate::input::{self, InputError};
use crate::linear::{LinearError, fit_plain};
use crate::parameters::range;

/// One bin of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Weight of the rows in the bin; their number where there are no weights.
    pub weight: f64,
    /// Mean probability said.
    pub predicted: f64,
    /// Share of positives seen.
    pub observed: f64,
}

/// Slope and intercept of what happened on what was said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationLine {
    /// 1 is right; below 1 the probabilities are too extreme, above 1 too timid.
    pub slope: f64,
    /// 0 is right, in log-odds.
    pub intercept: f64,
}

/// Rows by rising probability in bins of equal weight; empty bins are left out.
///
/// Equal probabilities stay in one bin (that of their middle), so that the order of the rows cannot matter; a score
/// with few levels therefore fills fewer bins.
///
/// # Errors
/// [`MetricError::Input`] as [`log_loss`](super::log_loss); [`MetricError::Parameter`] for no bins.
pub fn calibration_bins(
    y: ArrayView1<'_, f64>,
    probabilities: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    bins: usize,
) -> Result<Vec<CalibrationBin>, MetricError> {
    range("bins", bins as f64, "at least 1", bins > 0)?;
    check_probabilities(&y, &probabilities, weights.as_ref())?;
    let weight_of = |row: usize| weights.as_ref().map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0));
    let sum = |rows: &[usize], value: &dyn Fn(usize) -> f64| {
        rows.iter().map(|row| weight_of(*row) * value(*row)).sum::<f64>()
    };
    let binned = equal_mass(&probabilities, weight_of, bins);
    let bin = |rows: Vec<usize>| {
        let weight = sum(&rows, &|_| 1.0);
        let (said, seen) = (sum(&rows, &|row| value(&probabilities, row)), sum(&rows, &|row| value(&y, row)));
        (weight > 0.0).then(|| CalibrationBin { weight, predicted: said / weight, observed: seen / weight })
    };
    Ok(binned.into_iter().filter_map(bin).collect())
}

fn value(of: &ArrayView1<'_, f64>, row: usize) -> f64 {
    of.get(row).copied().unwrap_or(f64::NAN)
}

/// Rows by rising score in bins of equal weight; equal scores are in one bin, that of their middle.
fn equal_mass(scores: &ArrayView1<'_, f64>, weight_of: impl Fn(usize) -> f64, bins: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<(f64, usize)> = scores.iter().enumerate().map(|(row, score)| (*score, row)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = rows.iter().map(|(_, row)| weight_of(*row)).sum();
    let mut binned = vec![Vec::new(); bins];
    let mut before = 0.0;
    for run in rows.chunk_by(|a, b| a.0 == b.0) {
        let weight: f64 = run.iter().map(|(_, row)| weight_of(*row)).sum();
        let middle = (before + 0.5 * weight) / total;
        let bin = ((middle * bins as f64) as usize).min(bins - 1);
        if let Some(rows) = binned.get_mut(bin) {
            rows.extend(run.iter().map(|(_, row)| *row));
        }
        before += weight;
    }
    binned
}

/// One bin of predictions and what came, both in the unit of the target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PredictionBin {
    pub rows: usize,
    /// Mean prediction.
    pub predicted: f64,
    /// Mean target.
    pub observed: f64,
    /// Share of the targets within their interval, ends included; `None` without intervals.
    pub coverage: Option<f64>,
}

/// Rows by rising prediction in bins of equally many rows, as [`calibration_bins`] makes them of probabilities. In each
/// bin a regressor that can be trusted has the mean it predicts and, in `intervals` of a given coverage, about that share
/// of the targets.
///
/// # Errors
/// [`MetricError::Input`] for other lengths, no rows, or a value that is not finite; [`MetricError::Parameter`] for no
/// bins.
pub fn prediction_bins(
    y: ArrayView1<'_, f64>,
    predicted: ArrayView1<'_, f64>,
    intervals: Option<&Intervals>,
    bins: usize,
) -> Result<Vec<PredictionBin>, MetricError> {
    range("bins", bins as f64, "at least 1", bins > 0)?;
    check_values(&y, &predicted, None)?;
    if let Some(intervals) = intervals {
        input::same_rows("the intervals", intervals.lower.len(), y.len())?;
        input::same_rows("the intervals", intervals.upper.len(), y.len())?;
    }
    let mean = |rows: &[usize], of: &ArrayView1<'_, f64>| {
        rows.iter().map(|row| value(of, *row)).sum::<f64>() / rows.len() as f64
    };
    let covered = |rows: &[usize], intervals: &Intervals| {
        let (lower, upper) = (intervals.lower.view(), intervals.upper.view());
        let within =
            rows.iter().filter(|row| (value(&lower, **row)..=value(&upper, **row)).contains(&value(&y, **row)));
        within.count() as f64 / rows.len() as f64
    };
    let binned = equal_mass(&predicted, |_| 1.0, bins).into_iter().filter(|rows| !rows.is_empty());
    let bin = |rows: Vec<usize>| PredictionBin {
        rows: rows.len(),
        predicted: mean(&rows, &predicted),
        observed: mean(&rows, &y),
        coverage: intervals.map(|intervals| covered(&rows, intervals)),
    };
    Ok(binned.map(bin).collect())
}

/// Expected calibration error over equal-mass bins: mean of |observed - predicted|, bins weighted by their rows
/// (Naeini, Cooper & Hauskrecht 2015, with equal-mass bins as in Nixon et al. 2019). In 0 to 1.
///
/// # Errors
/// As [`calibration_bins`].
pub fn expected_calibration_error(
    y: ArrayView1<'_, f64>,
    probabilities: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    bins: usize,
) -> Result<f64, MetricError> {
    let bins = calibration_bins(y, probabilities, weights, bins)?;
    let total: f64 = bins.iter().map(|bin| bin.weight).sum();
    Ok(bins.iter().map(|bin| bin.weight * (bin.observed - bin.predicted).abs()).sum::<f64>() / total)
}

/// Logistic regression of the label on the log-odds that were said (Cox 1958): slope 1 and intercept 0 are right.
///
/// Probabilities of 0 and 1 count as 1e-12 and 1 - 1e-12.
///
/// # Errors
/// [`MetricError::Input`] as [`log_loss`](super::log_loss), and for one class only; [`MetricError::Undefined`] where
/// every probability is the same.
pub fn calibration_line(
    y: ArrayView1<'_, f64>,
    probabilities: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<CalibrationLine, MetricError> {
    check_probabilities(&y, &probabilities, weights.as_ref())?;
    input::two_classes(&y, weights.as_ref())?;
    let first = probabilities.first().copied().unwrap_or_default();
    if probabilities.iter().all(|p| *p == first) {
        return Err(MetricError::Undefined { metric: "calibration slope", why: "every probability is the same" });
    }
    let log_odds: Vec<f64> = probabilities.iter().map(|p| log_odds(*p, 1e-12)).collect();
    let rows = log_odds.len();
    let x = Array2::from_shape_vec((rows, 1), log_odds).map_err(|_| InputError::Empty { what: "the probability" })?;
    let (coefficients, intercept) = fit_plain(x.view(), y, weights, false).map_err(undefined)?;
    Ok(CalibrationLine { slope: coefficients.first().copied().unwrap_or(f64::NAN), intercept })
}

fn undefined(error: LinearError) -> MetricError {
    match error {
        LinearError::Input(input) => MetricError::Input(input),
        _ => MetricError::Undefined { metric: "calibration slope", why: "the probabilities separate the labels" },
    }
}

/// ln(p / (1 - p)) of a probability held off 0 and 1 by `nearest`.
pub(crate) fn log_odds(probability: f64, nearest: f64) -> f64 {
    let probability = probability.clamp(nearest, 1.0 - nearest);
    probability.ln() - (-probability).ln_1p()
}
