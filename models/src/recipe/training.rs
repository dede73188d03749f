//! What a recipe learns from.

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use super::{Frame, Kind, Recipe, RecipeError};
use crate::input;
use crate::split::{Fold, grouped_folds, rolling_splits, stratified_folds, value_folds};

/// Fewest rows that a model is fitted on.
pub const LEAST_ROWS: usize = 50;

/// Rows under which ten folds are made unless the recipe says how many: the model of a fold then knows nearly what that
/// of all rows knows.
const FEW_ROWS: usize = 3000;

/// A table with its target, and what is known of its rows. Rows are taken in the order given: the same rows in another
/// order are another fit.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    pub(super) frame: &'a Frame,
    /// The rows of the table that are meant; all where there are none.
    pub(super) places: Option<&'a [usize]>,
    pub(super) target: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) entities: Option<&'a [u64]>,
    pub(super) days: Option<&'a [i64]>,
    pub(super) horizon_days: u32,
    pub(super) seed: u64,
    pub(super) threads: usize,
}

impl<'a> Training<'a> {
    /// Labels 0 and 1, or finite targets, one a row of the table. Seed 0, one thread.
    pub fn new(frame: &'a Frame, target: &'a [f64]) -> Self {
        let (places, weights, entities, days) = (None, None, None, None);
        Self { frame, places, target, weights, entities, days, horizon_days: 0, seed: 0, threads: 1 }
    }

    /// Weights, finite and not negative.
    #[must_use]
    pub fn weights(mut self, weights: &'a [f64]) -> Self {
        self.weights = Some(weights);
        self
    }

    /// The entity of each row, by any number.
    #[must_use]
    pub fn entities(mut self, entities: &'a [u64]) -> Self {
        self.entities = Some(entities);
        self
    }

    /// The snapshot's day of each row, and how many days its label looks ahead.
    #[must_use]
    pub fn days(mut self, days: &'a [i64], horizon_days: u32) -> Self {
        self.days = Some(days);
        self.horizon_days = horizon_days;
        self
    }

    /// As if all rows were of one time: other entities judge, not later days.
    #[must_use]
    pub fn without_days(mut self) -> Self {
        self.days = None;
        self
    }

    /// What all chance is drawn from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Threads. The model is the same for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// As many folds as the recipe says; where it leaves it open 5, or 10 of few rows with enough of each class.
    pub(super) fn folds_for(&self, recipe: &Recipe) -> usize {
        let given = recipe.whole("folds");
        if given > 0 {
            return given.max(2);
        }
        let rows = self.target.len();
        let positives = self.target.iter().filter(|label| **label == 1.0).count();
        let rarer = if recipe.kind() == Kind::Classifier { positives.min(rows - positives) } else { rows };
        if rows < FEW_ROWS && rarer >= LEAST_ROWS { 10 } else { 5 }
    }

    pub(super) fn check(&self, kind: Kind, folds: usize) -> Result<(), RecipeError> {
        let rows = self.places.map_or(self.frame.rows(), <[usize]>::len);
        let lengths = [
            ("the target", Some(self.target.len())),
            ("the weights", self.weights.map(<[f64]>::len)),
            ("the entities", self.entities.map(<[u64]>::len)),
            ("the days", self.days.map(<[i64]>::len)),
        ];
        for (what, found) in lengths {
            input::same_rows(what, found.unwrap_or(rows), rows)?;
        }
        let needed = LEAST_ROWS.max(2 * folds);
        if rows < needed {
            return Err(RecipeError::TooFewRows { rows, needed });
        }
        let y = ArrayView1::from(self.target);
        let weights = self.weights.map(ArrayView1::from);
        if kind == Kind::Regressor {
            input::finite("the target", &y)?;
            input::weight(rows, weights.as_ref())?;
            return Ok(());
        }
        input::two_classes(&y, weights.as_ref())?;
        let positives = self.target.iter().filter(|label| **label == 1.0).count();
        let needed = 2 * folds;
        for (label, found) in [(1, positives), (0, rows - positives)] {
            if found < needed {
                return Err(RecipeError::TooFewOfClass { label, found, rows, needed });
            }
        }
        Ok(())
    }

    /// Folds whose test rows calibration learns from: the last snapshots where there are days, each judged by what was
    /// known before it; else whole entities; else any rows.
    pub(super) fn folds(&self, kind: Kind, folds: usize) -> Result<(Vec<Fold>, FoldKind), RecipeError> {
        if let Some(found) = self.by_time(kind, folds) {
            return Ok((found, FoldKind::Time));
        }
        let y = ArrayView1::from(self.target);
        let label = (kind == Kind::Classifier).then_some(y);
        if let Some(entities) = self.entities
            && let Ok(found) = grouped_folds(ArrayView1::from(entities), label, folds, self.seed)
            && found.iter().all(|fold| self.teaches(kind, fold))
        {
            return Ok((found, FoldKind::Entity));
        }
        let found = match kind {
            Kind::Classifier => stratified_folds(y, folds, self.seed)?,
            Kind::Regressor => value_folds(self.target.len(), folds, self.seed)?,
        };
        Ok((found, FoldKind::Row))
    }

    fn by_time(&self, kind: Kind, folds: usize) -> Option<Vec<Fold>> {
        let days = ArrayView1::from(self.days?);
        // The more of the last snapshots can be judged, the better; each must leave something to learn from.
        (1..=folds).rev().find_map(|folds| {
            let found = rolling_splits(days, folds, self.horizon_days).ok()?;
            let sound = found.iter().all(|fold| self.teaches(kind, fold));
            let judged = found.iter().flat_map(|fold| &fold.test).copied().collect::<Vec<_>>();
            (sound && self.both_classes(kind, &judged)).then_some(found)
        })
    }

    /// Whether there is enough to learn from.
    fn teaches(&self, kind: Kind, fold: &Fold) -> bool {
        fold.train.len() >= LEAST_ROWS / 2 && !fold.test.is_empty() && self.both_classes(kind, &fold.train)
    }

    fn both_classes(&self, kind: Kind, rows: &[usize]) -> bool {
        let positives = rows.iter().filter(|row| self.target.get(**row) == Some(&1.0)).count();
        kind == Kind::Regressor || (positives >= 2 && rows.len() - positives >= 2)
    }

    pub(super) fn targets(&self) -> Array1<f64> {
        Array1::from(self.target.to_vec())
    }
}

/// What the folds were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldKind {
    /// The last snapshots, each predicted from what was known before it.
    Time,
    /// Whole entities.
    Entity,
    /// Rows, of each class in proportion.
    Row,
}
