//! Rows by the bytes of their text: values that rows share are copied when they are cast.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, NullArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use crate::ingest::blocks::{KEPT_BYTES, kept_end};

/// Bytes that a value inside a list or struct counts with where it is not text.
const INNER_BYTES: u64 = 8;

/// A batch, cut so that the text of each piece can be held at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) ranges: Vec<Range<usize>>,
    /// Rows that are longer than a record may be.
    pub(super) long: Vec<usize>,
    /// Bytes of all text where the batch had to be cut, else 0.
    pub(super) bytes: u64,
}

/// Cut a batch into pieces of `most` bytes, leaving out rows of more than `record` bytes.
pub(super) fn pieces(batch: &RecordBatch, record: u64, most: u64) -> Pieces {
    let (mut longest, mut all) = (0_u64, 0_u64);
    for column in batch.columns() {
        let (widest, bytes) = extent(column);
        longest = longest.saturating_add(widest);
        all = all.saturating_add(bytes);
    }
    if longest <= record && all <= most {
        return Pieces { ranges: iter::once(0..batch.num_rows()).collect(), long: Vec::new(), bytes: 0 };
    }
    let mut rows = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| add(column, &mut rows, 0));
    let mut cut = Pieces { ranges: Vec::new(), long: Vec::new(), bytes: 0 };
    let (mut begin, mut held) = (0, 0_u64);
    for (row, bytes) in rows.iter().copied().enumerate() {
        let is_long = bytes > record;
        if (is_long || held.saturating_add(bytes) > most) && begin < row {
            cut.ranges.push(begin..row);
            (begin, held) = (row, 0);
        }
        if is_long {
            cut.long.push(row);
            begin = row + 1;
        } else {
            held += bytes;
            cut.bytes = cut.bytes.saturating_add(bytes);
        }
    }
    if begin < rows.len() {
        cut.ranges.push(begin..rows.len());
    }
    cut
}

/// The bytes of the longest row and of all rows, or more.
fn extent(column: &ArrayRef) -> (u64, u64) {
    match column.data_type() {
        DataType::Utf8 => extent_of(column.as_string::<i32>().offsets().lengths().map(|length| length as u64)),
        DataType::Binary => extent_of(column.as_binary::<i32>().offsets().lengths().map(|length| length as u64)),
        DataType::Utf8View => extent_of(column.as_string_view().lengths().map(u64::from)),
        DataType::BinaryView => extent_of(column.as_binary_view().lengths().map(u64::from)),
        kind if kind.is_nested() => {
            let mut rows = vec![0; column.len()];
            add(column, &mut rows, 0);
            extent_of(rows.into_iter())
        }
        _ => (0, 0),
    }
}

fn extent_of(lengths: impl Iterator<Item = u64>) -> (u64, u64) {
    lengths.fold((0, 0), |(longest, all): (u64, u64), length| (longest.max(length), all.saturating_add(length)))
}

/// Add the bytes of each row of a column; `other` is what counts where it is not text.
fn add(column: &ArrayRef, rows: &mut [u64], other: u64) {
    match column.data_type() {
        DataType::Utf8 => add_all(rows, column.as_string::<i32>().offsets().lengths().map(|length| length as u64)),
        DataType::Binary => add_all(rows, column.as_binary::<i32>().offsets().lengths().map(|length| length as u64)),
        DataType::Utf8View => add_all(rows, column.as_string_view().lengths().map(u64::from)),
        DataType::BinaryView => add_all(rows, column.as_binary_view().lengths().map(u64::from)),
        DataType::Struct(_) => column.as_struct().columns().iter().for_each(|child| add(child, rows, INNER_BYTES)),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            add_all(rows, inner(list.values(), list.value_offsets()).into_iter());
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            add_all(rows, inner(&entries, map.value_offsets()).into_iter());
        }
        _ => rows.iter_mut().for_each(|row| *row = row.saturating_add(other)),
    }
}

