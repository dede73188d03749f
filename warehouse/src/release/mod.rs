//! Releases: which version of every table one night published, in one file written once.
//!
//! A release is `_buho/releases/<night>-<sequence>.json`, put only if absent. Readers of ours read
//! nothing else: the default is the latest sequence of the highest night.
//!
//! A file that a disk damaged is named by whoever reads it, and may be removed: readers then get the release before, and
//! the lake is as after a run that died between its commits and its release, which the next run of that night goes on
//! from ([`crate::run`]).

pub(crate) mod dropped;
mod error;
mod format;
mod kept;
mod pins;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

pub use error::ReleaseError;
pub(crate) use format::PROBES;
pub use format::{LAKE_FORMAT, check_format};
pub use kept::Keep;
pub(crate) use kept::last_whole;
pub(crate) use pins::is_pinned;
pub use pins::{Pin, pin, pins, unpin};

use crate::table::Lake;

const FOLDER: &str = "_buho/releases";
/// The first object of a lake: its format.
const FIRST: &str = "_buho/format.json";
/// Releases read beside each other.
const READS_AT_ONCE: usize = 16;

/// Night and sequence, written `2026-01-31.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId {
    pub night: NaiveDate,
    /// From 1.
    pub sequence: u32,
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.night, self.sequence)
    }
}

impl FromStr for ReleaseId {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let unknown = || ReleaseError::Id { found: text.to_owned() };
        let (night, sequence) = text.rsplit_once('.').ok_or_else(unknown)?;
        Ok(Self { night: night.parse().map_err(|_| unknown())?, sequence: sequence.parse().map_err(|_| unknown())? })
    }
}

impl ReleaseId {
    /// The release's file, below the lake.
    pub fn file(self) -> String {
        format!("{FOLDER}/{}-{:06}.json", self.night, self.sequence)
    }

    fn from_file(name: &str) -> Option<Self> {
        let (night, sequence) = name.strip_suffix(".json")?.rsplit_once('-')?;
        Some(Self { night: night.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

/// Whether a table's rows are this night's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableState {
    /// As of the release's night.
    Fresh,
    /// Kept at an earlier release, because something it reads failed or is missing.
    Held,
    /// Kept at an earlier release, because it failed itself.
    Failed,
}

/// A table of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleasedTable {
    /// Version in its Delta log.
    pub version: u64,
    /// The night its rows are from.
    pub night: NaiveDate,
    pub state: TableState,
    /// What it was made from; equal means nothing to do.
    pub recipe: Recipe,
    /// What its audits asked, and what they compared it with; equal means nothing to ask. Empty where that is not
    /// known: sources have no audits, and older releases do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audited: String,
}

/// All that a table's rows depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Fingerprint of the SQL by meaning and of the settings that decide what is stored.
    pub code: String,
    /// The night, where the query asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<NaiveDate>,
    /// What identifies the rows of each input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
}

/// Among the inputs of a recipe: which tables are looked up. One that does not say it is an older one, and its rows
/// stand.
pub(crate) const LOOKUPS: &str = "$lookups";

impl Recipe {
    /// Why rows made by `self` may differ from those made by `before`; `None` where they cannot.
    pub fn differs_from(&self, before: &Self) -> Option<String> {
        if self.code != before.code {
            return Some("its SQL or columns changed".to_owned());
        }
        let changed: Vec<&str> = self
            .inputs
            .iter()
            .filter(|(name, identity)| match before.inputs.get(*name) {
                Some(before) => before != *identity,
                None => name.as_str() != LOOKUPS,
            })
            .map(|(name, _)| if name == LOOKUPS { "its lookups" } else { name.as_str() })
            .collect();
        if !changed.is_empty() {
            return Some(format!("changed: {}", changed.join(", ")));
        }
        (self.night != before.night).then(|| "it asks for the night".to_owned())
    }

    /// One word for all of it, where a recipe is itself an input: the identity of a view.
    pub fn identity(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.code.as_bytes());
        hasher.update(self.night.map(|night| night.to_string()).unwrap_or_default().as_bytes());
        for (input, identity) in &self.inputs {
            hasher.update(format!("\n{input}={identity}").as_bytes());
        }
        crate::identity::word(&hasher)
    }
}

/// A view of a release: its text, so that an old release is read as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleasedView {
    pub sql: String,
    pub night: NaiveDate,
    /// What the audits that it passed asked, of which rows; equal means that they need not be asked again.
    #[serde(default)]
    pub audited: String,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Version of this file's form.
    pub format: u32,
    pub night: NaiveDate,
    pub sequence: u32,
    pub run_id: String,
    pub at: DateTime<Utc>,
    pub tables: BTreeMap<String, ReleasedTable>,
    pub views: BTreeMap<String, ReleasedView>,
    /// The release whose tables these are, where somebody rolled back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<String>,
    /// The night of which those are. Older rollbacks do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<NaiveDate>,
}

impl Release {
    pub fn id(&self) -> ReleaseId {
        ReleaseId { night: self.night, sequence: self.sequence }
    }

    /// The night that readers see: its own, or the restored one.
    pub fn shown_night(&self) -> NaiveDate {
        let restored = || self.restores.as_ref()?.parse::<ReleaseId>().ok().map(|restored| restored.night);
        self.shows.or_else(restored).unwrap_or(self.night)
    }
}

/// Makes a lake ready to be written, as [`check_format`] does; whether it begins with that, for it had neither a format
/// nor a release.
///
/// # Errors
/// Those of [`check_format`].
pub async fn begin(lake: &Lake) -> Result<bool, ReleaseError> {
    let is_new = is_absent(lake).await?;
    check_format(lake, true).await?;
    Ok(is_new)
}

