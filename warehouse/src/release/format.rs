//! The lake's format version: an older binary refuses a newer lake.

use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::error::ReleaseError;
use crate::clock::{SystemClock, run_id};
use crate::store;
use crate::table::Lake;

/// The form of everything below `_buho/` that this version writes.
pub const LAKE_FORMAT: u32 = 1;

const FILE: &str = "_buho/format.json";

/// Where probes of the storage lie for as long as they take.
pub(crate) const PROBES: &str = "_buho/probe";

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
    /// The location that was found to keep put-if-absent; a lake that was moved is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probed: Option<String>,
}

/// Reads the lake's format. Before a lake is first written, its storage is probed: one that does not keep
/// put-if-absent cannot hold a lake. Then the format is written, and that it was probed.
///
/// # Errors
/// [`ReleaseError::NewerLake`] where a newer buho has written it; [`ReleaseError::Probe`] where the
/// storage would let two runs publish over each other.
pub async fn check_format(lake: &Lake, write: bool) -> Result<(), ReleaseError> {
    let found = read(lake).await?;
    if let Some(Format { format, .. }) = found
        && format > LAKE_FORMAT
    {
        return Err(ReleaseError::NewerLake { url: lake.url().to_string(), found: format, supported: LAKE_FORMAT });
    }
    let here = lake.url().to_string();
    if !write || found.as_ref().is_some_and(|found| found.probed.as_ref() == Some(&here)) {
        return Ok(());
    }
    let at = lake.path(PROBES).join(run_id(&SystemClock));
    store::probe(lake.url(), lake.store().as_ref(), &at).await?;
    let probed = Format { format: found.as_ref().map_or(LAKE_FORMAT, |found| found.format), probed: Some(here) };
    put(lake, &probed, found.is_none()).await
}

async fn read(lake: &Lake) -> Result<Option<Format>, ReleaseError> {
    let path = lake.path(FILE);
    let found = match lake.store().get(&path).await {
        Ok(found) => found.bytes().await.map_err(|source| ReleaseError::storage(&path, source))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(ReleaseError::storage(&path, source)),
    };
    let format =
        serde_json::from_slice(&found).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    Ok(Some(format))
}

async fn put(lake: &Lake, format: &Format, is_new: bool) -> Result<(), ReleaseError> {
    let path = lake.path(FILE);
    let body = serde_json::to_vec(format).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    let written = if is_new {
        lake.create(&path, body).await.map(drop)
    } else {
        lake.store().put(&path, body.into()).await.map(drop)
    };
    written.map_err(|source| ReleaseError::storage(&path, source))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::ErrorKind;
    use crate::release::tests::lake;
    use crate::store::look_alike::{Condition, LookAlike};

    #[tokio::test]
    async fn a_storage_that_ignores_put_if_absent_is_refused_before_anything_is_written() {
        let lake = lake().over(Arc::new(LookAlike::new(Condition::Ignored)));
        let error = check_format(&lake, true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::User);
        assert!(error.to_string().contains("memory:///lake"), "{error}");
        assert!(read(&lake).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_storage_is_probed_once_and_again_where_the_lake_was_moved() {
        let first = lake();
        check_format(&first, true).await.unwrap();
        let body = first.read(FILE).await.unwrap().unwrap();
        check_format(&first, true).await.unwrap();
        let elsewhere = lake().over(Arc::new(LookAlike::new(Condition::Ignored)));
        elsewhere.store().put(&elsewhere.path(FILE), body.clone().into()).await.unwrap();
        check_format(&elsewhere, true).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap().replace("memory:///lake", "s3://before/lake");
        elsewhere.store().put(&elsewhere.path(FILE), text.into()).await.unwrap();
        assert!(matches!(check_format(&elsewhere, true).await, Err(ReleaseError::Probe(_))));
        assert!(check_format(&elsewhere, false).await.is_ok());
    }
}
