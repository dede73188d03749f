//! What the engine hands to a load and what it gets back.

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;

use super::dropped::Dropped;
use super::error::{IngestError, SinkError};
use super::ledger::Ledger;
use crate::plain::escaped;

/// Where one worker writes its rows: a data file. Called on a blocking thread.
pub trait BatchSink: Send {
    /// Take rows in the layout of [`super::bronze_schema`].
    ///
    /// # Errors
    /// When they cannot be written; the load stops.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError>;

    /// The worker has no more rows.
    ///
    /// # Errors
    /// When the file cannot be completed; the load fails.
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}

/// Opens one sink a worker, at its first row.
pub trait SinkFactory: Send + Sync {
    /// # Errors
    /// When no file can be made.
    fn open(&self) -> Result<Box<dyn BatchSink>, SinkError>;
}

/// How a load goes about its work.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The project's zone: the wall clock of every TIMESTAMP.
    pub time_zone: Tz,
    /// Workers, and with them sinks; at least 1.
    pub threads: usize,
    /// Bytes of text a worker takes at a time.
    pub block_bytes: usize,
    /// Bytes of a Parquet row group that a worker fetches at once; a larger one is read page by page.
    pub row_group_bytes: u64,
    pub limits: Limits,
}

impl LoadOptions {
    /// Options with the block size that measured best and the default limits.
    pub fn new(time_zone: Tz, threads: usize) -> Self {
        Self {
            time_zone,
            threads: threads.max(1),
            block_bytes: 2 << 20,
            row_group_bytes: 64 << 20,
            limits: Limits::default(),
        }
    }
}

/// What hostile or broken input may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of one record; what is longer goes to quarantine.
    pub record_bytes: usize,
    /// Bytes one compressed file may unpack to.
    pub unpacked_bytes: u64,
    /// Unpacked by packed bytes, checked past [`Limits::ratio_from_bytes`].
    pub unpacked_ratio: u64,
    /// Unpacked bytes below which any ratio is taken.
    pub ratio_from_bytes: u64,
    /// Quarantined rows of one load held in memory.
    pub quarantine_rows: u64,
    /// Bytes of raw text of one load held in memory.
    pub quarantine_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 1 << 20,
            unpacked_bytes: 1 << 40,
            unpacked_ratio: 300,
            ratio_from_bytes: 256 << 20,
            quarantine_rows: 500_000,
            quarantine_bytes: 64 << 20,
        }
    }
}

/// What a load did. Where `failure` is set nothing of it may be committed but the quarantine.
#[derive(Debug)]
pub struct LoadReport {
    /// The ledger with this load in it, to be stored beside the commit.
    pub ledger: Ledger,
    /// Whether `ledger` differs from the one planned with, be it only by an etag.
    pub ledger_changed: bool,
    /// Rows in the layout of [`super::quarantine_schema`], ordered by delivery and record.
    pub quarantine: Vec<RecordBatch>,
    /// Delivery numbers whose rows (and quarantined rows) must go.
    pub replaced: Vec<i64>,
    /// Delivery numbers that were loaded, in order.
    pub loaded: Vec<i64>,
    /// Files that were read.
    pub read: Vec<String>,
    /// Files that were not, for they belong to a later night.
    pub waiting: Vec<String>,
    /// Rows written to the sinks.
    pub rows: u64,
    pub quarantined: u64,
    /// Bytes of the files read, as stored.
    pub bytes: u64,
    /// Things to tell, that stop nothing.
    pub warnings: Vec<String>,
    pub failure: Option<LoadFailure>,
}

/// Why nothing of a load may be committed but its quarantine.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    #[error("{0}")]
    DroppedColumns(Dropped),
    #[error("{0}")]
    OverTolerance(OverTolerance),
    #[error("{0}")]
    QuarantineFull(IngestError),
}

/// A delivery with more misfits than its contract tolerates.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTolerance {
    pub path: String,
    pub rows: u64,
    pub quarantined: u64,
    pub tolerance: f64,
    /// The most frequent reason, with its column.
    pub mostly: String,
}

impl std::fmt::Display for OverTolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.rows + self.quarantined;
        let share = 100.0 * self.quarantined as f64 / all.max(1) as f64;
        write!(
            f,
            "{} of {all} rows of `{}` ({share:.2} %) do not fit the contract, which tolerates {:.2} %; mostly: {}; see ops.quarantine, then correct the contract or the export",
            self.quarantined,
            escaped(&self.path),
            100.0 * self.tolerance,
            self.mostly
        )
    }
}
