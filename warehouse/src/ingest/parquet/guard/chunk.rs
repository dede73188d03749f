//! What a column chunk's pages decode to.

use bytes::{Buf, Bytes};
use parquet::basic::{ConvertedType, Encoding, LogicalType, Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::ingest::parquet::views::Text;

/// Bytes of the levels of a value.
const LEVELS: u64 = 4;
/// Bytes of a value that is text: where it lies, not the text.
const VIEW: u64 = 16;

/// One column of a row group.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where it begins and ends in the file.
    pub(super) start: u64,
    pub(super) end: u64,
    /// The least bytes of one value in a dictionary.
    pub(super) least_width: u64,
    /// Whether each row gets its own copy of a dictionary's value, which may be of any length.
    pub(super) is_copied: bool,
    /// Whether its values are numbers.
    pub(super) is_number: bool,
    /// Bytes of one value that is decoded.
    width: u64,
    max_rep_level: i16,
    max_def_level: i16,
}

impl Chunk {
    pub(super) fn new(metadata: &ColumnChunkMetaData, text: Text) -> Result<Self> {
        let column = metadata.column_descr();
        let stated = u64::try_from(column.type_length()).unwrap_or(0);
        let (least_width, width) = match column.physical_type() {
            Type::BOOLEAN => (1, 1),
            Type::INT32 | Type::FLOAT => (4, 4),
            Type::INT64 | Type::DOUBLE => (8, 8),
            Type::INT96 => (12, 12),
            Type::BYTE_ARRAY => (4, VIEW),
            Type::FIXED_LEN_BYTE_ARRAY => (stated, stated),
        };
        let is_number = matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)))
            || column.converted_type() == ConvertedType::DECIMAL;
        let is_shared = !is_number && (text == Text::Shared || column.path().parts().len() > 1);
        let (start, length) = metadata.byte_range();
        let end = start.checked_add(length);
        Ok(Self {
            start,
            end: end.ok_or_else(|| ParquetError::General("a column ends nowhere".to_owned()))?,
            least_width,
            is_copied: column.physical_type() == Type::BYTE_ARRAY && !is_shared,
            is_number,
            width,
            max_rep_level: column.max_rep_level(),
            max_def_level: column.max_def_level(),
        })
    }

    /// Bytes that values of a page take when all are decoded at once: those of lists, of which a row
    /// may have any number.
    pub(super) fn decoded_bytes(&self, values: u64) -> u64 {
        if self.max_rep_level == 0 { 0 } else { values.saturating_mul(self.width + LEVELS) }
    }

    /// Bytes of the levels before the values of a page of version 1; `None` where they do not end.
    pub(super) fn levels(
        &self,
        page: &Bytes,
        values: u32,
        repetition: Encoding,
        definition: Encoding,
    ) -> Option<usize> {
        let mut at = 0;
        for (most, encoding) in [(self.max_rep_level, repetition), (self.max_def_level, definition)] {
            if most > 0 {
                at += levels(page.get(at..)?, most, values, encoding)?;
            }
        }
        Some(at)
    }
}

fn levels(mut bytes: &[u8], most: i16, values: u32, encoding: Encoding) -> Option<usize> {
    if encoding == Encoding::RLE {
        let length = usize::try_from(bytes.try_get_u32_le().ok()?).ok()?;
        return (length <= bytes.len()).then(|| length + 4);
    }
    // The older way: as many bits a value as the highest level takes.
    let bits = u64::from(i16::BITS - most.leading_zeros()) * u64::from(values);
    usize::try_from(bits.div_ceil(8)).ok()
}
