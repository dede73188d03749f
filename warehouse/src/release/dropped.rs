//! Releases that are no longer kept, and are still read for a while.
//!
//! Dropping a release takes its file from the list and leaves its text below `_buho/dropped/`: who
//! began to read it goes on, and only after [`GRACE`] do its files count as unneeded. The hour begins when the storage
//! says that the note was written, whatever a machine's clock says. Which notes there are, the lease's chain hands on
//! ([`crate::lease`]): each is asked for by its name, for a listing may be behind, or short.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::{Release, ReleaseError, ReleaseId, is_pinned};
use crate::failpoint;
use crate::planted::{Bug, planted};
use crate::table::Lake;

const FOLDER: &str = "_buho/dropped";

/// How long the files of a dropped release stay.
pub const GRACE: TimeDelta = TimeDelta::hours(1);

/// A release that was dropped, and when, by the storage's clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dropped {
    pub at: DateTime<Utc>,
    pub release: Release,
}

fn file(id: ReleaseId) -> String {
    format!("{FOLDER}/{}-{:06}.json", id.night, id.sequence)
}

/// Takes a release from the list. First the note, then the file: in between it is in both. `None` where it was pinned
/// meanwhile: who pins looks for the note after the pin is there, and this looks for the pin after the note is, so that
/// one of them sees the other.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be written.
pub(crate) async fn drop_release(
    lake: &Lake,
    id: ReleaseId,
    at: DateTime<Utc>,
) -> Result<Option<Dropped>, ReleaseError> {
    let dropped = Dropped { at, release: super::read(lake, id).await? };
    let path = lake.path(&file(id));
    let body = serde_json::to_vec(&dropped).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    lake.store().put(&path, body.into()).await.map_err(|source| ReleaseError::storage(&path, source))?;
    failpoint::reached("maintain.release_noted");
    if is_pinned(lake, id).await? && !planted(Bug::PinsIgnored) {
        forget(lake, id).await?;
        return Ok(None);
    }
    let listed = lake.path(&id.file());
    lake.store().delete(&listed).await.map_err(|source| ReleaseError::storage(&listed, source))?;
    Ok(Some(dropped))
}

/// Whether a release is about to be dropped, or was.
pub(super) async fn is_noted(lake: &Lake, id: ReleaseId) -> Result<bool, ReleaseError> {
    super::exists(lake, &file(id)).await
}

/// Every release that was dropped and not yet forgotten: those that a listing shows, and those of `known` that have a
/// note.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be read.
pub(crate) async fn dropped(lake: &Lake, known: &BTreeSet<ReleaseId>) -> Result<Vec<Dropped>, ReleaseError> {
    let ids = super::ids_in(lake, FOLDER).await?.into_iter().chain(known.iter().copied()).collect::<BTreeSet<_>>();
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(note_of(lake, id).await?);
    }
    Ok(found)
}

async fn note_of(lake: &Lake, id: ReleaseId) -> Result<Option<Dropped>, ReleaseError> {
    let path = lake.path(&file(id));
    let failed = |source| ReleaseError::storage(&path, source);
    let found = match lake.store().get(&path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let at = found.meta.last_modified;
    let note = found.bytes().await.map_err(failed)?;
    let noted: Dropped =
        serde_json::from_slice(&note).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    Ok(Some(Dropped { at, ..noted }))
}

/// Forgets a dropped release: nothing needs its files any more.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be written.
pub(crate) async fn forget(lake: &Lake, id: ReleaseId) -> Result<(), ReleaseError> {
    let path = lake.path(&file(id));
    lake.store().delete(&path).await.map_err(|source| ReleaseError::storage(&path, source))
}
