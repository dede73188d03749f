//! Conformal prediction: intervals of a regressor that cover as often as they say, whatever the regressor.
//!
//! The only assumption is that the rows of the calibration and those to come are exchangeable. Calibration rows must not
//! have been learnt from.

mod error;
mod params;
mod quantile;
mod quantile_regression;
mod split;
#[cfg(test)]
mod tests;

pub use error::ConformalError;
pub use params::{ConformalParams, ConformalValidParams};
pub use quantile_regression::ConformalQuantiles;
pub use split::SplitConformal;

use ndarray::Array1;

/// Lower and upper ends, n_samples each, in units of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Lower ends.
    pub lower: Array1<f64>,
    /// Upper ends, never below the lower.
    pub upper: Array1<f64>,
}
