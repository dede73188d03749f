//! What an attempt has staged, so that the next one need not compute it again.
//!
//! `_buho/stage/<table>/<recipe>.json` names the files of a node that was computed in full. The recipe's
//! identity is made of code, night and the rows of all inputs: where it is the same, so are the rows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::error::RunError;
use super::maintain::remove_old;
use crate::failpoint;
use crate::table::{Lake, StagedFile, TableError};

const FOLDER: &str = "_buho/stage";

fn file(table: &str, identity: &str) -> String {
    format!("{FOLDER}/{table}/{identity}.json")
}

/// Notes the files of a node; the files themselves are durable by then.
pub(super) async fn note(lake: &Lake, table: &str, identity: &str, files: &[StagedFile]) -> Result<(), RunError> {
    let below = file(table, identity);
    let body = serde_json::to_vec(files).map_err(|source| RunError::Form { what: below.clone(), source })?;
    let path = lake.path(&below);
    failpoint::reached("node.staged");
    lake.store().put(&path, body.into()).await.map_err(|error| TableError::write(table, &path, error))?;
    failpoint::reached("node.noted");
    Ok(())
}

/// The files that an earlier attempt staged of the same recipe, if all of them are still there.
pub(super) async fn find(lake: &Lake, table: &str, identity: &str) -> Result<Option<Vec<StagedFile>>, RunError> {
    let below = file(table, identity);
    let Some(found) = lake.read(&below).await? else {
        return Ok(None);
    };
    let files: Vec<StagedFile> =
        serde_json::from_slice(&found).map_err(|source| RunError::Form { what: below, source })?;
    for staged in &files {
        let path = lake.table_path(table).join(staged.path.as_str());
        match lake.store().head(&path).await {
            Ok(there) if there.size == staged.size => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(files))
}

/// Files that an unfinished night has staged since `since`; notes before that are forgotten.
pub(super) async fn in_use(lake: &Lake, table: &str, since: DateTime<Utc>) -> Result<HashSet<String>, RunError> {
    let below = format!("{FOLDER}/{table}");
    remove_old(lake, &below, since, |_| true).await?;
    let folder = lake.path(&below);
    let failed = |source: object_store::Error| TableError::Read {
        table: table.to_owned(),
        url: folder.to_string(),
        source: Box::new(source.into()),
    };
    let notes: Vec<_> = lake.store().list(Some(&folder)).try_collect().await.map_err(failed)?;
    let mut paths = HashSet::new();
    for note in notes {
        let name = note.location.filename().unwrap_or_default();
        let what = format!("{below}/{name}");
        if let Some(found) = lake.read(&what).await? {
            let files: Vec<StagedFile> =
                serde_json::from_slice(&found).map_err(|source| RunError::Form { what, source })?;
            paths.extend(files.into_iter().map(|file| file.path));
        }
    }
    Ok(paths)
}

/// Forgets what was staged of a table once it is committed; what stays is found by `maintain`.
pub(super) async fn forget(lake: &Lake, table: &str) {
    let folder = lake.path(&format!("{FOLDER}/{table}"));
    let gone = async {
        let notes: Vec<_> = lake.store().list(Some(&folder)).try_collect().await?;
        for note in notes {
            lake.store().delete(&note.location).await?;
            failpoint::reached("note.forgotten");
        }
        Ok::<(), object_store::Error>(())
    };
    if let Err(error) = gone.await {
        tracing::debug!(table, %error, "the note of staged files stays");
    }
}
