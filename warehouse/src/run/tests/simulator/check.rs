//! The invariants, asked of the lake as a stranger sees it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use object_store::path::Path;
use serde_json::Value;

use super::oracle::{Bronze, Moment, agree, expected, passes, sorted};
use super::project::{Kind, Model};
use super::reader::Row;
use super::world::{Broken, World};
use crate::release::{Release, ReleaseId, TableState};

/// What was seen of the lake so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub releases: BTreeMap<ReleaseId, Seen>,
    /// Releases that went, and when that was seen.
    pub gone: BTreeMap<ReleaseId, DateTime<Utc>>,
    pub pinned: BTreeSet<ReleaseId>,
    /// The newest version of each table that was looked at.
    versions: BTreeMap<String, u64>,
    /// The rows of that version of a model: its entry may go where no release needs it.
    newest: BTreeMap<String, Vec<Row>>,
    /// The chain of the lease, by position.
    pub links: BTreeMap<u64, Value>,
    /// Changes of the lake that were looked at, and the highest token under which work was done.
    pub changes: usize,
    pub working: u64,
    /// How often each invariant was checked.
    pub checked: BTreeMap<&'static str, u64>,
}

/// A release and the rows of its tables.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub release: Release,
    pub rows: BTreeMap<String, Vec<Row>>,
    pub moment: Moment,
}

impl Known {
    pub(super) fn count(&mut self, invariant: &'static str) {
        *self.checked.entry(invariant).or_default() += 1;
    }

    /// Releases that are not known to be gone.
    pub(super) fn listed(&self) -> Vec<ReleaseId> {
        self.releases.keys().filter(|id| !self.gone.contains_key(id)).copied().collect()
    }

    pub(super) fn latest(&self) -> Option<&Seen> {
        self.releases.last_key_value().map(|(_, seen)| seen)
    }
}

const READERS: &str = "1 readers see what a release declares, audited and whole";
const HEALED: &str = "3 after faults the tables are those of a run without";
pub(super) const MEMORY_STAYS: &str = "6 memory stays within its budget";

impl World {
    /// Everything that holds at any time, whatever went wrong. `moments` are those that a release or a table may be of.
    pub(super) async fn observe(&mut self, moments: &[Moment], restoring: Option<ReleaseId>) -> Result<(), Broken> {
        self.note_gone().await;
        self.check_chain().await?;
        self.check_order().await?;
        self.check_new_releases(moments, restoring).await?;
        self.check_tables(moments).await?;
        Ok(())
    }

    pub(super) async fn listed(&self) -> Vec<(ReleaseId, Path)> {
        let id = |path: &Path| -> Option<ReleaseId> {
            let (night, sequence) = path.filename()?.strip_suffix(".json")?.rsplit_once('-')?;
            Some(ReleaseId { night: night.parse().ok()?, sequence: sequence.parse().ok()? })
        };
        let names = self.stranger.names("_buho/releases").await;
        names.into_iter().filter_map(|path| Some((id(&path)?, path))).collect()
    }

    async fn check_new_releases(&mut self, moments: &[Moment], restoring: Option<ReleaseId>) -> Result<(), Broken> {
        for (id, path) in self.listed().await {
            if self.known.releases.contains_key(&id) {
                continue;
            }
            let text = self.stranger.json(&path).await?;
            let published = |link: &&Value| link["step"] == "publish" && link["release"]["run_id"] == text["run_id"];
            if !self.known.links.values().any(|link| published(&link)) {
                return Err(format!("release {id} was put without a link in the lease's chain"));
            }
            let release: Release = serde_json::from_value(text).map_err(|error| format!("{id}: {error}"))?;
            let before = self.known.releases.range(..id).next_back().map(|(_, seen)| seen.clone());
            let seen = match restoring.and_then(|target| self.known.releases.get(&target).cloned()) {
                Some(target) => self.check_restored(release, &target).await?,
                None => self.check_release(release, before.as_ref(), moments).await?,
            };
            self.known.count(READERS);
            self.known.releases.insert(id, seen);
        }
        Ok(())
    }

    async fn check_restored(&mut self, release: Release, target: &Seen) -> Result<Seen, Broken> {
        let mut rows = BTreeMap::new();
        for model in self.design.models.clone() {
            let Some(table) = release.tables.get(&model.table) else { continue };
            let now = sorted(self.stranger.rows(&model.table, table.version).await?);
            if target.rows.get(&model.table) != Some(&now) {
                return Err(format!("{}: {} is not what {} had", release.id(), model.table, target.release.id()));
            }
            rows.insert(model.table, now);
        }
        Ok(Seen { moment: Moment { night: release.night, ..target.moment.clone() }, release, rows })
    }

    async fn bronze(&mut self, versions: &BTreeMap<String, u64>) -> Result<Bronze, Broken> {
        let mut bronze = Bronze::new();
        for (table, version) in versions {
            bronze.insert(table.clone(), self.stranger.rows(table, *version).await?);
        }
        Ok(bronze)
    }

