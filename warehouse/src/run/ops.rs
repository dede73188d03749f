//! The `ops` tables: what runs did, outside releases, written when a night fails too.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde_json::{Value, json};

use super::context::RunContext;
use super::error::RunError;
use super::report::{RunReport, RunStatus};
use crate::failpoint;
use crate::project::types::ColumnType;
use crate::table::{Change, StageWriter, StagedFile, TableError, TableSnapshot, commit};

/// Application id of appends to `ops` tables.
const APP_ID: &str = "buho/ops";
/// Appends of other runs that one append may lose the race against.
const RACES: usize = 20;

/// An `ops` table: its name and columns.
struct OpsTable {
    name: &'static str,
    columns: &'static [(&'static str, ColumnType)],
}

use ColumnType::{Bigint, Boolean, Date, Double, Timestamp, Varchar};

const RUNS: OpsTable = OpsTable {
    name: "ops.runs",
    columns: &[
        ("run_id", Varchar),
        ("night", Date),
        ("status", Varchar),
        ("exit_kind", Varchar),
        ("release", Varchar),
        ("started_at", Timestamp),
        ("seconds", Double),
        ("nodes_built", Bigint),
        ("nodes_skipped", Bigint),
        ("nodes_held", Bigint),
        ("nodes_failed", Bigint),
        ("rows_ingested", Bigint),
        ("rows_quarantined", Bigint),
        ("failed_node", Varchar),
        ("message", Varchar),
    ],
};

const NODES: OpsTable = OpsTable {
    name: "ops.nodes",
    columns: &[
        ("run_id", Varchar),
        ("night", Date),
        ("node", Varchar),
        ("kind", Varchar),
        ("status", Varchar),
        ("rows", Bigint),
        ("version", Bigint),
        ("seconds", Double),
        ("message", Varchar),
    ],
};

const AUDITS: OpsTable = OpsTable {
    name: "ops.audits",
    columns: &[
        ("run_id", Varchar),
        ("night", Date),
        ("node", Varchar),
        ("audit", Varchar),
        ("severity", Varchar),
        ("passed", Boolean),
        ("failing_rows", Bigint),
        ("examples", Varchar),
    ],
};

const SOURCES: OpsTable = OpsTable {
    name: "ops.sources",
    columns: &[
        ("run_id", Varchar),
        ("night", Date),
        ("source", Varchar),
        ("freshness", Varchar),
        ("deliveries", Bigint),
        ("rows", Bigint),
        ("quarantined", Bigint),
        ("seconds", Double),
        ("message", Varchar),
    ],
};

