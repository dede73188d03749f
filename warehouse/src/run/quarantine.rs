//! `ops.quarantine`: rows that did not fit their contract, each with the reason and its exact text.
//!
//! Rows are written before the load that leaves them out is committed, and where it fails they are all that is
//! written of it. So the ledger alone tells which rows are of a delivery, by its number and path: the others are of
//! an attempt that failed or died, and whichever attempt reads their file next says anew what does not fit in it.
//! A file of the table that may have such rows is found by its statistics: the ledger has not come to their numbers
//! yet. Rows that stay although a later attempt was made are in files named `<source>-unloaded-…`, for their numbers
//! may be those of other deliveries by then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::context::RunContext;
use super::error::RunError;
use super::ops::{Append, append_batches, text_field};
use super::outcome::SourceOutcome;
use super::settle::{DISCARDED, HELD, NOTE, SETTLED_AT, SETTLED_BY, STATUS, Settled, settled_rows};
use super::strangers::refused_quarantine;
use crate::ingest::{self, GivenUp, Ledger};
use crate::lease::Lease;
use crate::planted::{Bug, planted};
use crate::project::types::ColumnType;
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, TableSnapshot};

pub(super) const TABLE: &str = "ops.quarantine";

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

/// What an attempt that looked at all files of a source says of the rows that do not fit.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    pub rows: Vec<RecordBatch>,
    /// What was loaded before.
    pub before: Ledger,
    /// Files that it read.
    pub read: HashSet<String>,
    /// Files that it did not, for they are not to be loaded yet.
    pub waiting: HashSet<String>,
    /// No other attempt has this name.
    pub attempt: String,
}

/// What a row of an earlier attempt is to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Of a delivery that the ledger has.
    Loaded,
    /// Of a file that is not loaded, and was not read now: what was said of it stands.
    Stays,
    Superseded,
}

impl Misfits {
    /// Of an attempt that read no file.
    pub(super) fn of(attempt: &str) -> Self {
        Self { attempt: attempt.to_owned(), ..Self::default() }
    }

    fn standing(&self, row: &Misfit<'_>) -> Standing {
        if self.before.has_brought(row.delivery, row.file) {
            Standing::Loaded
        } else if self.read.contains(row.file) {
            Standing::Superseded
        } else if self.waiting.contains(row.file) || row.status == DISCARDED {
            Standing::Stays
        } else {
            Standing::Superseded
        }
    }
}

/// The files of a source that may have rows which are of no delivery of a ledger, and whether their names say so.
pub(super) fn doubtful<'a>(source: &str, files: &'a [DataFile], ledger: &Ledger) -> Vec<(&'a DataFile, bool)> {
    let skipped: Vec<i64> = ledger.skipped().collect();
    let is_doubtful = |file: &DataFile| match file.integers("delivery") {
        Some((least, greatest)) => {
            greatest > ledger.numbered || skipped.iter().any(|number| (least..=greatest).contains(number))
        }
        None => file.rows != Some(0),
    };
    let of_source = files.iter().filter_map(|file| Some((file, prefix(source, &file.path)?.ends_with(UNLOADED))));
    of_source.filter(|(file, is_marked)| *is_marked || is_doubtful(file)).collect()
}

/// Rows of files that no delivery has brought and that a person gave up, by path and record.
pub(super) async fn given_up(
    context: &RunContext,
    source: &str,
    ledger: &Ledger,
) -> Result<HashMap<String, HashMap<i64, GivenUp>>, RunError> {
    let base = TableSnapshot::newest(&context.lake, TABLE).await?;
    let files = base.map(|base| base.files).unwrap_or_default();
    let files: Vec<DataFile> = doubtful(source, &files, ledger).into_iter().map(|(file, _)| file.clone()).collect();
    let mut found: HashMap<String, HashMap<i64, GivenUp>> = HashMap::new();
    if files.is_empty() {
        return Ok(found);
    }
    for batch in read(context, &files).await? {
        let rows = Rows::of(&batch)?;
        let discarded = (0..batch.num_rows()).map(|row| rows.get(row)).filter(|row| row.status == DISCARDED);
        for row in discarded.filter(|row| !ledger.has_brought(row.delivery, row.file)) {
            found.entry(row.file.to_owned()).or_default().insert(row.record, row.given_up());
        }
    }
    Ok(found)
}