    async fn check_release(
        &mut self,
        release: Release,
        before: Option<&Seen>,
        moments: &[Moment],
    ) -> Result<Seen, Broken> {
        let id = release.id();
        let tables = self.design.sources.iter().map(super::project::Source::table);
        let versions: BTreeMap<String, u64> =
            tables.filter_map(|table| Some((table.clone(), release.tables.get(&table)?.version))).collect();
        let bronze = self.bronze(&versions).await?;
        let mut seen = Seen {
            moment: before.map(|before| before.moment.clone()).unwrap_or_default(),
            release: release.clone(),
            rows: BTreeMap::new(),
        };
        seen.moment.night = release.night;
        let gone =
            before.and_then(|before| before.release.tables.keys().find(|name| !release.tables.contains_key(*name)));
        if let Some(name) = gone {
            return Err(format!("{id}: {name} was released before, and is not any more"));
        }
        for model in self.design.models.clone() {
            let name = &model.table;
            let Some(table) = release.tables.get(name) else { continue };
            let rows = sorted(self.stranger.rows(name, table.version).await?);
            if table.state != TableState::Fresh {
                if before.and_then(|before| before.rows.get(name)) != Some(&rows) {
                    return Err(format!("{id}: {name} is {:?}, but not what it was", table.state));
                }
                seen.rows.insert(name.clone(), rows);
                continue;
            }
            let of_night = moments.iter().filter(|moment| moment.night == release.night);
            let found = of_night.clone().find(|moment| expected(&self.design, &model, &bronze, moment) == rows);
            let Some(moment) = found else {
                let wanted = of_night.clone().next_back().map(|moment| expected(&self.design, &model, &bronze, moment));
                return Err(format!("{id}: {name} is fresh, but {}", difference(&rows, wanted.as_deref())));
            };
            if !passes(&model, &rows) {
                return Err(format!("{id}: {name} has a row that failed its audit"));
            }
            if let (Kind::History, Some(observed)) = (model.kind, moment.observed.get(name)) {
                seen.moment.observed.insert(name.clone(), observed.clone());
            }
            seen.rows.insert(name.clone(), rows);
        }
        for (model, beside) in self.design.pairs() {
            let is_fresh = release.tables.get(&model.table).is_some_and(|table| table.state == TableState::Fresh);
            let rows = |table: &str| seen.rows.get(table).map(Vec::as_slice).unwrap_or_default();
            if is_fresh && !agree(rows(&model.table), rows(beside)) {
                return Err(format!("{id}: {} is fresh, and has days that {beside} has not", model.table));
            }
        }
        Ok(seen)
    }

    /// Whether a table goes out as far as its pair is concerned: `None` where it may be held with the other one, unless
    /// it is what it was.
    fn goes_out_beside(&self, model: &Model, bronze: &Bronze, moment: &Moment) -> Option<bool> {
        let Some((one, beside)) = self.design.pair_of(&model.table) else { return Some(true) };
        let beside = self.design.models.iter().find(|model| model.table == beside)?;
        let rows = expected(&self.design, beside, bronze, moment);
        match (passes(beside, &rows), agree(&expected(&self.design, one, bronze, moment), &rows)) {
            (true, true) => Some(true),
            (true, false) if one.table == model.table => Some(false),
            (false, _) if beside.table == model.table => Some(false),
            _ => None,
        }
    }

    /// Every version of every table is one that some release had, or could have.
    async fn check_tables(&mut self, moments: &[Moment]) -> Result<(), Broken> {
        let mut bronzes = Vec::new();
        for source in 0..self.design.sources.len() {
            let table = self.design.sources[source].table();
            let known = self.known.versions.get(&table).copied();
            for version in self.stranger.versions(&table).await.range(known.unwrap_or(0)..) {
                let rows = self.stranger.rows(&table, *version).await?;
                if known != Some(*version) {
                    self.check_bronze(source, &rows)?;
                }
                bronzes.push(BTreeMap::from([(table.clone(), rows)]));
                self.known.versions.insert(table.clone(), *version);
            }
        }
        bronzes.push(Bronze::new());
        for model in self.design.models.clone() {
            let name = &model.table;
            let from = self.known.versions.get(name).map_or(0, |version| version + 1);
            for version in self.stranger.versions(name).await.range(from..) {
                if !self.stranger.has_columns(name, *version).await? {
                    continue;
                }
                self.known.count(READERS);
                let rows = sorted(self.stranger.rows(name, *version).await?);
                let released = self.known.releases.values().any(|seen| seen.rows.get(name) == Some(&rows));
                let is_known = released || self.known.newest.get(name) == Some(&rows) || {
                    let before = match version.checked_sub(1) {
                        Some(before) => self.stranger.rows(name, before).await.map(sorted).ok(),
                        None => None,
                    };
                    before.as_ref() == Some(&rows)
                };
                let could_be = || {
                    bronzes.iter().any(|bronze| {
                        moments.iter().any(|moment| expected(&self.design, &model, bronze, moment) == rows)
                    })
                };
                if !is_known && !could_be() {
                    return Err(format!("{name}: version {version} is a table of no night, {} rows", rows.len()));
                }
                if !passes(&model, &rows) {
                    return Err(format!("{name}: version {version} has a row that failed its audit"));
                }
                self.known.versions.insert(name.clone(), *version);
                self.known.newest.insert(name.clone(), rows);
            }
        }
        Ok(())
    }