/// Makes a lake that is there ready to be written: only a night begins one.
///
/// # Errors
/// [`ReleaseError::NoLake`] where there is none; those of [`check_format`].
pub(crate) async fn open(lake: &Lake) -> Result<(), ReleaseError> {
    if is_absent(lake).await? {
        return Err(ReleaseError::NoLake { url: lake.url().to_string() });
    }
    check_format(lake, true).await
}

/// Whether there is neither a format nor a release.
async fn is_absent(lake: &Lake) -> Result<bool, ReleaseError> {
    Ok(!exists(lake, FIRST).await? && list(lake).await?.is_empty())
}

/// All releases of a lake, oldest night first.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be listed.
pub async fn list(lake: &Lake) -> Result<Vec<ReleaseId>, ReleaseError> {
    ids_in(lake, FOLDER).await
}

/// The releases that the files of a folder are named after, oldest night first.
async fn ids_in(lake: &Lake, folder: &str) -> Result<Vec<ReleaseId>, ReleaseError> {
    let folder = lake.path(folder);
    let entries: Vec<_> = lake
        .store()
        .list(Some(&folder))
        .try_collect()
        .await
        .map_err(|source| ReleaseError::storage(&folder, source))?;
    let mut ids: Vec<ReleaseId> =
        entries.iter().filter_map(|entry| ReleaseId::from_file(entry.location.filename()?)).collect();
    ids.sort();
    Ok(ids)
}

/// The release readers get unless they ask for another: the latest sequence of the highest night.
pub async fn latest(lake: &Lake) -> Result<Option<Release>, ReleaseError> {
    match list(lake).await?.last() {
        Some(id) => read(lake, *id).await.map(Some),
        None => Ok(None),
    }
}

/// A release by id.
///
/// # Errors
/// [`ReleaseError::Unknown`] names the nearest that exists, [`ReleaseError::Damaged`] the way out where its file is torn.
pub async fn read(lake: &Lake, id: ReleaseId) -> Result<Release, ReleaseError> {
    let path = lake.path(&id.file());
    let found = match lake.store().get(&path).await {
        Ok(found) => found.bytes().await.map_err(|source| ReleaseError::storage(&path, source))?,
        Err(object_store::Error::NotFound { .. }) => {
            let known = list(lake).await?;
            // The sequences of a night are counted from 1 without a gap.
            let is_after = |later: &ReleaseId| later.night == id.night && later.sequence > id.sequence;
            let was_there = id.sequence > 0 && known.iter().any(is_after);
            return Err(ReleaseError::Unknown {
                id,
                known: known.iter().rev().take(5).map(ToString::to_string).collect(),
                is_dropped: was_there || dropped::is_noted(lake, id).await?,
            });
        }
        Err(source) => return Err(ReleaseError::storage(&path, source)),
    };
    match serde_json::from_slice(&found) {
        Ok(release) => Ok(release),
        Err(source) => {
            let before = list(lake).await?.into_iter().rfind(|known| *known < id);
            Err(ReleaseError::Damaged { id, path: path.to_string(), before, source })
        }
    }
}

/// A release, or [`ReleaseError::Damaged`] where its file is torn.
pub type Found = Result<Release, ReleaseError>;

/// Releases by their ids, in that order: one that is damaged keeps nobody from the others. One that maintenance dropped
/// meanwhile is left out.
///
/// # Errors
/// [`ReleaseError::Storage`] where the lake cannot be read.
pub async fn read_each(lake: &Lake, ids: &[ReleaseId]) -> Result<Vec<(ReleaseId, Found)>, ReleaseError> {
    stream::iter(ids.iter().copied())
        .map(|id| async move { (id, read(lake, id).await) })
        .buffered(READS_AT_ONCE)
        .filter_map(|(id, found)| async move {
            match found {
                Err(ReleaseError::Unknown { .. }) => None,
                Ok(_) | Err(ReleaseError::Damaged { .. }) => Some(Ok((id, found))),
                Err(error) => Some(Err(error)),
            }
        })
        .try_collect()
        .await
}

/// The next free sequence of a night.
pub(crate) async fn next_sequence(lake: &Lake, night: NaiveDate) -> Result<u32, ReleaseError> {
    let taken = list(lake).await?;
    let mut sequence = taken.iter().filter(|id| id.night == night).map(|id| id.sequence).max().unwrap_or(0) + 1;
    // A listing may be behind; what was created is there to be asked for.
    while exists(lake, &ReleaseId { night, sequence }.file()).await? {
        sequence += 1;
    }
    Ok(sequence)
}

/// Whether a release is there, asked by its name.
pub(crate) async fn is_there(lake: &Lake, id: ReleaseId) -> Result<bool, ReleaseError> {
    exists(lake, &id.file()).await
}

async fn exists(lake: &Lake, below: &str) -> Result<bool, ReleaseError> {
    let path = lake.path(below);
    match lake.store().head(&path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(source) => Err(ReleaseError::storage(&path, source)),
    }
}

/// Puts the file of a release whose link is in the lease's chain: the link made it valid, the file
/// makes it known, and whoever puts the file first, it is the same.
///
/// # Errors
/// [`ReleaseError::Taken`] where another release has that file.
pub(crate) async fn write(lake: &Lake, release: &Release) -> Result<(), ReleaseError> {
    let path = lake.path(&release.id().file());
    let body =
        serde_json::to_vec_pretty(release).map_err(|source| ReleaseError::Form { path: path.to_string(), source })?;
    if lake.create(&path, body).await.map_err(|source| ReleaseError::storage(&path, source))? {
        return Ok(());
    }
    match read(lake, release.id()).await? {
        written if written.run_id == release.run_id => Ok(()),
        _ => Err(ReleaseError::Taken { id: release.id() }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
