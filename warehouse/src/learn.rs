//! What learns: the engine gives rows and takes a model's bytes, and does not know how.
//!
//! `buho` plugs its models in here; a test plugs in one of a few lines. The engine chooses the rows, keeps their order,
//! replaces rows by night, stages, audits and releases; what a recipe is, when a challenger is judged and what an artefact
//! holds is the learner's alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::project::ml::{MlNode, Section};

/// Part of what identifies a training: another version of it trains anew.
pub const LEARN_VERSION: u32 = 3;

/// Fits models and reads them back.
pub trait Learner: fmt::Debug + Send + Sync {
    /// What is wrong with a node's candidates: families and parameters that are not there. Asked before anything runs.
    fn faults(&self, node: &MlNode) -> Vec<CandidateFault>;

    /// The night's model: a new one, or none, with the reason. The rows are the learner's, to let go what it has turned
    /// into its own form.
    ///
    /// # Errors
    /// [`LearnError`] where the rows cannot be learnt from; the champion is kept then.
    fn train(&self, task: Training) -> Result<Verdict, LearnError>;

    /// Reads a model back.
    ///
    /// # Errors
    /// [`LearnError`] where the bytes are not one.
    fn open(&self, artefact: &[u8]) -> Result<Box<dyn Scorer>, LearnError>;
}

/// A model that was read back.
pub trait Scorer: Send + Sync {
    /// The scores of rows, in their order, each with its `reasons` strongest contributions.
    ///
    /// # Errors
    /// [`LearnError`] where a column is missing or of another type than it was learnt with.
    fn score(&self, features: &RecordBatch, reasons: usize) -> Result<Scored, LearnError>;
}

/// A candidate that the learner does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateFault {
    /// Place among the node's candidates.
    pub candidate: usize,
    /// What was found and what to write instead.
    pub message: String,
}

/// Why rows could not be learnt from, or a model not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LearnError {
    pub message: String,
}

impl LearnError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Rows that are learnt from, by night and entity, in that order.
#[derive(Debug, Clone)]
pub struct TrainingRows {
    /// The columns that are learnt from, in the order of the features' yml.
    pub features: RecordBatch,
    /// One number an entity: rows of the same entity have the same.
    pub entities: Vec<u32>,
    /// The night of each row.
    pub nights: Vec<NaiveDate>,
    /// The label of each row, finite; of a classifier 0 or 1.
    pub labels: Vec<f64>,
}

/// What a night is asked to learn.
#[derive(Debug, Clone)]
pub struct Training {
    pub node: Arc<MlNode>,
    pub night: NaiveDate,
    pub horizon_days: u32,
    pub rows: TrainingRows,
    /// How many entities the rows are a sample of; `None` where they are of all.
    pub sample_of: Option<u64>,
    /// Some of this night's rows, drawn by chance and with no look at a label, to see what drifted.
    pub tonight: RecordBatch,
    /// The same of the newest night that is learnt from; other entities where there are enough.
    pub newest: RecordBatch,
    /// The model of the night before.
    pub champion: Option<Champion>,
    /// Threads it may use; the result must not depend on it.
    pub threads: usize,
}

/// The model that the last night scored with.
#[derive(Debug, Clone)]
pub struct Champion {
    /// The night it was last written for.
    pub night: NaiveDate,
    pub version: String,
    /// As the learner wrote it, unless somebody promoted another.
    pub recipe: String,
    /// Whether somebody asked for this recipe: it ships, whatever it is compared with.
    pub is_promoted: bool,
    pub artefact: Vec<u8>,
    /// The report of the last night.
    pub report: serde_json::Value,
}

/// What a night learnt.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The model's bytes where a new one ships; `None` keeps the champion.
    pub artefact: Option<Vec<u8>>,
    /// Why it ships or not.
    pub reason: String,
    pub family: String,
    /// What it is fitted by, in the learner's own words.
    pub recipe: String,
    pub metric: String,
    /// The metric on the test rows; `None` where there were none.
    pub metric_value: Option<f64>,
    /// Rows of each heading, each an object with the columns of the heading's table.
    pub sections: BTreeMap<&'static str, Vec<serde_json::Value>>,
    /// What the learner wants to read back the night after.
    pub memory: serde_json::Value,
}

impl Verdict {
    /// The report as it is kept.
    pub(crate) fn report(&self) -> serde_json::Value {
        let mut report = serde_json::Map::new();
        for section in Section::ALL {
            let rows = self.sections.get(section.key()).cloned().unwrap_or_default();
            report.insert(section.key().to_owned(), rows.into());
        }
        report.insert(MEMORY.to_owned(), self.memory.clone());
        report.into()
    }
}

/// Where a report keeps what the learner wants to read back.
pub const MEMORY: &str = "memory";

/// Role of the night's own recipe among the backtests of a report.
pub const CHAMPION: &str = "champion";

/// What a report's backtest of the night's own recipe came to by a metric.
pub fn promised(report: &serde_json::Value, metric: &str) -> Option<f64> {
    let backtests = report.get(Section::Backtests.key())?.as_array()?;
    let says =
        |row: &serde_json::Value, key: &str, what: &str| row.get(key).and_then(serde_json::Value::as_str) == Some(what);
    let found = backtests.iter().find(|row| says(row, "role", CHAMPION) && says(row, "metric", metric))?;
    found.get("value")?.as_f64()
}

/// What backtests call the lift of a tenth of the scores, 1 the highest: its mean label over that of all.
pub fn lift_of(decile: usize) -> String {
    format!("lift_{decile}")
}

/// What a column measures, whatever the days it looks back: `orders` of `orders_90d` and of `orders_trend`.
pub fn family(column: &str) -> &str {
    let Some((stem, last)) = column.rsplit_once('_') else { return column };
    let days = last.strip_suffix('d').filter(|days| !days.is_empty());
    let is_window = days.is_some_and(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
    let is_one = !stem.is_empty() && (is_window || last == "trend");
    if is_one { stem } else { column }
}

/// Scores of rows, in their order.
#[derive(Debug, Clone, Default)]
pub struct Scored {
    /// Probability or prediction.
    pub scores: Vec<f64>,
    /// Ends of the interval, of a regressor that has one.
    pub intervals: Option<Vec<(f64, f64)>>,
    /// For each row its strongest reasons, strongest first.
    pub reasons: Vec<Vec<Reason>>,
}

/// What the columns of one [`family`] did to one score.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The one that did most of it: its place among the columns that are learnt from.
    pub column: usize,
    /// By how much all of them moved the score, on the model's linear scale.
    pub contribution: f64,
}

/// A learner that has no family: of an engine without models.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLearner;

impl Learner for NoLearner {
    fn faults(&self, node: &MlNode) -> Vec<CandidateFault> {
        let message = "this engine has no models — use the `buho` binary".to_owned();
        (0..node.spec.candidates.len())
            .map(|candidate| CandidateFault { candidate, message: message.clone() })
            .collect()
    }

    fn train(&self, _task: Training) -> Result<Verdict, LearnError> {
        Err(LearnError::new("this engine has no models"))
    }

    fn open(&self, _artefact: &[u8]) -> Result<Box<dyn Scorer>, LearnError> {
        Err(LearnError::new("this engine has no models"))
    }
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn a_family_is_a_column_without_the_days_it_looks_back() {
        let families = ["orders_90d", "orders_trend", "orders", "average_order_value_365d"].map(family);
        assert_eq!(families, ["orders", "orders", "orders", "average_order_value"]);
        let alone = ["days_since_last_order", "is_d", "d_", "_30d", "categories_x3d", "mean_gap_days"];
        assert_eq!(alone.map(family), alone);
    }
}
