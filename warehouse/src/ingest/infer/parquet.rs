//! What a Parquet file says of its columns, and the first values of those that may be its key.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use parquet::file::metadata::RowGroupMetaData;

use super::sample::{Sample, SampleColumn};
use super::shape::Shape;
use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;
use crate::ingest::options::Limits;
use crate::ingest::parquet::{ParquetFile, ParquetLimits};
use crate::ingest::read::{Opener, UnpackLimits};
use crate::project::contract::FormatKind;
use crate::project::types::ColumnType;

/// Rows that are looked at for a key.
const KEY_ROWS: usize = 50_000;
/// Bytes of text that are looked at for a key.
const KEY_BYTES: usize = 64 << 20;
/// Bytes of a value past which it is no key.
const VALUE_BYTES: usize = 1 << 10;
/// Bytes read ahead of all columns.
const READ_AHEAD: u64 = 16 << 20;

/// The schema of a file; a column is required where its statistics count no NULL.
pub(super) fn read(opener: &Opener, file: &RawFile) -> Result<Sample, IngestError> {
    let limits = Limits::default();
    let limits = ParquetLimits {
        unpack: UnpackLimits::from(&limits),
        record_bytes: limits.record_bytes as u64,
        batch_bytes: READ_AHEAD,
    };
    let parquet = ParquetFile::open(opener, file, limits)?;
    let metadata = &parquet.metadata;
    let groups = metadata.metadata().row_groups();
    let rows: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let mut columns: Vec<SampleColumn> = metadata
        .schema()
        .fields()
        .iter()
        .map(|field| {
            // One value stands for all: whether there is always one.
            let value = (rows > 0 && groups.iter().all(|group| counts_no_null(group, field.name()))).then(String::new);
            SampleColumn { name: field.name().clone(), values: vec![value], kind: Some(nearest(field.data_type())) }
        })
        .collect();
    if rows > 1 {
        add_values(&parquet, &mut columns, &file.path)?;
    }
    let rows = usize::try_from(rows).unwrap_or(0);
    Ok(Sample { kind: FormatKind::Parquet, shape: Shape::default(), columns, rows, file_bytes: 0 })
}

fn counts_no_null(group: &RowGroupMetaData, column: &str) -> bool {
    let chunk = group.columns().iter().find(|chunk| chunk.column_path().string() == column);
    chunk.and_then(|chunk| chunk.statistics()).and_then(|statistics| statistics.null_count_opt()) == Some(0)
}

/// Put the first values of the columns that may be a key in the place of the one that stands for all.
fn add_values(parquet: &ParquetFile, columns: &mut [SampleColumn], path: &str) -> Result<(), IngestError> {
    let schema = parquet.metadata.schema();
    let may_be_key = |at: &usize| {
        columns.get(*at).is_some_and(|column| {
            matches!(column.kind, Some(ColumnType::Varchar | ColumnType::Integer | ColumnType::Bigint))
                && matches!(column.values.as_slice(), [Some(_)])
        })
    };
    let wanted: Vec<usize> = (0..columns.len()).filter(may_be_key).collect();
    let wanted: Vec<usize> = wanted.into_iter().filter(|at| !schema.field(*at).data_type().is_nested()).collect();
    let read = parquet.columns(wanted.iter().copied())?;
    for at in &wanted {
        columns.get_mut(*at).into_iter().for_each(|column| column.values.clear());
    }
    let failed = |error: ArrowError| IngestError::Parquet { path: path.to_owned(), reason: error.to_string() };
    let (mut rows, mut bytes) = (0, 0);
    for group in 0..parquet.metadata.metadata().num_row_groups() {
        let mut take = |batch: &RecordBatch, _: i64| -> Result<bool, IngestError> {
            let batch = batch.slice(0, batch.num_rows().min(KEY_ROWS - rows));
            for (array, at) in batch.columns().iter().zip(&wanted) {
                let texts = texts(array).map_err(failed)?;
                bytes += texts.iter().flatten().map(String::len).sum::<usize>();
                columns.get_mut(*at).into_iter().for_each(|column| column.values.extend(texts.iter().cloned()));
            }
            rows += batch.num_rows();
            Ok(rows < KEY_ROWS && bytes < KEY_BYTES)
        };
        parquet.each_batch(&read, group, &mut take)?;
        if rows >= KEY_ROWS || bytes >= KEY_BYTES {
            break;
        }
    }
    Ok(())
}

/// Values as text, their begin where they are too long for a key.
fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    let hex = |bytes: &[u8]| bytes.iter().take(VALUE_BYTES / 2).map(|byte| format!("{byte:02x}")).collect();
    let text = |row: usize| -> Result<String, ArrowError> {
        let short = |text: &str| text.get(..text.floor_char_boundary(VALUE_BYTES)).unwrap_or_default().to_owned();
        match array.data_type() {
            DataType::Utf8 => Ok(short(array.as_string::<i32>().value(row))),
            DataType::Utf8View => Ok(short(array.as_string_view().value(row))),
            DataType::Binary => Ok(hex(array.as_binary::<i32>().value(row))),
            DataType::BinaryView => Ok(hex(array.as_binary_view().value(row))),
            _ => array_value_to_string(array, row),
        }
    };
    (0..array.len()).map(|row| array.is_valid(row).then(|| text(row)).transpose()).collect()
}

/// The column type a type of Parquet goes into.
fn nearest(kind: &DataType) -> ColumnType {
    use DataType as D;
    if let Some(same) = ColumnType::from_arrow(kind) {
        return same;
    }
    match kind {
        D::Int8 | D::Int16 | D::UInt8 | D::UInt16 => ColumnType::Integer,
        D::UInt32 => ColumnType::Bigint,
        D::UInt64 => ColumnType::Decimal(20, 0),
        D::Float16 | D::Float32 => ColumnType::Double,
        D::Date64 => ColumnType::Date,
        D::Timestamp(..) => ColumnType::Timestamp,
        D::Decimal32(p, s) | D::Decimal64(p, s) if *s >= 0 => ColumnType::Decimal(*p, *s),
        D::Dictionary(_, values) => nearest(values),
        _ => ColumnType::Varchar,
    }
}
