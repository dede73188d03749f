//! Keeping a lake small: releases past their age go, then what only they needed.
//!
//! It holds the lake's lease, so no night runs beside it; a night may end with it, for as long as `maintain_minutes`
//! says. A release that goes is read for another hour ([`GRACE`]); a file is removed only if no kept release, no release
//! in its last hour, no table's newest version and no unfinished night needs it, and only an hour after it was written.
//! An hour is one of the storage's clock, between the stamps of two objects ([`Lease::stored_at`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::Serialize;

use super::context::RunContext;
use super::error::RunError;
use super::hold::holding;
use super::ops::ops_schemas;
use super::publish::committed_recipe;
use super::{compact, ledgers, proofs, quarantine, readings, stage, standing};
use crate::clock::run_id;
use crate::error::ErrorKind;
use crate::failpoint;
use crate::lease::{Holder, Lease};
use crate::planted::{Bug, planted};
use crate::release::dropped::{GRACE, drop_release, dropped, forget};
use crate::release::{self, Keep, Release, ReleaseId, last_whole};
use crate::table::{Lake, Reclaimed, TableError, TableSnapshot, catch_up_checkpoint, remove_leftovers, vacuum};

/// How long what an unfinished night has staged is kept for it.
const UNFINISHED: TimeDelta = TimeDelta::days(2);

/// What maintenance did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Maintained {
    pub releases_kept: usize,
    pub releases_dropped: usize,
    /// Small files that became fewer larger ones.
    pub files_compacted: usize,
    pub files_removed: u64,
    pub log_entries_removed: u64,
    /// Checkpoints that tables were behind with.
    pub checkpoints_written: usize,
    /// Bytes won back.
    pub bytes_removed: u64,
    /// Tables that the time did not suffice for.
    pub tables_left: usize,
}

impl Maintained {
    fn takes(&mut self, won: Reclaimed) {
        self.files_removed += won.files;
        self.log_entries_removed += won.log_entries;
        self.bytes_removed += won.bytes;
    }
}

/// How much of it there is time for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// When no further table is begun.
    pub(super) until: Option<DateTime<Utc>>,
    /// The table to begin with, counted in the order of their names, round after round: what was left is not always
    /// the same.
    pub(super) first: usize,
}

/// Maintains a lake.
///
/// # Errors
/// [`RunError::Release`] where there is no lake, [`RunError::Lease`] where a night runs; where a version that a kept release names cannot be read,
/// nothing of that table is removed.
pub async fn maintain(context: &RunContext, keep: Keep) -> Result<Maintained, RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::open(&context.lake).await?;
    holding(context, Holder::this_process(&run_id, "maintain"), async |lease| {
        work(context, lease, keep, &run_id, Limits::default()).await
    })
    .await
}

/// Maintains a lake at a night's end, where the project gives it time. What goes wrong is said: the night went well.
pub(super) async fn after_night(context: &RunContext, lease: &Lease, night: NaiveDate, run_id: &str) {
    let settings = &context.project.settings;
    if settings.maintain_minutes == 0 {
        return;
    }
    let keep = Keep { nights: settings.keep_nights, months: settings.keep_months };
    let until = context.clock.now() + TimeDelta::minutes(settings.maintain_minutes.into());
    let first = usize::try_from(night.num_days_from_ce()).unwrap_or_default();
    match work(context, lease, keep, run_id, Limits { until: Some(until), first }).await {
        Ok(done) => tracing::info!(
            releases_dropped = done.releases_dropped,
            files_compacted = done.files_compacted,
            files_removed = done.files_removed,
            tables_left = done.tables_left,
            "maintained"
        ),
        Err(error) => {
            if error.kind() == ErrorKind::Retry {
                // A commit of it that got no answer may still come.
                lease.leaves_writes();
            }
            tracing::warn!("the night is done, its maintenance is not: {error}");
        }
    }
}

