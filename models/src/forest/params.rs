//! Settings of forests, and their check.

use std::marker::PhantomData;

use linfa::ParamGuard;

use super::model::Forest;
use crate::tree::{Classifier, Limits, Regressor, Shape, Task, TreeError, wanted, within};

/// How many columns are tried for a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mtry {
    All,
    /// The square root of their number, rounded down.
    Sqrt,
    /// This share of them, rounded down, at least one.
    Share(f64),
    Count(usize),
}

impl Mtry {
    pub(super) fn of(self, columns: usize) -> usize {
        let some = match self {
            Self::All => columns,
            Self::Sqrt => columns.isqrt(),
            Self::Share(share) => (share * columns as f64) as usize,
            Self::Count(count) => count,
        };
        some.clamp(1, columns.max(1))
    }
}

/// Checked settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestValidParams<K> {
    pub(super) task: PhantomData<K>,
    pub(super) trees: usize,
    pub(super) mtry: Mtry,
    pub(super) min_gain: f64,
    pub(super) bootstrap: bool,
    pub(super) out_of_bag: bool,
    pub(super) shape: Shape,
}

/// Settings that [`check`](ParamGuard::check) has not seen yet. The defaults: 100 trees of depth 10, a bootstrap for
/// each, leaves of at least one row, the square root of the columns for classes and all columns for numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestParams<K>(ForestValidParams<K>);

/// Trees of a forest, unless given.
pub const TREES: usize = 100;
/// Depth of a forest's trees, unless given.
pub const DEPTH: usize = 10;

impl Forest<Classifier> {
    /// Settings of a classifier.
    pub fn params() -> ForestParams<Classifier> {
        ForestParams::new(Mtry::Sqrt)
    }
}

impl Forest<Regressor> {
    /// Settings of a regressor.
    pub fn params() -> ForestParams<Regressor> {
        ForestParams::new(Mtry::All)
    }
}

impl<K: Task> ForestParams<K> {
    fn new(mtry: Mtry) -> Self {
        let shape = Shape { bins: 255, depth: DEPTH, min_samples: 1, categorical: Vec::new(), seed: 0, threads: 1 };
        Self(ForestValidParams {
            task: PhantomData,
            trees: TREES,
            mtry,
            min_gain: 0.0,
            bootstrap: true,
            out_of_bag: false,
            shape,
        })
    }

    /// How many trees.
    pub fn trees(mut self, trees: usize) -> Self {
        self.0.trees = trees;
        self
    }

    /// Most splits between the root and a leaf.
    pub fn depth(mut self, depth: usize) -> Self {
        self.0.shape.depth = depth;
        self
    }

    /// How many columns are tried for a split. Columns that are constant in a node do not count, and where none of
    /// those tried can be split the next are tried.
    pub fn mtry(mut self, mtry: Mtry) -> Self {
        self.0.mtry = mtry;
        self
    }

    /// Least rows of a leaf, counted as often as the bootstrap drew them.
    pub fn min_samples(mut self, rows: usize) -> Self {
        self.0.shape.min_samples = rows;
        self
    }

    /// A split must lower the weighted sum of squares by more than this.
    pub fn min_gain(mut self, gain: f64) -> Self {
        self.0.min_gain = gain;
        self
    }

    /// Most bins of a column, missing not counted: from 2 to 255.
    pub fn bins(mut self, bins: usize) -> Self {
        self.0.shape.bins = bins;
        self
    }

    /// Whether each tree has its own bootstrap of the rows; otherwise all trees see all rows.
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.0.bootstrap = bootstrap;
        self
    }

    /// Whether to predict every row by the trees that have not seen it.
    pub fn out_of_bag(mut self, wanted: bool) -> Self {
        self.0.out_of_bag = wanted;
        self
    }

    /// Columns that hold codes: whole numbers without order.
    pub fn categorical(mut self, columns: impl Into<Vec<usize>>) -> Self {
        self.0.shape.categorical = columns.into();
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

impl<K: Task> ParamGuard for ForestParams<K> {
    type Checked = ForestValidParams<K>;
    type Error = TreeError;

    fn check_ref(&self) -> Result<&Self::Checked, TreeError> {
        let given = &self.0;
        given.shape.check()?;
        within("trees", given.trees, 1, 1 << 20, "at least 1")?;
        wanted("min_gain", given.min_gain, given.min_gain >= 0.0 && given.min_gain.is_finite(), "at least 0")?;
        wanted("out_of_bag", given.out_of_bag, given.bootstrap || !given.out_of_bag, "left out without `bootstrap`")?;
        match given.mtry {
            Mtry::Share(share) => wanted("mtry", share, share > 0.0 && share <= 1.0, "above 0 and at most 1")?,
            Mtry::Count(count) => within("mtry", count, 1, usize::MAX, "at least 1")?,
            Mtry::All | Mtry::Sqrt => {}
        }
        Ok(given)
    }

    fn check(self) -> Result<Self::Checked, TreeError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl<K> ForestValidParams<K> {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            l2: 0.0,
            min_samples: self.shape.min_samples as u64,
            min_hessian: 0.0,
            min_gain: self.min_gain,
            max_step: f64::INFINITY,
        }
    }
}
