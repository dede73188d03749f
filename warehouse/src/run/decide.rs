//! What a run does with a node, and why: the same rule for `run` and for `plan`.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::context::RunRequest;
use super::held::Hold;
use super::ml::{DECISION, of_training};
use super::state::NodeState;
use crate::graph::Node;
use crate::project::model::Materialized;
use crate::release::{Recipe, ReleasedTable};

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Compute and stage it.
    Build { why: String },
    /// Its released version is what a build would give, or it is not selected.
    Keep { released: ReleasedTable },
    /// A view stores nothing: its text goes out with the release.
    View,
    /// It stays at its last release, if it has one.
    Hold(Hold),
}

/// What a node's rows depend on, given what identifies the rows of its inputs.
pub(super) fn recipe(node: &Node, identities: &BTreeMap<String, String>, night: NaiveDate) -> Recipe {
    let identity = |input: &String| identities.get(input).cloned().unwrap_or_default();
    let decided = identities.get(&of_training(&node.name)).map(|number| (DECISION.to_owned(), number.clone()));
    Recipe {
        code: node.fingerprint.to_string(),
        night: asks_for_night(node).then_some(night),
        inputs: node.inputs.iter().map(|input| (input.clone(), identity(input))).chain(decided).collect(),
    }
}

/// Whether the rows depend on the night itself: a history sees each night, a window is the same at any.
fn asks_for_night(node: &Node) -> bool {
    match node.materialized {
        Materialized::Scd2 | Materialized::Nightly => true,
        Materialized::Incremental | Materialized::Merge => false,
        Materialized::View | Materialized::Table => !node.parsed.parameters.is_empty(),
    }
}

/// Decides on a node whose inputs are all decided.
pub(super) fn decision(
    node: &Node,
    states: &BTreeMap<String, NodeState>,
    released: Option<&ReleasedTable>,
    recipe: &Recipe,
    request: &RunRequest,
) -> Decision {
    if let Some(hold) = blocked(node, states) {
        return Decision::Hold(hold);
    }
    if node.materialized == Materialized::View {
        return Decision::View;
    }
    let selected = request.select.as_ref().is_none_or(|selection| selection.contains(&node.name));
    match released {
        None if !selected => Decision::Hold(Hold::NotSelected),
        None => Decision::Build { why: "it was never built".to_owned() },
        Some(table) if !selected => Decision::Keep { released: table.clone() },
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
