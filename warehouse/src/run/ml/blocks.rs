//! Memory of scoring, within the engine's budget: rows are scored in blocks of bounded size, and the scores of all of
//! them are kept in room that grows by blocks.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// Bytes that a block takes at most while it is scored; a single row may take more.
const BLOCK_BYTES: usize = 16 << 20;
/// Times that a block's values are there at once: as they were read, in the types that are declared, as the model sees
/// them, and as what each contributes.
const COPIES: usize = 4;
/// What a model makes of a value, whatever its type.
const VALUE_BYTES: usize = size_of::<f64>();
/// A text of which the column does not say how long it is.
const TEXT_BYTES: usize = 64;
/// Scores by which the room for them grows.
const ROOM: usize = 1 << 20;

/// Bytes that the rows of a batch take while they are scored.
fn needed(batch: &RecordBatch) -> usize {
    let of_column = |values: &dyn arrow::array::Array| {
        let bytes = values.to_data().get_slice_memory_size().unwrap_or(TEXT_BYTES * values.len());
        bytes.max(VALUE_BYTES * values.len())
    };
    COPIES * batch.columns().iter().map(|values| of_column(values.as_ref())).sum::<usize>()
}

/// A batch in blocks, each of which may be scored at once.
pub(super) fn cut(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    if rows == 0 {
        return Vec::new();
    }
    let fit = (BLOCK_BYTES / needed(batch).div_ceil(rows).max(1)).max(1);
    (0..rows).step_by(fit).map(|first| batch.slice(first, fit.min(rows - first))).collect()
}

/// Room for a block as long as it is scored.
///
/// # Errors
/// Where the budget has none.
pub(super) fn reserved(
    block: &RecordBatch,
    node: &str,
    pool: &Arc<dyn MemoryPool>,
) -> Result<MemoryReservation, DataFusionError> {
    let room = MemoryConsumer::new(format!("rows scored by {node}")).register(pool);
    room.try_grow(needed(block))?;
    Ok(room)
}

/// All scores of a night, and the room they take.
#[derive(Debug)]
pub(super) struct Scores {
    values: Vec<f64>,
    room: MemoryReservation,
}

impl Scores {
    pub(super) fn none(node: &str, pool: &Arc<dyn MemoryPool>) -> Self {
        Self { values: Vec::new(), room: MemoryConsumer::new(format!("scores of {node}")).register(pool) }
    }

    /// Keeps more of them.
    ///
    /// # Errors
    /// Where the budget has no room for them.
    pub(super) fn keep(&mut self, more: &[f64]) -> Result<(), DataFusionError> {
        if self.values.len() + more.len() > self.values.capacity() {
            let room = ROOM.max(more.len());
            self.room.try_grow(room * VALUE_BYTES)?;
            self.values.reserve_exact(room);
        }
        self.values.extend_from_slice(more);
        Ok(())
    }

    /// The scores, and their room: to be given back once the scores are.
    pub(super) fn into_parts(self) -> (Vec<f64>, MemoryReservation) {
        (self.values, self.room)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn pool(bytes: usize) -> Arc<dyn MemoryPool> {
        Arc::new(GreedyMemoryPool::new(bytes))
    }

    fn wide(columns: usize, rows: usize) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0; rows]));
        let named = (0..columns).map(|column| (format!("c{column}"), Arc::clone(&numbers)));
        RecordBatch::try_from_iter(named).unwrap()
    }

    #[test]
    fn a_wide_batch_is_cut_into_blocks_that_have_a_bound_and_all_its_rows() {
        let batch = wide(5000, 8192);
        let blocks = cut(&batch);
        assert!(blocks.len() > 50, "{}", blocks.len());
        assert!(blocks.iter().all(|block| needed(block) <= BLOCK_BYTES && block.num_rows() > 0));
        assert_eq!(blocks.iter().map(RecordBatch::num_rows).sum::<usize>(), 8192);
        assert_eq!(cut(&wide(24, 8192)).len(), 1);
        assert!(cut(&wide(24, 0)).is_empty());
    }

    #[test]
    fn a_part_of_a_large_batch_counts_for_itself_and_long_texts_for_their_length() {
        let part = wide(10, 100_000).slice(50_000, 10);
        assert!(needed(&part) < 10_000, "{}", needed(&part));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(10_000); 4]));
        let texts = RecordBatch::try_from_iter([("text", texts)]).unwrap();
        assert!(needed(&texts) >= COPIES * 40_000);
    }

    #[test]
    fn a_block_takes_its_room_of_the_budget_and_gives_it_back() {
        let (batch, pool) = (wide(10, 1000), pool(400_000));
        let room = reserved(&batch, "ml.churn_scores", &pool).unwrap();
        assert_eq!(pool.reserved(), COPIES * 10 * 1000 * VALUE_BYTES);
        let error = reserved(&batch, "ml.churn_scores", &pool).unwrap_err();
        assert!(error.to_string().contains("rows scored by ml.churn_scores"), "{error}");
        drop(room);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn scores_take_room_block_by_block_until_the_budget_has_none() {
        let pool = pool(2 * ROOM * VALUE_BYTES);
        let mut scores = Scores::none("ml.churn_scores", &pool);
        scores.keep(&[0.5; 3]).unwrap();
        assert_eq!(pool.reserved(), ROOM * VALUE_BYTES);
        scores.keep(&vec![0.25; ROOM]).unwrap();
        assert_eq!(pool.reserved(), 2 * ROOM * VALUE_BYTES);
        assert!(matches!(scores.keep(&vec![0.1; ROOM]), Err(DataFusionError::ResourcesExhausted(_))));
        let (values, room) = scores.into_parts();
        assert_eq!((values.len(), values[2], values[3]), (ROOM + 3, 0.5, 0.25));
        drop(room);
        assert_eq!(pool.reserved(), 0);
    }
}
