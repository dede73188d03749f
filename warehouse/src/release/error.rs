//! What can go wrong with a release.

use super::ReleaseId;
use crate::error::ErrorKind;
use crate::store::{ProbeError, kind_of, unreadable, way_out};

/// An error of reading or writing releases.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error(
        "`{found}` is not a release; write a night, as in 2026-01-31, for its last one, or night and sequence, as in 2026-01-31.1 (`buho sql` without --release reads the latest)"
    )]
    Id { found: String },
    #[error("release {id} {}; the latest are: {}", if *is_dropped { Self::DROPPED } else { "does not exist" }, if known.is_empty() { "none yet, `buho run` writes the first".to_owned() } else { known.join(", ") })]
    Unknown { id: ReleaseId, known: Vec<String>, is_dropped: bool },
    #[error(
        "release {id} was written by another run meanwhile; nothing was overwritten — see `buho runs list`, then run again"
    )]
    Taken { id: ReleaseId },
    #[error(
        "release {id} is being dropped by maintenance and was not pinned — where that maintenance died, it can still be read with --release {id}: copy what you need"
    )]
    Dropping { id: ReleaseId },
    #[error(
        "release {id} cannot be read, {path} is cut short or damaged: {source} — put that file back from a copy, or remove it: readers get {} then, and `buho run --night {}` publishes what the last release of a night named once more", .before.map_or_else(|| "no release".to_owned(), |before| before.to_string()), .id.night
    )]
    Damaged { id: ReleaseId, path: String, before: Option<ReleaseId>, source: serde_json::Error },
    #[error("{path} {}", unreadable(.source, "remove it: the next run does without, and writes what it needs of it anew"))]
    Form { path: String, source: serde_json::Error },
    #[error(
        "there is no lake at {url} — `buho run` begins one; if there should be one, see that `lake` in buho.toml (BUHO_LAKE) names it and that it is mounted"
    )]
    NoLake { url: String },
    #[error("the lake at {url} has format {found}, this buho reads up to {supported} — use a newer buho")]
    NewerLake { url: String, found: u32, supported: u32 },
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("{path}: {source} — {}", way_out(.source, "check that the lake is reachable, then run again"))]
    Storage { path: String, source: object_store::Error },
}

impl ReleaseError {
    const DROPPED: &str =
        "was dropped by maintenance (`buho maintain --help` says what is kept, and `buho releases pin` keeps more)";

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Id { .. } | Self::Unknown { .. } | Self::NoLake { .. } | Self::NewerLake { .. } => ErrorKind::User,
            Self::Taken { .. } | Self::Dropping { .. } => ErrorKind::Locked,
            Self::Damaged { .. } | Self::Form { .. } => ErrorKind::Data,
            Self::Probe(error) => error.kind(),
            Self::Storage { source, .. } => kind_of(source),
        }
    }

    pub(super) fn storage(path: &object_store::path::Path, source: object_store::Error) -> Self {
        Self::Storage { path: path.to_string(), source }
    }
}
