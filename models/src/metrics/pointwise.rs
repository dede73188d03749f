//! Metrics that are means over rows.

use ndarray::ArrayView1;

use super::MetricError;
use crate::input;
use crate::parameters::range;

/// Probabilities nearer to 0 or 1 than this count as this near, as in scikit-learn: one sure miss is not infinite.
pub(super) const NEAREST: f64 = f64::EPSILON;

/// -log of the probability given to what happened.
pub(super) fn log_loss_of(label: f64, probability: f64) -> f64 {
    let probability = probability.clamp(NEAREST, 1.0 - NEAREST);
    if label == 1.0 { -probability.ln() } else { -(-probability).ln_1p() }
}

pub(super) fn pinball_of(target: f64, predicted: f64, quantile: f64) -> f64 {
    let miss = target - predicted;
    if miss >= 0.0 { quantile * miss } else { (quantile - 1.0) * miss }
}

/// Weighted mean of a row's loss.
pub(super) fn mean(
    y: &ArrayView1<'_, f64>,
    predicted: &ArrayView1<'_, f64>,
    weights: Option<&ArrayView1<'_, f64>>,
    loss: impl Fn(f64, f64) -> f64,
) -> f64 {
    let losses = y.iter().zip(predicted).map(|(target, predicted)| loss(*target, *predicted));
    match weights {
        Some(weights) => losses.zip(weights).map(|(loss, weight)| loss * weight).sum::<f64>() / weights.sum(),
        None => losses.sum::<f64>() / y.len() as f64,
    }
}

pub(super) fn check_probabilities(
    y: &ArrayView1<'_, f64>,
    probabilities: &ArrayView1<'_, f64>,
    weights: Option<&ArrayView1<'_, f64>>,
) -> Result<(), MetricError> {
    input::same_rows("the probabilities", probabilities.len(), y.len())?;
    input::labels(y)?;
    input::probabilities(probabilities)?;
    input::weight(y.len(), weights)?;
    Ok(())
}

pub(super) fn check_values(
    y: &ArrayView1<'_, f64>,
    predicted: &ArrayView1<'_, f64>,
    weights: Option<&ArrayView1<'_, f64>>,
) -> Result<(), MetricError> {
    input::same_rows("the predictions", predicted.len(), y.len())?;
    input::finite("the target", y)?;
    input::finite("the prediction", predicted)?;
    input::weight(y.len(), weights)?;
    Ok(())
}

/// Mean negative log-likelihood in nats: `-mean(y ln p + (1 - y) ln(1 - p))`, p held off 0 and 1 by 2.2e-16.
///
/// # Errors
/// [`MetricError::Input`] for other lengths, labels beside 0 and 1, or a probability outside [0, 1].
pub fn log_loss(
    y: ArrayView1<'_, f64>,
    probabilities: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    check_probabilities(&y, &probabilities, weights.as_ref())?;
    Ok(mean(&y, &probabilities, weights.as_ref(), log_loss_of))
}

/// Brier score: `mean((p - y)^2)` (Brier 1950, eq. 2, for one of the two classes). In 0 to 1, lower is better.
///
/// # Errors
/// As [`log_loss`].
pub fn brier(
    y: ArrayView1<'_, f64>,
    probabilities: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    check_probabilities(&y, &probabilities, weights.as_ref())?;
    Ok(mean(&y, &probabilities, weights.as_ref(), |label, p| (p - label) * (p - label)))
}

/// Mean absolute error, in units of the target.
///
/// # Errors
/// [`MetricError::Input`] for other lengths, no rows, or a value or weight that is not finite.
pub fn mae(
    y: ArrayView1<'_, f64>,
    predicted: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    check_values(&y, &predicted, weights.as_ref())?;
    Ok(mean(&y, &predicted, weights.as_ref(), |target, value| (target - value).abs()))
}

/// Root of the mean squared error, in units of the target.
///
/// # Errors
/// As [`mae`].
pub fn rmse(
    y: ArrayView1<'_, f64>,
    predicted: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    check_values(&y, &predicted, weights.as_ref())?;
    Ok(mean(&y, &predicted, weights.as_ref(), |target, value| (target - value) * (target - value)).sqrt())
}

/// Weighted absolute percentage error: `sum |y - f| / sum |y|`, a share.
///
/// # Errors
/// As [`mae`]; [`MetricError::Undefined`] where every target is 0.
pub fn wape(
    y: ArrayView1<'_, f64>,
    predicted: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
) -> Result<f64, MetricError> {
    check_values(&y, &predicted, weights.as_ref())?;
    let size = mean(&y, &predicted, weights.as_ref(), |target, _| target.abs());
    if size == 0.0 {
        return Err(MetricError::Undefined { metric: "WAPE", why: "every target is 0" });
    }
    Ok(mean(&y, &predicted, weights.as_ref(), |target, value| (target - value).abs()) / size)
}

/// Pinball loss of a predicted quantile: `mean(max(q (y - f), (q - 1)(y - f)))` (Koenker & Bassett 1978, eq. 2.4).
///
/// # Errors
/// As [`mae`]; [`MetricError::Parameter`] for a quantile outside (0, 1).
pub fn pinball_loss(
    y: ArrayView1<'_, f64>,
    predicted: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    quantile: f64,
) -> Result<f64, MetricError> {
    range("quantile", quantile, "between 0 and 1, both left out", quantile > 0.0 && quantile < 1.0)?;
    check_values(&y, &predicted, weights.as_ref())?;
    Ok(mean(&y, &predicted, weights.as_ref(), |target, value| pinball_of(target, value, quantile)))
}
