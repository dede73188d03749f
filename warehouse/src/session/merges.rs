//! A memory pool in which the merge of spilled runs leaves room for others.
//!
//! A merge reserves a batch of as many runs as the pool lets it, though it could merge fewer at a time:
//! of the four sorts before a sort-merge join the first would take everything, and the others fail.

use std::fmt;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// How the engine calls the consumer that merges.
const MERGE: &str = "ExternalSorterMerge";

/// Passes everything on, and refuses a merge more than its share: it merges what it has room for.
#[derive(Debug)]
pub(super) struct CappedMerges<P> {
    inner: P,
    /// The most that one merge may hold, in bytes.
    share: usize,
}

impl<P> CappedMerges<P> {
    pub(super) fn new(inner: P, share: usize) -> Self {
        Self { inner, share }
    }
}

impl<P: fmt::Display> fmt::Display for CappedMerges<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<P: MemoryPool + fmt::Display> MemoryPool for CappedMerges<P> {
    fn name(&self) -> &str {
        "capped_merges"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer().name();
        if consumer.starts_with(MERGE) && reservation.size() + additional > self.share {
            let said = format!("{consumer} has its share of {} bytes for merging spilled runs", self.share);
            return Err(DataFusionError::ResourcesExhausted(said));
        }
        self.inner.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}