pub(super) async fn work(
    context: &RunContext,
    lease: &Lease,
    keep: Keep,
    run_id: &str,
    limits: Limits,
) -> Result<Maintained, RunError> {
    let lake = &context.lake;
    // Of this machine's clock nothing is taken away: it may have jumped, and others stamped what lies here.
    let now = lease.stored_at().await?;
    let mut done = Maintained::default();

    let (needed, unneeded) = drop_old(context, lease, keep, now, &mut done).await?;

    let tables: Vec<(String, BTreeSet<u64>)> = tables(context, &needed).await?.into_iter().collect();
    let (before, from) = tables.split_at(limits.first % tables.len().max(1));
    for (place, (table, versions)) in from.iter().chain(before).enumerate() {
        if limits.until.is_some_and(|until| context.clock.now() >= until) {
            // What follows is little, and without it it would wait for ever where there never is time for all tables.
            done.tables_left = tables.len() - place;
            break;
        }
        if is_left_alone(lake, table).await? {
            continue;
        }
        done.files_compacted += compacted(context, lease, table, run_id).await?;
        vacuumed(context, table, versions, &needed, now, &mut done).await?;
    }
    for contract in context.project.contracts.values() {
        ledgers::forget_old(lake, &contract.name, &contract.table, now - GRACE).await?;
        readings::forget_old(lake, contract, context.project.settings.time_zone, now - GRACE).await?;
        failpoint::reached("maintain.ledgers_forgotten");
    }
    remove_old(lake, release::PROBES, now - GRACE, |_| true).await?;
    done.takes(remove_leftovers(lake, "_buho", now - GRACE).await);
    for id in unneeded {
        forget(lake, id).await?;
        failpoint::reached("maintain.release_forgotten");
    }
    Ok(done)
}

/// Whether another program's commits lie on top of a table, which is said: nothing of it is put together or removed.
async fn is_left_alone(lake: &Lake, table: &str) -> Result<bool, RunError> {
    let Some(newest) = TableSnapshot::load(lake, table, None).await? else { return Ok(false) };
    let Some(strangers) = newest.strangers().await? else { return Ok(false) };
    tracing::warn!(
        table,
        "{strangers}; whoever reads the newest version sees what no audit saw, and maintenance leaves the table alone"
    );
    Ok(true)
}

/// Small files of a table made larger. Rows of the quarantine are found by the names of their files: those stay.
async fn compacted(context: &RunContext, lease: &Lease, table: &str, run_id: &str) -> Result<usize, RunError> {
    let files = if let Some(node) = context.graph.node(table) {
        compact::node(context, lease, node, run_id).await?
    } else if let Some(contract) = context.project.contracts.values().find(|contract| contract.table == table) {
        compact::bronze(context, lease, contract, run_id).await?
    } else if table != quarantine::TABLE && ops_schemas().iter().any(|(name, _)| *name == table) {
        compact::ops(context, table, run_id).await?
    } else {
        0
    };
    if files > 0 {
        failpoint::reached("maintain.compacted");
    }
    Ok(files)
}

/// Removes what neither releases in use nor an unfinished night need of a table.
async fn vacuumed(
    context: &RunContext,
    table: &str,
    versions: &BTreeSet<u64>,
    needed: &[Release],
    now: DateTime<Utc>,
    done: &mut Maintained,
) -> Result<(), RunError> {
    let lake = &context.lake;
    let staged = stage::in_use(lake, table, now - UNFINISHED).await?;
    let identities = needed.iter().filter_map(|release| Some(release.tables.get(table)?.recipe.identity()));
    // An unfinished night may have left the table ahead of all releases: the next one builds on that.
    let newest = TableSnapshot::load(lake, table, None).await?;
    let ahead = match &newest {
        Some(newest) => committed_recipe(newest).await?.map(|recipe| recipe.identity()),
        None => None,
    };
    if let Some(newest) = &newest
        && catch_up_checkpoint(lake, newest).await?
    {
        done.checkpoints_written += 1;
    }
    standing::forget_old(lake, table, &identities.chain(ahead).collect(), now - UNFINISHED).await?;
    proofs::forget_old(lake, table, needed, now - UNFINISHED).await?;
    if let Some(staged) = staged {
        let won = vacuum(lake, table, versions, &staged, now - GRACE).await?;
        failpoint::reached("maintain.vacuumed");
        done.takes(won);
    }
    Ok(())
}

