//! What can be wrong with the input, the parameters or a stored model of the tree family.

use thiserror::Error;

use crate::input::InputError;
use crate::parameters::ParameterError;

/// Everything that boosting and forests refuse, with what to do about it.
#[derive(Debug, Error)]
pub enum TreeError {
    #[error(transparent)]
    Input(#[from] InputError),

    #[error(transparent)]
    Parameter(#[from] ParameterError),

    #[error("{what} has {rows} rows, at least {need} are needed: give more history, or skip the model tonight")]
    TooFewRows { what: &'static str, rows: usize, need: usize },

    #[error("{rows} rows are more than the {limit} that one fit can hold: draw a sample first")]
    TooManyRows { rows: usize, limit: usize },

    #[error("{what} names column {column}, but the features have {columns}: columns are counted from 0")]
    NoSuchColumn { what: &'static str, column: usize, columns: usize },

    #[error("the target of row {row} is {value}: it must be {need}")]
    Target { row: usize, value: f64, need: &'static str },

    #[error("column {column} is categorical, but row {row} has {value}: codes are whole numbers from 0 to {limit}")]
    Category { column: usize, row: usize, value: f64, limit: u32 },

    #[error("scores of round {round} are no longer finite: lower `shrinkage`, or scale the target down")]
    Diverged { round: usize },

    #[error("the stored model is refused: {place} {problem}; fit it again")]
    Stored { place: String, problem: &'static str },

    #[error("a worker thread ended before its work")]
    Worker,

    #[error(transparent)]
    Linfa(#[from] linfa::error::Error),
}
