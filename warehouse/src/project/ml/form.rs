//! The form of `sql/ml/<name>.yml`: what is learnt, from what, and where the scores go.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::project::located::Located;
use crate::project::model::Audit;

/// `sql/ml/<name>.yml`, or `sql/ml/<pack>/<name>.yml`, with no `.sql` beside it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlFile {
    /// The question the scores answer.
    #[serde(default)]
    pub description: String,
    /// `classifier` (will it happen?) or `regressor` (how much?).
    pub kind: MlKind,
    /// The column that names the entity in spine, features, label and value: `customer_id`.
    pub entity: Located<String>,
    /// The table of who is looked at and when: columns entity and `night` (DATE), nothing else is read of it. Its SQL
    /// gives the population at `$night`; training runs it for each snapshot.
    pub spine: Located<String>,
    /// The table of features, one row per entity and `night`. It reads the spine, itself or through other models;
    /// none of these may ask for `$night`: each row is a function of its own night.
    pub features: Located<String>,
    /// A condition on the columns of the features: `days_since_last_order < 365`. Rows of which it is not true are
    /// neither learnt from nor scored: what is asked makes no sense of them. Without it, the whole spine is scored.
    #[serde(default)]
    pub population: Option<Located<String>>,
    /// Columns of the features that are not learnt from. Entity and `night` never are.
    #[serde(default)]
    pub exclude: Vec<Located<String>>,
    /// A SELECT of entity, `night` and `label` over the spine. `$horizon` is the horizon as an INTERVAL of days, so that
    /// `night + $horizon` is the last day that counts. A label is a number; a classifier's is 0 or 1 (or BOOLEAN). NULL
    /// is `not known`: such rows are counted and left out.
    pub label: Located<String>,
    /// How far ahead the label looks. Only nights whose horizon has passed are learnt from.
    #[serde(default)]
    pub horizon: Horizon,
    /// The nights that are learnt from.
    #[serde(default)]
    pub snapshots: Snapshots,
    /// Learn from some of the entities; all are scored. Without it, all are learnt from.
    #[serde(default)]
    pub sample: Option<Sample>,
    /// The families that compete, each with the ranges its parameters are sought in.
    pub candidates: Vec<Candidate>,
    /// Which rows a candidate is judged on.
    #[serde(default)]
    pub split: Split,
    /// What candidates are compared by; by default `log_loss` of a classifier, `rmse` of a regressor.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// What must hold before a model is used.
    #[serde(default)]
    pub gate: Gate,
    /// Names for how likely it is, the highest first; a row gets the first tier that it reaches.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// What is at stake for each entity; `value_at_risk` is probability times this.
    #[serde(default)]
    pub value: Option<Value>,
    /// How a score is explained.
    #[serde(default)]
    pub reasons: Reasons,
    /// The table of scores: `ml.churn_scores`.
    pub output: Located<String>,
    /// Words to select the nodes by: `tag:daily`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What must hold of the scores before they are published, as in a model's yml.
    #[serde(default)]
    pub audits: Vec<Audit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MlKind {
    /// The label is 0 or 1, the score a probability.
    Classifier,
    /// The label is a number, the score its expectation.
    Regressor,
}

impl MlKind {
    /// As the yml writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Regressor => "regressor",
        }
    }
}

/// How far ahead the label looks: one of the two; without either, 0 days: the label is known at its night.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Horizon {
    /// So many days after the night.
    #[serde(default)]
    pub days: Option<Located<u32>>,
    /// A SELECT of one whole number of days, from the business's own figures.
    #[serde(default)]
    pub sql: Option<Located<String>>,
}

/// The nights that are learnt from: the last whose horizon has passed, and those whole months before it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// At most so many, 1 to 24; fewer where data begins later.
    #[serde(default = "snapshot_count")]
    pub count: Located<u32>,
    /// The first day that a snapshot may be of.
    #[serde(default)]
    pub begins: Option<NaiveDate>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { count: snapshot_count(), begins: None }
    }
}

fn snapshot_count() -> Located<u32> {
    Located::nowhere(24)
}

