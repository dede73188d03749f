//! What can be wrong with a calibration.

use crate::input::InputError;
use crate::linear::LinearError;

/// A calibration that cannot be fitted or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The arrays are not fit to learn from.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The logistic regression behind it failed.
    #[error("the logistic regression of the calibration failed: {source}")]
    Regression { source: LinearError },
    /// A stored calibration that no fit could have written.
    #[error("the stored calibration is damaged: {what}; fit it again or load an intact copy")]
    Damaged { what: &'static str },
    /// linfa's own checks.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

impl CalibrationError {
    pub(super) fn regression(source: LinearError) -> Self {
        match source {
            LinearError::Input(input) => Self::Input(input),
            source => Self::Regression { source },
        }
    }
}
