//! Why a lease cannot be had, or is lost.

use chrono::{DateTime, Utc};

use super::chain::Link;
use crate::error::ErrorKind;
use crate::store::{kind_of, unreadable, way_out};

/// An error of taking, keeping or using the lease of a lake.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error(
        "another run holds the lake: {holder}, renewed {seconds} s ago — wait for it to end, or, if it is dead, `buho runs unlock`"
    )]
    Held { holder: String, seconds: i64 },
    #[error(
        "this run lost the lake to {holder} and stopped; it releases nothing from then on — see `buho runs list`, then run again"
    )]
    Lost { holder: String },
    #[error(
        "the lease could not be renewed for {seconds} s, so another run may take it: this one stopped — check the lake's storage, then run again"
    )]
    Expired { seconds: u64 },
    #[error("{path}, a link of the lease, {}", unreadable(.source, "see that no run is at work, remove it, and run again"))]
    Form { path: String, source: serde_json::Error },
    #[error("{path}: {source} — {}", way_out(.source, "check that the lake is reachable, then run again"))]
    Storage { path: String, source: object_store::Error },
    #[error(transparent)]
    Release(#[from] crate::release::ReleaseError),
}

impl LeaseError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } | Self::Lost { .. } => ErrorKind::Locked,
            Self::Expired { .. } => ErrorKind::Retry,
            Self::Storage { source, .. } => kind_of(source),
            Self::Form { .. } => ErrorKind::Data,
            Self::Release(error) => error.kind(),
        }
    }

    pub(super) fn held(link: Option<Link>, now: DateTime<Utc>) -> Self {
        match link {
            Some(link) => Self::Held { holder: link.holder.to_string(), seconds: (now - link.at).num_seconds().max(0) },
            None => Self::unknown(),
        }
    }

    pub(super) fn lost(to: &Link) -> Self {
        Self::Lost { holder: to.holder.to_string() }
    }

    pub(super) fn unknown() -> Self {
        Self::Lost { holder: "another run".to_owned() }
    }

    pub(super) fn storage(path: &object_store::path::Path, source: object_store::Error) -> Self {
        Self::Storage { path: path.to_string(), source }
    }
}
