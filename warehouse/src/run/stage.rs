//! What an attempt has staged, so that the next one need not compute it again.
//!
//! `_buho/stage/<table>/<recipe>.json` names the files of a node that was computed in full. The recipe's
//! identity is made of code, night and the rows of all inputs: where it is the same, so are the rows. What a stage could
//! not compute, or not load, is noted in `_buho/failed`, and what has to wait for a model too.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::maintain::remove_old;
use super::state::StagedTable;
use crate::error::ErrorKind;
use crate::failpoint;
use crate::identity::word_of;
use crate::planted::{Bug, planted};
use crate::table::{Lake, StagedFile, TableError, TableSnapshot};

const FOLDER: &str = "_buho/stage";
const FAILED: &str = "_buho/failed";

fn file(table: &str, identity: &str) -> String {
    let identity = if planted(Bug::AnyStagedNote) { "any" } else { identity };
    format!("{FOLDER}/{table}/{identity}.json")
}

/// A computed change of a table, as it is noted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// One word for the files it goes on top of: a fence makes a version, not another table.
    pub base: String,
    pub adds: Vec<StagedFile>,
    /// Paths of files that leave.
    pub removes: BTreeSet<String>,
}

/// One word for the files of a table.
pub(super) fn files_of(table: Option<&TableSnapshot>) -> String {
    let paths: BTreeSet<&str> = table.iter().flat_map(|table| &table.files).map(|file| file.path.as_str()).collect();
    word_of(paths.into_iter().map(|path| format!("{path}\n")))
}

/// Notes what was staged of a node; the files themselves are durable by then.
pub(super) async fn note(lake: &Lake, staged: &StagedTable, identity: &str) -> Result<(), RunError> {
    let table = staged.table.as_str();
    let below = file(table, identity);
    let base = files_of(staged.base.as_ref());
    let note = Note { base, adds: staged.adds.clone(), removes: staged.removes.iter().cloned().collect() };
    let body = serde_json::to_vec(&note).map_err(|source| RunError::Form { what: below.clone(), source })?;
    let path = lake.path(&below);
    failpoint::reached("node.staged");
    lake.store().put(&path, body.into()).await.map_err(|error| TableError::write(table, &path, error))?;
    failpoint::reached("node.noted");
    Ok(())
}

/// What an earlier attempt staged of the same recipe, if all of it is still there.
pub(super) async fn find(lake: &Lake, table: &str, identity: &str) -> Result<Option<Note>, RunError> {
    let below = file(table, identity);
    let Some(found) = lake.read(&below).await? else {
        return Ok(None);
    };
    let Some(note) = read(&found, &below, "it is computed again") else { return Ok(None) };
    for staged in &note.adds {
        let path = lake.table_path(table).join(staged.path.as_str());
        match lake.store().head(&path).await {
            Ok(there) if there.size == staged.size => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(note))
}

/// A note, unless it is cut short or damaged, which is said with what follows.
fn read(found: &[u8], below: &str, follows: &str) -> Option<Note> {
    let note = serde_json::from_slice(found);
    note.inspect_err(|error| {
        tracing::warn!("the note of what was staged, {below}, is cut short or damaged ({error}): {follows}");
    })
    .ok()
}

/// Begins the note of a table that has not failed and waits: there is no model yet.
const WAITS: &str = "held: ";

/// Notes why a stage could not make a table. What another try may make is only not built yet.
pub(super) async fn note_error(lake: &Lake, table: &str, identity: &str, error: &RunError) {
    let said = match error {
        RunError::NotBuilt { .. } => return,
        RunError::Waits { because, .. } => format!("{WAITS}{because}"),
        error if matches!(error.kind(), ErrorKind::Data | ErrorKind::User) => error.to_string(),
        _ => return,
    };
    note_failure(lake, table, identity, &said).await;
}

/// What an earlier stage noted when it could not make a table of the same recipe.
pub(super) async fn noted_error(lake: &Lake, table: &str, identity: &str) -> Result<Option<RunError>, RunError> {
    let Some(noted) = failure(lake, table, identity).await? else { return Ok(None) };
    Ok(Some(match noted.strip_prefix(WAITS) {
        Some(because) => RunError::Waits { node: table.to_owned(), because: because.to_owned() },
        // What was noted begins with the node, as this will.
        None => RunError::refused(table, noted.strip_prefix(&format!("{table}: ")).unwrap_or(&noted)),
    }))
}

/// Notes why a stage could not load or make a table, so that those after it hold what reads it and let the rest go out.
pub(super) async fn note_failure(lake: &Lake, table: &str, identity: &str, because: &str) {
    let path = lake.path(&failure_file(table, identity));
    if let Err(error) = lake.store().put(&path, because.as_bytes().to_vec().into()).await {
        tracing::warn!(table, %error, "that it failed could not be noted: `buho publish` will say that it is not built, or not loaded");
    }
}

/// Why an earlier stage could not make a table of the same recipe, or load the same deliveries.
pub(super) async fn failure(lake: &Lake, table: &str, identity: &str) -> Result<Option<String>, RunError> {
    let found = lake.read(&failure_file(table, identity)).await?;
    Ok(found.map(|because| String::from_utf8_lossy(&because).into_owned()))
}

fn failure_file(table: &str, identity: &str) -> String {
    format!("{FAILED}/{table}/{identity}.txt")
}

/// Files that an unfinished night has staged since `since`; notes before that are forgotten. `None` where a note does
/// not say which.
pub(super) async fn in_use(
    lake: &Lake,
    table: &str,
    since: DateTime<Utc>,
) -> Result<Option<HashSet<String>>, RunError> {
    let below = format!("{FOLDER}/{table}");
    remove_old(lake, &below, since, |_| true).await?;
    remove_old(lake, &format!("{FAILED}/{table}"), since, |_| true).await?;
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
            let follows = "nothing of that table is removed until the note is two days old";
            let Some(note) = read(&found, &what, follows) else { return Ok(None) };
            paths.extend(note.adds.into_iter().map(|file| file.path));
        }
    }
    Ok(Some(paths))
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
