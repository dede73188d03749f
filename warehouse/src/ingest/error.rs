//! What can go wrong between a raw export and bronze; every message says what, where, what to do.

use super::read::Codec;
use crate::error::ErrorKind;
use crate::plain::plain;
use crate::store::{LeadsOut, is_refused, kind_of};

/// Characters of a path that a message repeats: as many as a bucket lets it have.
const PATH_CHARS: usize = 1024;

fn shown(path: &str) -> String {
    plain(path, PATH_CHARS)
}

/// A failure that stops one source; the other sources of the night go on.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("{contract}:{line}: path `{pattern}`: {reason}")]
    Pattern { contract: String, line: u64, pattern: String, reason: String },

    #[error("{contract}: {field} `{found}`: {reason}")]
    Contract { contract: String, field: String, found: String, reason: String },

    #[error("cannot {action} raw file `{}`: {source}; {advice}", shown(path))]
    Storage {
        path: String,
        action: &'static str,
        advice: &'static str,
        #[source]
        source: Box<object_store::Error>,
    },

    #[error(
        "a file of {source_name} has {columns} columns, and a contract is inferred for at most {most}; write sql/sources/{source_name}.yml with those you need: the others are left out"
    )]
    TooManyColumns { source_name: String, columns: usize, most: usize },

    #[error("{link}")]
    LeadsOut { link: String },

    #[error("cannot read raw file `{}`: {source}; check the disk and its permissions", shown(path))]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },

    #[error(
        "`{}` matches the path of source {contract} but is a directory; remove it, or make the pattern name the files inside it",
        shown(path)
    )]
    Directory { contract: String, path: String },

    #[error(
        "the date in the name of `{}` does not exist (pattern `{pattern}`); rename the file or make the pattern pass it by",
        shown(path)
    )]
    DateInName { path: String, pattern: String },

    #[error(
        "`{}` changed while it was read ({detail}); it is left for the next night: deliver files whole, under their final name",
        shown(path)
    )]
    Changed { path: String, detail: String },

    #[error("`{}` is not what was loaded ({detail}), so its held rows cannot be told from others", shown(path))]
    NotAsLoaded { path: String, detail: String },

    #[error(
        "`{}` holds {found} records, and {wanted} are held of that file; write one for each held row, in their order (`buho quarantine show` lists them)",
        shown(path)
    )]
    Corrected { path: String, found: usize, wanted: usize },

    #[error(
        "`{}` is not {declared}: {found}; correct `format.compression` in the contract or deliver the file again",
        shown(path)
    )]
    Magic { path: String, declared: String, found: String },

    #[error(
        "`{}` ends in the middle of its {codec} stream after {bytes} bytes of content; the upload was cut: deliver it again",
        shown(path)
    )]
    Truncated { path: String, codec: Codec, bytes: u64 },

    #[error("`{}` is damaged {codec} after {bytes} bytes of content ({reason}); deliver it again", shown(path))]
    Corrupt { path: String, codec: Codec, bytes: u64, reason: String },

    #[error(
        "`{}` unpacks to more than {limit} ({packed} bytes packed, {unpacked} unpacked so far); if that is right, {advice}",
        shown(path)
    )]
    Bomb { path: String, limit: String, packed: u64, unpacked: u64, advice: &'static str },

    #[error(
        "`{}` has no column {missing}, which {contract} requires; its columns are {found}; correct `from` in the contract or the export",
        shown(path)
    )]
    MissingColumns { path: String, contract: String, missing: String, found: String },

    #[error(
        "`{}` names the column `{column}` {times} times, so it is not clear which one {contract} means; give each column its own name",
        shown(path)
    )]
    DuplicateColumn { path: String, contract: String, column: String, times: usize },

    #[error("the header of `{}` cannot be read: {reason}; correct the file or `format` in {contract}", shown(path))]
    Header { path: String, contract: String, reason: String },

    #[error(
        "`{}` is one JSON array; Buho reads JSON lines, one object a line: convert it, e.g. with `jq -c '.[]'`",
        shown(path)
    )]
    JsonArray { path: String },

    #[error("`{}` cannot be read as Parquet: {reason}; deliver it again", shown(path))]
    Parquet { path: String, reason: String },

    #[error(
        "`{}` has the same content as `{}`, already loaded as delivery {number}, and {contract} says `duplicates: fail`; remove one of them",
        shown(path),
        shown(twin)
    )]
    Duplicate { path: String, twin: String, number: i64, contract: String },

    #[error(
        "more than {limit} of its source do not fit the contract, which is more than is kept: reading stopped in `{}`; {example}; see ops.quarantine, then correct the contract or the export",
        shown(path)
    )]
    QuarantineFull { path: String, limit: String, example: String },

    #[error("cannot write the rows of `{}`: {source}", shown(path))]
    Sink {
        path: String,
        #[source]
        source: SinkError,
    },

    #[error("reading source {contract} stopped with a defect: {reason}; report it with the file that was being read")]
    Defect { contract: String, reason: String },
}

impl IngestError {
    /// What the error means to whoever started the run.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Pattern { .. } | Self::Contract { .. } | Self::TooManyColumns { .. } => ErrorKind::User,
            Self::Storage { source, .. } => kind_of(source.as_ref()),
            Self::Read { source, .. } => kind_of(source),
            Self::Sink { source, .. } => source.kind,
            Self::Defect { .. } => ErrorKind::Defect,
            _ => ErrorKind::Data,
        }
    }

    /// A failed request to the store, with the advice that fits it.
    pub(crate) fn storage(path: &str, action: &'static str, source: object_store::Error) -> Self {
        use object_store::Error as Store;
        match source {
            Store::Precondition { .. } => {
                Self::Changed { path: path.to_owned(), detail: "it is no longer what was listed".to_owned() }
            }
            Store::NotFound { .. } => {
                Self::Changed { path: path.to_owned(), detail: "it is no longer there".to_owned() }
            }
            source => {
                if let Some(link) = LeadsOut::of(&source) {
                    return Self::LeadsOut { link: link.to_string() };
                }
                let advice = if is_refused(&source) {
                    "give the user of Buho the right to read it"
                } else {
                    "check the raw location and try again"
                };
                Self::Storage { path: path.to_owned(), action, advice, source: Box::new(source) }
            }
        }
    }
}

/// A sink that could not take rows, and what that means.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct SinkError {
    pub kind: ErrorKind,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
