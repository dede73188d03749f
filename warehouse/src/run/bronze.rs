//! The end of the ingest phase: what was read is committed to bronze, and what did not fit to quarantine.
//!
//! Bronze is what was delivered, judged by its contract alone, so it need not wait for the night's
//! tables: a night that dies later has its deliveries.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::context::RunContext;
use super::error::RunError;
use super::ledgers::{self, NumberedLedger};
use super::outcome::SourceOutcome;
use super::publish::{change, commit_under};
use super::quarantine;
use super::settle::mark_replaced;
use super::state::{Candidate, StagedTable};
use crate::failpoint;
use crate::lease::Lease;
use crate::release::{Release, ReleasedTable, TableState};
use crate::table::TableSnapshot;

/// Sources committed beside each other.
const COMMITS_AT_ONCE: usize = 8;

/// Commits every source's new rows; the outcomes then stand at their new versions.
pub(super) async fn commit_sources(
    context: &RunContext,
    lease: &Lease,
    sources: Vec<SourceOutcome>,
    run_id: &str,
) -> Result<Vec<SourceOutcome>, RunError> {
    let created = sources.iter().filter(|source| source.creates()).map(|source| source.table.as_str());
    let held = sources.iter().any(|source| source.misfits.as_ref().is_some_and(|misfits| !misfits.rows.is_empty()));
    let created = created.chain(quarantine::creates(context, held).await?);
    lease.announce(created).await?;
    // One table for all sources: one after the other, or they would race against each other.
    for source in &sources {
        quarantine::append(context, lease, source, run_id).await?;
        failpoint::reached("quarantine.appended");
    }
    let committed: Vec<SourceOutcome> = stream::iter(context.turns.order(sources))
        .map(|source| commit_source(context, lease, source, run_id))
        .buffered(context.turns.at_once(COMMITS_AT_ONCE))
        .try_collect()
        .await?;
    for source in &committed {
        mark_replaced(context, lease, source, run_id).await?;
    }
    Ok(committed)
}

async fn commit_source(
    context: &RunContext,
    lease: &Lease,
    mut source: SourceOutcome,
    run_id: &str,
) -> Result<SourceOutcome, RunError> {
    let Candidate::Staged(staged) = &source.candidate else {
        return Ok(source);
    };
    let (schema, base) = (staged.schema.clone(), staged.base.clone());
    let snapshot = if source.commits(staged) {
        Some(commit_staged(context, lease, &source.source, &mut source.ledger, staged, run_id).await?)
    } else {
        base
    };
    failpoint::reached("bronze.committed");
    source.candidate = Candidate::Unchanged { snapshot, schema };
    source.is_new = true;
    Ok(source)
}

/// How the night's release names each bronze table. Where nothing but fences and maintenance came on top of what
/// the last release names, that version stays: what tells readers nothing new is no new release. So does that of a
/// source which is blocked, whatever this run or one before it has loaded of it: what reads it stays as well.
pub(super) async fn released_sources(
    context: &RunContext,
    sources: &[SourceOutcome],
    night: NaiveDate,
    previous: Option<&Release>,
) -> Result<BTreeMap<String, ReleasedTable>, RunError> {
    let mut released = BTreeMap::new();
    for source in sources {
        let before = previous.and_then(|release| release.tables.get(&source.table));
        if source.blocked.is_some() {
            let kept = before.map(|before| ReleasedTable { state: source.state(), ..before.clone() });
            released.extend(kept.map(|table| (source.table.clone(), table)));
            continue;
        }
        let Some(mut table) = source.released(night) else {
            continue;
        };
        if let Some(before) = before.filter(|before| before.version < table.version && !source.is_new)
            && same_rows(context, source, before.version).await?
        {
            table.version = before.version;
        }
        // Nothing of this night came in: the rows are those of the night before.
        if let Some(before) = before.filter(|before| stays(source) && before.version == table.version) {
            if source.waits.is_some() && before.night < table.night {
                table.state = TableState::Held;
            }
            table.night = before.night;
        }
        released.insert(source.table.clone(), table);
    }
    Ok(released)
}

/// Whether what was delivered for the night is not in the table.
fn stays(source: &SourceOutcome) -> bool {
    source.left || source.waits.is_some()
}

/// Whether the table's present version has the rows and columns that an earlier one had: whatever changes rows changes
/// the ledger, and maintenance puts them into other files.
async fn same_rows(context: &RunContext, source: &SourceOutcome, version: u64) -> Result<bool, RunError> {
    let Candidate::Unchanged { snapshot: Some(now), .. } = &source.candidate else {
        return Ok(false);
    };
    let before = TableSnapshot::load(&context.lake, &source.table, Some(version)).await?;
    let Some(before) = before.filter(|before| before.schema == now.schema) else {
        return Ok(false);
    };
    Ok(before.same_rows(now) || before.transaction(ledgers::APP_ID).await? == now.transaction(ledgers::APP_ID).await?)
}

/// Commits rows of a source together with the ledger that counts them: the ledger first, for nothing
/// names it until the commit does.
pub(super) async fn commit_staged(
    context: &RunContext,
    lease: &Lease,
    source: &str,
    ledger: &mut NumberedLedger,
    staged: &StagedTable,
    run_id: &str,
) -> Result<TableSnapshot, RunError> {
    ledger.number = ledgers::store(&context.lake, source, ledger.number, &ledger.ledger).await?;
    failpoint::reached("ledger.written");
    let change = change(context, lease, staged, ledgers::APP_ID, ledger.number, run_id);
    commit_under(context, lease, staged, &change).await
}
