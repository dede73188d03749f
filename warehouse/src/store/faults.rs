//! A store for tests that fails where a test says, or by seed.

mod rule;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::Rng;

use super::journal::UnderWay;
use super::storm::{Operation, Storm};
pub(crate) use rule::{Fault, Rule};
use upload::FaultyUpload;
pub(crate) use upload::UploadFault;

/// How late a slow answer comes: many times what others take.
const LATE: Duration = Duration::from_millis(20);

/// Passes everything on to `inner`, but for what the rule says.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    rule: Arc<Rule>,
    writes: Arc<AtomicU64>,
    injected: Arc<Mutex<Vec<(Fault, String)>>>,
    aborted: Arc<AtomicU64>,
    probe: Arc<OnceLock<Probe>>,
}

/// Asked at every operation for a number; the highest is kept.
struct Probe {
    ask: Box<dyn Fn() -> usize + Send + Sync>,
    highest: AtomicUsize,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "probe, highest {}", self.highest.load(Ordering::SeqCst))
    }
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, rule: Rule) -> Self {
        let (writes, aborted) = (Arc::default(), Arc::default());
        Self { inner, rule: Arc::new(rule), writes, injected: Arc::default(), aborted, probe: Arc::default() }
    }

    /// Asks for a number at every operation from now on.
    pub(crate) fn watch(&self, ask: impl Fn() -> usize + Send + Sync + 'static) {
        let probe = Probe { ask: Box::new(ask), highest: AtomicUsize::new(0) };
        self.probe.set(probe).unwrap_or_default();
    }

    /// The highest of the numbers asked for.
    pub(crate) fn highest(&self) -> usize {
        self.probe.get().map_or(0, |probe| probe.highest.load(Ordering::SeqCst))
    }

    fn ask(&self) {
        if let Some(probe) = self.probe.get() {
            probe.highest.fetch_max((probe.ask)(), Ordering::SeqCst);
        }
    }

    /// Writes that were tried.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Uploads in parts that were aborted; counted where the rule is of uploads.
    pub(crate) fn aborted(&self) -> u64 {
        self.aborted.load(Ordering::SeqCst)
    }

    /// What was injected so far, and where.
    pub(crate) fn injected(&self) -> Vec<(Fault, String)> {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells that a write hangs, and waits until it is let go.
    async fn hang(&self, location: &str) {
        self.note(Fault::Pause, location);
        if let Some(storm) = self.storm() {
            storm.paused.add_permits(1);
            storm.resumed.acquire().await.map(tokio::sync::SemaphorePermit::forget).unwrap_or_default();
        }
    }

    fn note(&self, fault: Fault, location: &str) {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).push((fault, location.to_owned()));
    }

    /// The storm, where the rule is one.
    pub(crate) fn storm(&self) -> Option<&Storm> {
        match self.rule.as_ref() {
            Rule::Storm(storm) => Some(storm),
            _ => None,
        }
    }

    /// What goes wrong with a read or a listing, if anything.
    fn storm_fault(&self, operation: Operation, location: &str) -> Option<Fault> {
        self.ask();
        self.storm()?.fault(operation, location)
    }

    /// What listings do not show.
    fn hidden(&self) -> Option<&'static str> {
        match self.rule.as_ref() {
            Rule::Unlisted(hidden) => Some(hidden),
            Rule::UnlistedUntil { hidden, shows, .. } if !shows.load(Ordering::SeqCst) => Some(hidden),
            _ => None,
        }
    }

    /// The entries that a listing shows.
    fn shown(&self, fault: Fault, folder: &str, mut entries: Vec<Result<ObjectMeta>>) -> Vec<Result<ObjectMeta>> {
        match (fault, self.storm()) {
            (Fault::ShortListing, _) => entries.truncate(entries.len() / 2),
            (Fault::StaleListing, Some(storm)) => {
                let now = entries.into_iter().filter_map(Result::ok).collect();
                return storm.stale(folder, now).into_iter().map(Ok).collect();
            }
            _ => {}
        }
        entries
    }

    /// What other writes left under way is applied, as far as it is due.
    async fn land(&self, location: &Path) {
        let due = self.storm().map(|storm| storm.begin(location.as_ref())).unwrap_or_default();
        for UnderWay { location, payload, options } in due {
            // One that is refused by now was not to come.
            if self.inner.put_opts(&location, payload, options).await.is_ok() {
                self.note(Fault::Landed, location.as_ref());
            }
        }
    }

    fn inject(&self, fault: Fault, location: &str) -> Error {
        self.note(fault, location);
        Error::Generic { store: "faulty", source: format!("{fault:?} was injected at {location}").into() }
    }

    fn happens(&self, fault: Fault) -> bool {
        match self.rule.as_ref() {
            Rule::Never | Rule::Unlisted(_) | Rule::UnlistedUntil { .. } => false,
            Rule::LongReads(_) | Rule::Uploads(_) | Rule::Storm(_) => false,
            Rule::Listings(left) => {
                let less = |left: u64| left.checked_sub(1);
                fault == Fault::Listing && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
            }
            Rule::DiesAt { write, applied } => match fault {
                Fault::Read | Fault::Listing => self.writes() > *write - u64::from(*applied),
                _ => false,
            },
            Rule::BySeed { chance, random } => {
                let by_kind = if matches!(fault, Fault::Read | Fault::Listing) { chance / 4.0 } else { *chance };
                random.lock().unwrap_or_else(PoisonError::into_inner).random_bool(by_kind)
            }
        }
    }

    /// The fault of the next write, if any.
    fn next_write(&self, operation: Operation, location: &str) -> Option<Fault> {
        self.ask();
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.rule.as_ref() {
            Rule::Never | Rule::Listings(_) | Rule::Unlisted(_) | Rule::LongReads(_) | Rule::Uploads(_) => None,
            Rule::UnlistedUntil { until, shows, .. } => {
                shows.fetch_or(location.contains(until), Ordering::SeqCst);
                None
            }
            Rule::Storm(storm) => storm.fault(operation, location),
            Rule::DiesAt { write, applied } if number == *write => {
                Some(if *applied { Fault::AfterWrite } else { Fault::BeforeWrite })
            }
            Rule::DiesAt { write, .. } => (number > *write).then_some(Fault::BeforeWrite),
            Rule::BySeed { .. } if self.happens(Fault::BeforeWrite) => Some(Fault::BeforeWrite),
            Rule::BySeed { .. } if self.happens(Fault::AfterWrite) => Some(Fault::AfterWrite),
            Rule::BySeed { .. } => None,
        }
    }

    async fn write<T>(
        &self,
        put: Operation,
        location: &Path,
        again: Option<UnderWay>,
        write: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.land(location).await;
        match self.next_write(put, location.as_ref()) {
            Some(fault @ (Fault::AfterWrite | Fault::DeathAfterWrite)) => {
                write.await?;
                Err(self.inject(fault, location.as_ref()))
            }
            Some(Fault::Timeout) if location.as_ref().len().is_multiple_of(2) => {
                write.await?;
                Err(self.inject(Fault::Timeout, location.as_ref()))
            }
            Some(Fault::Late) => {
                if let (Some(storm), Some(put)) = (self.storm(), again) {
                    storm.send(put);
                }
                Err(self.inject(Fault::Late, location.as_ref()))
            }
            Some(Fault::AppliedAndRefused) => {
                write.await?;
                let source = self.inject(Fault::AppliedAndRefused, location.as_ref()).into();
                Err(Error::AlreadyExists { path: location.to_string(), source })
            }
            Some(Fault::Pause) => {
                self.hang(location.as_ref()).await;
                write.await
            }
            Some(Fault::Slow) => {
                let written = write.await;
                self.come_late(location).await;
                written
            }
            Some(fault) => Err(self.inject(fault, location.as_ref())),
            None => write.await,
        }
    }

    async fn come_late(&self, location: &Path) {
        self.note(Fault::Slow, location.as_ref());
        tokio::time::sleep(LATE).await;
    }
}

