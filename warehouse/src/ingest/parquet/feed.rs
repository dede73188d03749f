//! Row groups as the unit of work: each worker takes the next one of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;

use super::cast::{Cast, cast_batch};
use super::file::{Columns, ParquetFile, ParquetLimits};
use super::wide::{pieces, shortened};
use crate::ingest::blocks::Flaw;
use crate::ingest::csv::Header;
use crate::ingest::error::IngestError;
use crate::ingest::options::LoadOptions;
use crate::ingest::quarantine::QuarantineRow;
use crate::ingest::read::{Opener, UnpackLimits};
use crate::ingest::work::{Job, Typed, Worker};
use crate::project::contract::Contract;

/// A Parquet file that is open.
pub(crate) struct ParquetFeed {
    job: Arc<Job>,
    opener: Opener,
    file: ParquetFile,
    columns: Columns,
    /// For each column of the contract, its place among those that are read.
    places: Vec<Option<usize>>,
    /// Records before each row group.
    before: Vec<i64>,
    next: AtomicUsize,
}

impl ParquetFeed {
    /// Read the footer and find the contract's columns in it; gives warnings too.
    pub(crate) fn open(
        opener: &Opener,
        contract: &Contract,
        options: &LoadOptions,
        job: Arc<Job>,
    ) -> Result<(Self, Vec<String>), IngestError> {
        let limits = ParquetLimits {
            unpack: UnpackLimits::of(contract, &options.limits),
            record_bytes: options.limits.record_bytes as u64,
            batch_bytes: options.row_group_bytes,
        };
        let file = ParquetFile::open(opener, &job.file, limits)?;
        let names: Vec<String> = file.metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        let Header { places, warnings, .. } = Header::of_names(&names, contract, &job.file.path)?;
        job.note_columns(&places);
        let mut wanted: Vec<usize> = places.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let columns = file.columns(wanted.iter().copied())?;
        // What is read has the file's order, without the columns left out.
        let place = |column: Option<usize>| column.and_then(|column| wanted.binary_search(&column).ok());
        let places = places.into_iter().map(place).collect();
        let mut records = 0_i64;
        let before = file.metadata.metadata().row_groups().iter().map(|group| {
            let first = records;
            records = records.saturating_add(group.num_rows());
            first
        });
        let before = before.collect();
        let feed = Self { job, opener: opener.clone(), file, columns, places, before, next: AtomicUsize::new(0) };
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
        let mut take = |batch: &RecordBatch, done: i64| -> Result<bool, IngestError> {
            self.write_all(batch, before + done, worker)?;
            Ok(!worker.stopped())
        };
        self.file.each_batch(&self.columns, group, &mut take)?;
        Ok(true)
    }

    /// Write the rows of a batch, no more at a time than can be held when each has its own text.
    fn write_all(&self, batch: &RecordBatch, before: i64, worker: &mut Worker) -> Result<(), IngestError> {
        let limits = self.file.limits;
        let cut = pieces(batch, limits.record_bytes, limits.batch_bytes);
        self.file.unfold(cut.bytes)?;
        for range in cut.ranges {
            let first = before + range.start as i64;
            self.write(&batch.slice(range.start, range.len()), first, worker)?;
        }
        let flaw = Flaw::TooLong { limit: worker.options().limits.record_bytes };
        for row in cut.long {
            let raw = json(&shortened(batch, row), 0);
            let held = self.held(before, row, None, flaw.to_string(), raw);
            let nothing = Typed { columns: Vec::new(), records: Vec::new(), refused: Vec::new() };
            worker.emit(&self.job, nothing, vec![held])?;
        }
        Ok(())
    }

    fn write(&self, batch: &RecordBatch, before: i64, worker: &mut Worker) -> Result<(), IngestError> {
        let contract = worker.contract();
        let Cast { columns, misfits } =
            cast_batch(batch, &self.places, &mut worker.columns).map_err(|error| worker.defect(&error))?;
        let refused = misfits.iter().map(|misfit| misfit.row).collect();
        let quarantined = |row: usize, column: Option<String>, reason: String| {
            self.held(before, row, column, reason, json(batch, row))
        };
        let column = |place: usize| contract.spec.columns.get(place).map(|column| column.name.value.clone());
        let misfits = misfits.into_iter().map(|misfit| quarantined(misfit.row, column(misfit.column), misfit.reason));
        let mut quarantine: Vec<QuarantineRow> = misfits.collect();
        let records = (0..batch.num_rows() as i64).map(|row| before + row + 1).collect();
        let mut typed = Typed { columns, records, refused };
        quarantine.extend(typed.leave_out(&self.job, |row| Some(quarantined(row, None, String::new()))));
        worker.emit(&self.job, typed, quarantine)
    }

    fn held(&self, before: i64, row: usize, column: Option<String>, reason: String, raw: String) -> QuarantineRow {
        QuarantineRow {
            delivery: self.job.number,
            night: self.job.night,
            file: Arc::clone(&self.job.path),
            record: before + row as i64 + 1,
            line: None,
            column,
            reason,
            raw,
            raw_base64: None,
        }
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
