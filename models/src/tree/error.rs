//! What can be wrong with the input, the parameters or a stored model of the tree family.

use thiserror::Error;

/// Everything that boosting and forests refuse, with what to do about it.
#[derive(Debug, Error)]
pub enum TreeError {
    #[error("parameter `{name}` is {value}: it must be {need}")]
    Parameter { name: &'static str, value: String, need: &'static str },

    #[error("{what} has {rows} rows, at least {need} are needed: give more history, or skip the model tonight")]
    TooFewRows { what: &'static str, rows: usize, need: usize },

    #[error("{rows} rows are more than the {limit} that one fit can hold: draw a sample first")]
    TooManyRows { rows: usize, limit: usize },

    #[error("{what} has {found} entries where the features have {expected} rows: both must describe the same rows")]
    Lengths { what: &'static str, found: usize, expected: usize },

    #[error("the features have {found} columns, {expected} are expected: give the columns of the fit, in their order")]
    Columns { found: usize, expected: usize },

    #[error("{what} names column {column}, but the features have {columns}: columns are counted from 0")]
    NoSuchColumn { what: &'static str, column: usize, columns: usize },

    #[error("the target of row {row} is {value}: it must be {need}")]
    Target { row: usize, value: f64, need: &'static str },

    #[error("all {rows} targets are {class}: a classifier needs rows of both classes")]
    OneClass { class: f64, rows: usize },

    #[error("the weight of row {row} is {value}: weights are finite and not negative, and some are above 0")]
    Weight { row: usize, value: f64 },

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