/// An answer whose body breaks off in the middle.
async fn torn(mut found: GetResult, error: Error) -> GetResult {
    let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
    found.range = range.clone();
    let body = found.bytes().await.unwrap_or_default();
    let half = body.slice(..body.len() / 2);
    let payload = GetResultPayload::Stream(futures::stream::iter([Ok(half), Err(error)]).boxed());
    GetResult { payload, meta, range, attributes }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = Operation::Put { create: opts.mode == PutMode::Create };
        let again = UnderWay { location: location.clone(), payload: payload.clone(), options: opts.clone() };
        self.write(put, location, Some(again), self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let put = Operation::Put { create: false };
        let inner = self.write(put, location, None, self.inner.put_multipart_opts(location, opts)).await?;
        Ok(match *self.rule {
            Rule::Uploads(fault) => {
                Box::new(FaultyUpload { inner, fault, parts: 0, aborted: self.aborted.clone() }) as _
            }
            _ => inner,
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_long = match (self.rule.as_ref(), &options.range) {
            (Rule::LongReads(most), Some(GetRange::Bounded(range))) => {
                range.start > 0 && range.end - range.start > *most
            }
            _ => false,
        };
        if is_long || self.happens(Fault::Read) {
            return Err(self.inject(Fault::Read, location.as_ref()));
        }
        match self.storm_fault(Operation::Get, location.as_ref()) {
            Some(Fault::TornRead) => {
                let found = self.inner.get_opts(location, options).await?;
                let error = self.inject(Fault::TornRead, location.as_ref());
                Ok(torn(found, error).await)
            }
            Some(Fault::Slow) => {
                self.come_late(location).await;
                self.inner.get_opts(location, options).await
            }
            Some(fault) => Err(self.inject(fault, location.as_ref())),
            None => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.happens(Fault::Read) {
            return Err(self.inject(Fault::Read, location.as_ref()));
        }
        match self.storm_fault(Operation::Get, location.as_ref()) {
            Some(Fault::Slow) => self.come_late(location).await,
            Some(fault) => return Err(self.inject(fault, location.as_ref())),
            None => {}
        }
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deletes = locations.then(move |location| {
            let store = store.clone();
            async move {
                let location = location?;
                store.land(&location).await;
                let delete = async || {
                    let one = futures::stream::iter([Ok(location.clone())]).boxed();
                    let mut done = store.inner.delete_stream(one);
                    done.next().await.unwrap_or_else(|| Err(store.inject(Fault::BeforeWrite, "delete")))
                };
                match store.next_write(Operation::Delete, location.as_ref()) {
                    Some(fault @ Fault::AfterWrite) if store.storm().is_some() => {
                        delete().await?;
                        Err(store.inject(fault, location.as_ref()))
                    }
                    Some(Fault::Pause) => {
                        store.hang(location.as_ref()).await;
                        delete().await
                    }
                    Some(fault) => Err(store.inject(fault, location.as_ref())),
                    None => delete().await,
                }
            }
        });
        deletes.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.happens(Fault::Listing) {
            let location = prefix.map(ToString::to_string).unwrap_or_default();
            let error = self.inject(Fault::Listing, &location);
            return futures::stream::once(async { Err(error) }).boxed();
        }
        let location = prefix.map(ToString::to_string).unwrap_or_default();
        if let Some(hidden) = self.hidden() {
            let is_hidden = move |entry: &Result<ObjectMeta>| {
                entry.as_ref().is_ok_and(|entry| entry.location.as_ref().contains(hidden))
            };
            return self.inner.list(prefix).filter(move |entry| std::future::ready(!is_hidden(entry))).boxed();
        }
        match self.storm_fault(Operation::List, &location) {
            None => self.inner.list(prefix),
            Some(fault @ (Fault::ShortListing | Fault::StaleListing)) => {
                self.note(fault, &location);
                let (store, all) = (self.clone(), self.inner.list(prefix).collect::<Vec<_>>());
                let shown = async move { futures::stream::iter(store.shown(fault, &location, all.await)) };
                futures::stream::once(shown).flatten().boxed()
            }
            Some(fault) => {
                let error = self.inject(fault, &location);
                futures::stream::once(async { Err(error) }).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if self.happens(Fault::Listing) {
            return Err(self.inject(Fault::Listing, prefix.map(Path::as_ref).unwrap_or_default()));
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let put = Operation::Put { create: options.mode == CopyMode::Create };
        self.write(put, to, None, self.inner.copy_opts(from, to, options)).await
    }
}
