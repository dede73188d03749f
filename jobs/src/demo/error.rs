//! What can go wrong while a demo is written.

use std::path::PathBuf;

/// Why a demo could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An option asks for something that cannot be generated.
    #[error("{option}: {reason}")]
    Option {
        /// Name of the option, as in [`super::DemoOptions`].
        option: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The folder already holds exports that are not part of this demo and would be ingested with it.
    #[error("{path} is not part of this demo, and would be ingested with it: choose another folder or remove the file")]
    Foreign {
        /// The file in the way.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried, as a verb: `write`, `create` ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A Parquet file could not be encoded.
    #[error("cannot encode {path}: {source}")]
    Parquet {
        /// The Parquet file.
        path: PathBuf,
        /// The encoder's answer.
        source: parquet::errors::ParquetError,
    },
    /// Rows that were set aside for a Parquet file could not be read back.
    #[error("cannot read the rows set aside for {path}: {reason}")]
    Spill {
        /// The Parquet file they were for.
        path: PathBuf,
        /// What was wrong with them.
        reason: String,
    },
    /// Rows of a source could not be compressed.
    #[error("cannot compress rows of {export}: {reason}")]
    Compress {
        /// Name of the source.
        export: &'static str,
        /// The compressor's answer.
        reason: String,
    },
    /// A description of the truth could not be turned into JSON.
    #[error("cannot write {path} as JSON: {source}")]
    Json {
        /// The JSON file.
        path: PathBuf,
        /// The encoder's answer.
        source: serde_json::Error,
    },
    /// A worker thread ended without an answer.
    #[error("a worker of the demo stopped before its work was done")]
    Worker,
}
