//! Who reads what next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::emit::Worker;
use super::job::{Job, Shared, Warnings, lock};
use super::open::{Feed, open};
use crate::ingest::columns::ColumnSet;
use crate::ingest::error::IngestError;
use crate::ingest::options::{LoadOptions, SinkFactory};
use crate::ingest::quarantine::Quarantine;
use crate::ingest::read::Opener;
use crate::ingest::schema::bronze_schema;
use crate::project::contract::Contract;

/// What the workers leave beside the rows.
pub(crate) struct Outcome {
    pub(crate) quarantine: Quarantine,
    /// Why reading stopped, where what is held of the quarantine is still to be told.
    pub(crate) overflow: Option<IngestError>,
    pub(crate) warnings: Vec<String>,
}

/// Read every job to its end.
///
/// # Errors
/// The first failure of any worker, but for a quarantine that is full; the others stop at their next block.
pub(crate) async fn run(
    contract: Arc<Contract>,
    jobs: &[Arc<Job>],
    opener: Opener,
    options: &LoadOptions,
    sinks: Arc<dyn SinkFactory>,
) -> Result<Outcome, IngestError> {
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(Shared {
        schema: bronze_schema(&contract),
        columns: ColumnSet::new(&contract, options.time_zone)?,
        quarantine: Mutex::new(Quarantine::new(&contract.name, &options.limits)),
        warnings: Mutex::new(Warnings::default()),
        contract,
        options: options.clone(),
        opener,
        sinks,
        stop: Arc::clone(&stop),
    });
    // Dropped with the future of a load that is given up.
    let _stop = StopOnDrop(Arc::clone(&stop));
    let schedule = Arc::new(Schedule::new(jobs));
    let mut workers = JoinSet::new();
    for _ in 0..options.threads.max(1) {
        let (shared, schedule) = (Arc::clone(&shared), Arc::clone(&schedule));
        workers.spawn_blocking(move || work(shared, &schedule));
    }
    let mut failed = None;
    while let Some(joined) = workers.join_next().await {
        let error = match joined {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(panic) => IngestError::Defect { contract: shared.contract.name.clone(), reason: panic.to_string() },
        };
        stop.store(true, Ordering::Relaxed);
        failed.get_or_insert(error);
    }
    let overflow = match failed {
        Some(error @ IngestError::QuarantineFull { .. }) => Some(error),
        Some(error) => return Err(error),
        None => None,
    };
    let warnings = lock(&shared.warnings).told();
    let empty = Quarantine::new(&shared.contract.name, &options.limits);
    let quarantine = std::mem::replace(&mut *lock(&shared.quarantine), empty);
    Ok(Outcome { quarantine, overflow, warnings })
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The life of one worker.
fn work(shared: Arc<Shared>, schedule: &Schedule) -> Result<(), IngestError> {
    let mut worker = Worker::new(Arc::clone(&shared));
    let stop_if_failed = StopOnDrop(Arc::clone(&shared.stop));
    while let Some(turn) = schedule.turn() {
        let feed = match turn {
            Turn::Open(job, opening) => {
                let feed = Arc::new(open(&shared, job)?);
                opening.done(Arc::clone(&feed));
                feed
            }
            Turn::Help(feed) => feed,
        };
        while !shared.stopped() && feed.step(&mut worker)? {}
        schedule.close(&feed);
        if shared.stopped() {
            return Ok(());
        }
    }
    worker.finish()?;
    // Reached without an error or a panic: the others go on.
    std::mem::forget(stop_if_failed);
    Ok(())
}

impl Feed {
    fn step(&self, worker: &mut Worker) -> Result<bool, IngestError> {
        match self {
            Self::Text(feed) => feed.step(worker),
            Self::Parquet(feed) => feed.step(worker),
        }
    }
}

/// The files that wait and those that are open.
struct Schedule {
    state: Mutex<State>,
    /// Told when a file was opened, or could not be.
    opened: Condvar,
}

struct State {
    pending: VecDeque<Arc<Job>>,
    open: Vec<Arc<Feed>>,
    /// Workers that are opening a file just now.
    opening: usize,
}

enum Turn<'a> {
    Open(Arc<Job>, Opening<'a>),
    Help(Arc<Feed>),
}

impl Schedule {
    fn new(jobs: &[Arc<Job>]) -> Self {
        let state = State { pending: jobs.iter().cloned().collect(), open: Vec::new(), opening: 0 };
        Self { state: Mutex::new(state), opened: Condvar::new() }
    }

    /// The next thing to do; `None` when nothing is left.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.pending.pop_front() {
                state.opening += 1;
                return Some(Turn::Open(job, Opening { schedule: self }));
            }
            // The one opened last has most left to read.
            if let Some(feed) = state.open.last() {
                return Some(Turn::Help(Arc::clone(feed)));
            }
            if state.opening == 0 {
                return None;
            }
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self, feed: &Arc<Feed>) {
        lock(&self.state).open.retain(|open| !Arc::ptr_eq(open, feed));
    }
}

/// A file being opened; others wait for it.
struct Opening<'a> {
    schedule: &'a Schedule,
}

impl Opening<'_> {
    fn done(self, feed: Arc<Feed>) {
        lock(&self.schedule.state).open.push(feed);
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        lock(&self.schedule.state).opening -= 1;
        self.schedule.opened.notify_all();
    }
}
