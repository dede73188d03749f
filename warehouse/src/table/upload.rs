//! A data file on its way to the store: one put where it is small, else an upload in parts.
//!
//! Buckets keep the parts of an upload that was neither completed nor aborted, unseen and at a price, until somebody
//! removes them. So one that fails is aborted, and so is one that nobody writes to its end. A process that is killed
//! aborts nothing: against that a bucket has rules of its own (README, `buho doctor`).

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayloadMut};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Bytes of one part of an upload; smaller files are one put.
pub(super) const PART_BYTES: usize = 8 << 20;
/// Parts on their way beside each other.
const PARTS_AT_ONCE: usize = 8;

/// Writes one object from its beginning to its end.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What is not on its way yet; less than a part.
    buffer: PutPayloadMut,
    parts: Option<Parts>,
    has_failed: bool,
}

/// An upload that was begun and has not ended.
struct Parts {
    upload: Box<dyn MultipartUpload>,
    under_way: JoinSet<object_store::Result<()>>,
    runtime: Handle,
}

impl Upload {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, path: &Path) -> Self {
        Self {
            store: Arc::clone(store),
            path: path.clone(),
            buffer: PutPayloadMut::new(),
            parts: None,
            has_failed: false,
        }
    }

    async fn take(&mut self, mut bytes: &[u8]) -> object_store::Result<()> {
        while !bytes.is_empty() {
            let room = PART_BYTES.saturating_sub(self.buffer.content_length()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.content_length() >= PART_BYTES {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    /// Sends what is in the buffer as the next part, once there are not too many on their way.
    async fn put_part(&mut self) -> object_store::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let upload = self.store.put_multipart(&self.path).await?;
                self.parts.insert(Parts { upload, under_way: JoinSet::new(), runtime: Handle::current() })
            }
        };
        while parts.under_way.len() >= PARTS_AT_ONCE {
            parts.one_done().await?;
        }
        let part = std::mem::take(&mut self.buffer).freeze();
        parts.under_way.spawn(parts.upload.put_part(part));
        Ok(())
    }

    async fn end(&mut self) -> object_store::Result<()> {
        if self.has_failed {
            let source = "its upload failed before".into();
            return Err(object_store::Error::Generic { store: "upload", source });
        }
        if self.parts.is_none() {
            let whole = std::mem::take(&mut self.buffer).freeze();
            self.store.put(&self.path, whole).await?;
            return Ok(());
        }
        if !self.buffer.is_empty() {
            self.put_part().await?;
        }
        if let Some(parts) = &mut self.parts {
            while !parts.under_way.is_empty() {
                parts.one_done().await?;
            }
            parts.upload.complete().await?;
        }
        self.parts = None;
        Ok(())
    }

    /// What became of a step; where it failed, nothing of the upload is left behind.
    async fn or_abort(&mut self, done: object_store::Result<()>) -> Result<(), ParquetError> {
        let Err(error) = done else { return Ok(()) };
        self.has_failed = true;
        if let Some(parts) = self.parts.take() {
            parts.abort(&self.path).await;
        }
        Err(ParquetError::External(Box::new(error)))
    }
}

impl Parts {
    async fn one_done(&mut self) -> object_store::Result<()> {
        match self.under_way.join_next().await {
            Some(done) => done?,
            None => Ok(()),
        }
    }

    /// What cannot be aborted is left to the bucket's rules: the error that led here is told.
    async fn abort(mut self, path: &Path) {
        self.under_way.shutdown().await;
        if let Err(error) = self.upload.abort().await {
            tracing::debug!(%path, %error, "an upload that failed could not be aborted");
        }
    }
}

impl AsyncFileWriter for Upload {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ParquetError>> {
        async move {
            let taken = self.take(&bytes).await;
            self.or_abort(taken).await
        }
        .boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, Result<(), ParquetError>> {
        async move {
            let ended = self.end().await;
            self.or_abort(ended).await
        }
        .boxed()
    }
}

impl Drop for Upload {
    /// Whoever wrote it stopped midway, by an error elsewhere or a signal.
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let (runtime, path) = (parts.runtime.clone(), self.path.clone());
            runtime.spawn(async move { parts.abort(&path).await });
        }
    }
}

#[cfg(test)]
mod tests;
