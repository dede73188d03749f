//! A fitted forest: probabilities, means, reasons.

use std::marker::PhantomData;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};
use serde::{Deserialize, Serialize};

use crate::tree::{Classifier, Columns, Regressor, Task, Tree, TreeError, contributions, importance, score};

/// A fitted mean of trees. Loading one checks it; nothing in it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", bound = "K: Task")]
pub struct Forest<K: Task> {
    #[serde(rename = "classes", serialize_with = "classes::<K, _>")]
    pub(super) task: PhantomData<K>,
    pub(super) columns: Columns,
    pub(super) trees: Vec<Tree>,
    pub(super) out_of_bag: Option<OutOfBag>,
    /// How it is computed, not what it is.
    #[serde(skip)]
    pub(super) threads: usize,
}

/// A forest for classes 0 and 1.
pub type ForestClassifier = Forest<Classifier>;

/// A forest for numbers.
pub type ForestRegressor = Forest<Regressor>;

/// What the trees say of training rows that they have not seen (Breiman 2001, section 3.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutOfBag {
    /// Rows that at least one tree has not seen.
    pub rows: usize,
    /// Mean over them of the squared difference from the target, by weight: the Brier score for classes.
    pub squared_error: f64,
    /// For each training row, NaN where every tree has seen it. Not stored with the model.
    #[serde(skip)]
    pub predictions: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    classes: bool,
    columns: Columns,
    trees: Vec<Tree>,
    out_of_bag: Option<OutOfBag>,
}

fn classes<K: Task, S: serde::Serializer>(_: &PhantomData<K>, to: S) -> Result<S::Ok, S::Error> {
    K::CLASSES.serialize(to)
}

impl<K: Task> TryFrom<Stored> for Forest<K> {
    type Error = TreeError;

    fn try_from(stored: Stored) -> Result<Self, TreeError> {
        let Stored { classes, columns, trees, out_of_bag } = stored;
        columns.check()?;
        let refused = |place: String, problem| TreeError::Stored { place, problem };
        if classes != K::CLASSES {
            return Err(refused("the forest".to_owned(), "is for another kind of target"));
        }
        if trees.is_empty() {
            return Err(refused("the forest".to_owned(), "has no tree"));
        }
        for (number, tree) in trees.iter().enumerate() {
            let place = || format!("tree {number}");
            tree.check(&columns).map_err(|problem| refused(place(), problem))?;
            if classes && tree.leaves.iter().any(|leaf| !(0.0..=1.0).contains(&leaf.value)) {
                return Err(refused(place(), "has a leaf that is no probability"));
            }
        }
        Ok(Self { task: PhantomData, columns, trees, out_of_bag, threads: 1 })
    }
}

impl<K: Task> Forest<K> {
    /// The same model, computed on so many threads. A loaded model uses one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The trees themselves.
    pub(crate) fn grown(&self) -> &[Tree] {
        &self.trees
    }

    /// How values become bins; counts unseen codes.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The estimate of the fit, where it was asked for.
    pub fn out_of_bag(&self) -> Option<&OutOfBag> {
        self.out_of_bag.as_ref()
    }

    /// The mean of the trees for each row of `x` (rows x columns). NaN for every row where `x` has another number of
    /// columns than the fit.
    pub fn predict_raw(&self, x: &ArrayView2<f64>) -> Array1<f64> {
        Array1::from(score(&self.trees, &self.columns, x, 0.0, self.threads)) / self.trees.len() as f64
    }

    /// Exact Shapley values of the mean of the trees, path-dependent (Lundberg et al. 2020, algorithm 2):
    /// rows x (columns + 1). The last column is the expectation; each row sums to [`predict_raw`](Self::predict_raw).
    ///
    /// # Errors
    /// [`InputError::Columns`](crate::InputError) where `x` has another number of columns than the fit.
    pub fn contributions(&self, x: &ArrayView2<f64>) -> Result<Array2<f64>, TreeError> {
        contributions(&self.trees, &self.columns, x, (0.0, 1.0 / self.trees.len() as f64), self.threads)
    }

    /// Share of the gain of all splits that each column's have; all 0 where nothing was split.
    pub fn importance(&self) -> Array1<f64> {
        importance(&self.trees, self.columns.len())
    }
}

impl Forest<Classifier> {
    /// The probability of class 1 for each row of `x` (rows x columns).
    pub fn predict_probabilities(&self, x: &ArrayView2<f64>) -> Array1<f64> {
        self.predict_raw(x)
    }
}

/// The class (1 where its probability is at least one half), or the expected value.
impl<K: Task, D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for Forest<K> {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        let raw = self.predict_raw(&x.view());
        *y = if K::CLASSES { raw.mapv_into(|p| if p.is_nan() { p } else { f64::from(p >= 0.5) }) } else { raw };
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
