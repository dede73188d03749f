//! Which rows have one of some keys: asked of batch after batch, without a join.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::error::Result;

/// Bytes of an entry of the index, with its share of what is empty while it grows.
const ENTRY_BYTES: usize = 48;

/// Keys, found by 64-bit hashes and settled by comparing the keys themselves.
#[derive(Debug)]
pub(super) struct KeySet {
    columns: Vec<String>,
    converter: RowConverter,
    keys: Rows,
    /// The place of a key among `keys`, by its hash.
    places: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    /// Keys whose hash another key has too.
    twins: HashMap<u64, Vec<u32>, BuildHasherDefault<Hashed>>,
}

impl KeySet {
    /// No keys yet, of columns of a schema.
    ///
    /// # Errors
    /// Where a column is missing, or of a type that has no order.
    pub fn new(schema: &SchemaRef, columns: &[&str]) -> Result<Self, ArrowError> {
        let fields = columns.iter().map(|name| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone())));
        let converter = RowConverter::new(fields.collect::<Result<_, ArrowError>>()?)?;
        let keys = converter.empty_rows(0, 0);
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { columns, converter, keys, places: HashMap::default(), twins: HashMap::default() })
    }

    /// Takes the keys of a batch in.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.of(batch)?;
        let first = self.keys.num_rows();
        self.converter.append(&mut self.keys, &columns)?;
        for (row, hash) in hashes(&columns, batch.num_rows())?.into_iter().enumerate() {
            let place = (first + row) as u32;
            match self.places.get(&hash) {
                None => {
                    self.places.insert(hash, place);
                }
                Some(known) if self.keys.row(*known as usize) == self.keys.row(place as usize) => {}
                Some(_) => self.twins.entry(hash).or_default().push(place),
            }
        }
        Ok(())
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        self.keys.size() + (self.places.len() + self.twins.len()) * ENTRY_BYTES
    }

    /// Whether a batch may have one of the keys: at worst a hash is the same.
    pub fn may_hold(&self, batch: &RecordBatch) -> Result<bool> {
        let hashes = hashes(&self.of(batch)?, batch.num_rows())?;
        Ok(hashes.iter().any(|hash| self.places.contains_key(hash)))
    }

    /// The rows of a batch that have none of the keys, in their order.
    pub fn others(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.of(batch)?;
        let hashes = hashes(&columns, batch.num_rows())?;
        let may_be: Vec<u32> = hashes
            .iter()
            .enumerate()
            .filter(|(_, hash)| self.places.contains_key(hash))
            .map(|(row, _)| row as u32)
            .collect();
        if may_be.is_empty() {
            return Ok(batch.clone());
        }
        let rows = UInt32Array::from(may_be);
        let asked = columns.iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let asked = self.converter.convert_columns(&asked)?;
        let mut stays = vec![true; batch.num_rows()];
        for (number, row) in rows.values().iter().enumerate() {
            let row = *row as usize;
            if let (Some(stays), Some(hash)) = (stays.get_mut(row), hashes.get(row)) {
                let is_it = |place: &u32| self.keys.row(*place as usize) == asked.row(number);
                let twins = || self.twins.get(hash).into_iter().flatten();
                *stays = !self.places.get(hash).into_iter().chain(twins()).any(is_it);
            }
        }
        Ok(filter_record_batch(batch, &BooleanArray::from(stays))?)
    }

    fn of(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let schema = batch.schema();
        self.columns.iter().map(|name| Ok(batch.column(schema.index_of(name)?).clone())).collect()
    }
}

fn hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(columns, &HLL_RANDOM_STATE, &mut hashes)?;
    Ok(hashes)
}

/// The hash of what is a hash already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    fn batch(rows: &[(i64, &str)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(rows.iter().map(|(id, _)| Some(*id)).collect::<Int64Array>());
        let words: ArrayRef = Arc::new(rows.iter().map(|(_, word)| Some(*word)).collect::<StringViewArray>());
        RecordBatch::try_from_iter([("id", ids), ("word", words)]).unwrap()
    }

    #[test]
    fn rows_with_one_of_the_keys_go_and_the_others_keep_their_order() {
        let first = batch(&[(1, "a"), (2, "a longer word than a view holds"), (1, "a")]);
        let mut keys = KeySet::new(&first.schema(), &["word", "id"]).unwrap();
        keys.add(&first).unwrap();
        keys.add(&batch(&[(7, "z")])).unwrap();
        let asked = batch(&[(2, "b"), (2, "a longer word than a view holds"), (1, "a"), (3, "a"), (7, "z"), (0, "")]);
        assert!(keys.may_hold(&asked).unwrap());
        assert_eq!(keys.others(&asked).unwrap(), batch(&[(2, "b"), (3, "a"), (0, "")]));
        let none = batch(&[(1, "z"), (9, "q")]);
        assert!(!keys.may_hold(&none).unwrap());
        assert_eq!(keys.others(&none).unwrap(), none);
    }

    #[test]
    fn keys_that_share_a_hash_are_told_apart() {
        let all = batch(&[(1, "a"), (2, "b"), (3, "c")]);
        let mut keys = KeySet::new(&all.schema(), &["id"]).unwrap();
        keys.add(&all.slice(0, 2)).unwrap();
        // As if 1, 2 and 3 had one hash.
        let hash = |row: usize| hashes(&[all.column(0).slice(row, 1)], 1).unwrap()[0];
        keys.places.remove(&hash(1));
        keys.twins.insert(hash(0), vec![1]);
        let mut places = std::mem::take(&mut keys.places);
        let first = places.remove(&hash(0)).unwrap();
        for row in 0..3 {
            keys.places.insert(hash(row), first);
            keys.twins.insert(hash(row), vec![1]);
        }
        assert_eq!(keys.others(&all).unwrap(), all.slice(2, 1));
    }
}