/// The `ops` tables and their columns, for readers before the first run.
pub fn ops_schemas() -> Vec<(&'static str, SchemaRef)> {
    let mut schemas: Vec<(&'static str, SchemaRef)> =
        [&RUNS, &NODES, &AUDITS, &SOURCES].into_iter().map(|table| (table.name, schema(table))).collect();
    schemas.push((super::quarantine::TABLE, super::quarantine::schema()));
    schemas
}

fn schema(table: &OpsTable) -> SchemaRef {
    let fields: Vec<Field> =
        table.columns.iter().map(|(name, column)| Field::new(*name, column.arrow(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// Appends a run to the `ops` tables.
pub(super) async fn append_run(context: &RunContext, report: &RunReport) -> Result<(), RunError> {
    let run = json!({
        "run_id": report.run_id,
        "night": report.night,
        "status": report.status,
        "exit_kind": report.exit_kind,
        "release": report.release,
        "started_at": local_stamp(context, report),
        "seconds": report.seconds,
        "nodes_built": report.nodes.built,
        "nodes_skipped": report.nodes.skipped,
        "nodes_held": report.nodes.held,
        "nodes_failed": report.nodes.failed,
        "rows_ingested": report.rows.ingested,
        "rows_quarantined": report.rows.quarantined,
        "failed_node": report.failed.as_ref().map(|failure| &failure.node),
        "message": report.cause().map(|(_, cause)| &cause.message),
    });
    append(context, &RUNS, report, vec![run]).await?;
    append(context, &NODES, report, rows(report, &report.node_reports)?).await?;
    append(context, &AUDITS, report, rows(report, &report.audits)?).await?;
    append(context, &SOURCES, report, rows(report, &report.sources)?).await
}

/// Whether a run is in the table of runs.
pub(super) async fn has_run(context: &RunContext, run_id: &str) -> Result<bool, RunError> {
    let runs = TableSnapshot::load(&context.lake, RUNS.name, None).await?;
    Ok(runs.is_some_and(|runs| runs.files.iter().any(|file| file.path.contains(run_id))))
}

/// The wall clock where the business is, as every TIMESTAMP of the lake.
fn local_stamp(context: &RunContext, report: &RunReport) -> String {
    let local = report.started_at.with_timezone(&context.project.settings.time_zone);
    local.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// The parts of a report as rows, each with the run and its night.
fn rows<T: serde::Serialize>(report: &RunReport, parts: &[T]) -> Result<Vec<Value>, RunError> {
    parts
        .iter()
        .map(|part| {
            let mut row =
                serde_json::to_value(part).map_err(|source| RunError::Form { what: "ops row".to_owned(), source })?;
            if let Value::Object(columns) = &mut row {
                columns.insert("run_id".to_owned(), json!(report.run_id));
                columns.insert("night".to_owned(), json!(report.night));
            }
            Ok(row)
        })
        .collect()
}

async fn append(context: &RunContext, table: &OpsTable, report: &RunReport, rows: Vec<Value>) -> Result<(), RunError> {
    if rows.is_empty() {
        return Ok(());
    }
    let schema = schema(table);
    let defect = |error: arrow::error::ArrowError| RunError::Defect { what: format!("{}: {error}", table.name) };
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().map_err(defect)?;
    decoder.serialize(&rows).map_err(defect)?;
    let Some(batch) = decoder.flush().map_err(defect)? else {
        return Ok(());
    };
    let append = Append {
        table: table.name,
        // What a run that was cut short had staged for itself is not written over.
        name: &match report.status {
            RunStatus::Died | RunStatus::Stopped => format!("{}-{}", report.status.name(), report.run_id),
            _ if report.is_cut_short => format!("late-{}", report.run_id),
            _ => format!("run-{}", report.run_id),
        },
        schema: &schema,
        batches: &[batch],
        superseded: &HashSet::new(),
        under: None,
    };
    append_batches(context, &append, &report.run_id).await.map(drop)
}

/// Rows for a table that is added to.
pub(super) struct Append<'a> {
    pub table: &'a str,
    /// Of the file that they go to.
    pub name: &'a str,
    pub schema: &'a SchemaRef,
    /// None makes no file.
    pub batches: &'a [RecordBatch],
    /// Files that leave for it.
    pub superseded: &'a HashSet<String>,
    /// Token of the lease under which it is done, and the version that was seen to be the newest: what goes and what
    /// comes was worked out from it. `None` where any run may append.
    pub under: Option<(u64, Option<&'a TableSnapshot>)>,
}

/// Appends to a table; where any run may, and another was first, on top of that.
pub(super) async fn append_batches(
    context: &RunContext,
    append: &Append<'_>,
    run_id: &str,
) -> Result<TableSnapshot, RunError> {
    let Append { table, name, schema, batches, superseded, under } = *append;
    let staged = match batches {
        [] => None,
        batches => Some(stage(context, table, name, schema, batches).await?),
    };
    failpoint::reached("append.staged");
    for _ in 0..RACES {
        let base = match under {
            Some((_, base)) => base.cloned(),
            None => TableSnapshot::load(&context.lake, table, None).await?,
        };
        let at = context.clock.now();
        let change = Change {
            table: table.to_owned(),
            schema: Arc::clone(schema),
            partition_by: Vec::new(),
            adds: staged.iter().cloned().collect(),
            removes: superseded.clone(),
            rearranges: false,
            app_id: APP_ID.to_owned(),
            sequence: at.timestamp_millis(),
            token: under.map(|(token, _)| token),
            notes: HashMap::new(),
            run_id: run_id.to_owned(),
            at,
        };
        match commit(&context.lake, base.as_ref(), &change).await {
            Ok(appended) => return Ok(appended),
            Err(TableError::Conflict { .. }) if under.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(TableError::Conflict { table: table.to_owned(), version: 0 }.into())
}

async fn stage(
    context: &RunContext,
    table: &str,
    name: &str,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<StagedFile, RunError> {
    let mut writer = StageWriter::open(&context.lake, table, &format!("{name}.zstd.parquet"), schema)?;
    for batch in batches {
        writer.write(batch).await?;
    }
    Ok(writer.finish().await?)
}

/// A column's type in `ops` tables that are made elsewhere.
pub(super) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}
