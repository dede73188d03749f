//! What a run does with a node, and why: the same rule for `run` and for `plan`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::context::{RunContext, RunRequest};
use super::held::Hold;
use super::ml::{DECISION, of_training};
use super::state::NodeState;
use crate::graph::{Cut, Node, WindowedRead};
use crate::project::model::Materialized;
use crate::release::{LOOKUPS, Recipe, ReleasedTable};

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Compute and stage it.
    Build { why: String },
    /// Its released version is what a build would give.
    Keep { released: ReleasedTable },
    /// It is not selected, and a build would give something else: it stays, and is of the night that it was.
    Leave { released: ReleasedTable, why: String },
    /// A view stores nothing: its text goes out with the release.
    View,
    /// It stays at its last release, if it has one.
    Hold(Hold),
}

/// Among the inputs of a table's recipe: the run that made all its rows anew last, as it was asked to. Nothing else tells
/// its rows from those before.
const REFRESHED: &str = "$refreshed";

/// What a run is asked for, and by which name it is known.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub context: &'a RunContext,
    pub request: &'a RunRequest,
    /// The night that tables are built for.
    pub night: NaiveDate,
    pub run_id: &'a str,
}

impl Asked<'_> {
    fn selects(&self, node: &Node) -> bool {
        self.request.select.as_ref().is_none_or(|selection| selection.contains(&node.name))
    }

    /// What a node's rows depend on, given what identifies the rows of its inputs.
    pub fn recipe(
        &self,
        node: &Node,
        identities: &BTreeMap<String, String>,
        released: Option<&ReleasedTable>,
    ) -> Recipe {
        let identity = |input: &String| identities.get(input).cloned().unwrap_or_default();
        let decided = identities.get(&of_training(&node.name)).map(|number| (DECISION.to_owned(), number.clone()));
        let inputs = node.inputs.iter().map(|input| (input.clone(), identity(input))).chain(decided);
        let inputs = inputs.chain(self.looked_up(node, released)).chain(self.refreshed(node, released));
        Recipe {
            code: node.fingerprint.to_string(),
            night: self.asks_for_night(node).then_some(self.night),
            inputs: inputs.collect(),
        }
    }

    /// Of a table with lookups which these are.
    fn looked_up(&self, node: &Node, released: Option<&ReleasedTable>) -> Option<(String, String)> {
        let model = self.context.project.models.get(&node.name);
        let names: Vec<&str> =
            model.map(|model| model.spec.lookups()).unwrap_or_default().iter().map(|table| table.as_str()).collect();
        let had_any = released.is_some_and(|table| table.recipe.inputs.contains_key(LOOKUPS));
        (!names.is_empty() || had_any).then(|| (LOOKUPS.to_owned(), names.join(" ")))
    }

    /// Since when the rows of a table are what they are, where they were ever made anew by name: what reads it is to see
    /// that they may be others. A stage that ingests refreshes no table, and a view has no rows.
    fn refreshed(&self, node: &Node, released: Option<&ReleasedTable>) -> Option<(String, String)> {
        if node.materialized == Materialized::View {
            return None;
        }
        let is_refreshed = self.request.full_refresh && self.request.stage.is_none() && self.selects(node);
        let before = || released.and_then(|table| table.recipe.inputs.get(REFRESHED)).cloned();
        let by = if is_refreshed { Some(self.run_id.to_owned()) } else { before() };
        by.map(|by| (REFRESHED.to_owned(), by))
    }

    /// Whether the rows depend on the night itself: a history sees each night, a window is the same at any, but one that
    /// looks back, or has a row of a day of which nothing is read, comes with its night though nothing was delivered.
    fn asks_for_night(&self, node: &Node) -> bool {
        let has_each = || {
            self.context.resolved.windows.get(&node.name).is_some_and(|windowing| {
                windowing.cut == Cut::Each || windowing.reads.iter().any(WindowedRead::is_looked_back_on)
            })
        };
        match node.materialized {
            Materialized::Scd2 | Materialized::Nightly => true,
            Materialized::Incremental | Materialized::Merge => has_each(),
            Materialized::View | Materialized::Table => !node.parsed.parameters.is_empty(),
        }
    }
}

/// Decides on a node whose inputs are all decided.
pub(super) fn decision(
    node: &Node,
    states: &BTreeMap<String, NodeState>,
    released: Option<&ReleasedTable>,
    recipe: &Recipe,
    asked: Asked<'_>,
) -> Decision {
    if let Some(hold) = blocked(node, states) {
        return Decision::Hold(hold);
    }
    if node.materialized == Materialized::View {
        return Decision::View;
    }
    let (request, selected) = (asked.request, asked.selects(node));
    match released {
        None if !selected => Decision::Hold(Hold::NotSelected),
        None => Decision::Build { why: "it was never built".to_owned() },
        Some(table) if !selected => match recipe.differs_from(&table.recipe) {
            Some(why) => Decision::Leave { released: table.clone(), why: format!("not selected; {why}") },
            None => Decision::Keep { released: table.clone() },
        },
        Some(_) if request.full_refresh => Decision::Build { why: "a full refresh is asked for".to_owned() },
        Some(table) => match recipe.differs_from(&table.recipe) {
            Some(why) => {
                let otherwise = node.made_otherwise(&table.recipe.code);
                let told = |said: &str| format!("this version of buho makes it otherwise: {said}");
                Decision::Build { why: otherwise.map_or(why, told) }
            }
            None if node.materialized == Materialized::Scd2 && request.looks_back(recipe.night) => {
                Decision::Build { why: "its history is asked for earlier nights".to_owned() }
            }
            None => Decision::Keep { released: table.clone() },
        },
    }
}

/// Whether a node is not wholly of the night: it stays though a build would give other rows, or it reads what does.
pub(super) fn is_behind(node: &Node, decision: &Decision, behind: &BTreeSet<String>) -> bool {
    matches!(decision, Decision::Leave { .. }) || node.inputs.iter().any(|input| behind.contains(input))
}

/// Why a node cannot be built: the first of its inputs that failed or is held; what is wrong comes before what is
/// only not selected.
pub(super) fn blocked(node: &Node, states: &BTreeMap<String, NodeState>) -> Option<Hold> {
    let holds = node.inputs.iter().filter_map(|input| match states.get(input)? {
        NodeState::Failed { .. } => Some(Hold::Below { root: input.clone() }),
        NodeState::Held(hold) => Some(hold.of_what_reads(input)),
        _ => None,
    });
    holds.min_by_key(Hold::is_by_selection)
}
