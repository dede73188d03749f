//! What a file may unpack to, and what one batch of it may hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::{ParquetError, Result};

use crate::ingest::read::UnpackLimits;

/// What was read of a file so far, by all that read it.
#[derive(Debug, Default)]
pub(in crate::ingest::parquet) struct Seen {
    packed: AtomicU64,
    unpacked: AtomicU64,
}

/// Why a page is not read.
#[derive(Debug)]
pub(in crate::ingest::parquet) enum Refusal {
    /// The file unpacks to more than it may.
    Bomb { limit: String, advice: &'static str, packed: u64, unpacked: u64 },
    /// So many rows hold too much; fewer may not.
    TooWide,
    /// Values of dictionaries are too long to be copied into so many rows.
    TooLong,
    /// What the page says of itself cannot be.
    Implausible(String),
}

/// The room that one reader of a file has.
#[derive(Debug)]
pub(in crate::ingest::parquet) struct Room {
    seen: Arc<Seen>,
    limits: UnpackLimits,
    /// Rows of a batch, and bytes it may hold besides the pages it begins with.
    rows: u64,
    bytes: u64,
    held: AtomicU64,
    copied: AtomicU64,
    batch: AtomicU64,
    /// The decoder turns errors into text.
    refusal: Mutex<Option<Refusal>>,
}

impl Seen {
    /// Counts bytes, and says where they are more than the limits allow.
    pub(in crate::ingest::parquet) fn add(&self, limits: UnpackLimits, packed: u64, unpacked: u64) -> Option<Refusal> {
        let packed = self.packed.fetch_add(packed, Ordering::Relaxed).saturating_add(packed);
        let unpacked = self.unpacked.fetch_add(unpacked, Ordering::Relaxed).saturating_add(unpacked);
        let (limit, advice) = limits.broken(packed, unpacked)?;
        Some(Refusal::Bomb { limit, advice, packed, unpacked })
    }
}

impl Room {
    pub(in crate::ingest::parquet) fn new(seen: &Arc<Seen>, limits: UnpackLimits, rows: usize, bytes: u64) -> Self {
        Self {
            seen: Arc::clone(seen),
            limits,
            rows: rows as u64,
            bytes,
            held: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            batch: AtomicU64::new(0),
            refusal: Mutex::new(None),
        }
    }

    pub(in crate::ingest::parquet) fn begin_batch(&self) {
        self.batch.fetch_add(1, Ordering::Relaxed);
        self.held.store(0, Ordering::Relaxed);
    }

    pub(in crate::ingest::parquet) fn batch(&self) -> u64 {
        self.batch.load(Ordering::Relaxed)
    }

    /// Bytes that are about to be unpacked.
    ///
    /// # Errors
    /// The file unpacks to more than it may.
    pub(in crate::ingest::parquet) fn unpack(&self, packed: u64, unpacked: u64) -> Result<()> {
        self.seen.add(self.limits, packed, unpacked).map_or(Ok(()), |refusal| Err(self.refuse(refusal)))
    }

    /// Bytes that the rows of this batch hold, and fewer rows would not.
    ///
    /// # Errors
    /// They are more than a batch may hold, and it has more than one row.
    pub(in crate::ingest::parquet) fn hold(&self, bytes: u64) -> Result<()> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > self.bytes && self.rows > 1 { Err(self.refuse(Refusal::TooWide)) } else { Ok(()) }
    }

    /// As [`Room::hold`], of values of which this batch may take only some.
    pub(in crate::ingest::parquet) fn hold_share(&self, bytes: u64, values: u64) -> Result<()> {
        self.hold(if values > self.rows { (bytes / values).saturating_mul(self.rows) } else { bytes })
    }

    /// Each row of a batch gets its own copy of a value that may be as long as this.
    ///
    /// # Errors
    /// With those of the other columns they are more than a batch may hold.
    pub(in crate::ingest::parquet) fn copy(&self, longest: u64) -> Result<()> {
        let bytes = longest.saturating_mul(self.rows);
        let copied = self.copied.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if copied > self.bytes { Err(self.refuse(Refusal::TooLong)) } else { Ok(()) }
    }

    pub(in crate::ingest::parquet) fn implausible(&self, reason: &str) -> ParquetError {
        self.refuse(Refusal::Implausible(reason.to_owned()))
    }

    /// Why a page was refused, if one was.
    pub(in crate::ingest::parquet) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, refusal: Refusal) -> ParquetError {
        let told = ParquetError::General(format!("{refusal:?}"));
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
        told
    }
}
