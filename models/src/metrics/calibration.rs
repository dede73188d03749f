//! Whether a probability means what it says.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::pointwise::check_probabilities;
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
    let mut rows: Vec<(f64, f64, f64)> =
        probabilities.iter().zip(&y).enumerate().map(|(row, (p, label))| (*p, *label, weight_of(row))).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = rows.iter().map(|row| row.2).sum();
    let mut sums = vec![(0.0, 0.0, 0.0); bins];
    let mut before = 0.0;
    for run in rows.chunk_by(|a, b| a.0 == b.0) {
        let weight: f64 = run.iter().map(|row| row.2).sum();
        let middle = (before + 0.5 * weight) / total;
        let bin = ((middle * bins as f64) as usize).min(bins - 1);
        if let Some(sum) = sums.get_mut(bin) {
            sum.0 += weight;
            sum.1 += run.iter().map(|row| row.2 * row.0).sum::<f64>();
            sum.2 += run.iter().map(|row| row.2 * row.1).sum::<f64>();
        }
        before += weight;
    }
    let filled = sums.into_iter().filter(|sum| sum.0 > 0.0);
    Ok(filled
        .map(|(weight, said, seen)| CalibrationBin { weight, predicted: said / weight, observed: seen / weight })
        .collect())
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
