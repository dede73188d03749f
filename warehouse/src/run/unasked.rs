//! Which audits are asked in a run, and which cannot be: those for a table that is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::audits::passed_before;
use super::build::Build;
use super::state::NodeState;
use crate::audit::{self, Check};
use crate::project::model::Model;

/// Audits that a note names.
const NAMED: usize = 3;

/// What is to be asked of a node.
pub(super) struct Asking {
    /// Names of the checks.
    pub checks: BTreeSet<String>,
    /// Whether the node is as it was, and only what its checks compare it with was not there before.
    pub is_late: bool,
}

/// What is to be asked of a model's rows; `None` where nothing is.
pub(super) fn asking(build: &Build<'_>, model: &Model) -> Option<Asking> {
    let checks = || audit::checks(model).into_iter().filter(|check| lacking(build, check).is_none());
    let names = |checks: &mut dyn Iterator<Item = Check>| checks.map(|check| check.name).collect::<BTreeSet<_>>();
    match build.states.get(&model.name)? {
        NodeState::Built { .. } if !passed_before(build, model) => {
            Some(Asking { checks: names(&mut checks()), is_late: false })
        }
        NodeState::Current { .. } => {
            let is_late = |check: &Check| check.compares_with().iter().any(|table| is_first(build, table));
            let late = names(&mut checks().filter(is_late));
            (!late.is_empty()).then_some(Asking { checks: late, is_late: true })
        }
        _ => None,
    }
}

/// Whether no release named a table that this run has, so that nothing was ever compared with it.
fn is_first(build: &Build<'_>, table: &str) -> bool {
    let is_built = matches!(build.states.get(table), Some(NodeState::Built { .. }));
    let names = |name: &str| {
        build.previous().is_some_and(|release| release.tables.contains_key(name) || release.views.contains_key(name))
    };
    is_built && !names(table)
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
        let is_built = matches!(build.states.get(&model.name), Some(NodeState::Built { .. }));
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

fn listed(audits: &[String]) -> String {
    let named: Vec<&str> = audits.iter().take(NAMED).map(String::as_str).collect();
    match audits.len() {
        1 => format!("the audit {} is", named.join(", ")),
        count if count <= NAMED => format!("the audits {} are", named.join(", ")),
        count => format!("the audits {} and {} more are", named.join(", "), count - NAMED),
    }
}
