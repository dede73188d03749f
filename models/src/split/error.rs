//! What can be wrong with a split.

use crate::input::InputError;

/// Rows that cannot be split.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// The arrays do not fit together.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Fewer than two folds.
    #[error("{folds} folds are asked for: at least 2 are needed")]
    Folds { folds: usize },
    /// A class or the groups cannot fill the folds.
    #[error("{found} {what} cannot fill {folds} folds: ask for fewer folds or widen the period")]
    TooFew { what: &'static str, found: usize, folds: usize },
    /// No row is old enough to learn from, or new enough to judge by.
    #[error(
        "a test from day {test_from} with a horizon of {horizon_days} days leaves {train} rows to learn from and {test} \
         to judge by: test later or widen the period"
    )]
    NoRows { test_from: i64, horizon_days: u32, train: usize, test: usize },
}
