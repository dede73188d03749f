//! What a table's folder holds that no version in use needs.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::error::TableError;
use super::lake::{Lake, folder_of};
use super::snapshot::TableSnapshot;
use crate::failpoint;
use crate::planted::{Bug, planted};
use crate::store::remove_unfinished;

pub(super) const LOG: &str = "_delta_log";
pub(super) const LAST_CHECKPOINT: &str = "_last_checkpoint";
/// How the action begins that takes a file out.
const REMOVE: &[u8] = b"{\"remove\"";

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    pub log_entries: u64,
}

/// Removes the data files and log entries of a table that none of `needed` and not its newest version
/// uses, and that are older than `before`: a file younger than that may be one that is being written. Files that left the
/// table later than that stay too: whoever took up the version before, as strangers take the newest, still reads them.
/// Of a table that has no version yet what is staged is needed, and nothing else.
///
/// # Errors
/// [`TableError::MissingVersion`] where a version that is needed cannot be read: nothing is removed then.
pub async fn vacuum(
    lake: &Lake,
    table: &str,
    needed: &BTreeSet<u64>,
    staged: &HashSet<String>,
    before: DateTime<Utc>,
) -> Result<Reclaimed, TableError> {
    let Some(newest) = TableSnapshot::load(lake, table, None).await? else {
        let entries = list(lake, table).await?;
        if !needed.is_empty() || may_be_there(lake, table, &entries).await? {
            return Ok(Reclaimed::default());
        }
        let is_unneeded = |path: &str| !path.starts_with(LOG) && !staged.contains(path);
        return remove(lake, table, entries, before, is_unneeded).await;
    };
    // Where a listing is behind, versions above use files that this one does not know.
    if lake.has_version(table, newest.version + 1).await {
        tracing::warn!(
            table,
            version = newest.version,
            "there may be a newer version than is listed: nothing is removed"
        );
        return Ok(Reclaimed::default());
    }
    let mut in_use: HashSet<String> = newest.files.iter().map(|file| file.path.clone()).collect();
    let entries = list(lake, table).await?;
    let late = newest_of_late(lake, table, &entries, before).await?;
    for version in needed.union(&late).filter(|version| **version != newest.version) {
        let snapshot = TableSnapshot::load(lake, table, Some(*version))
            .await?
            .ok_or_else(|| TableError::MissingVersion { table: table.to_owned(), version: *version })?;
        in_use.extend(snapshot.files.into_iter().map(|file| file.path));
    }
    // What a version younger than `before` took over from is read again by the next maintenance.
    let oldest = needed.iter().chain(&late).copied().min().unwrap_or(newest.version).min(newest.version);
    let oldest = if planted(Bug::LogCutTooFar) { newest.version } else { oldest };
    let checkpoint = entries.iter().filter_map(|(path, _)| checkpoint_of(path)).filter(|at| *at <= oldest).max();
    let is_unneeded = |path: &str| match log_version(path) {
        Some(version) => checkpoint.is_some_and(|checkpoint| version < checkpoint),
        None if path.starts_with(LOG) => false,
        None => !in_use.contains(path) && !staged.contains(path),
    };
    remove(lake, table, entries, before, is_unneeded).await
}

/// Whether a table of which a listing shows no version may have one: asked for by name, for the listing may be behind.
async fn may_be_there(lake: &Lake, table: &str, entries: &[(String, ObjectMeta)]) -> Result<bool, TableError> {
    let next = entries.iter().filter_map(|(path, _)| log_version(path)).max().map_or(0, |last| last + 1);
    let checkpoint = lake.table_path(table).join(LOG).join(LAST_CHECKPOINT);
    Ok(lake.has_version(table, next).await || lake.read_path(&checkpoint, table).await?.is_some())
}

/// Removes entries of a table's folder that are not needed and older than `before`, and what was never written to its
/// end.
async fn remove(
    lake: &Lake,
    table: &str,
    entries: Vec<(String, ObjectMeta)>,
    before: DateTime<Utc>,
    is_unneeded: impl Fn(&str) -> bool,
) -> Result<Reclaimed, TableError> {
    let mut found = remove_leftovers(lake, &folder_of(table), before).await;
    for (path, entry) in entries {
        if !is_unneeded(&path) || entry.last_modified >= before {
            continue;
        }
        lake.store().delete(&entry.location).await.map_err(|source| failed(table, lake, source))?;
        failpoint::reached("maintain.file_removed");
        if path.starts_with(LOG) {
            found.log_entries += 1;
        } else {
            found.files += 1;
        }
        found.bytes += entry.size;
    }
    Ok(found)
}

/// Removes what was never written to its end in a folder of the lake and is older than `before`.
pub async fn remove_leftovers(lake: &Lake, below: &str, before: DateTime<Utc>) -> Reclaimed {
    let (files, bytes) = match lake.local_folder(below) {
        Some(folder) => remove_unfinished(&folder, before).await,
        None => (0, 0),
    };
    Reclaimed { files, bytes, log_entries: 0 }
}

/// The versions that were the newest until a commit since `before` took files out.
async fn newest_of_late(
    lake: &Lake,
    table: &str,
    entries: &[(String, ObjectMeta)],
    before: DateTime<Utc>,
) -> Result<BTreeSet<u64>, TableError> {
    let mut found = BTreeSet::new();
    for (path, entry) in entries.iter().filter(|(path, entry)| is_commit(path) && entry.last_modified >= before) {
        let Some(version) = log_version(path).and_then(|version| version.checked_sub(1)) else { continue };
        let read = async { lake.store().get(&entry.location).await?.bytes().await };
        let commit = read.await.map_err(|source| failed(table, lake, source))?;
        if commit.split(|byte| *byte == b'\n').any(|action| action.starts_with(REMOVE)) {
            found.insert(version);
        }
    }
    Ok(found)
}

fn failed(table: &str, lake: &Lake, source: object_store::Error) -> TableError {
    TableError::Read {
        table: table.to_owned(),
        url: lake.table_path(table).to_string(),
        source: Box::new(source.into()),
    }
}

/// Everything in the table's folder, by path below it.
async fn list(lake: &Lake, table: &str) -> Result<Vec<(String, ObjectMeta)>, TableError> {
    let folder = lake.table_path(table);
    let entries: Vec<ObjectMeta> =
        lake.store().list(Some(&folder)).try_collect().await.map_err(|source| failed(table, lake, source))?;
    let below = |entry: &ObjectMeta| {
        let parts: Vec<String> = entry.location.prefix_match(&folder)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    };
    Ok(entries.into_iter().filter_map(|entry| Some((below(&entry)?, entry))).collect())
}

/// The version of a commit or checkpoint; `None` for what is not one.
fn log_version(path: &str) -> Option<u64> {
    let name = path.strip_prefix(LOG)?.strip_prefix('/')?;
    if name == LAST_CHECKPOINT {
        return None;
    }
    name.split('.').next()?.parse().ok()
}

fn is_commit(path: &str) -> bool {
    path.ends_with(".json") && log_version(path).is_some()
}

fn checkpoint_of(path: &str) -> Option<u64> {
    path.ends_with(".checkpoint.parquet").then(|| log_version(path)).flatten()
}
