//! Staging: rows become Parquet files in the table's folder that no log refers to yet.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use super::error::TableError;
use super::lake::Lake;
use super::layout::PartitionValues;
use super::stats::FileStats;
use super::upload::Upload;

/// Rows of a row group: the unit of reading in parallel and of pruning.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Encoded bytes after which a row group ends early, so that wide rows do not pile up in memory.
const ROW_GROUP_BYTES: usize = 96 << 20;

/// A data file that was written and is not in any log. What a commit needs to know of it; any
/// engine that writes Parquet can produce this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StagedFile {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub rows: u64,
    /// Delta's per-file statistics, as JSON.
    pub stats: String,
    /// The one value that each partition column has in it.
    #[serde(default, skip_serializing_if = "PartitionValues::is_empty")]
    pub partition: PartitionValues,
    /// Whether all its rows are rows of the version that the change goes on top of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hands_on: bool,
}

/// How data files are written: zstd level 1, statistics per column chunk. Long numbers and times are
/// keys, counters and moments: as packed differences they are small at once, where a dictionary would
/// be filled first and thrown away after.
pub fn writer_properties(schema: &Schema) -> Result<WriterProperties, parquet::errors::ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("buho {}", env!("CARGO_PKG_VERSION")));
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::Int64 | DataType::Timestamp(..)) {
            let path = ColumnPath::from(field.name().as_str());
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties.build())
}

/// Writes one data file of a table. Where it fails, or is dropped unfinished, nothing of it stays in the store.
pub struct StageWriter {
    table: String,
    path: String,
    schema: SchemaRef,
    writer: AsyncArrowWriter<Upload>,
    rows: u64,
    partition: PartitionValues,
}

impl StageWriter {
    /// Opens `<table's folder>/<name>`; nothing is written before the first row group is full.
    ///
    /// # Errors
    /// [`TableError::Write`] where the schema cannot be written as Parquet.
    pub fn open(lake: &Lake, table: &str, name: &str, schema: &SchemaRef) -> Result<Self, TableError> {
        let path = lake.table_path(table).join(name);
        let schema = stored_schema(schema);
        let properties = writer_properties(&schema).map_err(|error| TableError::defect(table, error))?;
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let upload = Upload::new(lake.store(), &path);
        let writer = AsyncArrowWriter::try_new_with_options(upload, Arc::clone(&schema), options)
            .map_err(|error| TableError::write(table, &path, error))?;
        let partition = PartitionValues::new();
        Ok(Self { table: table.to_owned(), path: name.to_owned(), schema, writer, rows: 0, partition })
    }

    /// Says of which partition all rows are.
    pub fn of_partition(mut self, partition: PartitionValues) -> Self {
        self.partition = partition;
        self
    }

    /// Bytes that were written so far, without those of the open row group.
    pub fn written(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Appends rows; full row groups go to the store.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).await.map_err(|error| TableError::write(&self.table, &self.path, error))
    }

    /// Ends the open row group, so that its memory is free.
    pub async fn flush(&mut self) -> Result<(), TableError> {
        self.writer.flush().await.map_err(|error| TableError::write(&self.table, &self.path, error))
    }

    /// Bytes of memory the open row group takes.
    pub fn memory(&self) -> usize {
        self.writer.memory_size()
    }

    /// Writes the footer and waits until the store has the whole file.
    pub async fn finish(mut self) -> Result<StagedFile, TableError> {
        let footer: ParquetMetaData =
            self.writer.finish().await.map_err(|error| TableError::write(&self.table, &self.path, error))?;
        let stats = serde_json::to_string(&FileStats::from_footer(&self.schema, &footer))
            .map_err(|error| TableError::defect(&self.table, error))?;
        let size = self.writer.bytes_written() as u64;
        Ok(StagedFile { path: self.path, size, rows: self.rows, stats, partition: self.partition, hands_on: false })
    }
}

/// The schema as Parquet stores it: text layouts and dictionaries are plain text.
fn stored_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Dictionary(_, value) => field.as_ref().clone().with_data_type(value.as_ref().clone()),
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}
