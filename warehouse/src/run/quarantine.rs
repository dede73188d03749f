//! `ops.quarantine`: rows that did not fit their contract, each with the reason and its exact text.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};

use super::context::RunContext;
use super::error::RunError;
use super::ops::{Append, append_batches, text_field};
use super::sources::SourceOutcome;
use crate::failpoint;
use crate::ingest;
use crate::lease::Lease;
use crate::planted::{Bug, planted};
use crate::project::types::ColumnType;
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, TableSnapshot};

pub(super) const TABLE: &str = "ops.quarantine";
/// `held` until it is `replaced`, `replayed` or `discarded`.
const STATUS: &str = "status";
const HELD: &str = "held";
/// When, by which run or person, and why a row is no longer held.
const SETTLED_AT: &str = "settled_at";
const SETTLED_BY: &str = "settled_by";
const NOTE: &str = "note";

/// What ingest says of a row, which run says it, and where the row stands now.
pub(super) fn schema() -> SchemaRef {
    let quarantined = ingest::quarantine_schema();
    let mut fields: Vec<_> = quarantined.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(text_field(STATUS));
    fields.push(text_field("run_id"));
    fields.push(Field::new(SETTLED_AT, ColumnType::Timestamp.arrow(), true));
    fields.push(text_field(SETTLED_BY));
    fields.push(text_field(NOTE));
    Arc::new(Schema::new(fields))
}

/// The name of the table, where rows that are to be held are the first.
pub(super) async fn creates(context: &RunContext, has_rows: bool) -> Result<Option<&'static str>, RunError> {
    let is_there = !has_rows || TableSnapshot::load(&context.lake, TABLE, None).await?.is_some();
    Ok((!is_there).then_some(TABLE))
}

/// Appends a source's quarantined rows under a name made of its next ledger number: an attempt that
/// died after this and before the bronze commit is superseded by the next one, never added to.
pub(super) async fn append(
    context: &RunContext,
    lease: &Lease,
    source: &SourceOutcome,
    run_id: &str,
) -> Result<(), RunError> {
    let number = source.ledger.number + 1;
    let prefix = format!("{}-{number:08}-", source.source);
    let base = TableSnapshot::load(&context.lake, TABLE, None).await?;
    let superseded: HashSet<String> = base
        .iter()
        .flat_map(|snapshot| &snapshot.files)
        .filter(|file| file.path.starts_with(&prefix) && !planted(Bug::QuarantineAddedTo))
        .map(|file| file.path.clone())
        .collect();
    if source.quarantine.is_empty() && superseded.is_empty() {
        return Ok(());
    }
    if base.is_none() {
        lease.announce([TABLE]).await?;
    }
    let schema = schema();
    let batches: Vec<RecordBatch> = source
        .quarantine
        .iter()
        .map(|batch| with_status(batch, &schema, run_id))
        .collect::<Result<_, _>>()
        .map_err(|error| RunError::Defect { what: format!("{TABLE}: {error}") })?;
    let append = Append {
        table: TABLE,
        name: &format!("{prefix}{run_id}"),
        schema: &schema,
        batches: &batches,
        superseded: &superseded,
        token: Some(lease.token()),
    };
    append_batches(context, &append, run_id).await
}

/// Where a row of the quarantine stands, and who put it there.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub status: &'static str,
    pub by: String,
    pub note: Option<String>,
}

/// Marks the held rows of replaced deliveries: the corrected file stands for them now. After the commit that
/// replaces them, and by the ledger alone, so that a run which died in between leaves nothing unmarked.
pub(super) async fn mark_replaced(
    context: &RunContext,
    lease: &Lease,
    source: &SourceOutcome,
    run_id: &str,
) -> Result<(), RunError> {
    let replaced: HashSet<i64> = source.ledger.ledger.replaced_with_misfits().collect();
    if replaced.is_empty() {
        return Ok(());
    }
    let settled = Settled { status: "replaced", by: run_id.to_owned(), note: None };
    let change = |delivery: i64, _record: i64| replaced.contains(&delivery).then(|| settled.clone());
    settle(context, lease, &source.source, run_id, &change).await.map(|_| ())
}

/// Settles held rows of a source; how many. Their files keep the prefix they had, so that no later
/// attempt takes them for its own.
pub(super) async fn settle(
    context: &RunContext,
    lease: &Lease,
    source: &str,
    run_id: &str,
    change: &dyn Fn(i64, i64) -> Option<Settled>,
) -> Result<u64, RunError> {
    let Some(base) = TableSnapshot::load(&context.lake, TABLE, None).await? else {
        return Ok(0);
    };
    let prefix = format!("{source}-");
    let mut settled = 0;
    for file in base.files.iter().filter(|file| file.path.starts_with(&prefix)) {
        let rows = read(context, std::slice::from_ref(file)).await?;
        let (rows, changed) = settled_rows(context, &rows, change)?;
        if changed == 0 {
            continue;
        }
        settled += changed;
        let stem = file.path.trim_end_matches(".zstd.parquet");
        let superseded = HashSet::from([file.path.clone()]);
        let append = Append {
            table: TABLE,
            name: &format!("{stem}-{run_id}"),
            schema: &schema(),
            batches: &rows,
            superseded: &superseded,
            token: Some(lease.token()),
        };
        append_batches(context, &append, run_id).await?;
        failpoint::reached("quarantine.settled");
    }
    Ok(settled)
}

