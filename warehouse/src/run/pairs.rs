//! Tables that an audit compares: where one of them stays, the other must not go on alone, or the run says so.

use super::context::RunContext;
use crate::audit;
use crate::project::model::{Materialized, Severity, WhenHeld};

/// The tables of a run, or those of a plan.
pub(super) trait Compared {
    /// Whether a table or view has come, or would come, to new rows.
    fn is_built(&self, table: &str) -> bool;

    /// Whether a table stays behind though it was to go on.
    fn is_held(&self, table: &str) -> bool;

    /// Whether a table or view can be read.
    fn is_there(&self, table: &str) -> bool;
}

/// A table that would go on without one that an audit compares it with.
pub(super) struct Parted {
    pub fresh: String,
    pub because: String,
    pub when_held: WhenHeld,
}

/// The pairs of which one table is fresh and the other held, either way round.
pub(super) fn parted(context: &RunContext, tables: &impl Compared) -> Vec<Parted> {
    let is_stored = |table: &str| context.graph.node(table).is_some_and(|node| node.materialized != Materialized::View);
    let mut found = Vec::new();
    for model in context.graph.nodes.iter().filter_map(|node| context.project.models.get(&node.name)) {
        for audit in &model.spec.audits {
            for other in audit::compared_with(model, audit) {
                let pair = [(model.name.as_str(), other.as_str()), (other.as_str(), model.name.as_str())];
                for (fresh, stays) in pair {
                    // What was delivered is fresh whatever is made of it; a view is asked where there is something to ask.
                    let is_unasked = fresh == model.name && !tables.is_there(stays);
                    if !tables.is_built(fresh) || !(is_stored(fresh) || is_unasked) || !tables.is_held(stays) {
                        continue;
                    }
                    let by_severity = match audit.severity {
                        Severity::Error => WhenHeld::Hold,
                        Severity::Warn => WhenHeld::Warn,
                    };
                    found.push(Parted {
                        fresh: fresh.to_owned(),
                        because: format!("an audit of `{}` compares it with `{stays}`, which is held", model.name),
                        when_held: audit.when_held.unwrap_or(by_severity),
                    });
                }
            }
        }
    }
    found
}
