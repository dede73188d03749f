//! Commits of other programs on tables that a run keeps as they are: nothing is built there that would meet them.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::context::RunContext;
use super::report::RunReport;
use super::state::NodeState;
use crate::release::Release;
use crate::table::{Strangers, TableSnapshot};

/// Tables asked for at once.
const AT_ONCE: usize = 16;

/// Tells of tables that other programs committed to since they were released: readers of releases see nothing of it,
/// whoever reads the newest version does. A log that cannot be read now is asked for the next time.
pub(super) async fn warn_of_strangers(
    context: &RunContext,
    previous: Option<&Release>,
    states: &BTreeMap<String, NodeState>,
    report: &mut RunReport,
) {
    let is_kept = |table: &str| matches!(states.get(table), Some(NodeState::Current { .. } | NodeState::Held(_)));
    let kept = previous.iter().flat_map(|release| &release.tables).filter(|(table, _)| is_kept(table));
    let above = kept.map(|(table, released)| TableSnapshot::strangers_above(&context.lake, table, released.version));
    let mut found = stream::iter(above).buffered(AT_ONCE);
    while let Some(found) = found.next().await {
        let said = match found {
            Ok(None) => continue,
            Ok(Some(strangers)) => {
                format!("{strangers}; the newest version shows what no audit saw — {}", strangers.way_out())
            }
            Err(error) => format!("whether another program committed to a table is not known: {error}"),
        };
        tracing::warn!("{said}");
        report.warnings.push(said);
    }
}

/// What is said where another program committed to a table of a model, and the way out.
pub(super) fn refused(table: &str, found: &Strangers, is_rebuilt: bool) -> String {
    let way_out = found.way_out();
    let advice = match is_rebuilt {
        true => format!(
            "write the table anew over it with `buho run --select {table} --full-refresh`, or {way_out} and run again"
        ),
        false => format!(
            "the table keeps rows of past nights: go back with `buho releases rollback`, or {way_out}, then run again"
        ),
    };
    format!("{found} — {advice}")
}
