//! Commits of other programs on tables that a run keeps as they are: nothing is built there that would meet them.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::context::RunContext;
use super::report::RunReport;
use super::state::NodeState;
use crate::release::Release;
use crate::table::TableSnapshot;

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
