//! Whether the tables that readers get are in the lake as their release says.

use tokio::time::timeout;
use warehouse::project::Project;
use warehouse::release;
use warehouse::run::unsound;
use warehouse::table::Lake;

use super::PATIENCE;
use super::findings::Findings;

/// Looks at each table of the latest release; one that cannot be read was told already.
pub async fn examine(findings: &mut Findings, lake: &Lake, project: &Project) {
    let Ok(Some(latest)) = release::latest(lake).await else { return };
    let Ok(found) = timeout(PATIENCE, unsound(lake, project, &latest)).await else {
        let seconds = PATIENCE.as_secs();
        return findings.note("tables", format!("not all could be looked at within {seconds} seconds"));
    };
    if found.is_empty() {
        findings.fine("tables", format!("{} of release {} are there", latest.tables.len(), latest.id()));
    }
    for table in found {
        findings.problem(table.kind, &format!("table {}", table.table), table.text);
    }
}
