//! The chain itself: numbered objects, each put if absent.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::error::LeaseError;
use super::{EXPIRY, Holder, OPENING};
use crate::release::Release;
use crate::table::Lake;

const FOLDER: &str = "_buho/lease";
/// The position of the first link.
const FIRST: u64 = 1;
/// Links kept behind a new holder's first: far more than any listing can be behind.
const KEPT: u64 = 1000;

/// What a link says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    Take,
    Renew,
    /// The holder is about to create the tables that the link names.
    Create,
    /// The release and with it all table versions of a night: valid from here on.
    Publish {
        release: Box<Release>,
    },
    GiveBack {
        /// The work was cut short, so that writes of it may still be under way.
        #[serde(default)]
        interrupted: bool,
    },
    /// A person took the lease from its holder.
    Break,
}

/// One object of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub position: u64,
    /// Position of the link by which its holder took the lease.
    pub token: u64,
    pub holder: Holder,
    pub at: DateTime<Utc>,
    /// Position of a `publish` link whose release may not have its file yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<u64>,
    /// Tables that this holder or one before it said it would create, for as long as a commit of that may be
    /// under way.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub creating: BTreeSet<String>,
    /// Releases that were published and not dropped since, as far as the chain has heard: maintenance asks for them by
    /// name, for a listing may be behind, or short.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub releases: BTreeSet<String>,
    /// Releases that were dropped and may still be read: maintenance asks for the note of each by its name, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dropped: BTreeSet<String>,
    /// Of the first link, once those after it are forgotten: the first of the others that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<u64>,
    /// What the holder was doing: `ingest`, `build`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(flatten)]
    pub step: Step,
}

impl Link {
    /// Whether somebody had the lease when this was the last link.
    pub fn is_held(&self) -> bool {
        !matches!(self.step, Step::GiveBack { .. } | Step::Break)
    }

    /// The `publish` link that the next one must remember: this one, or what it remembers.
    pub fn unfinished_after(&self) -> Option<u64> {
        match self.step {
            Step::Publish { .. } => Some(self.position),
            _ => self.unfinished,
        }
    }

    /// The link by which a holder takes the lease after `last`, or begins the chain.
    pub(super) fn taking(last: Option<&Self>, holder: &Holder, at: DateTime<Utc>) -> Self {
        let next = last.map(|last| last.after(Step::Take, at));
        let next = next.unwrap_or_else(|| Self {
            position: FIRST,
            token: FIRST,
            holder: holder.clone(),
            at,
            unfinished: None,
            creating: BTreeSet::new(),
            releases: BTreeSet::new(),
            dropped: BTreeSet::new(),
            continues: None,
            phase: None,
            step: Step::Take,
        });
        let phase = holder.errand.map(|_| OPENING.to_owned());
        Self { token: next.position, holder: holder.clone(), phase, ..next }
    }

    /// The next link of the same holder, with all that this one hands on.
    pub(super) fn after(&self, step: Step, at: DateTime<Utc>) -> Self {
        let mut releases = self.releases.clone();
        if let Step::Publish { release } = &step {
            releases.insert(release.id().to_string());
        }
        Self {
            position: self.position + 1,
            at,
            unfinished: self.unfinished_after(),
            releases,
            continues: None,
            step,
            ..self.clone()
        }
    }

    /// Whether its holder may have ended without a word: it did not give the lease back once its work was done.
    pub fn is_cut_short(&self) -> bool {
        !matches!(self.step, Step::GiveBack { interrupted: false })
    }

    /// Whether its holder should have renewed by now, if both clocks are right. A stamp from the future
    /// tells of one that jumped: who takes the lease is decided by the chain.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        let expiry = TimeDelta::from_std(EXPIRY).unwrap_or(TimeDelta::MAX);
        (now - self.at).abs() > expiry
    }

    /// Whether two links are one and the same: an answer that was lost is settled by it.
    fn is(&self, other: &Self) -> bool {
        self.token == other.token
            && self.holder == other.holder
            && self.at == other.at
            && std::mem::discriminant(&self.step) == std::mem::discriminant(&other.step)
    }
}

/// The links of one lake.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    lake: Lake,
    pub(super) kept: u64,
}

impl Chain {
    pub(super) fn new(lake: &Lake) -> Self {
        Self { lake: lake.clone(), kept: KEPT }
    }

    fn path(&self, position: u64) -> Path {
        self.lake.path(&format!("{FOLDER}/{position:020}.json"))
    }

