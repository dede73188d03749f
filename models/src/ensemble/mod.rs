//! Stacked ensembles over any set of models.
//!
//! A [`Learner`] fits on arrays and gives a [`Fitted`]: probabilities, and what each column contributed. The trees
//! implement both; so can any model. A stack fits every member on each fold's training rows, learns from the
//! out-of-fold log-odds how to weigh them, calibrates the result, and refits the members on all rows.

mod classifier;
mod error;
mod learner;
mod learners;
mod regressor;
mod scale;
#[cfg(test)]
mod tests;

pub use classifier::{MemberReport, StackParams, StackReport, StackValidParams, StackedClassifier};
pub use error::EnsembleError;
pub use learner::{Contributions, Fitted, FittedRegressor, Learner, RegressionLearner, Scale};
pub use learners::{EncodedLogistic, EncodedRidge, LogisticLearner, RidgeLearner};
pub use regressor::{RegressionStackReport, StackedRegressor};
