//! Random forests (Breiman 2001) on the bins and histograms of [`tree`](crate::tree).
//!
//! Every tree is grown on a bootstrap of the rows, every split is the best of a few columns drawn for it, and the
//! forest answers with the mean of its trees: the mean of the leaves' shares of class 1 (as scikit-learn does, and not
//! a vote), or of their mean targets. The gain of a split, `G_l^2/H_l + G_r^2/H_r - G^2/H` with G the sum of the
//! targets' deviations and H that of the weights, is the fall of the sum of squares; for targets 0 and 1 that is half
//! the fall of the Gini impurity.
//!
//! ```
//! use linfa::DatasetBase;
//! use linfa::traits::Fit;
//! use models::forest::ForestClassifier;
//! use ndarray::{Array1, Array2};
//!
//! let x = Array2::from_shape_fn((400, 2), |(row, column)| ((row * (column + 7)) % 101) as f64);
//! let y = Array1::from_shape_fn(400, |row| f64::from(x[[row, 0]] > 50.0));
//! let data = DatasetBase::new(x, y);
//! let forest = ForestClassifier::params().trees(50).out_of_bag(true).seed(7).fit(&data)?;
//! assert!(forest.out_of_bag().is_some_and(|estimate| estimate.squared_error < 0.05));
//! # Ok::<(), models::tree::TreeError>(())
//! ```

mod fit;
mod grow;
mod model;
mod params;
#[cfg(test)]
mod tests;

pub use model::{Forest, ForestClassifier, ForestRegressor, OutOfBag};
pub use params::{DEPTH, ForestParams, ForestValidParams, Mtry, TREES};
