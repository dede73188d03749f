//! Reading held records again, under the contract as it is now.

use std::collections::HashSet;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;

use super::discover::RawFile;
use super::error::IngestError;
use super::ledger::DeliveryRecord;
use super::options::{LoadOptions, SinkFactory};
use super::read::Opener;
use super::work::{self, Job};
use crate::project::contract::Contract;

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
/// Where a file is gone or has another content than when it was loaded: its rows cannot be told apart
/// from others then.
pub async fn replay(
    store: Arc<dyn ObjectStore>,
    root: &Path,
    contract: &Contract,
    held: &[Held],
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Vec<Replayed>, IngestError> {
    let opener = Opener { store, runtime: Handle::current() };
    let jobs: Vec<Arc<Job>> = held
        .iter()
        .map(|held| {
            let record = &held.delivery;
            let job = Job::new(record.number, record.night, raw_file(root, record), Some(record.content.clone()));
            Arc::new(job.only(held.records.clone()))
        })
        .collect();
    let outcome = work::run(Arc::new(contract.clone()), &jobs, opener, options, sinks).await?;
    let refused = outcome.quarantine.records();
    let fits = |held: &Held| {
        let still_held = |record: &&i64| refused.contains(&(held.delivery.number, **record));
        held.records.iter().filter(|record| !still_held(record)).copied().collect()
    };
    Ok(held.iter().map(|held| Replayed { delivery: held.delivery.number, fits: fits(held) }).collect())
}

/// The file as it was when it was loaded.
fn raw_file(root: &Path, record: &DeliveryRecord) -> RawFile {
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
