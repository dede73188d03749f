//! What boosting and forests share: bins, histograms, splits, trees, and reasons.
//!
//! A value is first a bin (one byte of at most 255, and one for missing), a row's gradient and hessian are whole numbers
//! in units of the largest (`fixed.rs`), and a histogram is their exact sum: the same bytes of a model for a seed
//! whatever the number of threads.

mod bins;
mod cuts;
mod error;
mod fixed;
mod grow;
mod histogram;
mod input;
mod lane;
mod model;
mod score;
mod shap;
mod split;
mod task;
mod team;
#[cfg(test)]
mod tests;

pub use bins::{Column, Columns, MAX_BINS, MAX_CODE};
pub use error::TreeError;
pub use task::{Classifier, Regressor, Task};

pub(crate) use bins::MISSING;
pub(crate) use fixed::{Cell, EMPTY, Moment, Scale, add};
pub(crate) use grow::{Grown, Growth, Lane, grow};
pub(crate) use histogram::{Cells, Histogram};
pub(crate) use input::{Sample, Shape, shape_setters};
pub(crate) use lane::{BinnedRows, Partition, rows_of};
pub(crate) use model::{Child, Leaf, Tree, importance};
pub(crate) use score::score;
pub(crate) use shap::contributions;
pub(crate) use split::{Bounds, Limits, Search, Set, Split, Splitting, Way, holds};
pub(crate) use team::Team;
