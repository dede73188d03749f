//! Who may write a lake: one holder at a time, by a chain of objects that are only ever created.
//!
//! No store here swaps atomically: local disks have no conditional update, object stores no
//! conditional delete. What all of them have is *put if absent*, and a chain needs nothing else.
//!
//! ```text
//!  _buho/lease/1   take      token 1     run A        A link is put at the position after the last
//!              2   renew     token 1                  one it has seen: of two that try, one is told
//!              3   publish   token 1     release      that the position is taken. A holder's token is
//!              4   give back token 1                  the position where it took the lease, so tokens
//!              5   take      token 5     run B        only rise. Every change of state of the lake is
//!              6   renew     token 5     (killed)     a link, so they are in one order for everybody.
//!              7   take      token 7     run C
//! ```
//!
//! | step | who | when | what a crash after it leaves | what repairs it |
//! |---|---|---|---|---|
//! | take | anybody | the last link is a `give back`, or its holder is gone: its process no longer runs on this host and boot, or it renewed last over [`EXPIRY`] ago and not while it was watched | a lease nobody renews | the next take |
//! | renew | the holder | every [`RENEWAL`]; the link says which phase the run is in | nothing | |
//! | create | the holder | before the first commit of tables that do not exist; the link names them, and so does every link after it until they are released or given back | tables that are there or are not | the next holder fences both |
//! | publish | the holder | all tables are committed; the link carries the whole release, which stands from then on, whoever has the lease | a release without its file | the next holder puts the file ([`Lease::acquire`]) |
//! | give back | the holder | the run ended, also by an error or a signal | nothing | |
//! | break | a person, by `buho runs unlock` | they know better | as for a holder that is gone | the next take |
//!
//! A holder whose link finds its position taken has lost the lease, and stops: its future is dropped
//! ([`Lease::keep`]) and no link, so no release, of a stale token can come into being, whatever its
//! clock says. Clocks decide only when a take is tried, never who wins: a link whose stamp is too old, or
//! of the future, may be that of a living holder whose clock is not ours, so the chain is watched for two
//! renewals before it is taken from. A holder measures its own time by a clock that does not jump.
//!
//! Tables have logs of their own. Whoever takes a lease that was not given back, or not after its work
//! was done, writes
//! `txn("buho/fence", token)` to each log ([`crate::run`]); a stale holder's commit then meets a
//! version that is taken, sees the higher token and stops. One that reads a log only after that finds the
//! higher token in what it would build on, and stops as well.
//!
//! A table that does not exist has no log to fence. Who creates one says so in the chain first (*create*): the link
//! is put only while the lease is held, so a take is either before it, and the stale holder creates nothing, or
//! after it, and the new holder knows the name. It then writes the fence as version 0, without columns: nobody takes
//! that for a table, the stale holder finds its version taken, and the table begins at the version above it
//! ([`crate::table`]). The name is handed on from link to link until a holder has fenced it, whoever dies in between.
//!
//! So are the names of the releases that were published and not dropped, and of those that were dropped and may still be
//! read: maintenance asks for each by its name before it takes away what none of them needs, for a listing may be behind,
//! or short.
//!
//! Links far behind the last are forgotten. The first stays, and says where the chain goes on: whoever is shown none of
//! the others does not take the lake for one that nobody ever held.

mod chain;
mod error;
mod holder;
mod keeper;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

pub use chain::{Link, Step};
pub use error::LeaseError;
pub use holder::{Errand, Holder, UNLOCK};

use crate::clock::Clock;
use crate::failpoint;
use crate::planted::{Bug, planted};
use crate::release::{self, Release, ReleaseId};
use crate::table::Lake;
use chain::Chain;
use keeper::{Keeper, Standing};

/// A lease that was not renewed for this long may be taken.
pub const EXPIRY: Duration = Duration::from_secs(30);
/// How often a holder renews.
pub const RENEWAL: Duration = Duration::from_secs(10);
/// What a run of a night does first, and all that is known of one which dies before its next link.
pub const OPENING: &str = "open";
/// Takes that one acquisition may lose the race against before it says who won.
const RACES: usize = 3;

