//! What can stop a run as a whole, or one node of it.

use datafusion::error::DataFusionError;

use crate::error::ErrorKind;
use crate::graph::GraphErrors;
use crate::lease::LeaseError;
use crate::release::ReleaseError;
use crate::store::{StoreError, kind_of, way_out};
use crate::table::TableError;

/// An error that ends the run, or, kept in a [`super::report::Failure`], one node.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error("stopped as asked; run the same command again to go on")]
    Stopped,
    #[error(transparent)]
    Graph(#[from] GraphErrors),
    #[error("{node}: {message}")]
    Query { node: String, message: String, kind: ErrorKind },
    #[error("{node} is not built for this night — run `buho build` first")]
    NotBuilt { node: String },
    #[error("{node}: {because}")]
    Waits { node: String, because: String },
    #[error(
        "the record of a run cannot be read, {path} is cut short or damaged: {source} — put that file back from a copy, or remove it: nothing but `buho runs` reads it, and what the run did is in the ops tables"
    )]
    Record { path: String, source: serde_json::Error },
    #[error("the ledger of source {source_name}, {path}, {what} — {}", Self::LEDGER_LOST)]
    Ledger { source_name: String, path: String, what: String },
    #[error("{what}: {source} — this is a defect, please report it")]
    Form { what: String, source: serde_json::Error },
    #[error("{message}")]
    User { message: String },
    #[error("{what} — this is a defect, please report it")]
    Defect { what: String },
}

impl RunError {
    /// Without it a run would load again what is in bronze already.
    const LEDGER_LOST: &str = "put that file back from a backup or an earlier version that the storage keeps: which files are loaded is written nowhere else; where there is none, set `lake` to a new place, and `buho backfill` loads there all that is in raw";

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Table(error) => error.kind(),
            Self::Release(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Lease(error) => error.kind(),
            Self::Stopped => ErrorKind::Retry,
            Self::Waits { .. } | Self::Record { .. } | Self::Ledger { .. } => ErrorKind::Data,
            Self::Graph(error) => error.kind(),
            Self::Query { kind, .. } => *kind,
            Self::User { .. } | Self::NotBuilt { .. } => ErrorKind::User,
            Self::Form { .. } | Self::Defect { .. } => ErrorKind::Defect,
        }
    }

    /// The data of a node forbids what was asked.
    pub(super) fn refused(node: &str, message: &str) -> Self {
        Self::Query { node: node.to_owned(), message: message.to_owned(), kind: ErrorKind::Data }
    }

    /// What failed outside the query engine, and what its own kind says is to be done.
    pub(super) fn failed(what: &str, message: &str, kind: ErrorKind) -> Self {
        Self::Query { node: what.to_owned(), message: message.to_owned(), kind }
    }

    /// An error of the query engine while it planned or computed a node.
    pub(super) fn query(node: &str, error: DataFusionError) -> Self {
        Self::while_running(node, &error)
    }

    /// As a query's stream gives it to whoever reads the rows.
    pub fn while_running(node: &str, error: &DataFusionError) -> Self {
        let kind = query_kind(error);
        let advice = match kind {
            ErrorKind::Retry if is_out_of_memory(error) => {
                "raise `memory` in buho.toml, or make the query read less at a time"
            }
            ErrorKind::Retry => way_out(error, "check the lake, then run again"),
            ErrorKind::Data if is_lost(error) => {
                "a file of the lake is gone: `buho doctor` names the table, what it lacks and the way out"
            }
            ErrorKind::Data => "correct the rows in question, or the expression that cannot take them",
            ErrorKind::Defect => "this is a defect, please report it",
            ErrorKind::User if is_of_storage(error) => way_out(error, ""),
            _ => "",
        };
        let dash = if advice.is_empty() { "" } else { " — " };
        Self::Query { node: node.to_owned(), message: format!("{}{dash}{advice}", error.strip_backtrace()), kind }
    }
}

/// Whether the memory budget was too small for a query.
pub(super) fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// Whether storage failed somewhere below: readers of files wrap what it said.
fn is_of_storage(error: &DataFusionError) -> bool {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source())
        .any(|error| error.is::<object_store::Error>() || error.is::<std::io::Error>())
}

/// Whether what was to be read is not there: no other try finds it.
fn is_lost(error: &DataFusionError) -> bool {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. })))
}

/// Whose turn it is, judged by the root of the error.
fn query_kind(error: &DataFusionError) -> ErrorKind {
    match error.find_root() {
        root if is_lost(root) => ErrorKind::Data,
        // Files of the lake are ours: no row that a user could correct makes one unreadable.
        root @ DataFusionError::ParquetError(_) => kind_of(root),
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Retry,
        root if is_of_storage(root) => kind_of(root),
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => ErrorKind::User,
        DataFusionError::NotImplemented(_) | DataFusionError::Configuration(_) => ErrorKind::User,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => ErrorKind::Data,
        _ => ErrorKind::Defect,
    }
}

#[cfg(test)]
mod tests {
    use arrow::error::ArrowError;
    use parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn a_query_that_storage_failed_is_worth_another_try_unless_what_it_reads_is_gone() {
        let storage = || {
            let source = std::io::Error::other("connection reset").into();
            Box::new(object_store::Error::Generic { store: "S3", source })
        };
        let wrapped = [
            DataFusionError::ObjectStore(storage()),
            DataFusionError::External(storage()),
            DataFusionError::from(ParquetError::External(storage())),
            DataFusionError::from(ArrowError::ExternalError(storage())),
            DataFusionError::from(ArrowError::ExternalError(storage())).context("reading core.orders"),
        ];
        for error in wrapped {
            assert_eq!(RunError::while_running("core.orders", &error).kind(), ErrorKind::Retry, "{error}");
        }
        let gone = || {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound).into();
            Box::new(object_store::Error::NotFound { path: "lake/core/orders/part.parquet".to_owned(), source })
        };
        for error in [DataFusionError::ObjectStore(gone()), DataFusionError::from(ParquetError::External(gone()))] {
            let found = RunError::while_running("core.orders", &error);
            assert_eq!(found.kind(), ErrorKind::Data, "{found}");
            assert!(found.to_string().contains("`buho doctor` names the table"), "{found}");
        }
        let overflow = DataFusionError::from(ArrowError::ArithmeticOverflow("too much".to_owned()));
        assert_eq!(RunError::while_running("core.orders", &overflow).kind(), ErrorKind::Data);
    }
}
