//! Packed rows become a Parquet file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::super::error::DemoError;
use super::packed::{Packed, take_cell};
use super::source::{Kind, Shape};

/// Rows of a batch that is handed to the encoder.
const BATCH_ROWS: usize = 32_768;
/// Rows of a row group: bounds the encoder's memory.
const GROUP_ROWS: usize = 262_144;

/// Writes the packed rows of `frames` to `path`.
///
/// # Errors
/// [`DemoError::File`] where the file cannot be made, [`DemoError::Spill`] where the rows cannot be
/// read back, [`DemoError::Parquet`] where they cannot be encoded.
pub fn write(shape: &Shape, path: &Path, mut frames: impl Read) -> Result<(), DemoError> {
    let schema = schema(shape);
    let file =
        File::create(path).map_err(|source| DemoError::File { action: "write", path: path.to_owned(), source })?;
    let encode = |source| DemoError::Parquet { path: path.to_owned(), source };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(encode)?;
    let mut rows = Rows::new(shape, schema);
    while let Some(frame) = next_frame(path, &mut frames)? {
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            rows.push(&mut rest).ok_or_else(|| spill(path, "a row is cut short"))?;
            if rows.count >= BATCH_ROWS {
                writer.write(&rows.batch().map_err(encode)?).map_err(encode)?;
            }
        }
    }
    writer.write(&rows.batch().map_err(encode)?).map_err(encode)?;
    writer.close().map_err(encode)?;
    Ok(())
}

fn spill(path: &Path, reason: impl ToString) -> DemoError {
    DemoError::Spill { path: path.to_owned(), reason: reason.to_string() }
}

/// The rows of the next piece, if there is one.
fn next_frame(path: &Path, frames: &mut impl Read) -> Result<Option<Vec<u8>>, DemoError> {
    let mut length = [0; 4];
    match frames.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(spill(path, error)),
    }
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    frames.read_exact(&mut frame).map_err(|error| spill(path, error))?;
    zstd::stream::decode_all(frame.as_slice()).map(Some).map_err(|error| spill(path, error))
}

fn schema(shape: &Shape) -> SchemaRef {
    let fields: Vec<Field> = shape
        .columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Text | Kind::Decimal => DataType::Utf8,
                Kind::Integer => DataType::Int32,
                Kind::Long => DataType::Int64,
                Kind::Double => DataType::Float64,
                Kind::Boolean => DataType::Boolean,
                Kind::Date => DataType::Date32,
                Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            };
            Field::new(column.name, kind, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

enum Values {
    Text(StringBuilder),
    Integer(Int32Builder),
    Long(Int64Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Decimal => Self::Text(StringBuilder::new()),
            Kind::Integer => Self::Integer(Int32Builder::new()),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Double => Self::Double(Float64Builder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Timestamp => Self::Time(TimestampMicrosecondBuilder::new()),
        }
    }

    fn push(&mut self, cell: Packed<'_>) {
        let number = match cell {
            Packed::Number(number) => Some(number),
            Packed::Null | Packed::Text(_) => None,
        };
        let narrow = number.and_then(|number| i32::try_from(number).ok());
        match self {
            Self::Text(values) => values.append_option(match cell {
                Packed::Text(text) => Some(text),
                Packed::Null | Packed::Number(_) => None,
            }),
            Self::Integer(values) => values.append_option(narrow),
            Self::Long(values) => values.append_option(number),
            Self::Double(values) => values.append_option(number.map(|bits| f64::from_le_bytes(bits.to_le_bytes()))),
            Self::Boolean(values) => values.append_option(number.map(|number| number != 0)),
            Self::Date(values) => values.append_option(narrow),
            Self::Time(values) => values.append_option(number.map(|second| second * 1_000_000)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Long(values) => Arc::new(values.finish()),
            Self::Double(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
        }
    }
}

struct Rows {
    schema: SchemaRef,
    columns: Vec<Values>,
    count: usize,
}

impl Rows {
    fn new(shape: &Shape, schema: SchemaRef) -> Self {
        let columns = shape.columns.iter().map(|column| Values::new(column.kind)).collect();
        Self { schema, columns, count: 0 }
    }

    fn push(&mut self, rest: &mut &[u8]) -> Option<()> {
        for values in &mut self.columns {
            values.push(take_cell(rest)?);
        }
        self.count += 1;
        Some(())
    }

    fn batch(&mut self) -> Result<RecordBatch, ParquetError> {
        self.count = 0;
        let columns = self.columns.iter_mut().map(Values::finish).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