/// The right to write a lake, from [`Lease::acquire`] to [`Lease::give_back`].
#[derive(Debug)]
pub struct Lease {
    keeper: Arc<Keeper>,
    renewing: tokio::task::JoinHandle<()>,
    standing: watch::Receiver<Standing>,
    /// Whether the holder before may still be at work: it did not give the lease back.
    unclean: bool,
    /// Tables that holders before were about to create when they were last heard of.
    unborn: BTreeSet<String>,
    /// The last that was heard of the holder before, where it was cut short.
    left: Option<Link>,
    /// Whether a write of this holder may still be under way.
    leaves_writes: AtomicBool,
}

impl Lease {
    /// Takes the lease of a lake, finishes a release whose holder died before its file was there, and
    /// renews in the background until the lease is dropped.
    ///
    /// # Errors
    /// [`LeaseError::Held`] where somebody else has it; [`LeaseError::Storage`] where the lake cannot
    /// be read or written.
    pub async fn acquire(lake: &Lake, holder: Holder, clock: Arc<dyn Clock>) -> Result<Self, LeaseError> {
        Self::acquire_renewing(lake, holder, clock, RENEWAL).await
    }

    async fn acquire_renewing(
        lake: &Lake,
        holder: Holder,
        clock: Arc<dyn Clock>,
        every: Duration,
    ) -> Result<Self, LeaseError> {
        let chain = Chain::new(lake);
        let mut lost_to = None;
        for _ in 0..RACES {
            let mut last = chain.last().await?;
            let unclean = match &mut last {
                None => false,
                Some(last) => free(&chain, last, &holder, clock.as_ref(), 2 * every).await?,
            };
            let left = match last.clone().filter(Link::is_cut_short) {
                Some(last) => chain.of_holder(last).await?,
                None => None,
            };
            let link = Link::taking(last.as_ref(), &holder, clock.now());
            match chain.append(&link).await? {
                None => {
                    failpoint::reached("lease.taken");
                    chain.forget_before(&link).await;
                    let unborn = link.creating.clone();
                    let keeper = begin(lake, chain, link, clock).await?;
                    let standing = keeper.standing();
                    let renewing = tokio::spawn(Arc::clone(&keeper).renew(every));
                    return Ok(Self {
                        keeper,
                        renewing,
                        standing,
                        unclean,
                        unborn,
                        left,
                        leaves_writes: AtomicBool::new(false),
                    });
                }
                Some(winner) => lost_to = Some(winner),
            }
        }
        Err(LeaseError::held(lost_to, clock.now()))
    }

    /// The number that every commit of this holder carries; higher than that of any holder before.
    pub fn token(&self) -> u64 {
        self.keeper.token()
    }

    /// Whether tables must be fenced: the holder before did not give the lease back.
    pub fn must_fence(&self) -> bool {
        self.unclean || !self.unborn.is_empty()
    }

    /// Tables to be fenced that may not be there yet: a holder before was about to create them.
    pub fn unborn(&self) -> &BTreeSet<String> {
        &self.unborn
    }

    /// The last link of the holder before, where that was cut short: it may not have said how it ended.
    pub fn left(&self) -> Option<&Link> {
        self.left.as_ref()
    }

    /// What time it is by the clock that stamps the lake's objects, or a little before that: how old an object is does
    /// not hang on this machine's clock, which may have jumped.
    ///
    /// # Errors
    /// Where the holder's last link cannot be looked at.
    pub async fn stored_at(&self) -> Result<DateTime<Utc>, LeaseError> {
        self.keeper.stored_at().await
    }

    /// Releases that were published and not dropped since, as far as the chain has heard: by name, whatever a listing
    /// shows.
    pub async fn releases(&self) -> BTreeSet<ReleaseId> {
        self.keeper.releases().await.iter().filter_map(|id| id.parse().ok()).collect()
    }

    /// The release that readers get, also where a listing does not show it.
    ///
    /// # Errors
    /// Where the releases cannot be read.
    pub async fn latest(&self, lake: &Lake) -> Result<Option<Release>, LeaseError> {
        match self.released(lake).await?.pop_last() {
            Some(id) => Ok(Some(release::read(lake, id).await?)),
            None => Ok(None),
        }
    }

