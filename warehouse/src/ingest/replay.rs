//! Reading held records again, under the contract as it is now.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::discover::RawFile;
use super::error::IngestError;
use super::ledger::DeliveryRecord;
use super::options::{LoadOptions, SinkFactory};
use super::read::Opener;
use super::work::{self, Job};
use crate::project::contract::Contract;

/// Corrected records, in the form of the source's own files.
#[derive(Debug, Clone)]
pub struct Corrected {
    /// As the user calls the file.
    pub name: String,
    pub bytes: Bytes,
    /// The records it stands for, in order: all of one delivery that are held.
    pub records: Vec<i64>,
}

/// Records of one delivery that are in quarantine.
#[derive(Debug, Clone)]
pub struct Held {
    pub delivery: DeliveryRecord,
    /// 1-based numbers in the file.
    pub records: HashSet<i64>,
}

/// What came of the held records of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub delivery: i64,
    /// Records that fit now: they went to the sinks, under their own file, record and night.
    pub fits: HashSet<i64>,
}

/// Reads the files of held records once more and writes those that fit now. The other records of the
/// files are passed over: they are in bronze already.
///
/// # Errors
/// [`IngestError::NotAsLoaded`] where a file is gone or has another content than when it was loaded.
pub async fn replay(
    store: Arc<dyn ObjectStore>,
    root: &Path,
    contract: &Contract,
    held: &[Held],
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Vec<Replayed>, IngestError> {
    let jobs = futures::stream::iter(held).map(async |held| {
        let file = as_it_lies(&*store, root, &held.delivery).await.map_err(not_as_loaded)?;
        Ok(Arc::new(job(file, held)))
    });
    let jobs: Vec<Arc<Job>> = jobs.buffered(options.threads.max(1)).try_collect().await?;
    let opener = Opener { store, runtime: Handle::current() };
    run(opener, contract, &jobs, held, options, sinks).await.map_err(not_as_loaded)
}

/// Reads corrected records in place of the held ones of one delivery.
///
/// # Errors
/// [`IngestError::Corrected`] where there are not as many as are held.
pub async fn replay_corrected(
    root: &Path,
    contract: &Contract,
    held: Held,
    corrected: &Corrected,
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Replayed, IngestError> {
    let store = InMemory::new();
    let location = Path::from("corrected").join(held.delivery.path.rsplit('/').next().unwrap_or_default());
    let failed = |source| IngestError::storage(&corrected.name, "read", source);
    store.put(&location, corrected.bytes.clone().into()).await.map_err(failed)?;
    let meta = store.head(&location).await.map_err(failed)?;
    let file = RawFile {
        path: corrected.name.clone(),
        location,
        size: meta.size,
        etag: meta.e_tag,
        modified: meta.last_modified,
        date: None,
    };
    let job = Arc::new(job(as_loaded(root, &held.delivery), &held).read_from(file, corrected.records.clone()));
    let opener = Opener { store: Arc::new(store), runtime: Handle::current() };
    let held = [held];
    let replayed = run(opener, contract, &[Arc::clone(&job)], &held, options, sinks).await?;
    let (found, wanted) = (job.records_seen(), corrected.records.len());
    match replayed.into_iter().next() {
        Some(replayed) if found == wanted => Ok(replayed),
        _ => Err(IngestError::Corrected { path: corrected.name.clone(), found, wanted }),
    }
}

/// Its content is that of the delivery, or it fails.
fn job(file: RawFile, held: &Held) -> Job {
    let record = &held.delivery;
    let job = Job::new(record.number, record.night, file, Some(record.content.clone()));
    job.only(held.records.clone())
}

async fn run(
    opener: Opener,
    contract: &Contract,
    jobs: &[Arc<Job>],
    held: &[Held],
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Vec<Replayed>, IngestError> {
    let outcome = work::run(Arc::new(contract.clone()), jobs, opener, options, sinks).await?;
    if let Some(error) = outcome.overflow {
        return Err(error);
    }
    let refused = outcome.quarantine.records();
    let fits = |held: &Held| {
        let still_held = |record: &&i64| refused.contains(&(held.delivery.number, **record));
        held.records.iter().filter(|record| !still_held(record)).copied().collect()
    };
    Ok(held.iter().map(|held| Replayed { delivery: held.delivery.number, fits: fits(held) }).collect())
}

/// What a load calls a change while it reads may be from long before a replay.
fn not_as_loaded(error: IngestError) -> IngestError {
    match error {
        IngestError::Changed { path, detail } => IngestError::NotAsLoaded { path, detail },
        error => error,
    }
}

/// The file as it lies there now. It may have been written again since it was loaded: that is told by its content.
async fn as_it_lies(store: &dyn ObjectStore, root: &Path, record: &DeliveryRecord) -> Result<RawFile, IngestError> {
    let file = as_loaded(root, record);
    let meta = store.head(&file.location).await;
    let meta = meta.map_err(|source| IngestError::storage(&file.path, "check", source))?;
    if meta.size != file.size {
        let detail = format!("{} bytes then, {} now", file.size, meta.size);
        return Err(IngestError::Changed { path: file.path, detail });
    }
    Ok(RawFile { etag: meta.e_tag, modified: meta.last_modified, ..file })
}

/// The file as it was when it was loaded.
fn as_loaded(root: &Path, record: &DeliveryRecord) -> RawFile {
    let location = record.path.split('/').fold(root.clone(), |path, part| path.join(part));
    RawFile {
        path: record.path.clone(),
        location,
        size: record.size,
        etag: record.etag.clone(),
        modified: record.modified,
        date: record.date,
    }
}
