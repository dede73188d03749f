//! What can be wrong with a linear fit.

use crate::input::InputError;
use crate::parameters::ParameterError;

/// A linear model that cannot be fitted, loaded or applied.
#[derive(Debug, thiserror::Error)]
pub enum LinearError {
    /// The arrays are not fit to learn from.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The loss overflowed.
    #[error(
        "the loss is not finite after {iterations} iterations: scale the columns, drop extreme values or raise `penalty`"
    )]
    Diverged { iterations: usize },
    /// A stored model that no fit could have written.
    #[error("the stored model is damaged: {what}; fit it again or load an intact copy")]
    Damaged { what: String },
    /// linfa's own checks.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

impl LinearError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