    /// Releases that are there: those listed, and those that the chain has heard of.
    ///
    /// # Errors
    /// Where the releases cannot be listed.
    pub async fn released(&self, lake: &Lake) -> Result<BTreeSet<ReleaseId>, LeaseError> {
        let mut found: BTreeSet<ReleaseId> = release::list(lake).await?.into_iter().collect();
        for id in self.releases().await {
            if !found.contains(&id) && release::is_there(lake, id).await? {
                found.insert(id);
            }
        }
        Ok(found)
    }

    /// Releases that were dropped, and may still be read, when the chain was last told.
    pub async fn dropped(&self) -> BTreeSet<ReleaseId> {
        self.keeper.dropped().await.iter().filter_map(|id| id.parse().ok()).collect()
    }

    /// Notes which releases there are, and which are dropped and may still be read; the next link says it.
    pub async fn knows(&self, releases: &BTreeSet<ReleaseId>, dropped: &BTreeSet<ReleaseId>) {
        let names = |ids: &BTreeSet<ReleaseId>| ids.iter().map(ToString::to_string).collect();
        self.keeper.knows(names(releases), names(dropped)).await;
    }

    /// Says what the holder does from now on, with the next link: what is known of it should it die.
    pub async fn enters(&self, phase: &str) {
        self.keeper.enters(phase).await;
    }

    /// Notes that all tables are fenced, those that are not there yet among them.
    pub async fn fenced(&self) {
        self.keeper.settled().await;
    }

