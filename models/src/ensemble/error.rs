//! What can be wrong with an ensemble.

use crate::calibration::CalibrationError;
use crate::input::InputError;
use crate::linear::LinearError;
use crate::parameters::ParameterError;
use crate::split::SplitError;

/// An ensemble that cannot be fitted, loaded or applied.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// The arrays are not fit to learn from.
    #[error(transparent)]
    Input(#[from] InputError),
    /// linfa's own checks.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
    /// A member failed.
    #[error("member {member} failed: {source}")]
    Member { member: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// A member gave another number of values than rows, or one that is no probability or not finite.
    #[error(
        "member {member} gave {what}: a member gives one finite value a row, a probability in [0, 1] for a classifier"
    )]
    Answer { member: String, what: String },
    /// No members.
    #[error("an ensemble needs at least one member")]
    NoMembers,
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The rows cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The meta-model failed.
    #[error("the meta-model failed: {source}")]
    Meta { source: LinearError },
    /// The calibration failed.
    #[error("the calibration of the ensemble failed: {source}")]
    Calibration { source: CalibrationError },
    /// A stored ensemble that no fit could have written.
    #[error("the stored ensemble is damaged: {what}; fit it again or load an intact copy")]
    Damaged { what: &'static str },
}

impl EnsembleError {
    /// A member's own error, under its name.
    pub fn member(member: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Member { member: member.to_owned(), source: Box::new(source) }
    }
}