/// Drops the releases past their age. Those that are kept or still read, and the ids of those that are neither.
async fn drop_old(
    context: &RunContext,
    lease: &Lease,
    keep: Keep,
    now: DateTime<Utc>,
    done: &mut Maintained,
) -> Result<(Vec<Release>, Vec<ReleaseId>), RunError> {
    let lake = &context.lake;
    let all: Vec<ReleaseId> = lease.released(lake).await?.into_iter().collect();
    let mut pins = release::pins(lake).await?;
    pins.retain(|_| !planted(Bug::PinsIgnored));
    let mut kept = keep.of(&all, &pins, &last_whole(lake, &all).await?);
    for id in all.iter().copied() {
        // A listing of the pins may be behind, or short.
        if !kept.contains(&id) && release::is_pinned(lake, id).await? && !planted(Bug::PinsIgnored) {
            kept.insert(id);
        }
        if !kept.contains(&id) {
            if drop_release(lake, id, now).await?.is_none() {
                kept.insert(id);
                continue;
            }
            failpoint::reached("maintain.release_dropped");
            done.releases_dropped += 1;
        }
    }
    done.releases_kept = kept.len();
    let mut needed: Vec<Release> = Vec::new();
    for id in &kept {
        needed.push(release::read(lake, *id).await?);
    }
    // A maintenance that died may have dropped what the chain still has for a release.
    let mut known = lease.dropped().await;
    known.extend(lease.releases().await.into_iter().chain(all).filter(|id| !kept.contains(id)));
    let (mut read, mut unneeded) = (BTreeSet::new(), Vec::new());
    for dropped in dropped(lake, &known).await? {
        let id = dropped.release.id();
        if now - dropped.at < GRACE && !planted(Bug::NoGrace) {
            read.insert(id);
            needed.push(dropped.release);
        } else {
            unneeded.push(id);
        }
    }
    lease.knows(&kept, &read).await;
    Ok((needed, unneeded))
}

/// Every table folder of the lake, with the versions that releases in use name.
async fn tables(context: &RunContext, needed: &[Release]) -> Result<BTreeMap<String, BTreeSet<u64>>, RunError> {
    let mut tables: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let nodes = context.graph.nodes.iter().map(|node| node.name.clone());
    let sources = context.project.contracts.values().map(|contract| contract.table.clone());
    let ops = ops_schemas().into_iter().map(|(name, _)| name.to_owned());
    for table in nodes.chain(sources).chain(ops) {
        tables.entry(table).or_default();
    }
    for release in needed {
        for (table, released) in &release.tables {
            tables.entry(table.clone()).or_default().insert(released.version);
        }
    }
    Ok(tables)
}

/// Removes objects of a folder that `unneeded` names and that are older than `before`.
pub(super) async fn remove_old(
    lake: &Lake,
    folder: &str,
    before: DateTime<Utc>,
    unneeded: impl Fn(&str) -> bool,
) -> Result<(), RunError> {
    let path = lake.path(folder);
    let failed = |source: object_store::Error| TableError::Read {
        table: folder.to_owned(),
        url: path.to_string(),
        source: Box::new(source.into()),
    };
    let entries: Vec<_> = lake.store().list(Some(&path)).try_collect().await.map_err(failed)?;
    let is_old = |entry: &&ObjectMeta| entry.last_modified < before;
    let goes = |entry: &&ObjectMeta| entry.location.filename().is_some_and(&unneeded);
    for entry in entries.iter().filter(is_old).filter(goes) {
        lake.store().delete(&entry.location).await.map_err(failed)?;
    }
    Ok(())
}