    async fn list(&self) -> Result<Vec<(u64, ObjectMeta)>, LeaseError> {
        let folder = self.lake.path(FOLDER);
        let entries: Vec<ObjectMeta> = self
            .lake
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|source| LeaseError::storage(&folder, source))?;
        let position = |entry: &ObjectMeta| entry.location.filename()?.strip_suffix(".json")?.parse().ok();
        Ok(entries.into_iter().filter_map(|entry| Some((position(&entry)?, entry))).collect())
    }

    /// The link with the highest position; `None` where there is no chain, which a listing alone does not tell.
    pub(super) async fn last(&self) -> Result<Option<Link>, LeaseError> {
        let listed = self.list().await?.into_iter().map(|(position, _)| position).max();
        let mut last = match listed.filter(|listed| *listed > FIRST) {
            Some(listed) => self.read_known(listed).await?,
            None => match self.read(FIRST).await? {
                Some(Link { continues: Some(next), .. }) => self.read_known(next).await?,
                Some(first) => first,
                None => return Ok(None),
            },
        };
        // A listing may be behind; what was created is there to be read.
        while let Some(next) = self.read(last.position + 1).await? {
            last = next;
        }
        Ok(Some(last))
    }

    /// A link that there was: where it is gone, others came long after it.
    async fn read_known(&self, position: u64) -> Result<Link, LeaseError> {
        let gone = "it is forgotten, for the chain goes on far beyond it, where a listing does not show it yet".into();
        let gone = object_store::Error::Generic { store: "lease", source: gone };
        self.read(position).await?.ok_or_else(|| LeaseError::storage(&self.path(position), gone))
    }

    pub(super) async fn read(&self, position: u64) -> Result<Option<Link>, LeaseError> {
        let path = self.path(position);
        let found = match self.lake.store().get(&path).await {
            Ok(found) => found.bytes().await.map_err(|source| LeaseError::storage(&path, source))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(LeaseError::storage(&path, source)),
        };
        let link =
            serde_json::from_slice(&found).map_err(|source| LeaseError::Form { path: path.to_string(), source })?;
        Ok(Some(link))
    }

    /// When a link was written, as the storage says.
    pub(super) async fn stored_at(&self, position: u64) -> Result<DateTime<Utc>, LeaseError> {
        let path = self.path(position);
        let found = self.lake.store().head(&path).await.map_err(|source| LeaseError::storage(&path, source))?;
        Ok(found.last_modified)
    }

    /// The last link that a holder put itself, where `last` is the end of the chain: what a person broke is before that.
    pub(super) async fn of_holder(&self, last: Link) -> Result<Option<Link>, LeaseError> {
        match (&last.step, last.position.checked_sub(1)) {
            (Step::Break, Some(before)) => self.read(before).await,
            _ => Ok(Some(last)),
        }
    }

    /// Puts a link at its position; the link that is there already, where it is another's.
    pub(super) async fn append(&self, link: &Link) -> Result<Option<Link>, LeaseError> {
        let path = self.path(link.position);
        let body = serde_json::to_vec(link).map_err(|source| LeaseError::Form { path: path.to_string(), source })?;
        if self.lake.create(&path, body).await.map_err(|source| LeaseError::storage(&path, source))? {
            return Ok(None);
        }
        let Some(there) = self.read(link.position).await? else {
            let source = "it was refused as if it were there, and it is not".into();
            return Err(LeaseError::storage(&path, object_store::Error::Generic { store: "lease", source }));
        };
        Ok((!there.is(link)).then_some(there))
    }

    /// Removes links that nobody can mistake for the end of the chain any more. The first stays and says where the
    /// chain goes on, so that whoever is shown no link begins none anew.
    pub(super) async fn forget_before(&self, last: &Link) {
        let Some(oldest) = last.position.checked_sub(self.kept) else {
            return;
        };
        let Ok(links) = self.list().await else {
            return;
        };
        let old = links.into_iter().filter(|(number, _)| *number > FIRST && *number < oldest).collect::<Vec<_>>();
        if !old.is_empty()
            && let Err(error) = self.continues_at(oldest, last).await
        {
            tracing::debug!(%error, "old links of the lease stay");
            return;
        }
        for (_, entry) in old {
            if let Err(error) = self.lake.store().delete(&entry.location).await {
                tracing::debug!(%error, "an old link of the lease stays");
                return;
            }
        }
    }

    /// Writes into the first link where the chain goes on; earlier versions forgot that link as well.
    async fn continues_at(&self, oldest: u64, last: &Link) -> Result<(), LeaseError> {
        let path = self.path(FIRST);
        let first = self.read(FIRST).await?.unwrap_or_else(|| Link { position: FIRST, token: FIRST, ..last.clone() });
        let body = serde_json::to_vec(&Link { continues: Some(oldest), ..first })
            .map_err(|source| LeaseError::Form { path: path.to_string(), source })?;
        self.lake.store().put(&path, body.into()).await.map_err(|source| LeaseError::storage(&path, source))?;
        Ok(())
    }
}
