//! Run records: one small object a run, which `runs list` reads; also where nothing was to do.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::error::RunError;
use super::left;
use super::report::RunReport;
use crate::table::{Lake, TableError};

const FOLDER: &str = "_buho/runs";
/// Records read beside each other.
const READS_AT_ONCE: usize = 16;

/// Writes a run's record.
pub(super) async fn store(lake: &Lake, report: &RunReport) -> Result<(), RunError> {
    let below = file(&report.run_id);
    let body = serde_json::to_vec(report).map_err(|source| RunError::Form { what: below.clone(), source })?;
    let path = lake.path(&below);
    lake.store().put(&path, body.into()).await.map_err(|error| TableError::write("run record", &path, error))?;
    Ok(())
}

/// The last runs, newest first: first of all one that is at work, or that died and nobody has recorded yet. A record
/// that is damaged is told, and left out.
///
/// # Errors
/// Where the lake cannot be listed or read.
pub async fn last_runs(lake: &Lake, count: usize, now: DateTime<Utc>) -> Result<Vec<RunReport>, RunError> {
    let present = left::present(lake, now).await?;
    let folder = lake.path(FOLDER);
    let entries: Vec<_> =
        lake.store().list(Some(&folder)).try_collect().await.map_err(|error| unlisted(&folder, error))?;
    let mut ids: Vec<String> =
        entries.iter().filter_map(|entry| Some(entry.location.filename()?.strip_suffix(".json")?.to_owned())).collect();
    ids.sort_by(|left, right| right.cmp(left));
    ids.truncate(count.saturating_sub(usize::from(present.is_some())));
    let recorded: Vec<RunReport> = stream::iter(ids)
        .map(|id| async move { run_by_id(lake, &id).await })
        .buffered(READS_AT_ONCE)
        .filter_map(|found| async move {
            match found {
                Err(error @ RunError::Record { .. }) => {
                    tracing::warn!("{error}");
                    None
                }
                found => found.transpose(),
            }
        })
        .try_collect()
        .await?;
    Ok(present.into_iter().chain(recorded).collect())
}

/// One run by id, or `None` where there is no such record.
///
/// # Errors
/// [`RunError::Record`] where the record is damaged.
pub async fn run_by_id(lake: &Lake, run_id: &str) -> Result<Option<RunReport>, RunError> {
    let below = file(run_id);
    match lake.read(&below).await? {
        Some(bytes) => {
            let damaged = |source| RunError::Record { path: lake.path(&below).to_string(), source };
            serde_json::from_slice(&bytes).map(Some).map_err(damaged)
        }
        None => Ok(None),
    }
}

/// Whether any run has a record, be it damaged.
///
/// # Errors
/// Where the lake cannot be listed.
pub async fn has_runs(lake: &Lake) -> Result<bool, RunError> {
    let folder = lake.path(FOLDER);
    let first = lake.store().list(Some(&folder)).try_next().await;
    Ok(first.map_err(|error| unlisted(&folder, error))?.is_some())
}

fn unlisted(folder: &Path, error: object_store::Error) -> TableError {
    TableError::Read { table: "run records".to_owned(), url: folder.to_string(), source: Box::new(error.into()) }
}

/// Whether a run has a record, be it damaged.
pub(super) async fn is_there(lake: &Lake, run_id: &str) -> Result<bool, RunError> {
    Ok(lake.read(&file(run_id)).await?.is_some())
}

fn file(run_id: &str) -> String {
    format!("{FOLDER}/{run_id}.json")
}
