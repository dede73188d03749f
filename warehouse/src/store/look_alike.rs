//! A storage for tests that looks like one of ours and treats put-if-absent as some do.

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What becomes of `If-None-Match: *`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Every put is an overwrite.
    Ignored,
    /// It is looked whether the object is there, and a moment later written.
    LooksFirst,
    /// A put with the condition is an error, one without works.
    Unknown,
    /// Every put is an error.
    Down,
}

#[derive(Debug)]
pub(crate) struct LookAlike {
    inner: InMemory,
    condition: Condition,
}

impl LookAlike {
    pub(crate) fn new(condition: Condition) -> Self {
        Self { inner: InMemory::new(), condition }
    }
}

impl fmt::Display for LookAlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "look-alike: {:?}", self.condition)
    }
}

fn answered(status: &'static str) -> Error {
    Error::Generic { store: "look-alike", source: status.into() }
}

#[async_trait]
impl ObjectStore for LookAlike {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match (self.condition, options.mode) {
            (Condition::Down, _) => Err(answered("503 Service Unavailable")),
            (Condition::Unknown, PutMode::Create) => Err(answered("501 Not Implemented")),
            (Condition::LooksFirst, PutMode::Create) => {
                if self.inner.head(path).await.is_ok() {
                    return Err(Error::AlreadyExists { path: path.to_string(), source: "it is there".into() });
                }
                tokio::task::yield_now().await;
                self.inner.put(path, payload).await
            }
            _ => self.inner.put(path, payload).await,
        }
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
