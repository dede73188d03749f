//! Held rows of `ops.quarantine` that are held no longer: replaced, replayed or discarded, when, by whom and why.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::context::RunContext;
use super::error::RunError;
use super::ops::{Append, append_batches};
use super::outcome::SourceOutcome;
use super::quarantine::{Misfit, Rows, TABLE, defect, prefix, read, schema};
use super::strangers::on_quarantine;
use crate::failpoint;
use crate::lease::Lease;
use crate::table::TableSnapshot;

/// `held` until it is `replaced`, `replayed` or `discarded`.
pub(super) const STATUS: &str = "status";
pub(super) const HELD: &str = "held";
pub(super) const DISCARDED: &str = "discarded";
/// When, by which run or person, and why a row is no longer held.
pub(super) const SETTLED_AT: &str = "settled_at";
pub(super) const SETTLED_BY: &str = "settled_by";
pub(super) const NOTE: &str = "note";

/// Where a row of the quarantine stands, and who put it there.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub status: &'static str,
    /// Microseconds of the wall clock where the business is.
    pub at: i64,
    pub by: String,
    pub note: Option<String>,
}

impl Settled {
    pub fn now(context: &RunContext, status: &'static str, by: &str, note: Option<String>) -> Self {
        let zone = context.project.settings.time_zone;
        let at = context.clock.now().with_timezone(&zone).naive_local().and_utc().timestamp_micros();
        Self { status, at, by: by.to_owned(), note }
    }
}

/// Marks the held rows of replaced deliveries: the corrected file stands for them now. After the commit that
/// replaces them, and by the ledger alone, so that a run which died in between leaves nothing unmarked.
pub(super) async fn mark_replaced(
    context: &RunContext,
    lease: &Lease,
    source: &SourceOutcome,
    run_id: &str,
) -> Result<(), RunError> {
    let replaced: HashMap<i64, &str> = source.ledger.ledger.replaced_with_misfits().collect();
    if replaced.is_empty() {
        return Ok(());
    }
    // The ledger still says it the next time.
    if let Some(because) = on_quarantine(context).await? {
        tracing::warn!(source = %source.source, "{because}");
        return Ok(());
    }
    let settled = Settled::now(context, "replaced", run_id, None);
    let change = |row: &Misfit<'_>| (replaced.get(&row.delivery) == Some(&row.file)).then(|| settled.clone());
    settle(context, lease, &source.source, run_id, &change).await.map(|_| ())
}

/// Settles held rows of a source; how many.
pub(super) async fn settle(
    context: &RunContext,
    lease: &Lease,
    source: &str,
    run_id: &str,
    change: &dyn Fn(&Misfit<'_>) -> Option<Settled>,
) -> Result<u64, RunError> {
    let Some(mut base) = TableSnapshot::newest(&context.lake, TABLE).await? else {
        return Ok(0);
    };
    let mut settled = 0;
    for file in base.files.clone() {
        let Some(prefix) = prefix(source, &file.path) else { continue };
        let rows = read(context, std::slice::from_ref(&file)).await?;
        let (rows, changed) = settled_rows(&rows, change)?;
        if changed == 0 {
            continue;
        }
        settled += changed;
        let superseded = HashSet::from([file.path.clone()]);
        let append = Append {
            table: TABLE,
            // Each commit makes a version: so no other file of this run, which may settle rows more than once, has it.
            name: &format!("{prefix}{run_id}-{}", base.version),
            schema: &schema(),
            batches: &rows,
            superseded: &superseded,
            under: Some((lease.token(), Some(&base))),
        };
        base = append_batches(context, &append, run_id).await?;
        failpoint::reached("quarantine.settled");
    }
    Ok(settled)
}

/// The rows with what `change` says of those that are held, and of how many it says something.
pub(super) fn settled_rows(
    batches: &[RecordBatch],
    change: &dyn Fn(&Misfit<'_>) -> Option<Settled>,
) -> Result<(Vec<RecordBatch>, u64), RunError> {
    let mut changed = 0;
    let mut settled = Vec::with_capacity(batches.len());
    for batch in batches {
        let rows = Rows::of(batch)?;
        let held = |row: &Misfit<'_>| row.status == HELD;
        let changes: Vec<Option<Settled>> =
            (0..batch.num_rows()).map(|row| Some(rows.get(row)).filter(held).and_then(|row| change(&row))).collect();
        changed += changes.iter().flatten().count() as u64;
        settled.push(with_changes(batch, &rows, &changes)?);
    }
    Ok((settled, changed))
}

fn with_changes(batch: &RecordBatch, rows: &Rows<'_>, changes: &[Option<Settled>]) -> Result<RecordBatch, RunError> {
    let or_before = |old: &StringArray, new: fn(&Settled) -> Option<&str>| -> ArrayRef {
        let value = |(row, change): (usize, &Option<Settled>)| match change {
            Some(change) => new(change).map(str::to_owned),
            None => old.is_valid(row).then(|| old.value(row).to_owned()),
        };
        Arc::new(changes.iter().enumerate().map(value).collect::<StringArray>())
    };
    let at = |(row, change): (usize, &Option<Settled>)| match change {
        Some(change) => Some(change.at),
        None => rows.settled_at.is_valid(row).then(|| rows.settled_at.value(row)),
    };
    let at: TimestampMicrosecondArray = changes.iter().enumerate().map(at).collect();
    let replaced: [(&str, ArrayRef); 4] = [
        (STATUS, or_before(rows.status, |change| Some(change.status))),
        (SETTLED_AT, Arc::new(at)),
        (SETTLED_BY, or_before(rows.settled_by, |change| Some(&change.by))),
        (NOTE, or_before(rows.note, |change| change.note.as_deref())),
    ];
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let new = replaced.iter().find(|(name, _)| *name == field.name());
        new.map_or_else(|| Arc::clone(column), |(_, new)| Arc::clone(new))
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).map_err(|error| defect(&error))
}
