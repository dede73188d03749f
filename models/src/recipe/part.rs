//! Some rows of a training, as a training of their own.

use super::training::Training;
use super::{Frame, Kind, RecipeError};
use crate::split::{Fold, SplitError, grouped_folds, rolling_splits, stratified_folds, time_split, value_folds};
use ndarray::ArrayView1;

/// Where there is no time one row or entity of so many judges.
const HELD_OUT: usize = 4;

/// Some rows of a training: their columns stay in its table.
pub struct Part<'a> {
    frame: &'a Frame,
    places: Vec<usize>,
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
    entities: Option<Vec<u64>>,
    days: Option<Vec<i64>>,
}

impl<'a> Part<'a> {
    /// Those rows, in the order given.
    pub fn of(training: &Training<'a>, rows: &[usize]) -> Self {
        fn some<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|row| values.get(*row).copied()).collect()
        }
        Self {
            frame: training.frame,
            places: training.places.map_or_else(|| rows.to_vec(), |places| some(places, rows)),
            target: some(training.target, rows),
            weights: training.weights.map(|values| some(values, rows)),
            entities: training.entities.map(|values| some(values, rows)),
            days: training.days.map(|values| some(values, rows)),
        }
    }

    /// The part, with the seed, the threads and the horizon of the whole.
    pub fn training(&self, whole: &Training<'_>) -> Training<'_> {
        Training {
            frame: self.frame,
            places: Some(&self.places),
            target: &self.target,
            weights: self.weights.as_deref(),
            entities: self.entities.as_deref(),
            days: self.days.as_deref(),
            horizon_days: whole.horizon_days,
            seed: whole.seed,
            threads: whole.threads,
        }
    }

    /// A table of the rows alone.
    pub fn frame(&self) -> Frame {
        self.frame.select(&self.places)
    }

    pub(super) fn target(&self) -> ArrayView1<'_, f64> {
        ArrayView1::from(&self.target)
    }

    pub(super) fn weights(&self) -> Option<ArrayView1<'_, f64>> {
        self.weights.as_ref().map(|weights| ArrayView1::from(weights.as_slice()))
    }

    /// The entities, or each row by itself.
    pub(super) fn entities(&self) -> Vec<u64> {
        self.entities.clone().unwrap_or_else(|| (0..self.target.len() as u64).collect())
    }
}

impl Training<'_> {
    /// Rows to learn from and rows to judge by: before and from a day on, the label's horizon purged between (the last
    /// snapshot where no day is given); without days a quarter of the entities, or of the rows, is held out.
    pub(super) fn held_out(&self, kind: Kind, test_from: Option<i64>) -> Result<Fold, RecipeError> {
        let y = ArrayView1::from(self.target);
        let label = (kind == Kind::Classifier).then_some(y);
        let first = |folds: Vec<Fold>| folds.into_iter().next().ok_or(SplitError::Folds { folds: 0 });
        Ok(match (self.days, self.entities) {
            (Some(days), _) => match test_from {
                Some(day) => time_split(ArrayView1::from(days), day, self.horizon_days)?,
                None => first(rolling_splits(ArrayView1::from(days), 1, self.horizon_days)?)?,
            },
            (None, Some(entities)) => first(grouped_folds(ArrayView1::from(entities), label, HELD_OUT, self.seed)?)?,
            (None, None) if kind == Kind::Classifier => first(stratified_folds(y, HELD_OUT, self.seed)?)?,
            (None, None) => first(value_folds(self.target.len(), HELD_OUT, self.seed)?)?,
        })
    }
}
