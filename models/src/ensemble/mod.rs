//! Stacked ensembles over any set of models.
//!
//! A [`Learner`] fits on arrays and gives a [`Fitted`]: predictions, and what each column contributed. Every model of
//! this crate is one; so can be any other. A stack fits every member on each fold's training rows, learns from the
//! out-of-fold predictions how to weigh them, calibrates the result, and fits the members on all rows.

mod classifier;
mod error;
mod learner;
mod learners;
mod out_of_fold;
mod params;
mod regressor;
mod scale;
mod stack;
#[cfg(test)]
mod tests;

pub use classifier::{MemberReport, StackReport, StackedClassifier};
pub use error::EnsembleError;
pub use learner::{Contributions, Fitted, Learner, Rows, Scale, Settled};
pub use learners::{
    BoostingLearner, CountedRounds, EncodedBoosting, EncodedForest, EncodedLogistic, EncodedModel, EncodedRidge,
    EncodingLearner, ForestLearner, LogisticLearner, OfPrepared, OnPrepared, PreparedRows, RidgeLearner, SettledParams,
};
pub use params::{StackParams, StackValidParams};
pub use regressor::{RegressionStackReport, StackedRegressor};
pub use stack::{Stack, ValidStack};

pub(crate) use scale::NEAREST;