/// A sample of the entities, the same for the same seed: an entity is in it with all its nights or not at all.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// About so many entities.
    pub entities: Located<u64>,
    /// Another seed is another sample.
    #[serde(default)]
    pub seed: u64,
}

/// One family of models.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// `logistic`, `forest`, `boosting`, `ensemble`, `ridge`, …
    pub family: Located<String>,
    /// Parameters that are set.
    #[serde(default)]
    pub set: BTreeMap<String, f64>,
    /// Parameters that are sought, each within a range.
    #[serde(default)]
    pub search: BTreeMap<String, ParameterRange>,
}

/// From where to where a parameter is sought, ends included; by its logarithm where that is a factor of ten or more.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterRange {
    /// The least value.
    pub from: f64,
    /// The greatest value.
    pub to: f64,
}

/// Which rows a candidate is judged on.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `time` (the last snapshots, the horizon between them and those learnt from left out) or `entity` (some of the
    /// entities; for tables without time).
    #[serde(default)]
    pub by: SplitBy,
    /// How many of the last snapshots are tested on, by `time`.
    #[serde(default = "test_snapshots")]
    pub test_snapshots: Located<u32>,
    /// Share of the entities that is tested on, by `entity`.
    #[serde(default = "test_share")]
    pub test_share: Located<f64>,
}

impl Default for Split {
    fn default() -> Self {
        Self { by: SplitBy::default(), test_snapshots: test_snapshots(), test_share: test_share() }
    }
}

fn test_snapshots() -> Located<u32> {
    Located::nowhere(3)
}

fn test_share() -> Located<f64> {
    Located::nowhere(0.25)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Later nights than those learnt from.
    #[default]
    Time,
    /// Other entities than those learnt from.
    Entity,
}

/// What candidates are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// How well rows are put in order.
    Auc,
    /// How surprised the probabilities are by what came.
    LogLoss,
    /// Mean squared error of the probability.
    Brier,
    /// Root of the mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
}

impl Metric {
    /// As the yml writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
        }
    }

    /// Whether it judges a kind.
    pub fn judges(self, kind: MlKind) -> bool {
        matches!(self, Self::Rmse | Self::Mae) == (kind == MlKind::Regressor)
    }
}

/// What must hold before a model is used; where it does not, the champion stays.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// At least so many rows with a label.
    #[serde(default = "min_rows")]
    pub min_rows: u64,
    /// At least so many rows of either class.
    #[serde(default = "min_each_class")]
    pub min_each_class: u64,
    /// The test's metric is at least (`auc`) or at most (the others) this.
    #[serde(default)]
    pub metric: Option<f64>,
    /// Days between two judgements of challengers.
    #[serde(default = "week")]
    pub challenge_every_days: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self { min_rows: min_rows(), min_each_class: min_each_class(), metric: None, challenge_every_days: week() }
    }
}

fn min_rows() -> u64 {
    200
}

fn min_each_class() -> u64 {
    20
}

fn week() -> u32 {
    7
}

/// One tier: exactly one of the two bounds.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name: `high`.
    pub name: Located<String>,
    /// Scores of at least this.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The share of the entities with the highest scores: 0.1 is a tenth.
    #[serde(default)]
    pub top: Option<f64>,
}

/// What is at stake for each entity: exactly one of the two.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// A column of a table that has the entity's column too: `core.dim_customers.net_revenue`.
    #[serde(default)]
    pub column: Option<Located<String>>,
    /// A SELECT of entity and `value`.
    #[serde(default)]
    pub sql: Option<Located<String>>,
}

/// How a score is explained.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// How many reasons a row has, 0 to 10: the columns that moved its score most.
    #[serde(default = "reason_count")]
    pub count: Located<u32>,
    /// What a column means to a reader, by column; `{value}` stands for the row's value. Others are named.
    #[serde(default)]
    pub words: BTreeMap<String, Words>,
}

impl Default for Reasons {
    fn default() -> Self {
        Self { count: reason_count(), words: BTreeMap::new() }
    }
}

fn reason_count() -> Located<u32> {
    Located::nowhere(3)
}

/// A column in words.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In English.
    pub en: String,
    /// In Spanish.
    #[serde(default)]
    pub es: Option<String>,
}
