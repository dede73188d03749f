//! Uploads in parts that fail, and how many were aborted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

/// What of an upload goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadFault {
    /// A part, counted from 1.
    Part(u64),
    /// What makes the parts one object.
    Complete,
    None,
}

#[derive(Debug)]
pub(super) struct FaultyUpload {
    pub inner: Box<dyn MultipartUpload>,
    pub fault: UploadFault,
    pub parts: u64,
    pub aborted: Arc<AtomicU64>,
}

fn injected() -> Error {
    Error::Generic { store: "faulty", source: "the upload was broken off".into() }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        if self.fault == UploadFault::Part(self.parts) {
            return std::future::ready(Err(injected())).boxed();
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.fault == UploadFault::Complete {
            return Err(injected());
        }
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.aborted.fetch_add(1, Ordering::SeqCst);
        self.inner.abort().await
    }
}
