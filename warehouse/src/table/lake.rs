//! The lake: where tables, releases and run records lie.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use url::Url;

use super::error::TableError;

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
        self.path(&table.replacen('.', "/", 1))
    }

    /// The Delta log of a table. Named `DefaultLogStore`, which commits by put-if-absent on every store.
    pub(super) fn log_store(&self, table: &str) -> Result<LogStoreRef, TableError> {
        let path = self.table_path(table);
        let mut url = self.url.clone();
        url.set_path(&format!("/{path}/"));
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&self.store), path));
        Ok(default_logstore(prefixed, Arc::clone(&self.store), &url, &StorageConfig::default()))
    }

    /// Whether a table has a log at all; an empty folder is no table.
    pub(super) async fn has_log(&self, table: &str) -> Result<bool, TableError> {
        use futures::TryStreamExt;
        let log = self.table_path(table).join("_delta_log");
        let mut entries = self.store.list(Some(&log));
        let first = entries.try_next().await.map_err(|error| TableError::Read {
            table: table.to_owned(),
            url: log.to_string(),
            source: Box::new(error.into()),
        })?;
        Ok(first.is_some())
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
        let path = self.path(below);
        let failed = |error: object_store::Error| TableError::Read {
            table: below.to_owned(),
            url: path.to_string(),
            source: Box::new(error.into()),
        };
        match self.store.get(&path).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}
