//! A memory pool that knows the habits of single consumers.
//!
//! Some take all they get and are as well off with less ([`Limit::Bytes`]):
//! - The merge of spilled runs reserves a batch of as many runs as the pool lets it, though it could merge
//!   fewer at a time: of the four sorts before a sort-merge join the first would take everything, and the
//!   others fail.
//! - The first phase of an aggregation collects all groups before it passes them on. One that is refused
//!   passes on what it has and begins anew; the second phase adds up. Rows of a key tend to be near each
//!   other (the events of a visit, the lines of an order), so a table the size of the processor's cache
//!   finds nearly as many equal keys as one that holds everything, in a fraction of time and memory.
//!
//! Others tell of what they took only afterwards ([`Limit::Doubled`]): a hash table doubles when it is full,
//! and has the old and the new one for a while; the build side of a join is copied into one batch.

use std::fmt;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// What consumers of one kind may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cap {
    /// How the engine calls the consumer: the part before the partition's number.
    pub consumer: &'static str,
    pub limit: Limit,
}

/// How much a consumer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Bytes of one consumer.
    Bytes(usize),
    /// As much as would fit a second time.
    Doubled,
}

/// Passes everything on, and refuses a capped consumer more than its share.
#[derive(Debug)]
pub(super) struct Capped<P> {
    inner: P,
    caps: Vec<Cap>,
}

impl<P> Capped<P> {
    pub(super) fn new(inner: P, caps: Vec<Cap>) -> Self {
        Self { inner, caps }
    }

    fn limit_of(&self, consumer: &str) -> Option<Limit> {
        self.caps.iter().find(|cap| consumer.starts_with(cap.consumer)).map(|cap| cap.limit)
    }
}

impl<P: fmt::Display> fmt::Display for Capped<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<P: MemoryPool + fmt::Display> MemoryPool for Capped<P> {
    fn name(&self) -> &str {
        "capped"
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
        let wanted = reservation.size() + additional;
        match self.limit_of(consumer) {
            Some(Limit::Bytes(most)) if wanted > most => {
                let said = format!("{consumer} has its share of {most} bytes");
                Err(DataFusionError::ResourcesExhausted(said))
            }
            Some(Limit::Doubled) => {
                self.inner.try_grow(reservation, additional + wanted)?;
                self.inner.shrink(reservation, wanted);
                Ok(())
            }
            _ => self.inner.try_grow(reservation, additional),
        }
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    /// A pool of 100 bytes.
    fn pool() -> Arc<dyn MemoryPool> {
        let caps =
            vec![Cap { consumer: "Merge", limit: Limit::Bytes(30) }, Cap { consumer: "Table", limit: Limit::Doubled }];
        Arc::new(Capped::new(GreedyMemoryPool::new(100), caps))
    }

    fn consumer(pool: &Arc<dyn MemoryPool>, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(pool)
    }

    #[test]
    fn a_capped_consumer_is_refused_more_than_its_share_though_there_is_room() {
        let pool = pool();
        let (one, two) = (consumer(&pool, "Merge[0]"), consumer(&pool, "Merge[1]"));
        one.try_grow(30).unwrap();
        one.try_grow(1).unwrap_err();
        two.try_grow(30).unwrap();
        assert_eq!(pool.reserved(), 60);
    }

    #[test]
    fn what_doubles_gets_as_much_as_would_fit_twice_and_holds_it_once() {
        let pool = pool();
        let table = consumer(&pool, "Table[0]");
        table.try_grow(50).unwrap();
        assert_eq!(pool.reserved(), 50);
        table.try_grow(1).unwrap_err();
        assert_eq!((table.size(), pool.reserved()), (50, 50));
    }

    #[test]
    fn others_get_what_they_ask_for() {
        let pool = pool();
        consumer(&pool, "Sort[0]").try_grow(100).unwrap();
    }
}
