//! Which raw files a contract's pattern names.

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use super::error::IngestError;
use super::pattern::PathPattern;
use crate::project::contract::Contract;

/// A raw file as it was listed.
#[derive(Debug, Clone, PartialEq)]
pub struct RawFile {
    /// Path below the raw location, with `/`.
    pub path: String,
    /// Where it lies in the store.
    pub location: Path,
    /// Bytes, as stored.
    pub size: u64,
    pub etag: Option<String>,
    pub modified: DateTime<Utc>,
    /// The date in its name, where the pattern has one.
    pub date: Option<NaiveDate>,
}

/// The files of a contract below `root`, ordered by path. An empty or missing folder gives none.
///
/// # Errors
/// When the pattern is wrong, the store refuses, a match is a directory, or the date in a name
/// does not exist.
pub async fn discover(store: &dyn ObjectStore, root: &Path, contract: &Contract) -> Result<Vec<RawFile>, IngestError> {
    let pattern = PathPattern::new(contract)?;
    let folder = below(root, &pattern.folder);
    refuse_directories(store, root, &folder, &pattern, contract).await?;
    let listing: Vec<ObjectMeta> = store
        .list(Some(&folder))
        .try_collect()
        .await
        .map_err(|source| IngestError::storage(folder.as_ref(), "list", source))?;
    let mut files = Vec::new();
    for meta in listing {
        if let Some(file) = raw_file(meta, root, &pattern, contract)? {
            files.push(file);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn below(root: &Path, folder: &str) -> Path {
    folder.split('/').filter(|part| !part.is_empty()).fold(root.clone(), |path, part| path.join(part))
}

fn raw_file(
    meta: ObjectMeta,
    root: &Path,
    pattern: &PathPattern,
    contract: &Contract,
) -> Result<Option<RawFile>, IngestError> {
    let Some(path) = relative(&meta.location, root) else { return Ok(None) };
    let Some(date) = pattern.matches(&path) else {
        return match parent_that_matches(&path, pattern) {
            Some(path) => Err(IngestError::Directory { contract: contract.name.clone(), path }),
            None => Ok(None),
        };
    };
    let date = date.map_err(|()| IngestError::DateInName { path: path.clone(), pattern: pattern.text().to_owned() })?;
    Ok(Some(RawFile {
        path,
        size: meta.size,
        etag: meta.e_tag,
        modified: meta.last_modified,
        date,
        location: meta.location,
    }))
}

fn relative(location: &Path, root: &Path) -> Option<String> {
    let parts: Vec<String> = location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
    Some(parts.join("/"))
}

/// A folder above `path` that the pattern takes for a file.
fn parent_that_matches(path: &str, pattern: &PathPattern) -> Option<String> {
    if !pattern.has_extension() {
        return None;
    }
    path.match_indices('/')
        .filter_map(|(at, _)| path.get(..at))
        .find(|parent| pattern.matches(parent).is_some())
        .map(str::to_owned)
}

/// An empty directory is in no listing of files, and would look like an export that is missing.
async fn refuse_directories(
    store: &dyn ObjectStore,
    root: &Path,
    folder: &Path,
    pattern: &PathPattern,
    contract: &Contract,
) -> Result<(), IngestError> {
    if !pattern.has_extension() {
        return Ok(());
    }
    let listing = match store.list_with_delimiter(Some(folder)).await {
        Ok(listing) => listing,
        Err(object_store::Error::NotFound { .. }) => return Ok(()),
        Err(source) => return Err(IngestError::storage(folder.as_ref(), "list", source)),
    };
    for prefix in listing.common_prefixes {
        if let Some(path) = relative(&prefix, root).filter(|path| pattern.matches(path).is_some()) {
            return Err(IngestError::Directory { contract: contract.name.clone(), path });
        }
    }
    Ok(())
}
