//! Models that learn: `sql/ml/<name>.yml`, and the tables that each one makes.
//!
//! | table | rows | made from |
//! |---|---|---|
//! | `ml.<name>_training` | one a night: the model of that night, its report, its bytes | spine, features and label of past nights |
//! | the declared `output` | one an entity and night | that night's model and features |
//! | `ml.model_versions`, `ml.backtests`, … | what the reports of all models say | all training tables |
//! | `ml.outcomes` | scores held against what came | all scores and their labels |
//!
//! They are models of the project like any other: selected, planned, audited, released and rolled back as one.

mod check;
mod form;
mod shared;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::shared::shared_tables;
use self::tables::own_tables;
use super::model::Model;

pub use form::{
    Candidate, Gate, Horizon, Metric, MlFile, MlKind, ParameterRange, Reasons, Sample, Snapshots, Split, SplitBy, Tier,
    Value, Words,
};
pub use shared::Section;

pub(super) use check::{check, cross_check};
pub(super) use tables::{Made, made_model};

/// The column of features, spine, labels and scores that says which night a row is of.
pub const NIGHT_COLUMN: &str = "night";
/// The column of a label query that has the label.
pub const LABEL_COLUMN: &str = "label";
/// The column of a value query that has the value.
pub const VALUE_COLUMN: &str = "value";

/// An ML node's file, and where it was read from.
#[derive(Debug, Clone)]
pub struct MlNode {
    /// `churn` of `sql/ml/churn.yml`.
    pub name: String,
    pub pack: Option<String>,
    pub file: String,
    pub spec: MlFile,
}

impl MlNode {
    /// The table that keeps the models of all nights.
    pub fn training_table(&self) -> String {
        format!("ml.{}_training", self.name)
    }

    /// The columns that are learnt from, of those that the features have.
    pub fn learnt<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let left_out = |name: &str| {
            name == NIGHT_COLUMN
                || name == self.spec.entity.as_str()
                || self.spec.exclude.iter().any(|excluded| excluded.as_str() == name)
        };
        columns.into_iter().filter(|name| !left_out(name)).collect()
    }

    /// The rows of a table of features that are learnt from and scored, as what stands after FROM.
    pub fn population(&self, features: &str) -> String {
        match &self.spec.population {
            Some(condition) => format!("(SELECT * FROM {features} WHERE ({}\n))", condition.as_str()),
            None => features.to_owned(),
        }
    }

    /// Whether it learns from other nights than tonight.
    pub fn looks_back(&self) -> bool {
        let horizon = &self.spec.horizon;
        horizon.sql.is_some()
            || horizon.days.as_ref().is_some_and(|days| days.value > 0)
            || self.spec.snapshots.count.value > 1
    }

    /// The column of the scores that has the score.
    pub fn score_column(&self) -> &'static str {
        match self.spec.kind {
            MlKind::Classifier => "probability",
            MlKind::Regressor => "prediction",
        }
    }
}

/// What one table of an ML node is.
#[derive(Debug, Clone)]
pub enum MlRole {
    /// The models, one a night.
    Training(Arc<MlNode>),
    /// The scores of each night.
    Scores(Arc<MlNode>),
    /// What the reports of all models say under one heading.
    Report(Section),
    /// The scores of all nodes held against what came.
    Outcomes(Vec<Arc<MlNode>>),
}

impl MlRole {
    /// The word by which a run's report calls the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Training(_) => "training",
            Self::Scores(_) => "scores",
            Self::Report(_) => "ml report",
            Self::Outcomes(_) => "outcomes",
        }
    }
}

/// All tables that ML nodes make, of those whose features are among the models.
pub(crate) fn made_tables(nodes: &[Arc<MlNode>], models: &BTreeMap<String, Model>) -> Vec<Model> {
    let own = nodes.iter().filter_map(|node| Some(own_tables(node, models.get(node.spec.features.as_str())?)));
    own.flatten().chain(shared_tables(nodes)).collect()
}
