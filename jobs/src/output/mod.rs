//! Rows out: as a table for people, as CSV, JSON or Parquet for machines.
//!
//! Batches are written as they come; nothing is collected.

mod table;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json;
use futures::{Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::cli::RowFormat;
use crate::exit::CommandError;
use warehouse::error::ErrorKind;

/// Writes the batches of one result.
pub trait RowWriter: Send {
    /// # Errors
    /// The batch cannot be shown in the format, or the output cannot be written.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError>;

    /// Writes what comes after the last batch.
    ///
    /// # Errors
    /// The output cannot be written.
    fn finish(self: Box<Self>) -> Result<(), CommandError>;
}

/// Where rows go.
#[derive(Debug)]
pub enum Destination {
    StandardOutput,
    /// Written beside the file and moved in place when whole.
    File(PathBuf),
}

impl Destination {
    pub fn new(output: Option<&Path>) -> Self {
        output.map_or(Self::StandardOutput, |path| Self::File(path.to_owned()))
    }
}

/// Writes a stream of batches, and answers how many rows it had.
///
/// # Errors
/// The stream fails (as `describe` tells it), or the output cannot be written; a file is then left
/// as it was.
pub async fn write_stream<E>(
    mut batches: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
    schema: SchemaRef,
    format: RowFormat,
    destination: Destination,
    describe: impl Fn(E) -> CommandError,
) -> Result<u64, CommandError> {
    let mut output = Output::open(format, destination)?;
    let mut writer = writer(format, schema, output.take())?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(&describe)?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.finish()?;
    output.keep()?;
    Ok(rows)
}

/// Writes batches that are there already.
///
/// # Errors
/// The output cannot be written.
pub fn write_batches(
    batches: &[RecordBatch],
    schema: SchemaRef,
    format: RowFormat,
    destination: Destination,
) -> Result<(), CommandError> {
    let mut output = Output::open(format, destination)?;
    let mut writer = writer(format, schema, output.take())?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    output.keep()
}

type Sink = Box<dyn Write + Send>;

/// The opened destination. Dropped without [`Output::keep`], a file that was begun is removed.
struct Output {
    sink: Option<Sink>,
    /// The file in progress and where it goes.
    pending: Option<(PathBuf, PathBuf)>,
}

impl Output {
    fn open(format: RowFormat, destination: Destination) -> Result<Self, CommandError> {
        match destination {
            Destination::StandardOutput if format == RowFormat::Parquet && io::stdout().is_terminal() => {
                Err(CommandError::user("Parquet is not for a terminal — name a file with --output FILE"))
            }
            Destination::StandardOutput => {
                Ok(Self { sink: Some(Box::new(BufWriter::with_capacity(1 << 16, io::stdout()))), pending: None })
            }
            Destination::File(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".partial");
                let partial = PathBuf::from(name);
                let file = File::create(&partial).map_err(|source| CommandError::file("write", &partial, source))?;
                Ok(Self {
                    sink: Some(Box::new(BufWriter::with_capacity(1 << 20, file))),
                    pending: Some((partial, path)),
                })
            }
        }
    }

    /// The sink itself; taken once, after that a sink that takes nothing.
    fn take(&mut self) -> Sink {
        self.sink.take().unwrap_or_else(|| Box::new(io::sink()))
    }

    fn keep(mut self) -> Result<(), CommandError> {
        let Some((partial, path)) = self.pending.take() else { return Ok(()) };
        fs::rename(&partial, &path).map_err(|source| CommandError::file("write", &path, source))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((partial, _)) = self.pending.take() {
            let _ = fs::remove_file(partial);
        }
    }
}

fn writer(format: RowFormat, schema: SchemaRef, out: Sink) -> Result<Box<dyn RowWriter>, CommandError> {
    Ok(match format {
        RowFormat::Table => Box::new(table::TableWriter::new(&schema, out)),
        RowFormat::Csv => Box::new(CsvRows::new(schema, out)),
        RowFormat::Json => {
            let builder = json::WriterBuilder::new().with_explicit_nulls(true);
            Box::new(JsonRows { writer: builder.build::<_, json::writer::LineDelimited>(out) })
        }
        RowFormat::Parquet => {
            let level = ZstdLevel::try_new(3).map_err(|error| of_parquet(&error))?;
            let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
            let writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(|error| of_parquet(&error))?;
            Box::new(ParquetRows { writer })
        }
    })
}

struct CsvRows {
    writer: csv::Writer<Sink>,
    /// An empty result has a header too.
    schema: SchemaRef,
    empty: bool,
}

impl CsvRows {
    fn new(schema: SchemaRef, out: Sink) -> Self {
        Self { writer: csv::WriterBuilder::new().with_header(true).build(out), schema, empty: true }
    }
}

impl RowWriter for CsvRows {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        self.empty = false;
        self.writer.write(batch).map_err(of_arrow)
    }

    fn finish(mut self: Box<Self>) -> Result<(), CommandError> {
        if self.empty {
            self.writer.write(&RecordBatch::new_empty(self.schema.clone())).map_err(of_arrow)?;
        }
        self.writer.into_inner().flush().map_err(CommandError::output)
    }
}

struct JsonRows {
    writer: json::Writer<Sink, json::writer::LineDelimited>,
}

impl RowWriter for JsonRows {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        self.writer.write(batch).map_err(of_arrow)
    }

    fn finish(mut self: Box<Self>) -> Result<(), CommandError> {
        self.writer.finish().map_err(of_arrow)?;
        self.writer.into_inner().flush().map_err(CommandError::output)
    }
}

struct ParquetRows {
    writer: ArrowWriter<Sink>,
}

impl RowWriter for ParquetRows {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        self.writer.write(batch).map_err(|error| of_parquet(&error))
    }

    fn finish(self: Box<Self>) -> Result<(), CommandError> {
        let mut out = self.writer.into_inner().map_err(|error| of_parquet(&error))?;
        out.flush().map_err(CommandError::output)
    }
}

fn of_arrow(error: ArrowError) -> CommandError {
    match error {
        ArrowError::IoError(_, source) => CommandError::output(source),
        other => CommandError::Told {
            kind: ErrorKind::User,
            message: format!(
                "the rows cannot be written in this format: {other} — cast the column, or use another --format"
            ),
        },
    }
}

fn of_parquet(error: &ParquetError) -> CommandError {
    let io = match error {
        ParquetError::External(source) => source.downcast_ref::<io::Error>(),
        _ => None,
    };
    match io {
        Some(source) => CommandError::output(io::Error::new(source.kind(), source.to_string())),
        None => CommandError::Told {
            kind: ErrorKind::User,
            message: format!(
                "the rows cannot be written as Parquet: {error} — cast the column, or use another --format"
            ),
        },
    }
}
