//! What boosting minimises: score to gradient, hessian, start and response.

use serde::{Deserialize, Serialize};

use crate::parameters::{ParameterError, range};
use crate::tree::{Sample, TreeError};

/// A loss of a target y at a raw score s.
///
/// | loss | l(y, s) | gradient | hessian | response |
/// |---|---|---|---|---|
/// | logistic | ln(1 + e^s) - y s | p - y | p (1 - p) | p = 1 / (1 + e^-s) |
/// | squared | (s - y)^2 / 2 | s - y | 1 | s |
/// | quantile | a (y - s)+ + (1 - a) (s - y)+ | -a where y > s, else 1 - a | 1 | s |
/// | Poisson | e^s - y s | e^s - y | e^s | e^s |
/// | Tweedie | -y e^((1-r)s) / (1-r) + e^((2-r)s) / (2-r) | by s | by s | e^s |
///
/// The values of a quantile's leaves are afterwards the quantile of what remains in them (Friedman 2001, algorithm 3,
/// for a = 1/2). With a logarithmic link one step is at most 0.7 before shrinkage, as in XGBoost: a Newton step from
/// far below overshoots exponentially.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    Logistic,
    Squared,
    /// The quantile of this level, above 0 and below 1.
    Quantile {
        level: f64,
    },
    Poisson,
    /// Compound Poisson-gamma of this variance power, above 1 and below 2.
    Tweedie {
        power: f64,
    },
}

const LOG_LINK_STEP: f64 = 0.7;

impl Loss {
    pub(crate) fn check(self) -> Result<(), ParameterError> {
        match self {
            Self::Quantile { level } => range("level", level, "above 0 and below 1", level > 0.0 && level < 1.0),
            Self::Tweedie { power } => range("power", power, "above 1 and below 2", power > 1.0 && power < 2.0),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_targets(self, targets: &[f64]) -> Result<(), TreeError> {
        if !matches!(self, Self::Poisson | Self::Tweedie { .. }) {
            return Ok(());
        }
        if let Some((row, &value)) = targets.iter().enumerate().find(|(_, y)| **y < 0.0) {
            return Err(TreeError::Target { row, value, need: "at least 0 for this loss" });
        }
        if targets.iter().all(|y| *y == 0.0) {
            return Err(TreeError::Target { row: 0, value: 0.0, need: "above 0 in some row for this loss" });
        }
        Ok(())
    }

    /// The constant that loses least.
    pub(crate) fn start(self, sample: &Sample) -> f64 {
        match self {
            Self::Logistic => {
                let mean = sample.mean().clamp(1e-15, 1.0 - 1e-15);
                (mean / (1.0 - mean)).ln()
            }
            Self::Squared => sample.mean(),
            Self::Quantile { level } => {
                quantile(sample.targets.iter().enumerate().map(|(row, &y)| (y, sample.weight(row))).collect(), level)
            }
            Self::Poisson | Self::Tweedie { .. } => sample.mean().max(f64::MIN_POSITIVE).ln(),
        }
    }

    pub(crate) fn max_step(self) -> f64 {
        if matches!(self, Self::Poisson | Self::Tweedie { .. }) { LOG_LINK_STEP } else { f64::INFINITY }
    }

    /// The level whose quantile of residuals replaces the values of leaves.
    pub(crate) fn renewal(self) -> Option<f64> {
        if let Self::Quantile { level } = self { Some(level) } else { None }
    }

    /// Gradient and hessian.
    pub(crate) fn slopes(self, y: f64, s: f64) -> (f64, f64) {
        match self {
            Self::Logistic => {
                let p = sigmoid(s);
                (p - y, p * (1.0 - p))
            }
            Self::Squared => (s - y, 1.0),
            Self::Quantile { level } => (if y > s { -level } else { 1.0 - level }, 1.0),
            Self::Poisson => {
                let mean = s.exp();
                (mean - y, mean)
            }
            Self::Tweedie { power } => {
                let (one, two) = (1.0 - power, 2.0 - power);
                let (a, b) = (y * (one * s).exp(), (two * s).exp());
                (b - a, two * b - one * a)
            }
        }
    }

    /// Bounds of gradient and hessian that hold for any score, where there are any.
    pub(crate) fn largest_slopes(self) -> Option<(f64, f64)> {
        match self {
            Self::Logistic => Some((1.0, 0.25)),
            Self::Quantile { level } => Some((level.max(1.0 - level), 1.0)),
            _ => None,
        }
    }

    /// The loss itself; what is minimised on a validation set.
    pub(crate) fn of(self, y: f64, s: f64) -> f64 {
        match self {
            // ln(1 + e^s) without overflow.
            Self::Logistic => s.max(0.0) + (-s.abs()).exp().ln_1p() - y * s,
            Self::Squared => (s - y) * (s - y) / 2.0,
            Self::Quantile { level } => {
                if y > s {
                    level * (y - s)
                } else {
                    (1.0 - level) * (s - y)
                }
            }
            Self::Poisson => s.exp() - y * s,
            Self::Tweedie { power } => {
                let (one, two) = (1.0 - power, 2.0 - power);
                (two * s).exp() / two - y * (one * s).exp() / one
            }
        }
    }

    /// The score on the target's scale.
    pub(crate) fn response(self, s: f64) -> f64 {
        match self {
            Self::Logistic => sigmoid(s),
            Self::Squared | Self::Quantile { .. } => s,
            Self::Poisson | Self::Tweedie { .. } => s.exp(),
        }
    }
}

fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// The smallest value at which the weights below and at it reach `level` of all.
pub(crate) fn quantile(mut values: Vec<(f64, f64)>, level: f64) -> f64 {
    values.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let wanted = level * values.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut reached = 0.0;
    for &(value, weight) in &values {
        reached += weight;
        // Tenths do not add up in binary: a hair short is there.
        if reached >= wanted * (1.0 - 1e-12) && weight > 0.0 {
            return value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Loss; 5] =
        [Loss::Logistic, Loss::Squared, Loss::Quantile { level: 0.3 }, Loss::Poisson, Loss::Tweedie { power: 1.4 }];

    #[test]
    fn slopes_are_the_derivatives_of_the_loss() {
        for loss in ALL {
            for (y, s) in [(0.0, -0.7), (1.0, 0.4), (1.0, 2.2), (0.0, 1.1)] {
                let step = 1e-5;
                let (gradient, hessian) = loss.slopes(y, s);
                let numeric = (loss.of(y, s + step) - loss.of(y, s - step)) / (2.0 * step);
                assert!((gradient - numeric).abs() < 1e-7, "{loss:?} {y} {s}: {gradient} {numeric}");
                if loss.renewal().is_none() {
                    let numeric = (loss.slopes(y, s + step).0 - loss.slopes(y, s - step).0) / (2.0 * step);
                    assert!((hessian - numeric).abs() < 1e-7, "{loss:?} {y} {s}: {hessian} {numeric}");
                }
            }
        }
    }

    #[test]
    fn a_quantile_is_the_smallest_value_that_reaches_its_level() {
        let values: Vec<(f64, f64)> = (1..=10).rev().map(|x| (f64::from(x), 1.0)).collect();
        assert_eq!(quantile(values.clone(), 0.1), 1.0);
        assert_eq!(quantile(values.clone(), 0.7), 7.0);
        assert_eq!(quantile(values, 0.95), 10.0);
        assert_eq!(quantile(vec![(1.0, 1.0), (2.0, 9.0), (3.0, 0.0)], 0.99), 2.0);
    }
}
