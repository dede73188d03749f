//! What can be wrong with columns.

use crate::input::InputError;
use crate::parameters::ParameterError;

/// Columns that cannot be prepared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// The arrays do not fit together.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A column that tells the label.
    #[error(
        "column {column} ({name}) tells the label: every row of one class has one value. It was made from the label or \
         after it; take it out of the feature query"
    )]
    TellsLabel { column: usize, name: String },
    /// A category's code that is no whole number.
    #[error("column {column} ({name}) is categorical, but row {row} holds {value}: codes are whole numbers from 0")]
    Code { column: usize, name: String, row: usize, value: f64 },
    /// No column is left.
    #[error(
        "no column is left: all {columns} are constant, empty or identifiers; the feature query gives no information"
    )]
    NothingLeft { columns: usize },
    /// A stored encoder that no fit could have written.
    #[error("the stored encoder is damaged: {what}; fit it again or load an intact copy")]
    Damaged { what: String },
}