    /// Says in the chain which tables are to be created, before any of them is: whoever takes the lease after that
    /// fences them too.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] where the lease is another's by now: nothing may be created.
    pub async fn announce<'a>(&self, tables: impl IntoIterator<Item = &'a str>) -> Result<(), LeaseError> {
        let tables = tables.into_iter().map(str::to_owned).collect();
        self.keeper.announce(&tables).await
    }

    /// Does work as long as the lease is held: once it is lost, the work is dropped where it stands.
    ///
    /// # Errors
    /// The work's own, or [`LeaseError::Lost`].
    pub async fn keep<T, E: From<LeaseError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut standing = self.standing.clone();
        tokio::select! {
            biased;
            lost = standing.wait_for(|standing| !matches!(standing, Standing::Held)) => {
                Err(lost.map_or(LeaseError::unknown(), |standing| standing.error()).into())
            }
            done = work => done,
        }
    }

    /// Publishes a release: the link first, which a stale holder cannot put, then its file.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] where the lease is another's by now: nothing was published.
    pub async fn publish(&self, lake: &Lake, mut release: Release) -> Result<Release, LeaseError> {
        release.sequence = release::next_sequence(lake, release.night).await?;
        if !planted(Bug::LeaseUnchecked) {
            self.keeper.append(Step::Publish { release: Box::new(release.clone()) }).await?;
        }
        failpoint::reached("release.linked");
        release::write(lake, &release).await?;
        failpoint::reached("release.written");
        self.keeper.finished().await;
        self.keeper.settled().await;
        Ok(release)
    }

    /// Says that a write of this holder may still be under way though its work went on: the next holder fences it off.
    pub fn leaves_writes(&self) {
        self.leaves_writes.store(true, Ordering::SeqCst);
    }

    /// Ends the tenure, so that the next holder need not wait; `interrupted` work has to be fenced off by
    /// it. A lease that is lost is no longer ours to give.
    pub async fn give_back(self, interrupted: bool) {
        let interrupted = interrupted || self.leaves_writes.load(Ordering::SeqCst);
        self.renewing.abort();
        if !interrupted {
            self.keeper.settled().await;
        }
        if let Err(error) = self.keeper.append(Step::GiveBack { interrupted }).await {
            tracing::warn!("the lease could not be given back: {error}; it expires by itself");
        }
        failpoint::reached("lease.given_back");
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// What the new holder starts with; a release that the one before left without its file gets it.
async fn begin(lake: &Lake, chain: Chain, taken: Link, clock: Arc<dyn Clock>) -> Result<Arc<Keeper>, LeaseError> {
    let unfinished = taken.unfinished;
    let keeper = Arc::new(Keeper::new(chain.clone(), taken, clock));
    if let Some(position) = unfinished {
        finish_release(lake, &chain, position).await?;
        failpoint::reached("lease.release_finished");
        keeper.finished().await;
    }
    Ok(keeper)
}

/// The last link of a lake's chain: who holds it, or who held it last.
///
/// # Errors
/// Where the lake cannot be read.
pub async fn last_link(lake: &Lake) -> Result<Option<Link>, LeaseError> {
    Chain::new(lake).last().await
}

/// The last link that a holder put, all that is known of a run that died, and whether the lease is still its own.
///
/// # Errors
/// Where the lake cannot be read.
pub async fn last_heard(lake: &Lake) -> Result<Option<(Link, bool)>, LeaseError> {
    let chain = Chain::new(lake);
    let Some(last) = chain.last().await? else { return Ok(None) };
    let holds = last.is_held();
    Ok(chain.of_holder(last).await?.map(|heard| (heard, holds)))
}

/// The last link of the holder before the one that a link is of, where that was cut short and is not forgotten yet.
///
/// # Errors
/// Where the lake cannot be read.
pub async fn cut_short_before(lake: &Lake, link: &Link) -> Result<Option<Link>, LeaseError> {
    let chain = Chain::new(lake);
    let Some(position) = link.token.checked_sub(1) else { return Ok(None) };
    let before = chain.read(position).await?.filter(Link::is_cut_short);
    match before {
        Some(before) => chain.of_holder(before).await,
        None => Ok(None),
    }
}

/// Takes the lease from its holder: what `buho runs unlock` does once a person has said yes. The
/// holder, if it still runs, stops at its next link or commit.
///
/// # Errors
/// [`LeaseError::Lost`] where the chain has grown since `seen`: look again.
pub async fn break_lease(lake: &Lake, seen: &Link, by: Holder, clock: &dyn Clock) -> Result<(), LeaseError> {
    let link = Link { holder: by, phase: None, ..seen.after(Step::Break, clock.now()) };
    match Chain::new(lake).append(&link).await? {
        None => {
            failpoint::reached("lease.broken");
            Ok(())
        }
        Some(winner) => Err(LeaseError::lost(&winner)),
    }
}

/// Whether the lease can be taken after `last`, and if so, whether its holder may still be at work. The
/// stamp of a holder whose process is not known to be gone is not believed alone: it is watched first,
/// and `last` is then the last link after that.
async fn free(
    chain: &Chain,
    last: &mut Link,
    me: &Holder,
    clock: &dyn Clock,
    watch: Duration,
) -> Result<bool, LeaseError> {
    let is_gone = last.holder.is_gone(me);
    if last.is_held() && !is_gone {
        if !last.is_expired(clock.now()) {
            return Err(LeaseError::held(Some(last.clone()), clock.now()));
        }
        tracing::warn!(holder = %last.holder, "the lease was not renewed in time; watching it for {watch:?} before taking it");
        clock.wait(watch).await;
        let now_last = chain.last().await?.unwrap_or_else(|| last.clone());
        let has_grown = now_last.position > last.position;
        *last = now_last;
        if has_grown && last.is_held() {
            return Err(LeaseError::held(Some(last.clone()), clock.now()));
        }
    }
    match last.step {
        Step::GiveBack { interrupted } => Ok(interrupted),
        Step::Break => Ok(true),
        Step::Take | Step::Renew | Step::Create | Step::Publish { .. } => {
            tracing::warn!(holder = %last.holder, token = last.token, "took over the lease of a run that is gone");
            Ok(true)
        }
    }
}

/// Puts the file of a release whose link is in the chain, where its holder could not.
async fn finish_release(lake: &Lake, chain: &Chain, position: u64) -> Result<(), LeaseError> {
    let Some(Link { step: Step::Publish { release }, .. }) = chain.read(position).await? else {
        return Ok(());
    };
    release::write(lake, &release).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