    /// What holds once a run has succeeded without a fault.
    pub(super) async fn check_healed(&mut self, moment: &Moment) -> Result<(), Broken> {
        self.check_delivered().await?;
        self.check_latest(moment, None).await
    }

    /// What holds once a run of some models has: of the others no more than of every release.
    pub(super) async fn check_selected(&mut self, moment: &Moment, only: &BTreeSet<String>) -> Result<(), Broken> {
        self.check_latest(moment, Some(only)).await
    }

    async fn check_latest(&mut self, moment: &Moment, only: Option<&BTreeSet<String>>) -> Result<(), Broken> {
        self.known.count(HEALED);
        let mut bronze = Bronze::new();
        for source in self.design.sources.clone() {
            bronze.insert(source.table(), self.stranger.newest(&source.table()).await?);
        }
        let Some(latest) = self.known.latest().cloned() else {
            return Err("a night succeeded, and there is no release".to_owned());
        };
        if latest.release.night != moment.night {
            return Err(format!("readers get {}, the highest night is {}", latest.release.id(), moment.night));
        }
        for model in self.design.models.clone() {
            if only.is_some_and(|only| !only.contains(&model.table)) {
                continue;
            }
            let wanted = expected(&self.design, &model, &bronze, moment);
            let over = self.design.models.iter().find(|other| Some(&other.table) == model.over.as_ref());
            let below = over.is_none_or(|over| passes(over, &expected(&self.design, over, &bronze, moment)));
            let stands = latest.release.tables.get(&model.table).map(|table| table.state);
            let Some(is_paired) = self.goes_out_beside(&model, &bronze, moment) else { continue };
            let goes_out = below && passes(&model, &wanted) && is_paired;
            if goes_out && (stands != Some(TableState::Fresh) || latest.rows.get(&model.table) != Some(&wanted)) {
                let rows = latest.rows.get(&model.table).map(Vec::as_slice).unwrap_or_default();
                return Err(format!(
                    "{}: {} is {stands:?}, and {}",
                    latest.release.id(),
                    model.table,
                    difference(rows, Some(&wanted))
                ));
            }
            if !goes_out && stands == Some(TableState::Fresh) {
                return Err(format!("{}: {} is fresh, but its audit fails", latest.release.id(), model.table));
            }
        }
        self.check_newest(&latest).await
    }

    /// Who reads a table's newest version sees what the latest release has.
    async fn check_newest(&mut self, latest: &Seen) -> Result<(), Broken> {
        for (table, rows) in &latest.rows {
            let newest = sorted(self.stranger.newest(table).await?);
            if newest != *rows {
                let id = latest.release.id();
                return Err(format!(
                    "{table}: the newest version is not that of {id}: {}",
                    difference(&newest, Some(rows))
                ));
            }
        }
        Ok(())
    }
}

/// What a table has that it should not, and the other way round.
fn difference(rows: &[Row], wanted: Option<&[Row]>) -> String {
    let Some(wanted) = wanted else {
        return "no run was for its night".to_owned();
    };
    let more: Vec<&Row> = rows.iter().filter(|row| !wanted.contains(row)).take(2).collect();
    let less: Vec<&Row> = wanted.iter().filter(|row| !rows.contains(row)).take(2).collect();
    format!("has {} rows for {}; too much: {more:?}; missing: {less:?}", rows.len(), wanted.len())
}

/// The nights of runs, one after the other, and what the lake stands at after each.
pub(super) fn moments(
    world: &World,
    runs: &[(NaiveDate, Vec<NaiveDate>)],
    only: Option<&BTreeSet<String>>,
) -> Vec<Moment> {
    let histories: Vec<String> = world
        .design
        .models
        .iter()
        .filter(|model| model.kind == Kind::History && only.is_none_or(|only| only.contains(&model.table)))
        .map(|model| model.table.clone())
        .collect();
    let mut all: Vec<Moment> = world.moment.iter().cloned().collect();
    for (night, earlier) in runs {
        let mut next = all.last().cloned().unwrap_or_default();
        next.night = next.night.max(*night);
        for history in &histories {
            let observed = next.observed.entry(history.clone()).or_default();
            observed.extend(earlier.iter().chain([night, &next.night]));
        }
        all.push(next);
    }
    all
}
