//! Whether the keys of a table differ, at the price of sorting 64-bit hashes.
//!
//! Keys with different hashes differ. Two rows with the same hash are two of one key, or a collision
//! (among 10^8 keys with a chance of 1 in 3,700): only then does the exact query have to group the keys
//! themselves, which for texts takes some six times as long and 14 times the memory.

use arrow::array::RecordBatch;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::execute_stream_partitioned;
use futures::StreamExt;
use tokio::task::JoinSet;

/// Hashes are sorted in so many parts, by their first bits.
const PARTS: usize = 256;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// Whether no two rows of a query have the same values. `false` says only that there is a doubt: two
/// hashes are the same, or the memory budget did not allow to find out.
///
/// # Errors
/// Where the query fails.
pub(super) async fn all_differ(context: &SessionContext, keys: &str) -> Result<bool, DataFusionError> {
    let plan = context.sql(keys).await?.create_physical_plan().await?;
    let mut streams = JoinSet::new();
    for (number, rows) in execute_stream_partitioned(plan, context.task_ctx())?.into_iter().enumerate() {
        let consumer = MemoryConsumer::new(format!("hashes of keys [{number}]"));
        let reservation = consumer.register(context.task_ctx().memory_pool());
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
