//! Which rows are learnt from and which judge.

mod error;
mod folds;
mod out_of_fold;
#[cfg(test)]
mod tests;
mod time;

pub use error::SplitError;
pub use folds::{grouped_folds, stratified_folds, value_folds};
pub use out_of_fold::{OutOfFold, out_of_fold};
pub use time::{rolling_splits, time_split};

use serde::{Deserialize, Serialize};

/// Rows to learn from and rows to judge by, each in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to judge by.
    pub test: Vec<usize>,
}
