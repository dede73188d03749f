//! A recipe on rows that it has not seen: later nights, or other entities where there is no time.

use models::metrics::{
    CalibrationBin, Comparison, Metric, MetricError, PairedBootstrap, PredictionBin, calibration_bins, lift_table,
    prediction_bins,
};
use models::recipe::{Part, Recipe, Scores, fit};
use models::split::{Fold, grouped_folds, time_split};
use ndarray::{Array1, ArrayView1};
use serde_json::{Value, json};
use warehouse::learn::{CHAMPION, LearnError, Training, lift_of};
use warehouse::project::ml::MlKind;

use super::table::{Table, day_number};
use super::{SEED, columns};

/// Bins of a reliability table.
const BINS: usize = 10;

/// Rows to learn from and rows to judge by.
pub(super) struct Cut {
    pub fold: Fold,
    /// The first day that judges, where later nights do.
    pub test_from: Option<i64>,
}

/// The last snapshots judge, the label's horizon purged before them: as many as are declared and leave something to
/// learn from.
///
/// # Errors
/// No cut leaves rows on both sides.
pub(super) fn cut(task: &Training, table: &Table) -> Result<Cut, LearnError> {
    if !table.by_time {
        let share = task.node.spec.split.test_share.value;
        let folds = ((1.0 / share).round() as usize).max(2);
        let labels = (task.node.spec.kind == MlKind::Classifier).then(|| ArrayView1::from(&table.labels));
        let folds = grouped_folds(ArrayView1::from(&table.entities), labels, folds, SEED);
        let first = folds.map_err(|error| LearnError::new(error.to_string()))?.into_iter().next();
        let fold = first.ok_or_else(|| LearnError::new("there are no entities to judge by"))?;
        return Ok(Cut { fold, test_from: None });
    }
    let mut nights: Vec<i64> = task.rows.nights.iter().map(|night| day_number(*night)).collect();
    nights.dedup();
    let most = task.node.spec.split.test_snapshots.value as usize;
    let cuts = (1..=most.min(nights.len())).rev().filter_map(|count| nights.get(nights.len() - count).copied());
    let sound = |fold: &Fold| two_classes(table, &fold.train) && two_classes(table, &fold.test);
    let days = ArrayView1::from(&table.days);
    let found = cuts.into_iter().find_map(|day| {
        let fold = time_split(days, day, table.horizon_days).ok().filter(sound)?;
        Some(Cut { fold, test_from: Some(day) })
    });
    found.ok_or_else(|| {
        LearnError::new(format!(
            "{} nights with labels {} days ahead leave nothing to learn from before a later night that judges — wait for more nights, shorten `horizon`, or write `split: {{ by: entity }}`",
            nights.len(),
            table.horizon_days
        ))
    })
}

fn two_classes(table: &Table, rows: &[usize]) -> bool {
    let mut labels = rows.iter().filter_map(|row| table.labels.get(*row));
    labels.next().is_some_and(|first| labels.any(|label| label != first))
}

/// Resamples of the entities by which a model is told from chance, and how likely a gain by chance may be.
const ROUNDS: usize = 500;
const LEVEL: f64 = 0.01;

/// What a recipe came to.
pub(super) struct Backtest {
    /// Metrics on the test rows, the node's own first.
    pub metrics: Vec<(Metric, f64)>,
    /// Against what is said without a look at any column; why it could not be compared.
    chance: Result<Comparison, String>,
    /// Lift of each tenth of the scores, the highest first; none where it cannot be told.
    lifts: Vec<f64>,
    pub calibration: Vec<Value>,
    pub importance: Vec<Value>,
    pub rows: usize,
}

impl Backtest {
    /// Fits a recipe on the rows before the cut and judges it on those after it.
    ///
    /// # Errors
    /// The recipe cannot be fitted on the rows before the cut.
    pub fn run(recipe: &Recipe, table: &Table, cut: &Cut, metric: Metric, kind: MlKind) -> Result<Self, LearnError> {
        let told = |error: &dyn std::fmt::Display| LearnError::new(format!("{recipe}: {error}"));
        let whole = table.rows();
        let train = Part::of(&whole, &cut.fold.train);
        let model = fit(recipe, &train.training(&whole)).map_err(|error| told(&error))?.with_threads(table.threads);
        let test = table.some(&cut.fold.test);
        let found = model.score(&test.frame).map_err(|error| told(&error))?;
        let (scores, y) = (&found.values, ArrayView1::from(&test.labels));
        let others: &[Metric] = match kind {
            MlKind::Classifier => &[Metric::RocAuc, Metric::LogLoss, Metric::Brier],
            MlKind::Regressor => &[Metric::Rmse, Metric::Mae],
        };
        let all = std::iter::once(metric).chain(others.iter().copied().filter(|other| *other != metric));
        let metrics = all.filter_map(|metric| Some((metric, metric.evaluate(y, scores.view(), None).ok()?)));
        Ok(Self {
            metrics: metrics.collect(),
            chance: over_chance(kind, &test, scores).map_err(|error| error.to_string()),
            lifts: lifts(kind, &y, scores),
            calibration: bins(kind, &y, &found),
            importance: columns::report(&model, &table.identifiers),
            rows: test.labels.len(),
        })
    }

