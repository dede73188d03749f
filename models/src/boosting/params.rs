//! Settings of boosting, and their check.

use linfa::ParamGuard;

use super::loss::Loss;
use super::model::Boosting;
use crate::tree::{Classifier, Limits, Regressor, Shape, Task, TreeError, wanted, within};

/// Checked settings.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingValidParams<K> {
    pub(super) task: K,
    pub(super) loss: Loss,
    pub(super) rounds: usize,
    pub(super) leaves: usize,
    pub(super) shrinkage: f64,
    pub(super) l2: f64,
    pub(super) min_hessian: f64,
    pub(super) min_gain: f64,
    pub(super) row_share: f64,
    pub(super) column_share: f64,
    pub(super) monotone: Vec<(usize, i8)>,
    pub(super) patience: Option<usize>,
    pub(super) histogram_bytes: usize,
    pub(super) shape: Shape,
}

/// Settings that [`check`](ParamGuard::check) has not seen yet. The defaults are LightGBM's: 100 rounds of 31 leaves,
/// shrinkage 0.1, 255 bins, at least 20 rows and a hessian of 0.001 in a leaf, no penalty, all rows, all columns, any
/// depth (up to 64).
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingParams<K>(BoostingValidParams<K>);

impl Boosting<Classifier> {
    /// Settings of a classifier: logistic loss.
    pub fn params() -> BoostingParams<Classifier> {
        BoostingParams::new(Loss::Logistic)
    }
}

impl Boosting<Regressor> {
    /// Settings of a regressor.
    pub fn params(loss: Loss) -> BoostingParams<Regressor> {
        BoostingParams::new(loss)
    }
}

impl<K: Task> BoostingParams<K> {
    fn new(loss: Loss) -> Self {
        let shape = Shape { bins: 255, depth: 64, min_samples: 20, categorical: Vec::new(), seed: 0, threads: 1 };
        Self(BoostingValidParams {
            task: K::default(),
            loss,
            rounds: 100,
            leaves: 31,
            shrinkage: 0.1,
            l2: 0.0,
            min_hessian: 1e-3,
            min_gain: 0.0,
            row_share: 1.0,
            column_share: 1.0,
            monotone: Vec::new(),
            patience: None,
            histogram_bytes: 256 << 20,
            shape,
        })
    }

    /// Most trees.
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.0.rounds = rounds;
        self
    }

    /// Most leaves of a tree, at least 2.
    pub fn leaves(mut self, leaves: usize) -> Self {
        self.0.leaves = leaves;
        self
    }

    /// Most splits between the root and a leaf.
    pub fn depth(mut self, depth: usize) -> Self {
        self.0.shape.depth = depth;
        self
    }

    /// What an output is multiplied with before it is added, above 0 and at most 1.
    pub fn shrinkage(mut self, shrinkage: f64) -> Self {
        self.0.shrinkage = shrinkage;
        self
    }

    /// Added to the hessian of every leaf.
    pub fn l2(mut self, l2: f64) -> Self {
        self.0.l2 = l2;
        self
    }

    /// Least rows of a leaf; a row counts once whatever its weight.
    pub fn min_samples(mut self, rows: usize) -> Self {
        self.0.shape.min_samples = rows;
        self
    }

    /// Least sum of hessians of a leaf.
    pub fn min_hessian(mut self, hessian: f64) -> Self {
        self.0.min_hessian = hessian;
        self
    }

    /// A split must gain more than this.
    pub fn min_gain(mut self, gain: f64) -> Self {
        self.0.min_gain = gain;
        self
    }

    /// Most bins of a column, missing not counted: from 2 to 255.
    pub fn bins(mut self, bins: usize) -> Self {
        self.0.shape.bins = bins;
        self
    }

    /// Each row takes part in a round with this probability.
    pub fn row_share(mut self, share: f64) -> Self {
        self.0.row_share = share;
        self
    }

    /// Share of the columns that a round may split, rounded up.
    pub fn column_share(mut self, share: f64) -> Self {
        self.0.column_share = share;
        self
    }

    /// Columns that hold codes: whole numbers without order.
    pub fn categorical(mut self, columns: impl Into<Vec<usize>>) -> Self {
        self.0.shape.categorical = columns.into();
        self
    }

    /// Columns with which the answer may only rise (1) or only fall (-1), all else equal.
    pub fn monotone(mut self, columns: impl Into<Vec<(usize, i8)>>) -> Self {
        self.0.monotone = columns.into();
        self
    }

    /// Stop when the loss of the validation set has not fallen for so many rounds, and keep the best of them.
    pub fn early_stopping(mut self, rounds: usize) -> Self {
        self.0.patience = Some(rounds);
        self
    }

    /// Memory for histograms of leaves that wait for their split, 256 MiB unless given: 4 KiB a column and leaf. Beyond
    /// it they are made again, which takes time and changes nothing.
    pub fn histogram_bytes(mut self, bytes: usize) -> Self {
        self.0.histogram_bytes = bytes;
        self
    }

    /// What all chance is drawn from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.shape.seed = seed;
        self
    }

    /// Threads of the fit. The model is the same for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.0.shape.threads = threads;
        self
    }
}

impl<K: Task> ParamGuard for BoostingParams<K> {
    type Checked = BoostingValidParams<K>;
    type Error = TreeError;

    fn check_ref(&self) -> Result<&Self::Checked, TreeError> {
        let given = &self.0;
        given.shape.check()?;
        given.loss.check()?;
        let is_logistic = given.loss == Loss::Logistic;
        wanted(
            "loss",
            format!("{:?}", given.loss),
            is_logistic == K::CLASSES,
            "one for numbers: logistic is for classes",
        )?;
        within("rounds", given.rounds, 1, 1_000_000, "at least 1")?;
        within("leaves", given.leaves, 2, 1 << 16, "from 2 to 65536")?;
        let share = |share: f64| share > 0.0 && share <= 1.0;
        wanted("shrinkage", given.shrinkage, share(given.shrinkage), "above 0 and at most 1")?;
        wanted("row_share", given.row_share, share(given.row_share), "above 0 and at most 1")?;
        wanted("column_share", given.column_share, share(given.column_share), "above 0 and at most 1")?;
        let penalty = |value: f64| value >= 0.0 && value.is_finite();
        wanted("l2", given.l2, penalty(given.l2), "at least 0")?;
        wanted("min_hessian", given.min_hessian, penalty(given.min_hessian), "at least 0")?;
        wanted("min_gain", given.min_gain, penalty(given.min_gain), "at least 0")?;
        within("early_stopping", given.patience.unwrap_or(1), 1, usize::MAX, "at least 1")?;
        for (column, direction) in &given.monotone {
            wanted("monotone", direction, matches!(direction, -1..=1), "1, 0 or -1 for each column")?;
            let free = *direction == 0 || !given.shape.categorical.contains(column);
            wanted("monotone", column, free, "of columns with an order: this one is categorical")?;
        }
        Ok(given)
    }

    fn check(self) -> Result<Self::Checked, TreeError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl<K> BoostingValidParams<K> {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            l2: self.l2,
            min_samples: self.shape.min_samples as u64,
            min_hessian: self.min_hessian,
            min_gain: self.min_gain,
            max_step: self.loss.max_step(),
        }
    }
}
