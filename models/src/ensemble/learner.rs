//! What a model must do to be a member.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::EnsembleError;

/// The scale on which a model's contributions add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Log-odds: logistic regression, boosting with log-loss.
    LogOdds,
    /// Probability: a forest, which is a mean of trees.
    Probability,
    /// The target's own units: regressors.
    Value,
}

/// What each column added to a prediction, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// What every row starts from.
    pub baseline: f64,
    /// (n_samples, n_features): a row sums to its prediction on `scale` minus the baseline.
    pub values: Array2<f64>,
    /// The scale of both.
    pub scale: Scale,
}

/// A kind of classifier with its parameters.
///
/// `F` is what it fits. The default takes any; an application that stores ensembles names its own enum of fitted models
/// here, serialisable, with a `From` for each: the learners of this crate implement `Learner<F>` for every such `F`.
pub trait Learner<F = Box<dyn Fitted>>: Send + Sync {
    /// A name, once in an ensemble.
    fn name(&self) -> &str;

    /// Fits `x` (n_samples, n_features; NaN is missing) to labels 0 and 1. The same seed gives the same model.
    ///
    /// # Errors
    /// [`EnsembleError::Member`] with the model's own error.
    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        seed: u64,
    ) -> Result<F, EnsembleError>;
}

/// A fitted classifier.
pub trait Fitted: Send + Sync {
    /// Probability of the label 1 of each row, in [0, 1].
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn probabilities(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError>;

    /// What each column contributed, on the scale where contributions add up.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError>;
}

impl Fitted for Box<dyn Fitted> {
    fn probabilities(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.as_ref().probabilities(x)
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        self.as_ref().contributions(x)
    }
}

/// A kind of regressor with its parameters. As [`Learner`].
pub trait RegressionLearner<F = Box<dyn FittedRegressor>>: Send + Sync {
    /// A name, once in an ensemble.
    fn name(&self) -> &str;

    /// Fits `x` (n_samples, n_features; NaN is missing) to finite targets. The same seed gives the same model.
    ///
    /// # Errors
    /// [`EnsembleError::Member`] with the model's own error.
    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        seed: u64,
    ) -> Result<F, EnsembleError>;
}

/// A fitted regressor.
pub trait FittedRegressor: Send + Sync {
    /// Expected target of each row.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn values(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError>;

    /// What each column contributed, in units of the target.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError>;
}

impl FittedRegressor for Box<dyn FittedRegressor> {
    fn values(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.as_ref().values(x)
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        self.as_ref().contributions(x)
    }
}