    /// The node's own metric.
    pub fn value(&self) -> Option<f64> {
        self.metrics.first().map(|(_, value)| *value)
    }

    /// Why the model is of no use, where what it says may be chance.
    pub fn is_chance(&self) -> Option<String> {
        match &self.chance {
            Err(error) => Some(format!("whether it is better than chance cannot be told: {error}")),
            Ok(found) if found.p_better <= LEVEL => None,
            Ok(found) => Some(format!(
                "no better than chance on {} rows that it had not seen: {} {:.4}, p {:.4} — look whether each label stands beside its own entity, or add columns that tell something of it",
                self.rows,
                Metric::RocAuc.name(),
                found.challenger,
                found.p_better
            )),
        }
    }

    /// One row a metric, one a tenth's lift, and one of chance.
    pub fn report(&self, recipe: &Recipe) -> impl Iterator<Item = Value> {
        let (family, recipe, rows) = (recipe.family().name(), recipe.to_string(), self.rows);
        let metrics = self.metrics.iter().map(|(metric, value)| (metric.name().to_owned(), *value));
        let lifts = self.lifts.iter().enumerate().map(|(tenth, lift)| (lift_of(tenth + 1), *lift));
        let own = metrics.chain(lifts).map(move |(metric, value)| {
            json!({
                "role": CHAMPION, "family": family, "recipe": recipe, "metric": metric, "value": value, "rows": rows,
            })
        });
        let chance = self.chance.iter().map(move |found| {
            json!({ "role": "chance", "metric": Metric::RocAuc.name(), "value": found.champion, "rows": rows })
        });
        own.chain(chance)
    }
}

/// A model against one score for all rows, by the order it puts them in: a season may move every probability, and a few
/// large amounts any error, and leave the order right. A regressor must tell rows above the median from the others.
fn over_chance(kind: MlKind, test: &Table, scores: &Array1<f64>) -> Result<Comparison, MetricError> {
    let labels = match kind {
        MlKind::Classifier => test.labels.clone(),
        MlKind::Regressor => above_median(&test.labels),
    };
    let blind = Array1::from_elem(scores.len(), 0.5);
    let (y, entities) = (ArrayView1::from(&labels), ArrayView1::from(&test.entities));
    let bootstrap = PairedBootstrap::new(ROUNDS, SEED).threads(test.threads);
    bootstrap.compare(Metric::RocAuc, y, blind.view(), scores.view(), entities)
}

/// 1 for each value above the median, or at it where it is the greatest.
pub(super) fn above_median(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let is_greatest = sorted.last() == Some(&median);
    values.iter().map(|value| f64::from(u8::from(*value > median || (is_greatest && *value == median)))).collect()
}

/// Mean label of each tenth of the scores, the highest first, over that of all.
fn lifts(kind: MlKind, y: &ArrayView1<'_, f64>, scores: &Array1<f64>) -> Vec<f64> {
    match kind {
        MlKind::Classifier => {
            let parts = lift_table(y.view(), scores.view(), None, BINS).unwrap_or_default();
            parts.iter().map(|part| part.lift).collect()
        }
        MlKind::Regressor => {
            let tenths = prediction_bins(y.view(), scores.view(), None, BINS).unwrap_or_default();
            // Predictions that are all one are in one bin.
            let is_told = tenths.len() == BINS;
            let mean = y.mean().filter(|mean| is_told && *mean != 0.0);
            mean.map_or_else(Vec::new, |mean| tenths.iter().rev().map(|tenth| tenth.observed / mean).collect())
        }
    }
}

/// What was said and what came, by tenths of the test rows.
fn bins(kind: MlKind, y: &ArrayView1<'_, f64>, scores: &Scores) -> Vec<Value> {
    let row = |place: usize, rows: u64, said: f64, came: f64, coverage: Option<f64>| json!({ "bin": place + 1, "rows": rows, "mean_score": said, "mean_label": came, "coverage": coverage });
    match kind {
        MlKind::Classifier => {
            let found = calibration_bins(y.view(), scores.values.view(), None, BINS).unwrap_or_default();
            let of = |(place, bin): (usize, &CalibrationBin)| {
                row(place, bin.weight.round() as u64, bin.predicted, bin.observed, None)
            };
            found.iter().enumerate().map(of).collect()
        }
        MlKind::Regressor => {
            let intervals = scores.intervals.as_ref();
            let found = prediction_bins(y.view(), scores.values.view(), intervals, BINS).unwrap_or_default();
            let of = |(place, bin): (usize, &PredictionBin)| {
                row(place, bin.rows as u64, bin.predicted, bin.observed, bin.coverage)
            };
            found.iter().enumerate().map(of).collect()
        }
    }
}
