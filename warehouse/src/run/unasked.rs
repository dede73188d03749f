//! Which audits are asked in a run, and which cannot be: those for a table that is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::audits::passed_before;
use super::build::Build;
use super::state::NodeState;
use crate::audit::{self, Check};
use crate::identity::word_of;
use crate::project::model::Model;
use crate::release::ReleasedTable;

/// Audits that a note names.
const NAMED: usize = 3;

/// What is to be asked of a node.
pub(super) struct Asking {
    /// Names of the checks.
    pub checks: BTreeSet<String>,
    /// Whether the node is as it was, and its audits or what they compare it with are not.
    pub is_late: bool,
}

/// What stands for a table of which nothing is known of what its audits saw beside it: one of them failed beside a table
/// that does not go out. Older releases say nothing.
pub(super) const UNKNOWN: &str = "";
/// Between the word for what is asked and the word for what it is compared with.
const AND: char = '.';

/// What the audits of a table ask.
pub(super) fn asked_of(model: &Model) -> String {
    word_of([audit::fingerprint(model).to_hex().to_string()])
}

/// What the audits of a table ask, and what the rows are made of that they compare it with.
pub(super) fn asked_and_compared(build: &Build<'_>, model: &Model) -> String {
    let compared = audit::tables_read(model);
    // One that is not there must not be taken for the one after it.
    let identities = compared.iter().map(|table| format!("{}\n", build.identity(table).unwrap_or_default()));
    format!("{}{AND}{}", asked_of(model), word_of(identities))
}

/// Whether audits of a table are others than when it was released.
pub(super) fn are_others(released: &ReleasedTable, model: &Model) -> bool {
    released.audited.split(AND).next() != Some(&asked_of(model)) && !audit::checks(model).is_empty()
}

/// What is to be asked of a model's rows; `None` where nothing is.
pub(super) fn asking(build: &Build<'_>, model: &Model) -> Option<Asking> {
    let is_passed_over = |check: &Check| build.passed_over.contains(&(check.node.clone(), check.name.clone()));
    let is_askable = |check: &Check| lacking(build, check).is_none() && !is_passed_over(check);
    let checks = || audit::checks(model).into_iter().filter(is_askable);
    let names = |checks: &mut dyn Iterator<Item = Check>| checks.map(|check| check.name).collect::<BTreeSet<_>>();
    match build.states.get(&model.name)? {
        state if state.goes_out() && !passed_before(build, model) => {
            Some(Asking { checks: names(&mut checks()), is_late: false })
        }
        NodeState::Current { released } => {
            let late = late(build, model, released);
            let late = names(&mut checks().filter(|check| late.covers(check)));
            (!late.is_empty()).then_some(Asking { checks: late, is_late: true })
        }
        _ => None,
    }
}

/// What of a table's audits is to be asked though the table is as it was.
enum Late {
    Nothing,
    /// What compares it with one of these.
    With(BTreeSet<String>),
    All,
}

impl Late {
    fn covers(&self, check: &Check) -> bool {
        match self {
            Self::Nothing => false,
            Self::With(tables) => check.compares_with().iter().any(|table| tables.contains(table)),
            Self::All => true,
        }
    }
}

fn late(build: &Build<'_>, model: &Model, released: &ReleasedTable) -> Late {
    // A rollback changes nothing of what stays, and what it is compared with was released beside it.
    if build.is_placed() {
        Late::Nothing
    } else if are_others(released, model) {
        Late::All
    } else if released.audited == asked_and_compared(build, model) {
        Late::Nothing
    } else {
        Late::With(audit::tables_read(model))
    }
}

/// The table that a check compares with and that is not there: it stays at its last release, and has none.
fn lacking(build: &Build<'_>, check: &Check) -> Option<String> {
    let stays = |table: &String| matches!(build.states.get(table), Some(NodeState::Held(_) | NodeState::Failed { .. }));
    check.compares_with().into_iter().find(|table| stays(table) && !build.is_there(table))
}

/// Names the audits that nobody could ask for want of a table that was not asked for; they are asked once it is built.
/// Where the table is missing because something failed, what is compared with it is held as it is with a held one.
pub(super) fn tell_unasked(build: &mut Build<'_>) {
    let mut unasked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for model in build.context.project.models.values() {
        let is_built = build.states.get(&model.name).is_some_and(NodeState::goes_out);
        if !is_built || passed_before(build, model) {
            continue;
        }
        for check in audit::checks(model) {
            if let Some(table) = lacking(build, &check)
                && matches!(build.states.get(&table), Some(NodeState::Held(hold)) if hold.is_by_selection())
            {
                unasked.entry(table).or_default().push(format!("{} of {}", check.name, model.name));
            }
        }
    }
    let night = build.night();
    for (table, audits) in unasked {
        let name = table.rsplit('.').next().unwrap_or(&table);
        build.warn(format!(
            "{table} was never built and is not selected, so {} not asked — `buho run --night {night} --select +{name}` builds it, and asks then",
            listed(&audits)
        ));
    }
}

pub(super) fn listed(audits: &[String]) -> String {
    let named: Vec<&str> = audits.iter().take(NAMED).map(String::as_str).collect();
    match audits.len() {
        1 => format!("the audit {} is", named.join(", ")),
        count if count <= NAMED => format!("the audits {} are", named.join(", ")),
        count => format!("the audits {} and {} more are", named.join(", "), count - NAMED),
    }
}
