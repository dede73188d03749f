//! Rows, targets and weights of a fit, checked once.

use std::borrow::Cow;

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use ndarray::{ArrayBase, ArrayView2, Data, Ix2};

use super::bins::MAX_BINS;
use super::error::TreeError;
use super::fixed::MAX_ROWS;
use super::task::Task;

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
        let targets = targets.to_slice().map_or_else(|| Cow::Owned(targets.to_vec()), Cow::Borrowed);
        let rows = x.nrows();
        if rows < 2 || x.ncols() == 0 {
            return Err(TreeError::TooFewRows { what: "the training set", rows: rows.min(x.len()), need: 2 });
        }
        if rows > MAX_ROWS {
            return Err(TreeError::TooManyRows { rows, limit: MAX_ROWS });
        }
        if targets.len() != rows {
            return Err(TreeError::Lengths { what: "the target", found: targets.len(), expected: rows });
        }
        K::check_targets(&targets)?;
        let weights = dataset.weights();
        if let Some(weights) = weights {
            check_weights(weights, rows)?;
        }
        if let Some((row, &value)) = targets.iter().enumerate().find(|(_, y)| y.abs() > LARGEST_TARGET) {
            return Err(TreeError::Target { row, value, need: "within 1e150 of 0: its square is needed" });
        }
        Ok(Self { x, targets, weights })
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

fn check_weights(weights: &[f32], rows: usize) -> Result<(), TreeError> {
    if weights.len() != rows {
        return Err(TreeError::Lengths { what: "the weights", found: weights.len(), expected: rows });
    }
    let wrong = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0);
    let none = weights.iter().all(|weight| *weight == 0.0).then_some(0);
    match wrong.or(none) {
        Some(row) => {
            let value = weights.get(row).map_or(f64::NAN, |weight| f64::from(*weight));
            Err(TreeError::Weight { row, value })
        }
        None => Ok(()),
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
    pub(crate) fn check(&self) -> Result<(), TreeError> {
        within("bins", self.bins, 2, MAX_BINS, "from 2 to 255")?;
        within("depth", self.depth, 1, 64, "from 1 to 64")?;
        within("min_samples", self.min_samples, 1, MAX_ROWS, "at least 1")?;
        within("threads", self.threads, 1, 1024, "from 1 to 1024")
    }
}

pub(crate) fn within(
    name: &'static str,
    value: usize,
    low: usize,
    high: usize,
    need: &'static str,
) -> Result<(), TreeError> {
    wanted(name, value, (low..=high).contains(&value), need)
}

pub(crate) fn wanted(
    name: &'static str,
    value: impl ToString,
    holds: bool,
    need: &'static str,
) -> Result<(), TreeError> {
    if holds { Ok(()) } else { Err(TreeError::Parameter { name, value: value.to_string(), need }) }
}
