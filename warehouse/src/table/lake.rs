//! The lake: where tables, releases and run records lie.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use url::Url;

use super::error::TableError;
use super::fence::is_fence;
use super::vacuum::{LAST_CHECKPOINT, LOG};

/// An object store and the folder of it that is the lake.
#[derive(Debug, Clone)]
pub struct Lake {
    /// The URL of the lake's folder.
    url: Url,
    /// The store at its root: paths are those DataFusion and Delta use.
    store: Arc<dyn ObjectStore>,
    /// The lake's folder in the store.
    prefix: Path,
}

impl Lake {
    pub fn new(url: Url, store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { url, store, prefix }
    }

    /// The same lake through another store.
    #[cfg(test)]
    pub(crate) fn over(&self, store: Arc<dyn ObjectStore>) -> Self {
        Self { store, ..self.clone() }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Scheme and authority, under which DataFusion knows the store.
    pub fn store_url(&self) -> Result<ObjectStoreUrl, TableError> {
        ObjectStoreUrl::parse(&self.url[..url::Position::BeforePath]).map_err(|error| TableError::defect("lake", error))
    }

    /// A path below the lake, e.g. `_buho/releases`.
    pub fn path(&self, below: &str) -> Path {
        below.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The folder of a table: `marts.customer_value` lies in `marts/customer_value`.
    pub fn table_path(&self, table: &str) -> Path {
        self.path(&folder_of(table))
    }

    /// The Delta log of a table. Named `DefaultLogStore`, which commits by put-if-absent on every store.
    pub(crate) fn log_store(&self, table: &str) -> Result<LogStoreRef, TableError> {
        let path = self.table_path(table);
        let mut url = self.url.clone();
        url.set_path(&format!("/{path}/"));
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&self.store), path));
        Ok(default_logstore(prefixed, Arc::clone(&self.store), &url, &StorageConfig::default()))
    }

    /// A folder below the lake, where that is one of this machine.
    pub(super) fn local_folder(&self, below: &str) -> Option<PathBuf> {
        let lake = self.url.to_file_path().ok().filter(|_| self.url.scheme() == "file")?;
        Some(lake.join(below))
    }

    /// Whether a table has a log at all; an empty folder is no table.
    ///
    /// # Errors
    /// [`TableError::Torn`] where its last entry has no byte: Delta takes that for a version that changed
    /// nothing, and would show the rows of the one before.
    pub(super) async fn has_log(&self, table: &str) -> Result<bool, TableError> {
        let entries = self.log_of(table).await.map_err(|error| TableError::Read {
            table: table.to_owned(),
            url: self.table_path(table).to_string(),
            source: Box::new(error.into()),
        })?;
        match last_commit(&entries).filter(|last| last.size == 0) {
            Some(empty) => Err(TableError::Torn { table: table.to_owned(), path: empty.location.to_string() }),
            None => Ok(!entries.is_empty()),
        }
    }

    /// Whether a log still has the entry of a version: asked for by name, for a listing may be short. Where that cannot
    /// be told, it may have it.
    pub(crate) async fn has_version(&self, table: &str, version: u64) -> bool {
        !matches!(self.finds_version(table, version).await, Ok(false))
    }

    /// Whether a log has the entry of a version, asked for by name.
    ///
    /// # Errors
    /// [`TableError::Read`] where the storage does not say.
    pub(super) async fn finds_version(&self, table: &str, version: u64) -> Result<bool, TableError> {
        let entry = self.table_path(table).join(LOG).join(format!("{version:020}.json"));
        match self.store.head(&entry).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(TableError::Read {
                table: table.to_owned(),
                url: entry.to_string(),
                source: Box::new(error.into()),
            }),
        }
    }

    /// The version of a log's last checkpoint, as the note says that lies beside it.
    ///
    /// # Errors
    /// [`TableError::Read`] where the note cannot be read.
    pub(super) async fn last_checkpoint(&self, table: &str) -> Result<Option<u64>, TableError> {
        let note = self.table_path(table).join(LOG).join(LAST_CHECKPOINT);
        let note = self.read_path(&note, table).await?;
        Ok(note.and_then(|note| serde_json::from_slice::<serde_json::Value>(&note).ok()?.get("version")?.as_u64()))
    }

    /// Whether a log has nothing but bare fences: the table was about to be created, and is not there.
    pub(super) async fn is_unborn(&self, table: &str) -> bool {
        let Ok(entries) = self.log_of(table).await else { return false };
        if entries.iter().any(|entry| entry.location.extension() != Some("json")) {
            return false;
        }
        for entry in &entries {
            let read = async { self.store.get(&entry.location).await?.bytes().await };
            if !read.await.is_ok_and(|entry| is_fence(&entry)) {
                return false;
            }
        }
        !entries.is_empty()
    }

    async fn log_of(&self, table: &str) -> object_store::Result<Vec<ObjectMeta>> {
        self.store.list(Some(&self.table_path(table).join(LOG))).try_collect().await
    }

    /// The last entry of a table's log, where it is not whole: what a tool or a disk without fsync leaves.
    pub(super) async fn torn_entry(&self, table: &str) -> Option<String> {
        let entries = self.log_of(table).await.ok()?;
        let last = last_commit(&entries)?.location.clone();
        let entry = self.store.get(&last).await.ok()?.bytes().await.ok()?;
        let mut lines = entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
        let is_whole =
            lines.peek().is_some() && lines.all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok());
        (!is_whole).then(|| last.to_string())
    }

    /// Puts a small object unless it is there; whether it was put.
    ///
    /// # Errors
    /// The store's, other than that the object is there.
    pub async fn create(&self, path: &Path, body: Vec<u8>) -> object_store::Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, body.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a small object below the lake, or `None` where there is none.
    pub async fn read(&self, below: &str) -> Result<Option<bytes::Bytes>, TableError> {
        self.read_path(&self.path(below), below).await
    }

    /// Reads a small object of a table, or `None` where there is none.
    pub(super) async fn read_path(&self, path: &Path, table: &str) -> Result<Option<bytes::Bytes>, TableError> {
        let failed = |error: object_store::Error| TableError::Read {
            table: table.to_owned(),
            url: path.to_string(),
            source: Box::new(error.into()),
        };
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The folder of a table below the lake.
pub(super) fn folder_of(table: &str) -> String {
    table.replacen('.', "/", 1)
}

fn last_commit(entries: &[ObjectMeta]) -> Option<&ObjectMeta> {
    let commits = entries.iter().filter(|entry| entry.location.extension() == Some("json"));
    commits.max_by(|left, right| left.location.cmp(&right.location))
}