/// Delivery and record of every row of a source that is held.
pub(super) async fn held(context: &RunContext, source: &str) -> Result<Vec<(i64, i64)>, RunError> {
    let Some(base) = TableSnapshot::load(&context.lake, TABLE, None).await? else {
        return Ok(Vec::new());
    };
    let prefix = format!("{source}-");
    let files: Vec<DataFile> = base.files.iter().filter(|file| file.path.starts_with(&prefix)).cloned().collect();
    let mut found = Vec::new();
    for batch in read(context, &files).await? {
        let rows = Rows::of(&batch)?;
        let source_of = text(&batch, "source")?;
        found.extend(
            (0..batch.num_rows())
                .filter(|row| rows.status.value(*row) == HELD && source_of.value(*row) == source)
                .map(|row| (rows.delivery.value(row), rows.record.value(row))),
        );
    }
    Ok(found)
}

async fn read(context: &RunContext, files: &[DataFile]) -> Result<Vec<RecordBatch>, RunError> {
    let session = context.engine.session(Effort::Fast);
    let failed = |error| RunError::query(TABLE, error);
    let provider = PinnedTable::new(&context.lake, TABLE, &schema(), files)?;
    register(&session, TABLE, Arc::new(provider)).map_err(failed)?;
    let rows = session.table(TABLE).await.map_err(failed)?.collect().await.map_err(failed)?;
    plain_text(&rows)
}

/// The columns by which a row is known and judged.
struct Rows<'a> {
    delivery: &'a Int64Array,
    record: &'a Int64Array,
    status: &'a StringArray,
}

impl<'a> Rows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, RunError> {
        Ok(Self {
            delivery: number(batch, "delivery")?,
            record: number(batch, "record")?,
            status: text(batch, "status")?,
        })
    }
}

fn number<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, RunError> {
    batch.column_by_name(name).and_then(|column| column.as_primitive_opt()).ok_or_else(|| no_column(name))
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, RunError> {
    batch.column_by_name(name).and_then(|column| column.as_string_opt()).ok_or_else(|| no_column(name))
}

fn no_column(name: &str) -> RunError {
    RunError::Defect { what: format!("{TABLE} has no column `{name}` of the type it is written with") }
}

/// The rows with what `change` says of those that are held.
fn settled_rows(
    context: &RunContext,
    batches: &[RecordBatch],
    change: &dyn Fn(i64, i64) -> Option<Settled>,
) -> Result<(Vec<RecordBatch>, u64), RunError> {
    let zone = context.project.settings.time_zone;
    let now = context.clock.now().with_timezone(&zone).naive_local().and_utc().timestamp_micros();
    let mut changed = 0;
    let mut settled = Vec::with_capacity(batches.len());
    for batch in batches {
        let rows = Rows::of(batch)?;
        let changes: Vec<Option<Settled>> = (0..batch.num_rows())
            .map(|row| {
                let is_held = rows.status.value(row) == HELD;
                is_held.then(|| change(rows.delivery.value(row), rows.record.value(row))).flatten()
            })
            .collect();
        changed += changes.iter().flatten().count() as u64;
        let (by, note) = (text(batch, SETTLED_BY)?, text(batch, NOTE)?);
        let or_before = |old: &StringArray, new: &dyn Fn(&Settled) -> Option<String>| -> ArrayRef {
            let value = |(row, change): (usize, &Option<Settled>)| match change {
                Some(change) => new(change),
                None => old.is_valid(row).then(|| old.value(row).to_owned()),
            };
            Arc::new(changes.iter().enumerate().map(value).collect::<StringArray>())
        };
        let at =
            batch.column_by_name(SETTLED_AT).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let at = at.ok_or_else(|| no_column(SETTLED_AT))?;
        let at: TimestampMicrosecondArray = changes
            .iter()
            .enumerate()
            .map(|(row, change)| if change.is_some() { Some(now) } else { at.is_valid(row).then(|| at.value(row)) })
            .collect();
        let replaced: [(&str, ArrayRef); 4] = [
            (STATUS, or_before(rows.status, &|change| Some(change.status.to_owned()))),
            (SETTLED_AT, Arc::new(at)),
            (SETTLED_BY, or_before(by, &|change| Some(change.by.clone()))),
            (NOTE, or_before(note, &|change| change.note.clone())),
        ];
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            let new = replaced.iter().find(|(name, _)| *name == field.name());
            new.map_or_else(|| Arc::clone(column), |(_, new)| Arc::clone(new))
        });
        let rebuilt = RecordBatch::try_new(Arc::clone(&schema), columns.collect());
        settled.push(rebuilt.map_err(|error| RunError::Defect { what: format!("{TABLE}: {error}") })?);
    }
    Ok((settled, changed))
}

/// Batches with text in the layout of the table's schema.
fn plain_text(rows: &[RecordBatch]) -> Result<Vec<RecordBatch>, RunError> {
    let schema = schema();
    rows.iter()
        .map(|batch| {
            let columns = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| cast(column, field.data_type()))
                .collect::<Result<Vec<_>, _>>()?;
            RecordBatch::try_new(Arc::clone(&schema), columns)
        })
        .collect::<Result<_, _>>()
        .map_err(|error: arrow::error::ArrowError| RunError::Defect { what: format!("{TABLE}: {error}") })
}

fn with_status(batch: &RecordBatch, schema: &SchemaRef, run_id: &str) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; batch.num_rows()])) };
    columns.push(repeated(HELD));
    columns.push(repeated(run_id));
    let unsettled = schema.fields().iter().skip(columns.len());
    columns.extend(unsettled.map(|field| new_null_array(field.data_type(), batch.num_rows())).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::clone(schema), columns)
}
