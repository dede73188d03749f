//! A store in memory whose objects are stamped by the simulator's clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

/// What time it is in the simulation.
#[derive(Debug, Clone)]
pub(super) struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Time {
    pub(super) fn new(start: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

/// Objects and when they were written.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    inner: Arc<InMemory>,
    stamps: Arc<Mutex<HashMap<Path, DateTime<Utc>>>>,
    time: Time,
}

impl Disk {
    pub(super) fn new(time: &Time) -> Self {
        Self { inner: Arc::new(InMemory::new()), stamps: Arc::default(), time: time.clone() }
    }

    fn stamp(&self, location: &Path) {
        let now = self.time.now();
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone(), now);
    }

    fn stamped(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(at) = self.stamps.lock().unwrap_or_else(PoisonError::into_inner).get(&meta.location) {
            meta.last_modified = *at;
        }
        meta
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated disk")
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.stamp(location);
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.stamp(location);
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(location, options).await?;
        found.meta = self.stamped(found.meta);
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let disk = self.clone();
        self.inner.list(prefix).map(move |entry| entry.map(|meta| disk.stamped(meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.stamp(to);
        Ok(())
    }
}
