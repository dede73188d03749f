//! Linear models: logistic regression and ridge, fitted on standardised columns, told on the original scale.

mod cholesky;
mod descent;
mod design;
mod error;
mod lbfgs;
mod logistic;
mod newton;
mod objective;
mod params;
mod ridge;
mod shap;
#[cfg(test)]
mod tests;

pub use error::LinearError;
pub use logistic::FittedLogistic;
pub use params::{LogisticParams, LogisticValidParams};
pub use ridge::{FittedRidge, RidgeParams, RidgeValidParams};
pub use shap::LinearContributions;

pub(crate) use newton::fit_plain;
pub(crate) use objective::sigmoid;
