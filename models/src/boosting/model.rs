//! A fitted boosting model: scores, probabilities, reasons.

use std::marker::PhantomData;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};
use serde::{Deserialize, Serialize};

use super::loss::Loss;
use crate::tree::{Classifier, Columns, Regressor, Task, Tree, TreeError, contributions, score};

/// A fitted sum of trees. Loading one checks it; nothing in it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", bound = "K: Task")]
pub struct Boosting<K: Task> {
    #[serde(skip)]
    pub(super) task: PhantomData<K>,
    pub(super) loss: Loss,
    pub(super) columns: Columns,
    /// The score before the first tree.
    pub(super) start: f64,
    pub(super) trees: Vec<Tree>,
    /// How it is computed, not what it is.
    #[serde(skip)]
    pub(super) threads: usize,
}

/// Boosting for classes 0 and 1.
pub type BoostingClassifier = Boosting<Classifier>;

/// Boosting for numbers.
pub type BoostingRegressor = Boosting<Regressor>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    loss: Loss,
    columns: Columns,
    start: f64,
    trees: Vec<Tree>,
}

impl<K: Task> TryFrom<Stored> for Boosting<K> {
    type Error = TreeError;

    fn try_from(stored: Stored) -> Result<Self, TreeError> {
        let Stored { loss, columns, start, trees } = stored;
        columns.check()?;
        loss.check()?;
        let refused = |place: String, problem| TreeError::Stored { place, problem };
        if (loss == Loss::Logistic) != K::CLASSES {
            return Err(refused("the loss".to_owned(), "is for another kind of target"));
        }
        if !start.is_finite() {
            return Err(refused("the start".to_owned(), "is not finite"));
        }
        for (number, tree) in trees.iter().enumerate() {
            tree.check(&columns).map_err(|problem| refused(format!("tree {number}"), problem))?;
        }
        Ok(Self { task: PhantomData, loss, columns, start, trees, threads: 1 })
    }
}

impl<K: Task> Boosting<K> {
    /// The same model, computed on so many threads. A loaded model uses one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many trees there are.
    pub fn rounds(&self) -> usize {
        self.trees.len()
    }

    /// What a fit of so many rounds gives, where this one has made as many.
    #[must_use]
    pub fn first(mut self, rounds: usize) -> Option<Self> {
        if self.trees.len() < rounds {
            return None;
        }
        self.trees.truncate(rounds);
        Some(self)
    }

    /// What it minimised.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Raw scores on the target's scale: probabilities, or expected values or quantiles.
    pub fn response(&self, raw: Array1<f64>) -> Array1<f64> {
        raw.mapv_into(|s| self.loss.response(s))
    }

    /// Its trees, shrunk.
    pub(crate) fn grown(&self) -> &[Tree] {
        &self.trees
    }

    /// The raw score before the first tree.
    pub(crate) fn start(&self) -> f64 {
        self.start
    }

    /// How values become bins; counts unseen codes.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The raw score of each row of `x` (rows x columns): log-odds, a number, or its logarithm, by the loss. NaN for
    /// every row where `x` has another number of columns than the fit.
    pub fn predict_raw(&self, x: &ArrayView2<f64>) -> Array1<f64> {
        score(&self.trees, &self.columns, x, self.start, self.threads).into()
    }

    /// Exact Shapley values of the raw score, path-dependent (Lundberg et al. 2020, algorithm 2): rows x (columns + 1).
    /// The last column is the expectation over the training rows; each row sums to its raw score.
    ///
    /// # Errors
    /// [`InputError::Columns`](crate::InputError) where `x` has another number of columns than the fit.
    pub fn contributions(&self, x: &ArrayView2<f64>) -> Result<Array2<f64>, TreeError> {
        contributions(&self.trees, &self.columns, x, (self.start, 1.0), self.threads)
    }

    /// Share of the gain of all splits that each column's have; all 0 where nothing was split.
    pub fn importance(&self) -> Array1<f64> {
        crate::tree::importance(&self.trees, self.columns.len())
    }
}

impl Boosting<Classifier> {
    /// The probability of class 1 for each row of `x` (rows x columns).
    pub fn predict_probabilities(&self, x: &ArrayView2<f64>) -> Array1<f64> {
        self.response(self.predict_raw(x))
    }
}

/// The class (1 where its probability is at least one half), or the expected value or quantile.
impl<K: Task, D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for Boosting<K> {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        *y = self.predict_raw(&x.view()).mapv_into(|s| match self.loss {
            Loss::Logistic if s.is_nan() => s,
            Loss::Logistic => f64::from(s >= 0.0),
            loss => loss.response(s),
        });
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
