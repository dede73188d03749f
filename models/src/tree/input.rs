//! Rows, targets and weights of a fit, checked once.

use std::borrow::Cow;

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use ndarray::{ArrayBase, ArrayView2, Data, Ix2};

use super::bins::MAX_BINS;
use super::error::TreeError;
use super::fixed::MAX_ROWS;
use super::task::Task;
use crate::input;
use crate::parameters::{ParameterError, range};

const LARGEST_TARGET: f64 = 1e150;

/// What a fit reads.
pub(crate) struct Sample<'a> {
    pub(crate) x: ArrayView2<'a, f64>,
    pub(crate) targets: Cow<'a, [f64]>,
    /// linfa's weights are f32; none means 1 each.
    pub(crate) weights: Option<&'a [f32]>,
}

impl<'a> Sample<'a> {
    /// Checks that the parts of `dataset` describe the same rows and hold what `K` learns from.
    pub(crate) fn of<K: Task, D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>>(
        dataset: &'a DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<Self, TreeError> {
        let x = dataset.records().view();
        let targets = dataset.targets().as_single_targets();
        let rows = x.nrows();
        if rows < 2 || x.ncols() == 0 {
            return Err(TreeError::TooFewRows { what: "the training set", rows: rows.min(x.len()), need: 2 });
        }
        if rows > MAX_ROWS {
            return Err(TreeError::TooManyRows { rows, limit: MAX_ROWS });
        }
        input::same_rows("the target", targets.len(), rows)?;
        let weights = input::dataset_weights(&dataset.weights);
        K::check(&targets, weights.as_ref().map(|weights| weights.view()).as_ref())?;
        let targets = targets.to_slice().map_or_else(|| Cow::Owned(targets.to_vec()), Cow::Borrowed);
        if let Some((row, &value)) = targets.iter().enumerate().find(|(_, y)| y.abs() > LARGEST_TARGET) {
            return Err(TreeError::Target { row, value, need: "within 1e150 of 0: its square is needed" });
        }
        Ok(Self { x, targets, weights: dataset.weights() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.x.nrows()
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.and_then(|weights| weights.get(row)).map_or(1.0, |weight| f64::from(*weight))
    }

    /// Mean of the targets by weight.
    pub(crate) fn mean(&self) -> f64 {
        let (sum, weight) = self.targets.iter().enumerate().fold((0.0, 0.0), |(sum, weight), (row, y)| {
            let w = self.weight(row);
            (sum + w * y, weight + w)
        });
        sum / weight
    }
}

/// Settings that boosting and forests share, checked the same way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) bins: usize,
    pub(crate) depth: usize,
    pub(crate) min_samples: usize,
    pub(crate) categorical: Vec<usize>,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
}

impl Shape {
    pub(crate) fn check(&self) -> Result<(), ParameterError> {
        let Self { bins, depth, min_samples, threads, .. } = self;
        range("bins", bins, "from 2 to 255", (2..=MAX_BINS).contains(bins))?;
        range("depth", depth, "from 1 to 64", (1..=64).contains(depth))?;
        range("min_samples", min_samples, "at least 1", (1..=MAX_ROWS).contains(min_samples))?;
        range("threads", threads, "from 1 to 1024", (1..=1024).contains(threads))
    }
}

/// Setters of a [`Shape`], of parameters that have one.
macro_rules! shape_setters {
    ($params:ident) => {
        $crate::parameters::setters! {
            $params<K: Task> {
                /// Most splits between the root and a leaf.
                depth: usize => shape,

                /// Least rows of a leaf: for boosting each counts once whatever its weight, for forests as often as the
                /// bootstrap drew it.
                min_samples: usize => shape,

                /// Most bins of a column, missing not counted: from 2 to 255.
                bins: usize => shape,

                /// What all chance is drawn from.
                seed: u64 => shape,

                /// Threads of the fit. The model is the same for any number.
                threads: usize => shape,
            }
        }

        impl<K: Task> $params<K> {
            /// Columns that hold codes: whole numbers without order.
            #[must_use]
            pub fn categorical(mut self, columns: impl Into<Vec<usize>>) -> Self {
                self.0.shape.categorical = columns.into();
                self
            }
        }
    };
}

pub(crate) use shape_setters;
