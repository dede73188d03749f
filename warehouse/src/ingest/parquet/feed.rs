//! Row groups as the unit of work: each worker takes the next one of the file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;

use super::cast::{Cast, cast_batch};
use super::paged::PagedFile;
use super::reader::ObjectReader;
use crate::ingest::csv::Header;
use crate::ingest::error::IngestError;
use crate::ingest::quarantine::QuarantineRow;
use crate::ingest::read::Opener;
use crate::ingest::work::{Job, Typed, Worker};
use crate::project::contract::Contract;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;

/// A Parquet file that is open.
pub(crate) struct ParquetFeed {
    job: Arc<Job>,
    opener: Opener,
    metadata: ArrowReaderMetadata,
    /// For each column of the contract, its place among the file's top-level columns.
    columns: Vec<Option<usize>>,
    /// Records before each row group.
    before: Vec<i64>,
    next: AtomicUsize,
}

impl ParquetFeed {
    /// Read the footer and find the contract's columns in it; gives warnings too.
    pub(crate) fn open(
        opener: &Opener,
        contract: &Contract,
        job: Arc<Job>,
    ) -> Result<(Self, Vec<String>), IngestError> {
        let mut reader = ObjectReader { store: Arc::clone(&opener.store), file: job.file.clone() };
        let load = || opener.runtime.block_on(ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()));
        let metadata = guarded(&job, load)?;
        let names: Vec<String> = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        let Header { places: columns, warnings, .. } = Header::of_names(&names, contract, &job.file.path)?;
        job.note_columns(&columns);
        let mut records = 0;
        let before = metadata.metadata().row_groups().iter().map(|group| {
            let first = records;
            records += group.num_rows();
            first
        });
        let before = before.collect();
        let feed = Self { job, opener: opener.clone(), metadata, columns, before, next: AtomicUsize::new(0) };
        Ok((feed, warnings))
    }

    /// Read and write one row group; `false` when all are taken.
    pub(crate) fn step(&self, worker: &mut Worker) -> Result<bool, IngestError> {
        let group = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(before) = self.before.get(group) else {
            if group == self.before.len() {
                self.job.read(self.opener.hash(&self.job.file)?)?;
            }
            return Ok(false);
        };
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.columns.iter().flatten().copied());
        if self.stored_bytes(group, &mask) > worker.options().row_group_bytes {
            self.read_paged(group, mask, *before, worker)?;
        } else {
            self.read_group(group, mask, *before, worker)?;
        }
        Ok(true)
    }

    /// Bytes of the columns wanted of a row group, as stored.
    fn stored_bytes(&self, group: usize, mask: &ProjectionMask) -> u64 {
        let group = self.metadata.metadata().row_group(group);
        let wanted = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        wanted.map(|(_, column)| column.compressed_size().unsigned_abs()).sum()
    }

    /// A row group fetched at once, its columns beside each other.
    fn read_group(
        &self,
        group: usize,
        mask: ProjectionMask,
        before: i64,
        worker: &mut Worker,
    ) -> Result<(), IngestError> {
        let reader = ObjectReader { store: Arc::clone(&self.opener.store), file: self.job.file.clone() };
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        let mut stream = guarded(&self.job, || builder.build())?;
        let mut record = before;
        loop {
            let next = guarded(&self.job, || self.opener.runtime.block_on(stream.next()).transpose())?;
            let Some(batch) = next else { return Ok(()) };
            self.write(&batch, record, worker)?;
            record += batch.num_rows() as i64;
            if worker.stopped() {
                return Ok(());
            }
        }
    }

    /// A row group larger than may be held: one page of each column at a time.
    fn read_paged(
        &self,
        group: usize,
        mask: ProjectionMask,
        before: i64,
        worker: &mut Worker,
    ) -> Result<(), IngestError> {
        let budget = worker.options().row_group_bytes;
        let leaves = self.metadata.parquet_schema().num_columns();
        let columns = (0..leaves).filter(|leaf| mask.leaf_included(*leaf)).count();
        let file = PagedFile::new(self.opener.clone(), self.job.file.clone(), columns, budget);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        let told = |error| match file.take_failure() {
            Some(source) => IngestError::storage(&self.job.file.path, "read", source),
            None => error,
        };
        let mut batches = guarded(&self.job, || builder.build()).map_err(told)?;
        let mut record = before;
        loop {
            let next = guarded(&self.job, || Ok(batches.next().transpose()?)).map_err(told)?;
            let Some(batch) = next else { return Ok(()) };
            self.write(&batch, record, worker)?;
            record += batch.num_rows() as i64;
            if worker.stopped() {
                return Ok(());
            }
        }
    }

    fn write(&self, batch: &RecordBatch, before: i64, worker: &mut Worker) -> Result<(), IngestError> {
        let contract = worker.contract();
        let mut sorted: Vec<usize> = self.columns.iter().flatten().copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        // A projected batch has the file's order, without the columns left out.
        let places: Vec<Option<usize>> =
            self.columns.iter().map(|column| column.and_then(|column| sorted.binary_search(&column).ok())).collect();
        let Cast { columns, misfits } =
            cast_batch(batch, &places, &mut worker.columns).map_err(|error| worker.defect(&error))?;
        let refused = misfits.iter().map(|misfit| misfit.row).collect();
        let quarantined = |row: usize, column: Option<String>, reason: String| QuarantineRow {
            delivery: self.job.number,
            night: self.job.night,
            file: Arc::clone(&self.job.path),
            record: before + row as i64 + 1,
            line: None,
            column,
            reason,
            raw: json(batch, row),
            raw_base64: None,
        };
        let column = |place: usize| contract.spec.columns.get(place).map(|column| column.name.value.clone());
        let misfits = misfits.into_iter().map(|misfit| quarantined(misfit.row, column(misfit.column), misfit.reason));
        let mut quarantine: Vec<QuarantineRow> = misfits.collect();
        let records = (0..batch.num_rows() as i64).map(|row| before + row + 1).collect();
        let mut typed = Typed { columns, records, refused };
        quarantine.extend(typed.leave_out(&self.job, |row| Some(quarantined(row, None, String::new()))));
        worker.emit(&self.job, typed, quarantine)
    }
}

/// A row as one line of JSON.
fn json(batch: &RecordBatch, row: usize) -> String {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    let written = writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish());
    match written {
        Ok(()) => String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned(),
        Err(error) => format!("cannot be shown: {error}"),
    }
}

/// Damaged files make the decoder fail, and a few make it panic: both are the file's fault.
fn guarded<T>(job: &Job, decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, IngestError> {
    let path = &job.file.path;
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(error))) => match error.downcast::<object_store::Error>() {
            Ok(error) => Err(IngestError::storage(path, "read", *error)),
            Err(error) => Err(IngestError::Parquet { path: path.clone(), reason: error.to_string() }),
        },
        Ok(Err(error)) => Err(IngestError::Parquet { path: path.clone(), reason: error.to_string() }),
        Err(_) => Err(IngestError::Parquet { path: path.clone(), reason: "its pages are damaged".to_owned() }),
    }
}