/// Appends the rows of a source that do not fit, in place of what attempts before said of the same files. Rows that
/// a person gave up stay given up.
pub(super) async fn append(
    context: &RunContext,
    lease: &Lease,
    source: &SourceOutcome,
    run_id: &str,
) -> Result<(), RunError> {
    let Some(misfits) = &source.misfits else {
        return Ok(());
    };
    let base = TableSnapshot::load(&context.lake, TABLE, None).await?;
    let files = base.as_ref().map(|base| base.files.as_slice()).unwrap_or_default();
    let earlier = Earlier::find(context, &source.source, files, misfits).await?;
    let is_same = misfits.rows.is_empty() && earlier.superseded.is_empty();
    // Of an attempt that read nothing, what a listing hides is for the next to say.
    if !is_same || !misfits.read.is_empty() {
        TableSnapshot::refuse_unlisted(&context.lake, TABLE, base.as_ref()).await?;
    }
    if is_same {
        return Ok(());
    }
    match &base {
        None => lease.announce([TABLE]).await?,
        Some(base) => match base.strangers().await?.map(|found| refused_quarantine(&found)) {
            // Nothing was read: what attempts before said can wait.
            Some(because) if misfits.rows.is_empty() && misfits.read.is_empty() => {
                tracing::warn!(source = %source.source, "{because}");
                return Ok(());
            }
            Some(because) => return Err(RunError::refused(TABLE, &because)),
            None => {}
        },
    }
    let schema = schema();
    let held = misfits.rows.iter().map(|batch| with_status(batch, &schema, run_id)).collect::<Result<Vec<_>, _>>();
    let still_discarded = |row: &Misfit<'_>| earlier.discarded.get(&Seen::of(row)).cloned();
    let (held, _) = settled_rows(&held.map_err(|error| defect(&error))?, &still_discarded)?;
    let mark = if earlier.has_unloaded { UNLOADED } else { "" };
    let append = Append {
        table: TABLE,
        name: &format!("{}-{mark}{}", source.source, misfits.attempt),
        schema: &schema,
        batches: &[earlier.kept, held].concat(),
        superseded: &earlier.superseded,
        under: Some((lease.token(), base.as_ref())),
    };
    append_batches(context, &append, run_id).await.map(drop)
}

/// In the name of a file with rows of files that are not loaded, behind the source.
const UNLOADED: &str = "unloaded-";

/// What the name of a file of a source begins with.
pub(super) fn prefix(source: &str, path: &str) -> Option<String> {
    let named = path.strip_prefix(source)?.strip_prefix('-')?;
    Some(format!("{source}-{}", if named.starts_with(UNLOADED) { UNLOADED } else { "" }))
}

/// What attempts before left of a source.
#[derive(Default)]
struct Earlier {
    superseded: HashSet<String>,
    /// Rows in superseded files that stay as they are.
    kept: Vec<RecordBatch>,
    /// Whether some of them are of no delivery of the ledger.
    has_unloaded: bool,
    /// Rows that leave, of which a person said that they are given up.
    discarded: HashMap<Seen, Settled>,
}

impl Earlier {
    async fn find(context: &RunContext, source: &str, files: &[DataFile], misfits: &Misfits) -> Result<Self, RunError> {
        let mut earlier = Self::default();
        let files = if planted(Bug::QuarantineAddedTo) { Vec::new() } else { doubtful(source, files, &misfits.before) };
        for (file, is_marked) in files {
            let rows = read(context, std::slice::from_ref(file)).await?;
            earlier.take(&file.path, is_marked, &rows, misfits)?;
        }
        Ok(earlier)
    }

    /// Takes over what stays of a file, unless all of it does and its name says so.
    fn take(
        &mut self,
        path: &str,
        is_marked: bool,
        batches: &[RecordBatch],
        misfits: &Misfits,
    ) -> Result<(), RunError> {
        let standings = batches.iter().map(|batch| {
            let rows = Rows::of(batch)?;
            Ok((0..batch.num_rows()).map(|row| misfits.standing(&rows.get(row))).collect())
        });
        let standings: Vec<Vec<Standing>> = standings.collect::<Result<_, RunError>>()?;
        let has = |wanted: Standing| standings.iter().flatten().any(|standing| *standing == wanted);
        if !has(Standing::Superseded) && (is_marked || !has(Standing::Stays)) {
            return Ok(());
        }
        self.has_unloaded |= has(Standing::Stays);
        self.superseded.insert(path.to_owned());
        for (batch, standings) in batches.iter().zip(&standings) {
            let rows = Rows::of(batch)?;
            let gone = (0..).zip(standings).filter(|(_, standing)| **standing == Standing::Superseded);
            for row in gone.map(|(row, _)| row) {
                self.discarded.extend(rows.discarded(row).map(|settled| (Seen::of(&rows.get(row)), settled)));
            }
            let stays: BooleanArray =
                standings.iter().map(|standing| Some(*standing != Standing::Superseded)).collect();
            if stays.true_count() > 0 {
                self.kept.push(filter_record_batch(batch, &stays).map_err(|error| defect(&error))?);
            }
        }
        Ok(())
    }
}

/// A row as a person saw it: what another attempt says of the same text in the same place is of the same row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Seen {
    file: String,
    record: i64,
    raw: String,
    raw_base64: Option<String>,
}

impl Seen {
    fn of(row: &Misfit<'_>) -> Self {
        Self {
            file: row.file.to_owned(),
            record: row.record,
            raw: row.raw.to_owned(),
            raw_base64: row.raw_base64.map(str::to_owned),
        }
    }
}

