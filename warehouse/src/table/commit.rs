//! The one place that writes a Delta log.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use deltalake::DeltaTableError;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::kernel::{Action, Add, Metadata, MetadataExt, Protocol, Remove, StructType, Transaction, new_metadata};
use deltalake::logstore::CommitOrBytes;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::TableError;
use super::fence::{fence_of, fence_transaction, is_fence, refuse_stale};
use super::lake::Lake;
use super::layout::for_log;
use super::snapshot::TableSnapshot;
use super::writer::StagedFile;
use crate::failpoint;
use crate::planted::{Bug, planted};
use crate::project::types::ColumnType;

/// What every commit of ours says: the run that made it.
pub(super) const RUN_NOTE: &str = "buhoRun";
/// Commits between two checkpoints: a reader opens at most this many small files.
const CHECKPOINT_EVERY: u64 = if cfg!(test) { 4 } else { 10 };

/// What one commit does to a table.
#[derive(Debug, Clone)]
pub struct Change {
    pub table: String,
    pub schema: SchemaRef,
    /// Columns by which the table is partitioned.
    pub partition_by: Vec<String>,
    pub adds: Vec<StagedFile>,
    /// Paths of files that leave the table.
    pub removes: HashSet<String>,
    /// Whether the rows stay as they are, in other files.
    pub rearranges: bool,
    /// `txn`: who commits, and the rising number by which a lost answer is settled.
    pub app_id: String,
    pub sequence: i64,
    /// Token of the lease under which it is made; `None` for tables that every run may append to.
    pub token: Option<u64>,
    pub run_id: String,
    /// More that the commit's info says, by key.
    pub notes: HashMap<String, Value>,
    /// Stamp of the commit and of its files.
    pub at: DateTime<Utc>,
}

/// Writes version n + 1 on top of `base` (where there is no table version 0, or the first above bare fences) and
/// returns it.
///
/// An answer that was lost is settled by reading the log: if version n + 1 carries our `txn`, it is ours.
///
/// # Errors
/// [`TableError::Conflict`] where somebody else wrote n + 1, [`TableError::Fenced`] where that or an earlier
/// version is of a run that took the lease from this one; nothing was overwritten.
pub async fn commit(lake: &Lake, base: Option<&TableSnapshot>, change: &Change) -> Result<TableSnapshot, TableError> {
    // A run that lost its lease may have read the table after the next holder wrote to it.
    if let (Some(base), Some(token), false) = (base, change.token, planted(Bug::CommitsAgain)) {
        refuse_stale(base, token).await?;
    }
    let mut version = base.map_or(0, |snapshot| snapshot.version + 1);
    let bytes = log_entry(base, change)?;
    let log_store = lake.log_store(&change.table)?;
    loop {
        let entry = CommitOrBytes::LogBytes(bytes.clone());
        let Err(error) = log_store.write_commit_entry(version, entry, Uuid::nil()).await else { break };
        if planted(Bug::CommitsAgain) {
            match TableSnapshot::load(lake, &change.table, None).await? {
                Some(newest) => return Box::pin(commit(lake, Some(&newest), change)).await,
                // A log of bare fences is no table.
                None => {
                    version += 1;
                    continue;
                }
            }
        }
        match settle(lake, change, version, error).await? {
            Settled::Ours => break,
            Settled::Fence if base.is_none() => version += 1,
            Settled::Fence => return Err(TableError::Conflict { table: change.table.clone(), version }),
        }
    }
    failpoint::reached("table.committed");
    let snapshot = TableSnapshot::load(lake, &change.table, Some(version))
        .await?
        .ok_or_else(|| TableError::MissingVersion { table: change.table.clone(), version })?;
    if version > 0 && version.is_multiple_of(CHECKPOINT_EVERY) {
        write_checkpoint(&snapshot).await;
    }
    Ok(snapshot)
}

/// A checkpoint only makes reading faster: where it fails, the next one will do. Whether it was written.
async fn write_checkpoint(snapshot: &TableSnapshot) -> bool {
    let written = deltalake::checkpoints::create_checkpoint(snapshot.delta(), None).await;
    if let Err(error) = &written {
        tracing::warn!(table = %snapshot.table, version = snapshot.version, %error, "no checkpoint was written");
    }
    failpoint::reached("table.checkpointed");
    written.is_ok()
}

