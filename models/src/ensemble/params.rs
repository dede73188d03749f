//! Parameters of a stack.

use linfa::ParamGuard;

use super::EnsembleError;
use crate::calibration::Method;

/// Checked parameters of a stack. Made by [`StackParams::check`](ParamGuard::check).
#[derive(Debug, Clone)]
pub struct StackValidParams {
    pub(super) folds: usize,
    pub(super) seed: u64,
    pub(super) non_negative: bool,
    pub(super) penalty: f64,
    pub(super) calibration: Method,
}

impl StackValidParams {
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

    /// Folds of the out-of-fold predictions.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.0.folds = folds;
        self
    }

    /// Seed of folds and members.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Whether a member's weight is held at 0 or above.
    #[must_use]
    pub fn non_negative(mut self, non_negative: bool) -> Self {
        self.0.non_negative = non_negative;
        self
    }

    /// L2 penalty of the meta-model on standardised log-odds.
    #[must_use]
    pub fn penalty(mut self, penalty: f64) -> Self {
        self.0.penalty = penalty;
        self
    }

    /// The last step.
    #[must_use]
    pub fn calibration(mut self, calibration: Method) -> Self {
        self.0.calibration = calibration;
        self
    }
}

impl ParamGuard for StackParams {
    type Checked = StackValidParams;
    type Error = EnsembleError;

    /// # Errors
    /// [`EnsembleError::Parameter`] names the parameter, its value and its range.
    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        let StackValidParams { folds, penalty, .. } = self.0;
        if folds < 2 {
            return Err(EnsembleError::Parameter { parameter: "folds", value: folds as f64, must: "at least 2" });
        }
        if !(penalty >= 0.0 && penalty.is_finite()) {
            let must = "finite and not negative";
            return Err(EnsembleError::Parameter { parameter: "penalty", value: penalty, must });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}
