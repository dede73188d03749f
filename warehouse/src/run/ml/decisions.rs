//! What people asked of models: `_buho/models/<name>/<number>.json`, a chain of objects that are written once.
//!
//! A decision counts for the first night that is trained after it; that night's training row notes its number.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::project::Project;
use crate::run::error::RunError;
use crate::table::{Lake, TableError};

/// What was asked of models, by the node's name.
pub(in crate::run) type Decisions = BTreeMap<String, Decided>;

/// Among the inputs of a training's recipe: the number of the last decision.
pub(in crate::run) const DECISION: &str = "$decision";

/// The last decision on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct Decided {
    /// 1 is the first.
    pub number: u32,
    /// The version whose recipe is to be the champion's.
    pub version: String,
}

/// One decision, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `promote` or `rollback`.
    pub action: String,
    /// The version whose recipe is to be the champion's.
    pub version: String,
    pub at: DateTime<Utc>,
}

fn file(node: &str, number: u32) -> String {
    format!("_buho/models/{node}/{number:06}.json")
}

async fn read(lake: &Lake, node: &str, number: u32) -> Result<Option<Decision>, RunError> {
    let below = file(node, number);
    match lake.read(&below).await? {
        Some(found) => {
            serde_json::from_slice(&found).map(Some).map_err(|source| RunError::Form { what: below, source })
        }
        None => Ok(None),
    }
}

/// All decisions on a node, the first first.
///
/// # Errors
/// Where the lake cannot be read.
pub async fn decisions(lake: &Lake, node: &str) -> Result<Vec<Decision>, RunError> {
    let mut found = Vec::new();
    for number in 1.. {
        match read(lake, node, number).await? {
            Some(decision) => found.push(decision),
            None => break,
        }
    }
    Ok(found)
}

/// Writes a decision down after those there are.
///
/// # Errors
/// Where the lake cannot be written.
pub async fn decide(lake: &Lake, node: &str, decision: &Decision) -> Result<(), RunError> {
    let first = u32::try_from(decisions(lake, node).await?.len()).unwrap_or(u32::MAX).saturating_add(1);
    for number in first.. {
        let below = file(node, number);
        let body = serde_json::to_vec(decision).map_err(|source| RunError::Form { what: below.clone(), source })?;
        let path = lake.path(&below);
        if lake.create(&path, body).await.map_err(|error| TableError::write("a decision on a model", &path, error))? {
            break;
        }
    }
    Ok(())
}

/// The last decision on each node of a project.
pub(in crate::run) async fn standing(lake: &Lake, project: &Project) -> Result<Decisions, RunError> {
    let mut found = Decisions::new();
    for node in &project.ml {
        let all = decisions(lake, &node.name).await?;
        if let Some(last) = all.last() {
            let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
            found.insert(node.name.clone(), Decided { number, version: last.version.clone() });
        }
    }
    Ok(found)
}

/// The decisions among the identities that a run or a plan starts from: a training reads its own.
pub(in crate::run) fn identities(project: &Project, decisions: &Decisions) -> Vec<(String, String)> {
    let of = |node: &std::sync::Arc<crate::project::MlNode>| {
        let number = decisions.get(&node.name)?.number.to_string();
        Some((of_training(&node.training_table()), number))
    };
    project.ml.iter().filter_map(of).collect()
}

/// The name among the identities under which a training table finds its decision.
pub(in crate::run) fn of_training(table: &str) -> String {
    format!("{DECISION} {table}")
}
