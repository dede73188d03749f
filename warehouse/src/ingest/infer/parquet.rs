//! What a Parquet file says of its columns, and the first values of those that may be its key.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;

use super::sample::{Sample, SampleColumn};
use super::shape::Shape;
use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;
use crate::ingest::parquet::{ObjectReader, PagedFile};
use crate::ingest::read::Opener;
use crate::project::contract::FormatKind;
use crate::project::types::ColumnType;

/// Rows that are looked at for a key.
const KEY_ROWS: usize = 50_000;
/// Bytes read ahead of all columns.
const READ_AHEAD: u64 = 16 << 20;

/// The schema of a file; a column is required where its statistics count no NULL.
pub(super) fn read(opener: &Opener, file: &RawFile) -> Result<Sample, IngestError> {
    let failed = |reason: String| IngestError::Parquet { path: file.path.clone(), reason };
    let mut reader = ObjectReader { store: opener.store.clone(), file: file.clone() };
    let loaded = opener.runtime.block_on(ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()));
    let metadata = loaded.map_err(|error| failed(error.to_string()))?;
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
        let file = PagedFile::new(opener.clone(), file.clone(), columns.len(), READ_AHEAD);
        add_values(&metadata, file, &mut columns).map_err(|error| failed(error.to_string()))?;
    }
    let rows = usize::try_from(rows).unwrap_or(0);
    Ok(Sample { kind: FormatKind::Parquet, shape: Shape::default(), columns, rows, file_bytes: 0 })
}

fn counts_no_null(group: &RowGroupMetaData, column: &str) -> bool {
    let chunk = group.columns().iter().find(|chunk| chunk.column_path().string() == column);
    chunk.and_then(|chunk| chunk.statistics()).and_then(|statistics| statistics.null_count_opt()) == Some(0)
}

/// Put the first values of the columns that may be a key in the place of the one that stands for all.
fn add_values(metadata: &ArrowReaderMetadata, file: PagedFile, columns: &mut [SampleColumn]) -> Result<(), ArrowError> {
    let may_be_key = |column: &SampleColumn| {
        matches!(column.kind, Some(ColumnType::Varchar | ColumnType::Integer | ColumnType::Bigint))
            && matches!(column.values.as_slice(), [Some(_)])
    };
    let wanted: Vec<usize> = (0..columns.len()).filter(|at| columns.get(*at).is_some_and(may_be_key)).collect();
    let schema: &SchemaRef = metadata.schema();
    let wanted: Vec<usize> = wanted.into_iter().filter(|at| !schema.field(*at).data_type().is_nested()).collect();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted.iter().copied());
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
        .with_projection(mask)
        .with_limit(KEY_ROWS)
        .build()?;
    for at in &wanted {
        columns.get_mut(*at).into_iter().for_each(|column| column.values.clear());
    }
    for batch in batches {
        let batch = batch?;
        for (array, at) in batch.columns().iter().zip(&wanted) {
            let texts = texts(array)?;
            columns.get_mut(*at).into_iter().for_each(|column| column.values.extend(texts.iter().cloned()));
        }
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    (0..array.len()).map(|row| array.is_valid(row).then(|| array_value_to_string(array, row)).transpose()).collect()
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