/// Writes the checkpoint that a table's newest version is behind with, where one failed or a fence took the version
/// that would have had it. Whether one was written.
///
/// # Errors
/// [`TableError::Read`] where the log's note of its last checkpoint cannot be read.
pub async fn catch_up_checkpoint(lake: &Lake, newest: &TableSnapshot) -> Result<bool, TableError> {
    let last = lake.last_checkpoint(&newest.table).await?;
    if newest.version - last.unwrap_or(0).min(newest.version) < CHECKPOINT_EVERY {
        return Ok(false);
    }
    Ok(write_checkpoint(newest).await)
}

/// What has the version that could not be put.
enum Settled {
    /// The very change: its answer was lost.
    Ours,
    /// A fence of this holder or of one before it.
    Fence,
}

/// After a failed put: was it ours after all?
async fn settle(lake: &Lake, change: &Change, version: u64, error: TransactionError) -> Result<Settled, TableError> {
    let log_store = lake.log_store(&change.table)?;
    let entry = log_store.read_commit_entry(version).await.map_err(|source| TableError::Read {
        table: change.table.clone(),
        url: format!("_delta_log, version {version}"),
        source: Box::new(source),
    })?;
    match entry {
        Some(bytes) if holds_transaction(&bytes, change) => Ok(Settled::Ours),
        Some(bytes) => match fence_of(&bytes) {
            Some(token) if change.token.is_some_and(|ours| ours < token) => {
                Err(TableError::Fenced { table: change.table.clone(), version, token })
            }
            _ if is_fence(&bytes) => Ok(Settled::Fence),
            _ => Err(TableError::Conflict { table: change.table.clone(), version }),
        },
        None => Err(TableError::write(
            &change.table,
            &format!("_delta_log, version {version}"),
            DeltaTableError::from(error),
        )),
    }
}