fn add_all(rows: &mut [u64], lengths: impl Iterator<Item = u64>) {
    rows.iter_mut().zip(lengths).for_each(|(row, length)| *row = row.saturating_add(length));
}

/// The bytes of each list, of those of its items.
fn inner(items: &ArrayRef, offsets: &[i32]) -> Vec<u64> {
    let mut bytes = vec![0; items.len()];
    add(items, &mut bytes, INNER_BYTES);
    let of = |pair: &[i32]| match pair {
        [start, end] => bytes.get(*start as usize..*end as usize).unwrap_or_default().iter().sum(),
        _ => 0,
    };
    offsets.windows(2).map(of).collect()
}

/// A row of which no value is longer than is kept of a record that is too long.
pub(super) fn shortened(batch: &RecordBatch, row: usize) -> RecordBatch {
    let row = batch.slice(row, 1);
    let short = |column: &ArrayRef| -> ArrayRef {
        let (bytes, _) = extent(column);
        if bytes <= KEPT_BYTES as u64 {
            return Arc::clone(column);
        }
        match column.data_type() {
            DataType::Utf8 => short_text(column.as_string::<i32>().value(0)),
            DataType::Utf8View => short_text(column.as_string_view().value(0)),
            DataType::Binary => short_bytes(column.as_binary::<i32>().value(0)),
            DataType::BinaryView => short_bytes(column.as_binary_view().value(0)),
            _ => Arc::new(NullArray::new(1)),
        }
    };
    let columns: Vec<ArrayRef> = row.columns().iter().map(short).collect();
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| Field::new(field.name(), column.data_type().clone(), true);
    let fields: Vec<Field> = row.schema_ref().fields().iter().zip(&columns).map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap_or(row)
}

fn short_text(text: &str) -> ArrayRef {
    let end = kept_end(text.as_bytes(), 0, text.len(), KEPT_BYTES);
    Arc::new(StringArray::from(vec![text.get(..end).unwrap_or_default()]))
}

fn short_bytes(bytes: &[u8]) -> ArrayRef {
    Arc::new(BinaryArray::from(vec![bytes.get(..KEPT_BYTES).unwrap_or(bytes)]))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch(words: Vec<&str>, lists: Vec<usize>) -> RecordBatch {
        let words: ArrayRef = Arc::new(StringViewArray::from(words));
        let lists = lists.into_iter().map(|items| Some(vec![Some(1); items]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..words.len() as i64));
        RecordBatch::try_from_iter([("id", ids), ("word", words), ("list", lists)]).unwrap()
    }

    #[test]
    fn a_batch_is_cut_where_its_text_is_too_much_and_long_rows_are_left_out() {
        let long = "x".repeat(50);
        let batch = batch(vec!["a", "twelve bytes and more", &long, "b", "c", "d"], vec![1, 0, 0, 2, 7, 1]);
        let whole = Pieces { ranges: iter::once(0..6).collect(), long: vec![], bytes: 0 };
        assert_eq!(pieces(&batch, 1000, 1000), whole);
        let cut = Pieces { ranges: vec![0..2, 3..4, 5..6], long: vec![2, 4], bytes: 9 + 21 + 17 + 9 };
        assert_eq!(pieces(&batch, 40, 1000), cut);
        assert_eq!(pieces(&batch, 1000, 60).ranges, [0..2, 2..3, 3..4, 4..5, 5..6]);
        assert_eq!(pieces(&batch.slice(3, 3), 20, 1000).long, [1]);
    }

    #[test]
    fn of_a_row_that_is_too_long_each_value_is_cut() {
        let long = "ñ".repeat(KEPT_BYTES);
        let row = shortened(&batch(vec!["a", &long], vec![1, KEPT_BYTES]), 1);
        assert_eq!(row.column(1).as_string::<i32>().value(0).len(), KEPT_BYTES);
        assert_eq!((row.num_columns(), row.column(2).data_type()), (3, &DataType::Null));
    }
}
