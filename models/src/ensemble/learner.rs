//! What a model must do to be a member.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::EnsembleError;
use crate::split::Fold;

/// The scale on which a model's contributions add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Log-odds: logistic regression, boosting with log-loss.
    LogOdds,
    /// Probability: a forest, which is a mean of trees.
    Probability,
    /// The target's own units: regressors.
    Value,
    /// Logarithm of the target: boosting with a Poisson or Tweedie loss.
    Logarithm,
}

/// What each column added to a prediction, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// What every row starts from.
    pub baseline: f64,
    /// (n_samples, n_features): a row sums to its raw score minus the baseline.
    pub values: Array2<f64>,
    /// The scale of both.
    pub scale: Scale,
}

/// Rows to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// (n_samples, n_features); NaN is missing.
    pub x: ArrayView2<'a, f64>,
    /// Labels 0 and 1, or finite targets.
    pub y: ArrayView1<'a, f64>,
    /// Finite, not negative; 1 each where there are none.
    pub weights: Option<ArrayView1<'a, f64>>,
}

/// Some rows, as rows of their own.
pub(super) struct Part {
    x: Array2<f64>,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
}

impl Part {
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { x: self.x.view(), y: self.y.view(), weights: self.weights.as_ref().map(|weights| weights.view()) }
    }
}

impl Rows<'_> {
    pub(super) fn part(&self, places: &[usize]) -> Part {
        let weights = self.weights.map(|weights| weights.select(Axis(0), places));
        Part { x: self.x.select(Axis(0), places), y: self.y.select(Axis(0), places), weights }
    }

    /// Fits some of the rows.
    ///
    /// # Errors
    /// Those of the learner.
    pub fn fit<F>(&self, learner: &dyn Learner<F>, rows: &[usize], seed: u64) -> Result<F, EnsembleError> {
        learner.fit(self.part(rows).rows(), seed)
    }
}

/// A kind of model with its parameters, for labels or for targets: a stack of classifiers takes learners whose models
/// answer with probabilities, a stack of regressors those that answer with values.
///
/// `F` is what it fits. The default takes any; an application that stores ensembles names its own enum of fitted models
/// here, serialisable, with a `From` for each: the learners of this crate implement `Learner<F>` for every such `F`.
pub trait Learner<F = Box<dyn Fitted>>: Send + Sync {
    /// A name, once in an ensemble.
    fn name(&self) -> &str;

    /// Fits the rows. The same seed gives the same model.
    ///
    /// # Errors
    /// [`EnsembleError::Member`] with the model's own error.
    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError>;

    /// Settles what only rows that are not learnt from can tell, such as the number of rounds, where there is something
    /// to settle.
    ///
    /// # Errors
    /// As [`Self::fit`].
    fn settle(&self, rows: Rows<'_>, folds: &[Fold], seed: u64) -> Result<Settled<'_, F>, EnsembleError> {
        let _ = (rows, folds, seed);
        Ok(Settled::default())
    }
}

/// What [`Learner::settle`] gives; by default nothing.
pub struct Settled<'a, F> {
    /// The learner to use instead, where there was something to settle.
    pub learner: Option<Box<dyn Learner<F> + 'a>>,
    /// What that learner fits on the training rows of the folds, in their order, where settling has made it already.
    pub of_folds: Vec<Option<F>>,
}

impl<F> Default for Settled<'_, F> {
    fn default() -> Self {
        Self { learner: None, of_folds: Vec::new() }
    }
}

/// A fitted model.
pub trait Fitted: Send + Sync {
    /// Probability of the label 1 of each row, in [0, 1]; of a regressor the expected target.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError>;

    /// The score that contributions add up to; the prediction itself unless said otherwise.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.predict(x)
    }

    /// What each column contributed, on the scale where contributions add up.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError>;
}

impl Fitted for Box<dyn Fitted> {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.as_ref().predict(x)
    }

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.as_ref().raw(x)
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        self.as_ref().contributions(x)
    }
}
