//! Settings of boosting, and their check.

use super::loss::Loss;
use super::model::Boosting;
use crate::parameters::{ParameterError, guarded, range, setters};
use crate::tree::{Classifier, Limits, Regressor, Shape, Task, TreeError, shape_setters};

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

/// Settings that [`check`](linfa::ParamGuard::check) has not seen yet. The defaults are LightGBM's: 100 rounds of 31 leaves,
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

    /// Columns with which the answer may only rise (1) or only fall (-1), all else equal.
    #[must_use]
    pub fn monotone(mut self, columns: impl Into<Vec<(usize, i8)>>) -> Self {
        self.0.monotone = columns.into();
        self
    }

    /// Stop when the loss of the validation set has not fallen for so many rounds, and keep the best of them.
    #[must_use]
    pub fn early_stopping(mut self, rounds: usize) -> Self {
        self.0.patience = Some(rounds);
        self
    }
}

setters! {
    BoostingParams<K: Task> {
        /// Most trees.
        rounds: usize,

        /// Most leaves of a tree, at least 2.
        leaves: usize,

        /// What an output is multiplied with before it is added, above 0 and at most 1.
        shrinkage: f64,

        /// Added to the hessian of every leaf.
        l2: f64,

        /// Least sum of hessians of a leaf.
        min_hessian: f64,

        /// A split must gain more than this.
        min_gain: f64,

        /// Each row takes part in a round with this probability.
        row_share: f64,

        /// Share of the columns that a round may split, rounded up.
        column_share: f64,

        /// Memory for histograms of leaves that wait for their split, 256 MiB unless given: 4 KiB a column and leaf. Beyond
        /// it they are made again, which takes time and changes nothing.
        histogram_bytes: usize,
    }
}

shape_setters!(BoostingParams);

guarded!(BoostingParams<K: Task> => BoostingValidParams, TreeError);

impl<K: Task> BoostingValidParams<K> {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        self.shape.check()?;
        self.loss.check()?;
        let fits = (self.loss == Loss::Logistic) == K::CLASSES;
        range("loss", format!("{:?}", self.loss), "one for numbers: logistic is for classes", fits)?;
        range("rounds", self.rounds, "from 1 to 1000000", (1..=1_000_000).contains(&self.rounds))?;
        range("leaves", self.leaves, "from 2 to 65536", (2..=1 << 16).contains(&self.leaves))?;
        let share = |share: f64| share > 0.0 && share <= 1.0;
        range("shrinkage", self.shrinkage, "above 0 and at most 1", share(self.shrinkage))?;
        range("row_share", self.row_share, "above 0 and at most 1", share(self.row_share))?;
        range("column_share", self.column_share, "above 0 and at most 1", share(self.column_share))?;
        let penalty = |value: f64| value >= 0.0 && value.is_finite();
        range("l2", self.l2, "at least 0", penalty(self.l2))?;
        range("min_hessian", self.min_hessian, "at least 0", penalty(self.min_hessian))?;
        range("min_gain", self.min_gain, "at least 0", penalty(self.min_gain))?;
        range("early_stopping", 0, "at least 1", self.patience != Some(0))?;
        for (column, direction) in &self.monotone {
            range("monotone", direction, "1, 0 or -1 for each column", matches!(direction, -1..=1))?;
            let free = *direction == 0 || !self.shape.categorical.contains(column);
            range("monotone", column, "of columns with an order: this one is categorical", free)?;
        }
        Ok(())
    }

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
