//! Settings of forests, and their check.

use std::marker::PhantomData;

use super::model::Forest;
use crate::parameters::{ParameterError, guarded, range, setters};
use crate::tree::{Classifier, Limits, Regressor, Shape, Task, TreeError, shape_setters};

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

/// Settings that [`check`](linfa::ParamGuard::check) has not seen yet. The defaults: 100 trees of depth 10, a bootstrap for
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
}

setters! {
    ForestParams<K: Task> {
        /// How many trees.
        trees: usize,

        /// How many columns are tried for a split. Columns that are constant in a node do not count, and where none of
        /// those tried can be split the next are tried.
        mtry: Mtry,

        /// Whether each tree has its own bootstrap of the rows; otherwise all trees see all rows.
        bootstrap: bool,

        /// A split must lower the weighted sum of squares by more than this.
        min_gain: f64,

        /// Whether to predict every row by the trees that have not seen it.
        out_of_bag: bool,
    }
}

shape_setters!(ForestParams);

guarded!(ForestParams<K: Task> => ForestValidParams, TreeError);

impl<K: Task> ForestValidParams<K> {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        self.shape.check()?;
        range("trees", self.trees, "from 1 to 1048576", (1..=1 << 20).contains(&self.trees))?;
        range("min_gain", self.min_gain, "at least 0", self.min_gain >= 0.0 && self.min_gain.is_finite())?;
        range("out_of_bag", self.out_of_bag, "left out without `bootstrap`", self.bootstrap || !self.out_of_bag)?;
        match self.mtry {
            Mtry::Share(share) => range("mtry", share, "above 0 and at most 1", share > 0.0 && share <= 1.0)?,
            Mtry::Count(count) => range("mtry", count, "at least 1", count > 0)?,
            Mtry::All | Mtry::Sqrt => {}
        }
        Ok(())
    }

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
