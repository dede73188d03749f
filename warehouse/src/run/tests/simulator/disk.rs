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
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::store::journal::{Change, Journal};

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
    pub journal: Journal,
}

impl Disk {
    pub(super) fn new(time: &Time) -> Self {
        let inner = Arc::new(InMemory::new());
        Self { inner, stamps: Arc::default(), time: time.clone(), journal: Journal::default() }
    }

    /// What is under way is applied, as far as it still can be.
    pub(super) async fn land_the_rest(&self) {
        for put in self.journal.rest() {
            let _refused = self.put_opts(&put.location, put.payload, put.options).await;
        }
    }

    async fn before(&self, location: &Path) -> Option<ObjectMeta> {
        self.inner.head(location).await.ok().map(|meta| self.stamped(meta))
    }

    /// An object was written, over what was there before.
    fn written(&self, location: &Path, before: Option<ObjectMeta>) {
        let now = self.time.now();
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone(), now);
        self.journal.note(before.map_or_else(|| Change::Created(location.clone()), Change::Overwritten));
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
        let before = self.before(location).await;
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.written(location, before);
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.written(location, self.before(location).await);
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(location, options).await?;
        found.meta = self.stamped(found.meta);
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let disk = self.clone();
        let deleted = locations.then(move |location| {
            let disk = disk.clone();
            async move {
                let location = location?;
                let before = disk.before(&location).await;
                disk.inner.delete(&location).await?;
                before.into_iter().for_each(|before| disk.journal.note(Change::Deleted(before)));
                Ok(location)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let disk = self.clone();
        self.inner.list(prefix).map(move |entry| entry.map(|meta| disk.stamped(meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let before = self.before(to).await;
        self.inner.copy_opts(from, to, options).await?;
        self.written(to, before);
        Ok(())
    }
}
