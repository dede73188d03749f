//! What is kept of releases that readers may still use.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};

use super::world::{Broken, World};
use crate::release::ReleaseId;

const KEPT: &str = "4 a kept release has its files, log entries and checkpoints";

impl World {
    /// Notes the releases that are no longer listed.
    pub(super) async fn note_gone(&mut self) {
        let listed: BTreeSet<ReleaseId> = self.listed().await.into_iter().map(|(id, _)| id).collect();
        for id in self.known.releases.keys().filter(|id| !listed.contains(id)) {
            self.known.gone.entry(*id).or_insert(self.time.now());
        }
    }

    /// Of the last nights that maintenance was told to keep, the newest release is still there, unless an earlier
    /// maintenance was told to keep fewer.
    pub(super) async fn check_retained(&mut self, nights: u32) -> Result<(), Broken> {
        let listed: BTreeSet<ReleaseId> = self.listed().await.into_iter().map(|(id, _)| id).collect();
        let newest: BTreeMap<NaiveDate, ReleaseId> = self.known.releases.keys().map(|id| (id.night, *id)).collect();
        let is_lost = |id: &&ReleaseId| !listed.contains(id) && !self.known.gone.contains_key(id);
        match newest.values().rev().take(nights as usize).find(is_lost) {
            Some(id) => Err(format!("{id} is of the last {nights} nights, and gone")),
            None => Ok(()),
        }
    }

    /// Releases that are kept, and those that went less than an hour ago, are read to the last file.
    pub(super) async fn check_kept(&mut self) -> Result<(), Broken> {
        self.known.count(KEPT);
        let now = self.time.now();
        let listed: BTreeSet<ReleaseId> = self.listed().await.into_iter().map(|(id, _)| id).collect();
        self.note_gone().await;
        if let Some(id) = self.known.pinned.iter().find(|id| !listed.contains(id)) {
            return Err(format!("{id} is pinned, and gone"));
        }
        if self.known.releases.last_key_value().is_some_and(|(id, _)| !listed.contains(id)) {
            return Err("the newest release is gone".to_owned());
        }
        for (id, seen) in &self.known.releases {
            let in_use = self.known.gone.get(id).is_none_or(|at| now - *at < TimeDelta::minutes(55));
            for (table, released) in seen.release.tables.iter().filter(|_| in_use) {
                self.stranger.is_whole(table, released.version).await.map_err(|error| format!("{id}: {error}"))?;
            }
        }
        let forgotten: Vec<ReleaseId> =
            self.known.gone.iter().filter(|(_, at)| now - **at >= TimeDelta::minutes(55)).map(|(id, _)| *id).collect();
        for id in forgotten {
            self.known.releases.remove(&id);
        }
        Ok(())
    }

    /// The log entries of every table that a run commits to under its lease.
    pub(super) async fn entries(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let mut entries = BTreeMap::new();
        let sources = self.design.sources.iter().map(super::project::Source::table);
        let models = self.design.models.iter().map(|model| model.table.clone());
        for table in sources.chain(models).chain(["ops.quarantine".to_owned()]) {
            let versions = self.stranger.versions(&table).await;
            entries.insert(table, versions);
        }
        entries
    }
}
