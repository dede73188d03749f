//! Members' contributions on the log-odds that the meta-model weighs.

use ndarray::Axis;

use super::{Contributions, Scale};
use crate::metrics::log_odds;

/// Log-odds are taken of probabilities held this far off 0 and 1: a forest may say 0. Small enough for a label of which
/// one row in a thousand is positive. Measured, see `DECISIONS.md`.
pub(super) const NEAREST: f64 = 1e-5;

/// A member's contributions on clipped log-odds: a row sums to its clipped log-odds minus the new baseline.
///
/// Where the member's own scale is that one nothing changes. Else a row's contributions are multiplied by the slope of
/// the secant from the baseline to the prediction, the rescale rule of Shrikumar, Greenside & Kundaje (2017, eq. 10)
/// for the one-dimensional link; it keeps shares and signs and adds up exactly (Chen, Lundberg & Lee 2022, section 4).
pub(super) fn on_log_odds(contributions: Contributions) -> Contributions {
    let Contributions { baseline, mut values, scale } = contributions;
    let link = |score: f64| match scale {
        Scale::Probability => log_odds(score, NEAREST),
        Scale::LogOdds | Scale::Value => {
            let limit = log_odds(1.0 - NEAREST, NEAREST);
            score.clamp(-limit, limit)
        }
    };
    let start = link(baseline);
    for mut row in values.axis_iter_mut(Axis(0)) {
        let sum = row.sum();
        let goal = link(baseline + sum) - start;
        let slope = if sum == 0.0 || goal == sum { 1.0 } else { goal / sum };
        row.mapv_inplace(|value| value * slope);
    }
    Contributions { baseline: start, values, scale: Scale::LogOdds }
}
