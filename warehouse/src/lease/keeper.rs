//! What a holder knows of its place in the chain, and the renewals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::EXPIRY;
use super::chain::{Chain, Link, Step};
use super::error::LeaseError;
use crate::clock::Clock;
use crate::failpoint;

/// Whether the lease is still held.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    Held,
    Lost { holder: String },
    Expired,
}

impl Standing {
    pub(super) fn error(&self) -> LeaseError {
        match self {
            Self::Lost { holder } => LeaseError::Lost { holder: holder.clone() },
            Self::Held | Self::Expired => LeaseError::Expired { seconds: EXPIRY.as_secs() },
        }
    }
}

/// Appends links for one holder, one at a time.
#[derive(Debug)]
pub(super) struct Keeper {
    chain: Chain,
    token: u64,
    clock: Arc<dyn Clock>,
    tell: watch::Sender<Standing>,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    link: Link,
    /// When it was put, by a clock that does not jump.
    at: Instant,
}

impl Keeper {
    pub(super) fn new(chain: Chain, taken: Link, clock: Arc<dyn Clock>) -> Self {
        let token = taken.token;
        let (tell, _) = watch::channel(Standing::Held);
        let last = Mutex::new(Last { link: taken, at: Instant::now() });
        Self { chain, token, clock, tell, last }
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Tells when the lease is lost.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.tell.subscribe()
    }

    /// Puts the holder's next link.
    pub(super) async fn append(&self, step: Step) -> Result<(), LeaseError> {
        let mut last = self.last.lock().await;
        self.put(&mut last, step, &BTreeSet::new()).await
    }

    /// Says which tables are to be created, unless it is said already.
    pub(super) async fn announce(&self, tables: &BTreeSet<String>) -> Result<(), LeaseError> {
        let mut last = self.last.lock().await;
        if tables.is_subset(&last.link.creating) {
            return Ok(());
        }
        self.put(&mut last, Step::Create, tables).await
    }

    async fn put(&self, last: &mut Last, step: Step, creating: &BTreeSet<String>) -> Result<(), LeaseError> {
        if !matches!(*self.tell.borrow(), Standing::Held) {
            return Err(self.tell.borrow().error());
        }
        loop {
            let creating = last.link.creating.union(creating).cloned().collect();
            let link = Link { creating, ..last.link.after(step.clone(), self.clock.now()) };
            match self.chain.append(&link).await? {
                None => {
                    *last = Last { link, at: Instant::now() };
                    return Ok(());
                }
                // An earlier link of ours whose answer never came.
                Some(ours) if ours.token == self.token && ours.holder == last.link.holder => last.link = ours,
                Some(winner) => {
                    self.tell.send_replace(Standing::Lost { holder: winner.holder.to_string() });
                    return Err(LeaseError::lost(&winner));
                }
            }
        }
    }

    /// Notes that the last release has its file: no later holder need put it.
    pub(super) async fn finished(&self) {
        let mut last = self.last.lock().await;
        last.link.unfinished = None;
        if matches!(last.link.step, Step::Publish { .. }) {
            last.link.step = Step::Renew;
        }
    }

    /// When the last link was written, by the clock that stamps all objects.
    pub(super) async fn stored_at(&self) -> Result<DateTime<Utc>, LeaseError> {
        let last = self.last.lock().await;
        self.chain.stored_at(last.link.position).await
    }

    /// The releases that the chain has heard of.
    pub(super) async fn releases(&self) -> BTreeSet<String> {
        self.last.lock().await.link.releases.clone()
    }

    /// The releases that were dropped, and may still be read, when the chain was last told.
    pub(super) async fn dropped(&self) -> BTreeSet<String> {
        self.last.lock().await.link.dropped.clone()
    }

    /// Notes which releases there are, and which are only read to their end; the next link says it.
    pub(super) async fn knows(&self, releases: BTreeSet<String>, dropped: BTreeSet<String>) {
        let mut last = self.last.lock().await;
        last.link.releases = releases;
        last.link.dropped = dropped;
    }

    /// Notes what the holder does from now on; the next link says it.
    pub(super) async fn enters(&self, phase: &str) {
        self.last.lock().await.link.phase = Some(phase.to_owned());
    }

    /// Notes that no table is being created any more, by nobody whose commit could still come.
    pub(super) async fn settled(&self) {
        self.last.lock().await.link.creating.clear();
    }

    /// Renews until the lease is lost. An error of the storage is tried again at the next turn, until
    /// the lease has expired for everybody else.
    pub(super) async fn renew(self: Arc<Self>, every: Duration) {
        let mut turns = interval_at(Instant::now() + every, every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let put = tokio::time::timeout(every, self.append(Step::Renew)).await;
            match put {
                Ok(Ok(())) => failpoint::reached("lease.renewed"),
                Ok(Err(LeaseError::Lost { .. })) => return,
                Ok(Err(error)) => tracing::warn!("the lease could not be renewed: {error}"),
                Err(_) => tracing::warn!("the lease could not be renewed within {every:?}"),
            }
            if self.since_last().await >= EXPIRY {
                self.tell.send_replace(Standing::Expired);
                return;
            }
        }
    }

    async fn since_last(&self) -> Duration {
        self.last.lock().await.at.elapsed()
    }
}
