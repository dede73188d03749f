//! Commits of other programs: what is said of them, and the ways out.

use super::context::RunContext;
use super::error::RunError;
use super::quarantine::{TABLE, doubtful};
use crate::ingest::Ledger;
use crate::table::{Strangers, TableSnapshot};

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

/// What is said where another program committed to the quarantine, and the way out.
pub(super) fn refused_quarantine(found: &Strangers) -> String {
    format!(
        "{found} — the rows there are counted as held, and leave it by `buho quarantine` alone: {}, and run again",
        found.way_out()
    )
}

/// Why nothing may be settled in the quarantine: what another program committed lies on top of it.
pub(super) async fn on_quarantine(context: &RunContext) -> Result<Option<String>, RunError> {
    let found = match TableSnapshot::load(&context.lake, TABLE, None).await? {
        Some(newest) => newest.strangers().await?,
        None => None,
    };
    Ok(found.map(|found| refused_quarantine(&found)))
}

/// Why a source cannot be loaded: rows of it have to be held, or were by attempts of which none is loaded, and what
/// another program committed lies on top of the quarantine.
pub(super) async fn in_the_way(
    context: &RunContext,
    source: &str,
    ledger: &Ledger,
    has_misfits: bool,
) -> Result<Option<String>, RunError> {
    let Some(newest) = TableSnapshot::load(&context.lake, TABLE, None).await? else { return Ok(None) };
    if !has_misfits && doubtful(source, &newest.files, ledger).is_empty() {
        return Ok(None);
    }
    Ok(newest.strangers().await?.map(|found| refused_quarantine(&found)))
}
