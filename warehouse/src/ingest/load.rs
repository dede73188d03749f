//! Loading the planned deliveries of one source.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::discover::RawFile;
use super::dropped;
use super::error::IngestError;
use super::options::{LoadFailure, LoadOptions, LoadReport, OverTolerance, SinkFactory};
use super::plan::{IngestPlan, Reason};
use super::quarantine::Quarantine;
use super::read::Opener;
use super::reading::Reading;
use super::resolve::{Resolved, resolve};
use super::work::{self, Job};
use crate::project::contract::{Contract, DroppedColumns};

/// Read the planned deliveries into sinks.
///
/// Each worker writes to a sink of its own. Nothing is committed here: on an error, and where the
/// report has a `failure`, the engine throws the sinks' files away.
///
/// # Errors
/// When a file cannot be read as its contract says: nothing of the source may be committed.
pub async fn load(
    store: Arc<dyn ObjectStore>,
    contract: &Contract,
    planned: &IngestPlan,
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<LoadReport, IngestError> {
    let opener = Opener { store, runtime: Handle::current() };
    let contract = Arc::new(contract.clone());
    let hashes = hash_doubtful(&contract, planned, &opener, options.threads).await?;
    let resolved = resolve(&contract, planned, &hashes)?;
    let given_up = &planned.given_up;
    let jobs: Vec<Arc<Job>> = resolved
        .to_load
        .iter()
        .map(|(number, planned)| {
            let known = resolved.ledger.current(&planned.file.path).map(|record| record.content.clone());
            // What lies there is read anew, whatever it is by now.
            let is_known = !matches!(planned.reason, Reason::Again { .. });
            let expected = known.filter(|content| is_known && !content.is_empty());
            let job = Job::new(*number, planned.night, planned.file.clone(), expected);
            Arc::new(job.without(given_up.get(&planned.file.path).cloned().unwrap_or_default()))
        })
        .collect();
    let outcome = work::run(Arc::clone(&contract), &jobs, opener, options, sinks).await?;
    let reading = Reading::of(&contract, options.time_zone, planned.night);
    report(&contract, (planned, &reading), resolved, &jobs, outcome)
}

/// Open a file as a load would and read no row of it: whether it fits its contract, and what a load
/// would warn of.
///
/// # Errors
/// What would stop a load of it: packing, encoding, header, columns.
pub async fn probe(
    store: Arc<dyn ObjectStore>,
    contract: &Contract,
    file: &RawFile,
    options: &LoadOptions,
) -> Result<Vec<String>, IngestError> {
    let opener = Opener { store, runtime: Handle::current() };
    work::probe(Arc::new(contract.clone()), file.clone(), opener, options).await
}

/// Hash the files whose content decides whether they are loaded.
async fn hash_doubtful(
    contract: &Contract,
    planned: &IngestPlan,
    opener: &Opener,
    threads: usize,
) -> Result<HashMap<String, String>, IngestError> {
    let doubtful = planned.deliveries.iter().filter(|delivery| delivery.hash_first);
    let hashes = futures::stream::iter(doubtful).map(|delivery| {
        let (opener, file) = (opener.clone(), delivery.file.clone());
        let contract = contract.name.clone();
        async move {
            let path = file.path.clone();
            let hashed = tokio::task::spawn_blocking(move || opener.hash(&file)).await;
            let hash = hashed.map_err(|panic| IngestError::Defect { contract, reason: panic.to_string() })??;
            Ok::<_, IngestError>((path, hash))
        }
    });
    hashes.buffer_unordered(threads.max(1)).try_collect().await
}

fn report(
    contract: &Contract,
    (planned, reading): (&IngestPlan, &Reading),
    resolved: Resolved,
    jobs: &[Arc<Job>],
    outcome: work::Outcome,
) -> Result<LoadReport, IngestError> {
    let mut ledger = resolved.ledger;
    for job in jobs {
        if let Some(record) = ledger.record_mut(job.number) {
            record.rows = job.rows();
            record.quarantined = job.quarantined();
            record.content = job.content().unwrap_or_default();
        }
    }
    let loaded: Vec<i64> = jobs.iter().map(|job| job.number).collect();
    if !loaded.is_empty() {
        ledger.note_reading(&loaded, reading);
    }
    let dropped = dropped::find(contract, jobs, &mut ledger);
    let (fatal, told): (Option<_>, Option<_>) = match dropped {
        Some(dropped) if dropped.asked == DroppedColumns::Fail => (Some(LoadFailure::DroppedColumns(dropped)), None),
        dropped => (None, dropped),
    };
    let over = || over_tolerance(contract, jobs, &outcome.quarantine).map(LoadFailure::OverTolerance);
    let failure = outcome.overflow.map(LoadFailure::QuarantineFull).or(fatal).or_else(over);
    if failure.is_some() {
        ledger = planned.ledger.clone();
    }
    // Where the quarantine is full, files after that were not looked at.
    let is_full = matches!(failure, Some(LoadFailure::QuarantineFull(_)));
    let is_read = |job: &&Arc<Job>| !is_full || job.quarantined() > 0;
    let (read, unread): (Vec<_>, Vec<_>) = jobs.iter().partition(is_read);
    let unread = unread.into_iter().map(|job| job.file.path.clone());
    let mut warnings = resolved.warnings;
    warnings.extend(outcome.warnings);
    warnings.extend(told.map(|dropped| dropped.to_string()));
    let quarantined = outcome.quarantine.len();
    let quarantine = outcome
        .quarantine
        .into_batches()
        .map_err(|error| IngestError::Defect { contract: contract.name.clone(), reason: error.to_string() })?;
    Ok(LoadReport {
        ledger_changed: ledger != planned.ledger,
        ledger,
        quarantine,
        replaced: resolved.replaced,
        loaded,
        read: read.iter().map(|job| job.file.path.clone()).collect(),
        waiting: planned.waiting.iter().map(|file| file.path.clone()).chain(unread).collect(),
        rows: jobs.iter().map(|job| job.rows()).sum(),
        quarantined,
        bytes: jobs.iter().map(|job| job.file.size).sum(),
        warnings,
        failure,
    })
}

/// The first delivery whose misfits are more than the contract's share. What fits and is left out is none.
fn over_tolerance(contract: &Contract, jobs: &[Arc<Job>], quarantine: &Quarantine) -> Option<OverTolerance> {
    let tolerance = contract.spec.tolerance;
    let over = |job: &&Arc<Job>| {
        let misfits = job.quarantined().saturating_sub(job.left_out());
        misfits > 0 && misfits as f64 > tolerance * (job.rows() + misfits) as f64
    };
    let job = jobs.iter().find(over)?;
    Some(OverTolerance {
        path: job.file.path.clone(),
        rows: job.rows(),
        quarantined: job.quarantined().saturating_sub(job.left_out()),
        tolerance,
        mostly: quarantine.mostly(job.number),
    })
}
