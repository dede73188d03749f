//! Whether today's data still look like the data that were learnt from.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::normal::upper_tail;
use super::ranking::ranked;
use crate::input::InputError;
use crate::parameters::range;

/// Shares below this count as this in the index, so that a bin that empties is a large number and not infinity.
const SMALLEST_SHARE: f64 = 1e-4;

/// One bin of a stability index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PsiBin {
    /// Upper edge, included; `None` for the last bin and for missing values, or the level's number.
    pub upper: Option<f64>,
    /// Whether this bin holds the missing values.
    pub missing: bool,
    /// Share of the reference.
    pub expected: f64,
    /// Share of the new data.
    pub actual: f64,
}

/// Population stability index and the bins behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StabilityIndex {
    /// Usual reading: under .1 stable, .1 to .25 watch, above .25 shifted.
    pub value: f64,
    /// The bins, missing values last.
    pub bins: Vec<PsiBin>,
}

/// Population stability index `sum (a - e) ln(a / e)` over shares in bins of equal mass of the reference
/// (Siddiqi 2006, ch. 6): the symmetric Kullback-Leibler divergence of the binned distributions.
///
/// NaN is missing and a bin of its own; infinite values fall into the outer bins; shares below 1e-4 count as 1e-4.
///
/// # Errors
/// [`MetricError::Input`] for no rows on either side; [`MetricError::Parameter`] for fewer than two bins.
pub fn stability_index(
    expected: ArrayView1<'_, f64>,
    actual: ArrayView1<'_, f64>,
    bins: usize,
) -> Result<StabilityIndex, MetricError> {
    range("bins", bins as f64, "at least 2", bins >= 2)?;
    let mut sorted: Vec<f64> = expected.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let edge = |part: usize| sorted.get((sorted.len() * part / bins).max(1) - 1).copied();
    let mut edges: Vec<f64> = (1..bins).filter_map(edge).collect();
    edges.dedup();
    // The last value of the reference is no edge: nothing of it would lie above.
    edges.retain(|value| sorted.last() != Some(value));
    let bin_of = |value: f64| {
        if value.is_nan() { edges.len() + 1 } else { edges.partition_point(|upper| *upper < value) }
    };
    let shares = (share(&expected, edges.len() + 2, bin_of)?, share(&actual, edges.len() + 2, bin_of)?);
    let uppers = edges.iter().map(|upper| (Some(*upper), false)).chain([(None, false), (None, true)]);
    Ok(index(uppers, &shares.0, &shares.1))
}

/// The same over the levels of a category, given as numbers 0, 1, 2 …; NaN is missing.
///
/// # Errors
/// [`MetricError::Input`] for no rows on either side; [`MetricError::Parameter`] for a code that is no whole number.
pub fn stability_index_of_levels(
    expected: ArrayView1<'_, f64>,
    actual: ArrayView1<'_, f64>,
) -> Result<StabilityIndex, MetricError> {
    for code in expected.iter().chain(&actual).filter(|code| !code.is_nan()) {
        range(
            "a level's code",
            *code,
            "a whole number from 0 to 2^32",
            *code >= 0.0 && code.fract() == 0.0 && *code < 4e9,
        )?;
    }
    let mut levels: Vec<f64> = expected.iter().chain(&actual).copied().filter(|code| !code.is_nan()).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let bin_of = |code: f64| {
        if code.is_nan() { levels.len() } else { levels.partition_point(|level| *level < code) }
    };
    let shares = (share(&expected, levels.len() + 1, bin_of)?, share(&actual, levels.len() + 1, bin_of)?);
    let uppers = levels.iter().map(|level| (Some(*level), false)).chain([(None, true)]);
    Ok(index(uppers, &shares.0, &shares.1))
}

fn share(values: &ArrayView1<'_, f64>, bins: usize, bin_of: impl Fn(f64) -> usize) -> Result<Vec<f64>, MetricError> {
    if values.is_empty() {
        return Err(InputError::Empty { what: "one side of the comparison" }.into());
    }
    let mut shares = vec![0.0; bins];
    for value in values {
        if let Some(count) = shares.get_mut(bin_of(*value)) {
            *count += 1.0;
        }
    }
    shares.iter_mut().for_each(|count| *count /= values.len() as f64);
    Ok(shares)
}

fn index(uppers: impl Iterator<Item = (Option<f64>, bool)>, expected: &[f64], actual: &[f64]) -> StabilityIndex {
    let bins: Vec<PsiBin> = uppers
        .zip(expected.iter().zip(actual))
        .filter(|(_, (expected, actual))| **expected > 0.0 || **actual > 0.0)
        .map(|((upper, missing), (expected, actual))| PsiBin { upper, missing, expected: *expected, actual: *actual })
        .collect();
    let term = |bin: &PsiBin| {
        let (expected, actual) = (bin.expected.max(SMALLEST_SHARE), bin.actual.max(SMALLEST_SHARE));
        (actual - expected) * (actual / expected).ln()
    };
    StabilityIndex { value: bins.iter().map(term).sum(), bins }
}

/// Whether a classifier can tell the new data from the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TwoSampleTest {
    /// Area under the ROC curve of new against reference: .5 where they cannot be told apart.
    pub auc: f64,
    /// Its standard error where they cannot.
    pub standard_error: f64,
    /// One-sided: how likely an area as great would be, were both drawn from one distribution.
    pub p_value: f64,
}

/// Classifier two-sample test (Lopez-Paz & Oquab 2017) on the scores of a classifier that was trained to tell new rows
/// (1) from the reference (0): the scores must be out of fold.
///
/// The statistic is the area under the ROC curve, which needs no threshold and no equal halves; its null distribution
/// is that of Mann & Whitney (1947), normal, with the variance of tied ranks.
///
/// # Errors
/// [`MetricError::Input`] as [`roc_auc`](super::roc_auc).
pub fn two_sample_test(is_new: ArrayView1<'_, f64>, scores: ArrayView1<'_, f64>) -> Result<TwoSampleTest, MetricError> {
    let (ranking, _) = ranked(&is_new, &scores, None)?;
    let runs = ranking.runs(None);
    let new: f64 = runs.iter().map(|run| run.0).sum();
    let reference: f64 = runs.iter().map(|run| run.1).sum();
    let all = new + reference;
    let ties: f64 = runs.iter().map(|run| run.0 + run.1).map(|size| size * size * size - size).sum();
    let variance = (all + 1.0 - ties / (all * (all - 1.0))) / (12.0 * new * reference);
    let (auc, standard_error) = (ranking.auc(None), variance.max(0.0).sqrt());
    // Equal scores throughout tell nothing.
    let p_value = if standard_error > 0.0 { upper_tail((auc - 0.5) / standard_error) } else { 1.0 };
    Ok(TwoSampleTest { auc, standard_error, p_value })
}