/// Shows every row of a source that is held.
pub(super) async fn each_held(
    context: &RunContext,
    source: &str,
    mut show: impl FnMut(&Misfit<'_>),
) -> Result<(), RunError> {
    let base = TableSnapshot::newest(&context.lake, TABLE).await?;
    let files = base.map(|base| base.files).unwrap_or_default();
    let files: Vec<DataFile> = files.into_iter().filter(|file| prefix(source, &file.path).is_some()).collect();
    for batch in read(context, &files).await? {
        let rows = Rows::of(&batch)?;
        (0..batch.num_rows()).map(|row| rows.get(row)).filter(|row| row.status == HELD).for_each(|row| show(&row));
    }
    Ok(())
}

/// The rows of some files of the table, text in the layout of its schema.
pub(super) async fn read(context: &RunContext, files: &[DataFile]) -> Result<Vec<RecordBatch>, RunError> {
    let session = context.engine.session(Effort::Fast);
    let failed = |error| RunError::query(TABLE, error);
    let schema = schema();
    let provider = PinnedTable::new(&context.lake, TABLE, &schema, files)?;
    register(&session, TABLE, Arc::new(provider)).map_err(failed)?;
    let rows = session.table(TABLE).await.map_err(failed)?.collect().await.map_err(failed)?;
    let plain = rows.iter().map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&schema), columns)
    });
    plain.collect::<Result<_, _>>().map_err(|error| defect(&error))
}

/// A row of the quarantine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misfit<'a> {
    pub delivery: i64,
    pub file: &'a str,
    pub record: i64,
    /// `None` where its format has no lines.
    pub line: Option<i64>,
    pub status: &'a str,
    column: Option<&'a str>,
    reason: &'a str,
    pub raw: &'a str,
    raw_base64: Option<&'a str>,
}

impl Misfit<'_> {
    fn given_up(&self) -> GivenUp {
        GivenUp {
            raw: self.raw.to_owned(),
            raw_base64: self.raw_base64.map(str::to_owned),
            column: self.column.map(str::to_owned),
            reason: self.reason.to_owned(),
        }
    }
}

/// The columns by which a row is known and judged.
pub(super) struct Rows<'a> {
    delivery: &'a Int64Array,
    file: &'a StringArray,
    record: &'a Int64Array,
    line: &'a Int64Array,
    column: &'a StringArray,
    reason: &'a StringArray,
    raw: &'a StringArray,
    raw_base64: &'a StringArray,
    pub status: &'a StringArray,
    pub settled_at: &'a TimestampMicrosecondArray,
    pub settled_by: &'a StringArray,
    pub note: &'a StringArray,
}

impl<'a> Rows<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Result<Self, RunError> {
        let column = |name: &'static str| batch.column_by_name(name).ok_or_else(|| no_column(name));
        let text = |name: &'static str| column(name)?.as_string_opt().ok_or_else(|| no_column(name));
        let number = |name: &'static str| column(name)?.as_primitive_opt().ok_or_else(|| no_column(name));
        let at = column(SETTLED_AT)?.as_primitive_opt::<TimestampMicrosecondType>();
        Ok(Self {
            delivery: number("delivery")?,
            file: text("file")?,
            record: number("record")?,
            line: number("line")?,
            column: text("column_name")?,
            reason: text("reason")?,
            raw: text("raw")?,
            raw_base64: text("raw_base64")?,
            status: text(STATUS)?,
            settled_at: at.ok_or_else(|| no_column(SETTLED_AT))?,
            settled_by: text(SETTLED_BY)?,
            note: text(NOTE)?,
        })
    }

    pub(super) fn get(&self, row: usize) -> Misfit<'a> {
        Misfit {
            delivery: self.delivery.value(row),
            file: self.file.value(row),
            record: self.record.value(row),
            line: self.line.is_valid(row).then(|| self.line.value(row)),
            status: self.status.value(row),
            column: self.column.is_valid(row).then(|| self.column.value(row)),
            reason: self.reason.value(row),
            raw: self.raw.value(row),
            raw_base64: self.raw_base64.is_valid(row).then(|| self.raw_base64.value(row)),
        }
    }

    /// By whom, when and why a row was given up; `None` where it was not.
    fn discarded(&self, row: usize) -> Option<Settled> {
        (self.status.value(row) == DISCARDED).then(|| Settled {
            status: DISCARDED,
            at: self.settled_at.value(row),
            by: self.settled_by.value(row).to_owned(),
            note: self.note.is_valid(row).then(|| self.note.value(row).to_owned()),
        })
    }
}

fn no_column(name: &str) -> RunError {
    RunError::Defect { what: format!("{TABLE} has no column `{name}` of the type it is written with") }
}

pub(super) fn defect(error: &ArrowError) -> RunError {
    RunError::Defect { what: format!("{TABLE}: {error}") }
}

fn with_status(batch: &RecordBatch, schema: &SchemaRef, run_id: &str) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; batch.num_rows()])) };
    columns.push(repeated(HELD));
    columns.push(repeated(run_id));
    let unsettled = schema.fields().iter().skip(columns.len());
    columns.extend(unsettled.map(|field| new_null_array(field.data_type(), batch.num_rows())).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::clone(schema), columns)
}