pub(super) fn actions_of(entry: &[u8]) -> Vec<Value> {
    entry.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Whether a log entry is this very change: our run, our `txn`.
fn holds_transaction(entry: &[u8], change: &Change) -> bool {
    let actions = actions_of(entry);
    let has = |pointer: &str, value: Value| actions.iter().any(|action| action.pointer(pointer) == Some(&value));
    has(&format!("/commitInfo/{RUN_NOTE}"), json!(change.run_id))
        && has("/txn/appId", json!(change.app_id))
        && has("/txn/version", json!(change.sequence))
}

fn log_entry(base: Option<&TableSnapshot>, change: &Change) -> Result<bytes::Bytes, TableError> {
    refuse_misplaced(change)?;
    let defect = |error: &dyn std::fmt::Display| TableError::defect(&change.table, error);
    let mut actions = Vec::new();
    let is_same = match base {
        Some(base) => same_columns(&base.schema, &change.schema) && base.partition_columns()? == change.partition_by,
        None => false,
    };
    if !is_same {
        actions.extend(schema_actions(base, change)?);
    }
    let millis = change.at.timestamp_millis();
    if let Some(base) = base {
        actions.extend(remove_actions(base, change, millis).into_iter().map(Action::Remove));
    }
    actions.extend(change.adds.iter().map(|file| Action::Add(add_action(file, change, millis))));
    let mode = if change.removes.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
    let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
    let mut info = operation.get_commit_info();
    info.timestamp = Some(millis);
    info.engine_info = Some(format!("buho {}", env!("CARGO_PKG_VERSION")));
    actions.insert(0, Action::CommitInfo(info));
    let mut notes = change.notes.clone();
    notes.insert(RUN_NOTE.to_owned(), json!(change.run_id));
    let mut transactions = vec![Transaction::new_with_last_update(&change.app_id, change.sequence, Some(millis))];
    transactions.extend(change.token.map(|token| fence_transaction(token, millis)));
    CommitData::new(actions, operation, notes, transactions).get_bytes().map_err(|error| defect(&error))
}

/// A file that lies otherwise than its table would be read without its partition columns.
fn refuse_misplaced(change: &Change) -> Result<(), TableError> {
    let names: BTreeSet<&String> = change.partition_by.iter().collect();
    let misplaced = change.adds.iter().find(|file| file.partition.keys().collect::<BTreeSet<_>>() != names);
    misplaced.map_or(Ok(()), |file| {
        let what = format!("{} was written for other partitions than {:?}", file.path, change.partition_by);
        Err(TableError::defect(&change.table, what))
    })
}

fn add_action(file: &StagedFile, change: &Change, millis: i64) -> Add {
    Add {
        path: file.path.clone(),
        size: file.size as i64,
        modification_time: millis,
        partition_values: for_log(&file.partition),
        data_change: !change.rearranges,
        stats: Some(file.stats.clone()),
        ..Add::default()
    }
}

fn remove_actions(base: &TableSnapshot, change: &Change, millis: i64) -> Vec<Remove> {
    base.files
        .iter()
        .filter(|file| change.removes.contains(&file.path))
        .map(|file| Remove {
            path: file.path.clone(),
            data_change: !change.rearranges,
            deletion_timestamp: Some(millis),
            extended_file_metadata: Some(true),
            partition_values: Some(for_log(&file.partition)),
            size: Some(file.size as i64),
            ..Remove::default()
        })
        .collect()
}

/// Names and column types agree; text layouts do not count.
fn same_columns(left: &SchemaRef, right: &SchemaRef) -> bool {
    let columns = |schema: &SchemaRef| -> Vec<(String, Option<ColumnType>)> {
        schema.fields().iter().map(|field| (field.name().clone(), ColumnType::from_arrow(field.data_type()))).collect()
    };
    columns(left) == columns(right)
}

/// Protocol and metadata of a new table, or of one whose columns changed.
fn schema_actions(base: Option<&TableSnapshot>, change: &Change) -> Result<Vec<Action>, TableError> {
    let defect = |error: String| TableError::defect(&change.table, error);
    let kernel_schema: StructType = nullable_text(&change.table, &change.schema)?
        .as_ref()
        .try_into_kernel()
        .map_err(|error: arrow::error::ArrowError| defect(error.to_string()))?;
    // Only `buho maintain` cleans logs: a kept release needs its versions.
    let settings = [("delta.enableExpiredLogCleanup", "false")];
    let mut metadata: Metadata =
        new_metadata(&kernel_schema, &change.partition_by, settings).map_err(|error| defect(error.to_string()))?;
    if let Some(base) = base {
        let id = base.metadata()?.id().to_owned();
        metadata = metadata.with_table_id(id).map_err(|error| defect(error.to_string()))?;
    }
    let mut actions = vec![Action::Protocol(protocol(&change.schema).map_err(|error| defect(error.to_string()))?)];
    actions.push(Action::Metadata(metadata));
    Ok(actions)
}

/// The oldest protocol that can hold the columns, so that as many readers as possible can read it.
fn protocol(schema: &SchemaRef) -> Result<Protocol, serde_json::Error> {
    let has_timestamps =
        schema.fields().iter().any(|field| ColumnType::from_arrow(field.data_type()) == Some(ColumnType::Timestamp));
    serde_json::from_value(if has_timestamps {
        json!({
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"],
        })
    } else {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    })
}

/// Every column is nullable in the log: what must not be NULL is said by audits.
fn nullable_text(table: &str, schema: &SchemaRef) -> Result<SchemaRef, TableError> {
    let fields: Vec<arrow::datatypes::Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let column = ColumnType::from_arrow(field.data_type()).ok_or_else(|| TableError::Type {
                table: table.to_owned(),
                column: field.name().clone(),
                found: field.data_type().to_string(),
            })?;
            Ok(arrow::datatypes::Field::new(field.name(), column.arrow(), true))
        })
        .collect::<Result<_, TableError>>()?;
    Ok(std::sync::Arc::new(arrow::datatypes::Schema::new(fields)))
}

#[cfg(test)]
mod tests;
