//! What can go wrong with a table.

use crate::error::ErrorKind;
use crate::store::{kind_of, way_out};

/// An error of the lake's tables; every variant names the table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("table {table}: cannot read its log at {url}: {source} — {}", way_out(.source.as_ref(), "check that the lake is reachable, then run again"))]
    Read { table: String, url: String, source: Box<deltalake::DeltaTableError> },
    #[error(
        "table {table}: the last entry of its log, {path}, is cut short or damaged, so that nobody can read the table — put the whole object back if the storage keeps earlier ones; else remove it, and `buho run --full-refresh` writes that version again; releases that name it then show what is written now"
    )]
    Torn { table: String, path: String },
    #[error(
        "table {table}: version {version} is not in its log, and a release needs it: another tool may have cleaned the log — put the entries of `_delta_log` back from a backup; `buho doctor` says what else can be done"
    )]
    MissingVersion { table: String, version: u64 },
    #[error("table {table}: a listing of its log does not show version {version}, which is there — run again")]
    Unlisted { table: String, version: u64 },
    #[error("table {table}: cannot write {path}: {source} — {}", way_out(.source.as_ref(), "check space and permissions of the lake, then run again"))]
    Write { table: String, path: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error(
        "table {table}: version {version} was committed by somebody else while this run prepared its own; nothing was overwritten — see `buho runs list`, then run again"
    )]
    Conflict { table: String, version: u64 },
    #[error(
        "table {table}: version {version} was written under token {token} of the lease: this run lost the lake to another and stopped; nothing was overwritten — see `buho runs list`, then run again"
    )]
    Fenced { table: String, version: u64, token: u64 },
    #[error("table {table}: column `{column}` has type {found}, which no table can hold — cast it in the final select")]
    Type { table: String, column: String, found: String },
    #[error(
        "table {table}: partition column `{column}` holds an empty text, which Delta reads as NULL — give it a word in the last select, or partition by another column"
    )]
    EmptyPartition { table: String, column: String },
    #[error("table {table}: {what} — this is a defect, please report it")]
    Defect { table: String, what: String },
}

impl TableError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } => kind_of(source.as_ref()),
            Self::Write { source, .. } => kind_of(source.as_ref()),
            Self::MissingVersion { .. } | Self::EmptyPartition { .. } | Self::Torn { .. } => ErrorKind::Data,
            Self::Unlisted { .. } => ErrorKind::Retry,
            Self::Conflict { .. } | Self::Fenced { .. } => ErrorKind::Locked,
            Self::Type { .. } => ErrorKind::User,
            Self::Defect { .. } => ErrorKind::Defect,
        }
    }

    pub(crate) fn write(
        table: &str,
        path: &impl ToString,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Write { table: table.to_owned(), path: path.to_string(), source: source.into() }
    }

    pub(crate) fn defect(table: &str, what: impl ToString) -> Self {
        Self::Defect { table: table.to_owned(), what: what.to_string() }
    }
}
