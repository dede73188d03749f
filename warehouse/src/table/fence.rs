//! Fences: log entries without rows that say which holder of the lake's lease a table belongs to.
//!
//! | the table | its fence | what a commit of an earlier holder meets |
//! |---|---|---|
//! | is there | the next version, with the rows before | a version that is taken, and the higher token in it |
//! | was about to be created | a *bare* entry, version 0 without columns: no table yet, for nobody | the same |
//! | neither | none is needed: who creates a table says so in the lease's chain first | |
//!
//! On top of bare entries the table begins at the next version, with its columns.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use deltalake::kernel::Action;
use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::logstore::{CommitOrBytes, LogStore};
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::commit::{RUN_NOTE, actions_of};
use super::error::TableError;
use super::lake::Lake;
use super::snapshot::TableSnapshot;
use crate::failpoint;

/// Application id under which a log keeps the highest token of the lake's lease that it has seen.
const FENCE: &str = "buho/fence";
/// Commits of others that a fence may have to go on top of.
const FENCE_RACES: usize = 100;

/// Makes every commit of a holder before `token` fail: its next version is taken. The rows stay as
/// they are. A table that has seen the token already is left alone, and so is one that does not exist,
/// unless a holder before was about to create it.
///
/// # Errors
/// [`TableError::Fenced`] where a later holder was here first; [`TableError::Unlisted`] where a listing shows no table,
/// and it is there.
pub async fn fence(
    lake: &Lake,
    table: &str,
    token: u64,
    about_to_be_created: bool,
    (run_id, at): (&str, DateTime<Utc>),
) -> Result<(), TableError> {
    let log_store = lake.log_store(table)?;
    for _ in 0..FENCE_RACES {
        let (seen, next) = match TableSnapshot::load(lake, table, None).await? {
            Some(base) => (token_of(&base).await?, base.version + 1),
            None if about_to_be_created => bare_fences(log_store.as_ref(), table).await?,
            None => return TableSnapshot::refuse_unlisted(lake, table, None).await,
        };
        match seen {
            Some(seen) if seen == token => return Ok(()),
            Some(seen) if seen > token => {
                return Err(TableError::Fenced {
                    table: table.to_owned(),
                    version: next.saturating_sub(1),
                    token: seen,
                });
            }
            _ => {}
        }
        let bytes = fence_entry(table, token, run_id, at.timestamp_millis())?;
        let written = log_store.write_commit_entry(next, CommitOrBytes::LogBytes(bytes), Uuid::nil()).await;
        match written {
            // Whoever was first, the next look at the log tells; what was lost is tried again.
            Ok(()) => failpoint::reached("table.fenced"),
            Err(TransactionError::VersionAlreadyExists(_)) => {}
            Err(error) => tracing::debug!(table, %error, "a fence is tried again"),
        }
    }
    Err(TableError::Conflict { table: table.to_owned(), version: 0 })
}

/// A holder with this token commits on top of a version only where no later holder was before it.
pub(super) async fn refuse_stale(base: &TableSnapshot, token: u64) -> Result<(), TableError> {
    match token_of(base).await? {
        Some(seen) if seen > token => {
            Err(TableError::Fenced { table: base.table.clone(), version: base.version, token: seen })
        }
        _ => Ok(()),
    }
}

/// The highest token that a table has seen.
async fn token_of(table: &TableSnapshot) -> Result<Option<u64>, TableError> {
    Ok(table.transaction(FENCE).await?.map(i64::unsigned_abs))
}

/// Of a log without a table: the highest token in it, and the first version that is free.
async fn bare_fences(log_store: &dyn LogStore, table: &str) -> Result<(Option<u64>, u64), TableError> {
    let (mut seen, mut version) = (None, 0);
    loop {
        let entry = log_store.read_commit_entry(version).await.map_err(|source| TableError::Read {
            table: table.to_owned(),
            url: format!("_delta_log, version {version}"),
            source: Box::new(source),
        })?;
        let Some(entry) = entry else {
            return Ok((seen, version));
        };
        seen = seen.max(fence_of(&entry));
        version += 1;
    }
}

/// The token of the lease under which an entry was written.
pub(super) fn fence_of(entry: &[u8]) -> Option<u64> {
    token_in(&actions_of(entry))
}

fn token_in(actions: &[Value]) -> Option<u64> {
    let fence = actions.iter().find(|action| action.pointer("/txn/appId") == Some(&json!(FENCE)))?;
    fence.pointer("/txn/version")?.as_u64()
}

/// Whether an entry is a fence and nothing else.
pub(super) fn is_fence(entry: &[u8]) -> bool {
    let actions = actions_of(entry);
    let says_nothing = |action: &Value| action.get("commitInfo").is_some() || action.get("txn").is_some();
    token_in(&actions).is_some() && actions.iter().all(says_nothing)
}

pub(super) fn fence_transaction(token: u64, millis: i64) -> Transaction {
    Transaction::new_with_last_update(FENCE, i64::try_from(token).unwrap_or(i64::MAX), Some(millis))
}

fn fence_entry(table: &str, token: u64, run_id: &str, millis: i64) -> Result<bytes::Bytes, TableError> {
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let mut info = operation.get_commit_info();
    info.timestamp = Some(millis);
    info.engine_info = Some(format!("buho {}", env!("CARGO_PKG_VERSION")));
    let notes = HashMap::from([(RUN_NOTE.to_owned(), json!(run_id))]);
    CommitData::new(vec![Action::CommitInfo(info)], operation, notes, vec![fence_transaction(token, millis)])
        .get_bytes()
        .map_err(|error| TableError::defect(table, error))
}
