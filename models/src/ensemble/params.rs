//! Parameters of a stack.

use super::EnsembleError;
use crate::calibration::Method;
use crate::parameters::{ParameterError, guarded, range, setters};

/// Checked parameters of a stack. Made by [`StackParams::check`](linfa::ParamGuard::check).
#[derive(Debug, Clone)]
pub struct StackValidParams {
    pub(super) folds: usize,
    pub(super) seed: u64,
    pub(super) non_negative: bool,
    pub(super) penalty: f64,
    pub(super) calibration: Method,
}

impl StackValidParams {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        let Self { folds, penalty, .. } = *self;
        range("folds", folds, "at least 2", folds >= 2)?;
        range("penalty", penalty, "finite and not negative", penalty >= 0.0 && penalty.is_finite())
    }

    /// One seed for each member and fold; the refit on all rows counts as one more fold.
    pub(super) fn member_seed(&self, member: usize, fold: usize) -> u64 {
        self.seed.wrapping_add((member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(fold as u64)
    }
}

/// How members are joined (Wolpert 1992; Breiman 1996 for weights that are not negative).
///
/// The meta-model is an L2 logistic regression on the members' out-of-fold log-odds; its own out-of-fold probabilities,
/// over the same folds, are what the calibration learns from.
#[derive(Debug, Clone)]
pub struct StackParams(StackValidParams);

impl Default for StackParams {
    fn default() -> Self {
        Self::new()
    }
}

impl StackParams {
    /// Five folds, seed 0, weights not negative, penalty 1, beta calibration.
    pub fn new() -> Self {
        let (folds, seed, non_negative, penalty, calibration) = (5, 0, true, 1.0, Method::Beta);
        Self(StackValidParams { folds, seed, non_negative, penalty, calibration })
    }
}

setters! {
    StackParams {
        /// Folds of the out-of-fold predictions.
        folds: usize,
        /// Seed of folds and members.
        seed: u64,
        /// Whether a member's weight is held at 0 or above.
        non_negative: bool,
        /// L2 penalty of the meta-model on standardised log-odds.
        penalty: f64,

        /// The last step.
        calibration: Method,
    }
}

guarded!(StackParams => StackValidParams, EnsembleError);
