//! A store for tests that fails where a test says, or by seed.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The write did not happen, and its error says so.
    BeforeWrite,
    /// The write happened; its answer was lost.
    AfterWrite,
    /// A read that gives an error.
    Read,
    /// A listing that breaks off with an error.
    Listing,
}

/// When something goes wrong.
#[derive(Debug)]
pub(crate) enum Rule {
    Never,
    /// The process dies at the n-th write (from 1): before it, or after it was applied. From then on
    /// nothing works.
    DiesAt {
        write: u64,
        applied: bool,
    },
    /// Each operation fails with this chance, by seed.
    BySeed {
        chance: f64,
        random: Box<Mutex<StdRng>>,
    },
}

impl Rule {
    pub(crate) fn by_seed(seed: u64, chance: f64) -> Self {
        Self::BySeed { chance, random: Box::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }
}

/// Passes everything on to `inner`, but for what the rule says.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    rule: Arc<Rule>,
    writes: Arc<AtomicU64>,
    injected: Arc<Mutex<Vec<(Fault, String)>>>,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, rule: Rule) -> Self {
        Self { inner, rule: Arc::new(rule), writes: Arc::default(), injected: Arc::default() }
    }

    /// Writes that were tried.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// What was injected so far, and where.
    pub(crate) fn injected(&self) -> Vec<(Fault, String)> {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn inject(&self, fault: Fault, location: &str) -> Error {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).push((fault, location.to_owned()));
        Error::Generic { store: "faulty", source: format!("{fault:?} was injected at {location}").into() }
    }

    fn happens(&self, fault: Fault) -> bool {
        match self.rule.as_ref() {
            Rule::Never => false,
            Rule::DiesAt { write, applied } => match fault {
                Fault::BeforeWrite | Fault::AfterWrite => false,
                Fault::Read | Fault::Listing => self.writes() > *write - u64::from(*applied),
            },
            Rule::BySeed { chance, random } => {
                let by_kind = if matches!(fault, Fault::Read | Fault::Listing) { chance / 4.0 } else { *chance };
                random.lock().unwrap_or_else(PoisonError::into_inner).random_bool(by_kind)
            }
        }
    }

    /// The fault of the next write, if any.
    fn next_write(&self) -> Option<Fault> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.rule.as_ref() {
            Rule::Never => None,
            Rule::DiesAt { write, applied } if number == *write => {
                Some(if *applied { Fault::AfterWrite } else { Fault::BeforeWrite })
            }
            Rule::DiesAt { write, .. } => (number > *write).then_some(Fault::BeforeWrite),
            Rule::BySeed { .. } if self.happens(Fault::BeforeWrite) => Some(Fault::BeforeWrite),
            Rule::BySeed { .. } if self.happens(Fault::AfterWrite) => Some(Fault::AfterWrite),
            Rule::BySeed { .. } => None,
        }
    }

    async fn write<T>(&self, location: &Path, write: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next_write() {
            Some(Fault::AfterWrite) => {
                write.await?;
                Err(self.inject(Fault::AfterWrite, location.as_ref()))
            }
            Some(fault) => Err(self.inject(fault, location.as_ref())),
            None => write.await,
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.write(location, self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.write(location, self.inner.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.happens(Fault::Read) {
            return Err(self.inject(Fault::Read, location.as_ref()));
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.happens(Fault::Read) {
            return Err(self.inject(Fault::Read, location.as_ref()));
        }
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deletes = locations.then(move |location| {
            let store = store.clone();
            async move {
                let location = location?;
                match store.next_write() {
                    Some(fault) => Err(store.inject(fault, location.as_ref())),
                    None => {
                        let one = futures::stream::once(async { Ok(location) }).boxed();
                        let mut done = store.inner.delete_stream(one);
                        done.next().await.unwrap_or_else(|| Err(store.inject(Fault::BeforeWrite, "delete")))
                    }
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
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if self.happens(Fault::Listing) {
            return Err(self.inject(Fault::Listing, prefix.map(Path::as_ref).unwrap_or_default()));
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write(to, self.inner.copy_opts(from, to, options)).await
    }
}
