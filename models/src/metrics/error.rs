//! What can be wrong with a judgement.

use crate::input::InputError;
use crate::parameters::ParameterError;

/// A metric that cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// The arrays are not fit to be judged.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A ratio whose denominator is zero.
    #[error("{metric} is undefined: {why}")]
    Undefined { metric: &'static str, why: &'static str },
    /// Too many bootstrap rounds drew a sample without both classes.
    #[error(
        "{failed} of {rounds} bootstrap rounds drew no sample that {metric} is defined on: too few entities ({entities}) \
         or positives to compare two models"
    )]
    TooFew { metric: &'static str, failed: usize, rounds: usize, entities: usize },
}
