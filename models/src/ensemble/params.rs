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
    pub(super) penalties: Vec<f64>,
    pub(super) calibration: Method,
    pub(super) mean_of_folds: bool,
}

impl StackValidParams {
    pub(super) fn check_ranges(&self) -> Result<(), ParameterError> {
        let Self { folds, penalties, .. } = self;
        range("folds", folds, "at least 2", *folds >= 2)?;
        let sound = !penalties.is_empty() && penalties.iter().all(|penalty| *penalty >= 0.0 && penalty.is_finite());
        range("penalties", format!("{penalties:?}"), "at least one, each finite and not negative", sound)
    }

    /// One seed for each member and fold; the refit on all rows counts as one more fold.
    pub(super) fn member_seed(&self, member: usize, fold: usize) -> u64 {
        self.seed.wrapping_add((member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(fold as u64)
    }
}

/// How members are joined (Wolpert 1992; Breiman 1996 for weights that are not negative).
///
/// The meta-model is an L2 logistic regression on the members' out-of-fold log-odds, each made straight by a beta
/// calibration of its own; the meta-model's out-of-fold probabilities, over the same folds, are what the last calibration
/// learns from.
#[derive(Debug, Clone)]
pub struct StackParams(pub(super) StackValidParams);

impl Default for StackParams {
    fn default() -> Self {
        Self::new()
    }
}

impl StackParams {
    /// Five folds, seed 0, weights not negative, a penalty of 1, 10 or 100, blended calibration, members of all rows.
    pub fn new() -> Self {
        Self(StackValidParams {
            folds: 5,
            seed: 0,
            non_negative: true,
            penalties: vec![1.0, 10.0, 100.0],
            calibration: Method::default(),
            mean_of_folds: false,
        })
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
        /// L2 penalties of the meta-model on standardised log-odds, of which the one that loses least out of fold is
        /// taken. A large one draws weights together: members that say nearly the same are then averaged.
        penalties: Vec<f64>,
        /// The last step.
        calibration: Method,

        /// Whether a member is the mean of its folds' models instead of one more fit on all rows: a committee of
        /// cross-validation (Parmanto, Munro & Doyle 1996), which varies less. Only where the folds judge every row once,
        /// by all other rows; else this has no effect.
        mean_of_folds: bool,
    }
}

guarded!(StackParams => StackValidParams, EnsembleError);
