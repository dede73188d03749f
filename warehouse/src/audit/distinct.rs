//! Whether the keys of a table differ, at the price of sorting 64-bit hashes.
//!
//! Keys with different hashes differ. Two rows with the same hash are two of one key, or a collision
//! (among 10^8 keys with a chance of 1 in 3,700): only then does the exact query have to group the keys
//! themselves, which for texts takes some six times as long and 14 times the memory.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::execute_stream_partitioned;
use futures::StreamExt;
use tokio::task::JoinSet;

use crate::planted::{Bug, planted};

/// Hashes are sorted in so many parts, by their first bits.
const PARTS: usize = 256;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// Whether no two rows of a query have the same values. `false` says only that there is a doubt: two
/// hashes are the same, or the memory budget did not allow to find out.
///
/// # Errors
/// Where the query fails.
pub(crate) async fn all_differ(context: &SessionContext, keys: &str) -> Result<bool, DataFusionError> {
    let plan = context.sql(keys).await?.create_physical_plan().await?;
    let mut streams = JoinSet::new();
    for (number, rows) in execute_stream_partitioned(plan, context.task_ctx())?.into_iter().enumerate() {
        let consumer = MemoryConsumer::new(format!("hashes of keys [{number}]"));
        let reservation = consumer.register(context.task_ctx().memory_pool());
        if planted(Bug::MemoryUntold) {
            drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        }
        if planted(Bug::MemoryKept) {
            let kept = MemoryConsumer::new("never given back").register(context.task_ctx().memory_pool());
            kept.try_grow(1)?;
            Box::leak(Box::new(kept));
        }
        streams.spawn(hashes(rows, reservation));
    }
    let mut found = Vec::new();
    while let Some(joined) = streams.join_next().await {
        match joined.map_err(|error| DataFusionError::External(Box::new(error)))? {
            Ok(hashes) => found.push(hashes),
            Err(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    differ(found).await
}

/// Whether no row of a query over one session's tables has the values of one over another's; the first are few.
/// `false` says only that there is a doubt.
///
/// # Errors
/// Where a query fails.
pub(super) async fn none_in_both(
    few: &SessionContext,
    many: &SessionContext,
    keys: &str,
) -> Result<bool, DataFusionError> {
    let reservation = MemoryConsumer::new("hashes of new keys").register(few.task_ctx().memory_pool());
    let mut wanted = Wanted::default();
    let plan = few.sql(keys).await?.create_physical_plan().await?;
    for mut rows in execute_stream_partitioned(plan, few.task_ctx())? {
        let mut buffer = Vec::new();
        while let Some(batch) = rows.next().await {
            wanted.extend(hashed(&batch?, &mut buffer)?);
            if reservation.try_resize(wanted.bytes()).is_err() {
                return Ok(false);
            }
        }
    }
    let wanted = Arc::new(wanted);
    let mut streams = JoinSet::new();
    let plan = many.sql(keys).await?.create_physical_plan().await?;
    for mut rows in execute_stream_partitioned(plan, many.task_ctx())? {
        let wanted = Arc::clone(&wanted);
        streams.spawn(async move {
            let mut buffer = Vec::new();
            while let Some(batch) = rows.next().await {
                if hashed(&batch?, &mut buffer)?.iter().any(|hash| wanted.holds(*hash)) {
                    return Ok(false);
                }
            }
            Ok(true)
        });
    }
    let mut none = true;
    while let Some(joined) = streams.join_next().await {
        let found: Result<bool, DataFusionError> =
            joined.map_err(|error| DataFusionError::External(Box::new(error)))?;
        none &= found?;
    }
    Ok(none)
}

/// Hashes that are looked for, behind a table of bits that is small enough to stay near the processor.
struct Wanted {
    bits: Vec<u64>,
    hashes: HashSet<u64>,
}

const WANTED_BITS: u32 = 22;

impl Default for Wanted {
    fn default() -> Self {
        Self { bits: vec![0; 1 << (WANTED_BITS - 6)], hashes: HashSet::new() }
    }
}

impl Wanted {
    fn place(hash: u64) -> (usize, u64) {
        let bit = hash >> (u64::BITS - WANTED_BITS);
        ((bit >> 6) as usize, 1 << (bit & 63))
    }

    fn extend(&mut self, hashes: &[u64]) {
        for hash in hashes {
            let (word, bit) = Self::place(*hash);
            if let Some(word) = self.bits.get_mut(word) {
                *word |= bit;
            }
        }
        self.hashes.extend(hashes);
    }

    fn holds(&self, hash: u64) -> bool {
        let (word, bit) = Self::place(hash);
        self.bits.get(word).is_some_and(|word| word & bit != 0) && self.hashes.contains(&hash)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.bits.as_slice()) + self.hashes.capacity() * (size_of::<u64>() + 1)
    }
}

fn hashed<'a>(batch: &RecordBatch, buffer: &'a mut Vec<u64>) -> Result<&'a [u64], DataFusionError> {
    buffer.clear();
    buffer.resize(batch.num_rows(), 0);
    create_hashes(batch.columns(), &QualityRandomState::with_seed(0), &mut *buffer)?;
    Ok(buffer)
}

/// The hashes of one partition's rows, by their first bits, and the memory they take.
struct Hashes {
    parts: Vec<Vec<u64>>,
    _reservation: MemoryReservation,
}

async fn hashes(
    mut rows: SendableRecordBatchStream,
    reservation: MemoryReservation,
) -> Result<Hashes, DataFusionError> {
    let mut parts = vec![Vec::new(); PARTS];
    let mut buffer = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch: RecordBatch = batch?;
        buffer.clear();
        buffer.resize(batch.num_rows(), 0);
        create_hashes(batch.columns(), &QualityRandomState::with_seed(0), &mut buffer)?;
        // Room for a vector that doubles, and for the copy in which both partitions are sorted.
        reservation.try_grow(2 * size_of_val(buffer.as_slice()))?;
        for hash in &buffer {
            if let Some(part) = parts.get_mut((hash >> (u64::BITS - PART_BITS)) as usize) {
                part.push(*hash);
            }
        }
    }
    Ok(Hashes { parts, _reservation: reservation })
}

/// Whether no hash is there twice; parts are sorted beside each other.
async fn differ(mut found: Vec<Hashes>) -> Result<bool, DataFusionError> {
    let threads = found.len().max(1);
    let mut sorts = JoinSet::new();
    for thread in 0..threads {
        let mine: Vec<Vec<u64>> = (thread..PARTS)
            .step_by(threads)
            .map(|part| found.iter_mut().filter_map(|hashes| hashes.parts.get_mut(part)).fold(Vec::new(), joined))
            .collect();
        sorts.spawn_blocking(move || {
            mine.into_iter().all(|mut part| {
                part.sort_unstable();
                part.is_sorted_by(|left, right| left < right)
            })
        });
    }
    let mut differ = true;
    while let Some(sorted) = sorts.join_next().await {
        differ &= sorted.map_err(|error| DataFusionError::External(Box::new(error)))?;
    }
    Ok(differ)
}

fn joined(mut one: Vec<u64>, other: &mut Vec<u64>) -> Vec<u64> {
    if one.is_empty() {
        return std::mem::take(other);
    }
    one.append(other);
    one
}
