//! Gradient boosting of histogram trees, grown leaf by leaf.
//!
//! Round m adds to the score of every row the output of a tree fitted to the loss's gradients and hessians there
//! (Friedman 2001, algorithm 1, with the second-order outputs of Chen & Guestrin 2016, equation 5):
//! `s_m(x) = s_{m-1}(x) + shrinkage * w_leaf(x)`, `w = -G / (H + l2)`.
//!
//! ```
//! use linfa::DatasetBase;
//! use linfa::traits::{Fit, Predict};
//! use models::boosting::BoostingClassifier;
//! use ndarray::{Array1, Array2};
//!
//! let x = Array2::from_shape_fn((400, 2), |(row, column)| ((row * (column + 7)) % 101) as f64);
//! let y = Array1::from_shape_fn(400, |row| f64::from(x[[row, 0]] > 50.0));
//! let data = DatasetBase::new(x, y);
//! let model = BoostingClassifier::params().rounds(20).seed(7).fit(&data)?;
//! let p = model.predict_probabilities(&data.records().view());
//! assert!(p.iter().zip(data.targets()).all(|(p, y)| (p - y).abs() < 0.5));
//! # Ok::<(), models::tree::TreeError>(())
//! ```

mod fit;
mod lane;
mod loss;
mod model;
mod params;
#[cfg(test)]
mod tests;

pub use loss::Loss;
pub use model::{Boosting, BoostingClassifier, BoostingRegressor};
pub use params::{BoostingParams, BoostingValidParams};
