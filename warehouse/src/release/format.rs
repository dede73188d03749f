//! The lake's format version: an older binary refuses a newer lake.

use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::error::ReleaseError;
use crate::table::Lake;

/// The form of everything below `_buho/` that this version writes.
pub const LAKE_FORMAT: u32 = 1;

const FILE: &str = "_buho/format.json";

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
}

/// Reads the lake's format, or writes ours into a lake that has none yet.
///
/// # Errors
/// [`ReleaseError::NewerLake`] where a newer buho has written it.
pub async fn check_format(lake: &Lake, write: bool) -> Result<(), ReleaseError> {
    let path = lake.path(FILE);
    let found = match lake.store().get(&path).await {
        Ok(found) => found.bytes().await.map_err(|source| ReleaseError::storage(&path, source))?,
        Err(object_store::Error::NotFound { .. }) if !write => return Ok(()),
        Err(object_store::Error::NotFound { .. }) => return create(lake).await,
        Err(source) => return Err(ReleaseError::storage(&path, source)),
    };
    let format: Format =
        serde_json::from_slice(&found).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    if format.format > LAKE_FORMAT {
        return Err(ReleaseError::NewerLake {
            url: lake.url().to_string(),
            found: format.format,
            supported: LAKE_FORMAT,
        });
    }
    Ok(())
}

async fn create(lake: &Lake) -> Result<(), ReleaseError> {
    let path = lake.path(FILE);
    let body = serde_json::to_vec(&Format { format: LAKE_FORMAT })
        .map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    lake.create(&path, body).await.map(|_| ()).map_err(|source| ReleaseError::storage(&path, source))
}
