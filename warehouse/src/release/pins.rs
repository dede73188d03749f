//! Pins: releases that are kept whatever their age.

use chrono::{DateTime, Utc};
use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::dropped::is_noted;
use super::{ReleaseError, ReleaseId};
use crate::table::Lake;

const FOLDER: &str = "_buho/pins";

/// Why a release is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub reason: String,
    pub at: DateTime<Utc>,
}

fn file(id: ReleaseId) -> String {
    format!("{FOLDER}/{}-{:06}.json", id.night, id.sequence)
}

/// Keeps a release until it is unpinned; pinning again changes the reason.
///
/// # Errors
/// [`ReleaseError::Unknown`] where there is no such release, [`ReleaseError::Dropping`] where maintenance is about to
/// take it.
pub async fn pin(lake: &Lake, id: ReleaseId, pin: &Pin) -> Result<(), ReleaseError> {
    super::read(lake, id).await?;
    let path = lake.path(&file(id));
    let body = serde_json::to_vec(pin).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    lake.store().put(&path, body.into()).await.map_err(|source| ReleaseError::storage(&path, source))?;
    if is_noted(lake, id).await? {
        lake.store().delete(&path).await.map_err(|source| ReleaseError::storage(&path, source))?;
        return Err(ReleaseError::Dropping { id });
    }
    Ok(())
}

/// Lets a release go with its age again; whether it was pinned.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be written.
pub async fn unpin(lake: &Lake, id: ReleaseId) -> Result<bool, ReleaseError> {
    let pinned = pins(lake).await?.contains(&id);
    if pinned {
        let path = lake.path(&file(id));
        lake.store().delete(&path).await.map_err(|source| ReleaseError::storage(&path, source))?;
    }
    Ok(pinned)
}

/// Whether a release is pinned, by the pin itself: a listing may be behind.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be read.
pub(crate) async fn is_pinned(lake: &Lake, id: ReleaseId) -> Result<bool, ReleaseError> {
    super::exists(lake, &file(id)).await
}

/// The pinned releases, oldest night first.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be listed.
pub async fn pins(lake: &Lake) -> Result<Vec<ReleaseId>, ReleaseError> {
    super::ids_in(lake, FOLDER).await
}
