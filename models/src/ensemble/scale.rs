//! Members' contributions on the scale that the meta-model weighs.

use ndarray::Axis;

use super::{Contributions, Scale};
use crate::calibration::BetaCalibration;
use crate::linear::sigmoid;

/// Log-odds are taken of probabilities held this far off 0 and 1: a forest may say 0. Small enough for a label of which
/// one row in a thousand is positive. Measured, see `DECISIONS.md`.
pub(crate) const NEAREST: f64 = 1e-5;

/// What the meta-model weighs of a member's probability: its log-odds by its own calibration, clipped before.
pub(super) fn straightened(probability: f64, bend: &BetaCalibration) -> f64 {
    bend.log_odds(probability.clamp(NEAREST, 1.0 - NEAREST))
}

/// A member's contributions on the scale of [`straightened`]: a row sums to its value there minus the new baseline.
pub(super) fn on_log_odds(contributions: Contributions, bend: &BetaCalibration) -> Contributions {
    match contributions.scale {
        Scale::Probability => through(contributions, Scale::LogOdds, |p| straightened(p, bend)),
        _ => through(contributions, Scale::LogOdds, |score| straightened(sigmoid(score), bend)),
    }
}

/// A member's contributions in units of the target.
pub(super) fn on_values(contributions: Contributions) -> Contributions {
    match contributions.scale {
        Scale::Logarithm => through(contributions, Scale::Value, f64::exp),
        _ => contributions,
    }
}

/// Contributions to a rising function of the score.
///
/// Where the function is the identity nothing changes. Else a row's contributions are multiplied by the slope of the
/// secant from the baseline to the prediction, the rescale rule of Shrikumar, Greenside & Kundaje (2017, eq. 10) for
/// the one-dimensional link; it keeps shares and signs and adds up exactly (Chen, Lundberg & Lee 2022, section 4).
fn through(contributions: Contributions, scale: Scale, link: impl Fn(f64) -> f64) -> Contributions {
    let Contributions { baseline, mut values, .. } = contributions;
    let start = link(baseline);
    for mut row in values.axis_iter_mut(Axis(0)) {
        let sum = row.sum();
        let goal = link(baseline + sum) - start;
        let slope = if sum == 0.0 || goal == sum { 1.0 } else { goal / sum };
        row.mapv_inplace(|value| value * slope);
    }
    Contributions { baseline: start, values, scale }
}
