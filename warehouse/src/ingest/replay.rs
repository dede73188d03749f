//! Reading held records again, under the contract as it is now.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::discover::RawFile;
use super::error::IngestError;
use super::held::{Held, HeldRecords, Replayed};
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
        Ok(Arc::new(job(file, &held.delivery, HeldRecords::of(held))))
    });
    let jobs: Vec<Arc<Job>> = jobs.buffered(options.threads.max(1)).try_collect().await?;
    let opener = Opener { store, runtime: Handle::current() };
    run(opener, contract, &jobs, options, sinks).await.map_err(not_as_loaded)
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
    let job = job(as_loaded(root, &held.delivery), &held.delivery, HeldRecords::by_number(&held));
    let job = Arc::new(job.read_from(file, corrected.records.clone()));
    let opener = Opener { store: Arc::new(store), runtime: Handle::current() };
    let replayed = run(opener, contract, &[Arc::clone(&job)], options, sinks).await?;
    let (found, wanted) = (job.records_seen(), corrected.records.len());
    match replayed.into_iter().next() {
        Some(replayed) if found == wanted => Ok(replayed),
        _ => Err(IngestError::Corrected { path: corrected.name.clone(), found, wanted }),
    }
}

/// Its content is that of the delivery, or it fails.
fn job(file: RawFile, record: &DeliveryRecord, held: HeldRecords) -> Job {
    Job::new(record.number, record.night, file, Some(record.content.clone())).only(held)
}

async fn run(
    opener: Opener,
    contract: &Contract,
    jobs: &[Arc<Job>],
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Vec<Replayed>, IngestError> {
    let outcome = work::run(Arc::new(contract.clone()), jobs, opener, options, sinks).await?;
    if let Some(error) = outcome.overflow {
        return Err(error);
    }
    Ok(jobs.iter().filter_map(|job| Some(job.held.as_ref()?.replayed(job.number))).collect())
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
