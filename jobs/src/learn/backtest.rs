//! A recipe on rows that it has not seen: later nights, or other entities where there is no time.

use models::metrics::{Metric, calibration_bins};
use models::recipe::{FittedModel, Recipe, fit};
use models::split::{Fold, grouped_folds, time_split};
use ndarray::{Array1, ArrayView1};
use serde_json::{Value, json};
use warehouse::learn::{LearnError, Training};
use warehouse::project::ml::MlKind;

use super::SEED;
use super::table::{Table, day_number};

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

/// What a recipe came to.
pub(super) struct Backtest {
    /// Metrics on the test rows, the node's own first.
    pub metrics: Vec<(Metric, f64)>,
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
        let (train, test) = (table.some(&cut.fold.train), table.some(&cut.fold.test));
        let model = fit(recipe, &train.rows()).map_err(|error| told(&error))?.with_threads(table.threads);
        let scores = model.score(&test.frame).map_err(|error| told(&error))?.values;
        let y = ArrayView1::from(&test.labels);
        let others: &[Metric] = match kind {
            MlKind::Classifier => &[Metric::RocAuc, Metric::LogLoss, Metric::Brier],
            MlKind::Regressor => &[Metric::Rmse, Metric::Mae],
        };
        let all = std::iter::once(metric).chain(others.iter().copied().filter(|other| *other != metric));
        let metrics = all.filter_map(|metric| Some((metric, metric.evaluate(y, scores.view(), None).ok()?)));
        Ok(Self {
            metrics: metrics.collect(),
            calibration: bins(kind, &y, &scores),
            importance: importance(&model),
            rows: test.labels.len(),
        })
    }

    /// The node's own metric.
    pub fn value(&self) -> Option<f64> {
        self.metrics.first().map(|(_, value)| *value)
    }

    /// One row a metric.
    pub fn report(&self, recipe: &Recipe) -> impl Iterator<Item = Value> {
        let (family, recipe, rows) = (recipe.family().name(), recipe.to_string(), self.rows);
        self.metrics.iter().map(move |(metric, value)| {
            json!({
                "role": "champion", "family": family, "recipe": recipe,
                "metric": metric.name(), "value": value, "rows": rows,
            })
        })
    }
}

fn bins(kind: MlKind, y: &ArrayView1<'_, f64>, scores: &Array1<f64>) -> Vec<Value> {
    if kind == MlKind::Regressor {
        return Vec::new();
    }
    let found = calibration_bins(y.view(), scores.view(), None, BINS).unwrap_or_default();
    let row = |(place, bin): (usize, &models::metrics::CalibrationBin)| {
        json!({
            "bin": place + 1, "rows": bin.weight.round() as u64,
            "mean_score": bin.predicted, "mean_label": bin.observed,
        })
    };
    found.iter().enumerate().map(row).collect()
}

/// Columns by what they weigh, the heaviest first.
pub(super) fn importance(model: &FittedModel) -> Vec<Value> {
    let mut found: Vec<_> = model.importance().iter().collect();
    found.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then_with(|| a.column.cmp(&b.column)));
    let row = |(place, column): (usize, &&models::recipe::Importance)| json!({ "column_name": column.column, "importance": column.contribution, "place": place + 1 });
    found.iter().enumerate().map(row).collect()
}
