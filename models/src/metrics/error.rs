//! What can be wrong with a judgement.

use crate::input::InputError;

/// A metric that cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// The arrays are not fit to be judged.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter outside its range.
    #[error("{parameter} is {value}: it must be {must}")]
    Parameter { parameter: &'static str, value: f64, must: &'static str },
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

pub(super) fn range(parameter: &'static str, value: f64, must: &'static str, holds: bool) -> Result<(), MetricError> {
    if holds { Ok(()) } else { Err(MetricError::Parameter { parameter, value, must }) }
}
