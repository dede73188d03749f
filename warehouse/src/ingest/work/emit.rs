//! A worker's own things, and the way of a block's columns to its sink.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, Int64Array, StringArray};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use chrono::Datelike;

use super::job::{Job, Shared, lock};
use crate::ingest::EPOCH_FROM_CE;
use crate::ingest::blocks::Block;
use crate::ingest::columns::{ColumnSet, Tokens};
use crate::ingest::error::{IngestError, SinkError};
use crate::ingest::held::HeldRecords;
use crate::ingest::options::{BatchSink, LoadOptions};
use crate::ingest::quarantine::QuarantineRow;
use crate::project::contract::Contract;

/// One thread of a load.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(crate) columns: ColumnSet,
    pub(super) block: Block,
    pub(super) tokens: Tokens,
    sink: Option<Box<dyn BatchSink>>,
    constants: Option<Constants>,
}

/// The columns that are the same in every row of a delivery.
struct Constants {
    number: i64,
    rows: usize,
    columns: [ArrayRef; 3],
}

/// The rows of one block (or Parquet batch), typed.
pub(crate) struct Typed {
    pub(crate) columns: Vec<ArrayRef>,
    /// 1-based record numbers in the file.
    pub(crate) records: Vec<i64>,
    /// Rows to take out: those that went to quarantine.
    pub(crate) refused: Vec<usize>,
}

impl Typed {
    /// Takes out rows that a person gave up before their file was loaded: what the quarantine is to say of them. `seen`
    /// is what it would say of a row. The same number with another text is another row.
    pub(crate) fn leave_out(&mut self, job: &Job, seen: impl Fn(usize) -> Option<QuarantineRow>) -> Vec<QuarantineRow> {
        if job.given_up.is_empty() {
            return Vec::new();
        }
        let refused: HashSet<usize> = self.refused.iter().copied().collect();
        let mut left_out = Vec::new();
        for (place, record) in self.records.iter().enumerate().filter(|(place, _)| !refused.contains(place)) {
            let Some((given_up, row)) = job.given_up.get(record).and_then(|known| Some((known, seen(place)?))) else {
                continue;
            };
            if (&row.raw, &row.raw_base64) == (&given_up.raw, &given_up.raw_base64) {
                let (column, reason) = (given_up.column.clone(), given_up.reason.clone());
                self.refused.push(place);
                left_out.push(QuarantineRow { column, reason, ..row });
            }
        }
        job.count_left_out(left_out.len());
        left_out
    }

    /// Takes out all rows but those of some records; gives these.
    fn keep(&mut self, held: &HeldRecords) -> Vec<i64> {
        let refused: HashSet<usize> = self.refused.drain(..).collect();
        let mut kept = Vec::new();
        for (row, record) in self.records.iter().enumerate() {
            if refused.contains(&row) || !held.keeps(*record) {
                self.refused.push(row);
            } else {
                kept.push(*record);
            }
        }
        kept
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let columns = shared.columns.clone();
        Self { shared, columns, block: Block::default(), tokens: Tokens::default(), sink: None, constants: None }
    }

    /// Write the rows that fit, keep those that do not.
    pub(crate) fn emit(
        &mut self,
        job: &Job,
        mut typed: Typed,
        mut quarantine: Vec<QuarantineRow>,
    ) -> Result<(), IngestError> {
        typed.records.iter_mut().for_each(|record| *record = job.number_of(*record));
        quarantine.iter_mut().for_each(|row| row.record = job.number_of(row.record));
        if let Some(held) = &job.held {
            let kept = typed.keep(held);
            quarantine.retain(|row| held.keeps(row.record));
            held.note(kept.into_iter(), quarantine.iter().map(|row| (row.record, row.described())));
        }
        let rows = typed.records.len() - typed.refused.len();
        job.count(rows, quarantine.len());
        if !quarantine.is_empty() {
            lock(&self.shared.quarantine).add(quarantine)?;
        }
        if rows == 0 {
            return Ok(());
        }
        let batch = self.batch(job, typed).map_err(|error| self.defect(&error))?;
        let failed = |source: SinkError| IngestError::Sink { path: job.file.path.clone(), source };
        let sink = match &mut self.sink {
            Some(sink) => sink,
            None => self.sink.insert(self.shared.sinks.open().map_err(failed)?),
        };
        sink.write(&batch).map_err(failed)
    }

    pub(crate) fn contract(&self) -> Arc<Contract> {
        Arc::clone(&self.shared.contract)
    }

    pub(crate) fn options(&self) -> &LoadOptions {
        &self.shared.options
    }

    /// Whether the load is to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.shared.stopped()
    }

    /// Complete the sink.
    pub(super) fn finish(mut self) -> Result<(), IngestError> {
        let path = self.shared.contract.name.clone();
        match self.sink.take() {
            Some(sink) => sink.finish().map_err(|source| IngestError::Sink { path, source }),
            None => Ok(()),
        }
    }

    pub(crate) fn defect(&self, error: &ArrowError) -> IngestError {
        IngestError::Defect { contract: self.shared.contract.name.clone(), reason: error.to_string() }
    }

    fn batch(&mut self, job: &Job, typed: Typed) -> Result<RecordBatch, ArrowError> {
        let rows = typed.records.len();
        let [file, delivery, night] = self.constants(job, rows);
        let mut columns = typed.columns;
        columns.push(file);
        columns.push(Arc::new(Int64Array::from(typed.records)));
        columns.push(delivery);
        columns.push(night);
        let batch = RecordBatch::try_new(Arc::clone(&self.shared.schema), columns)?;
        if typed.refused.is_empty() {
            return Ok(batch);
        }
        let refused: HashSet<usize> = typed.refused.into_iter().collect();
        let keep: BooleanArray = (0..rows).map(|row| Some(!refused.contains(&row))).collect();
        filter_record_batch(&batch, &keep)
    }

    /// `_file`, `_delivery` and `_night`: built once a delivery, then cut to size.
    fn constants(&mut self, job: &Job, rows: usize) -> [ArrayRef; 3] {
        let made = self.constants.take().filter(|made| made.number == job.number && made.rows >= rows);
        let made = made.unwrap_or_else(|| {
            let night = job.night.num_days_from_ce() - EPOCH_FROM_CE;
            let file = StringArray::from_iter_values(std::iter::repeat_n(&*job.path, rows));
            let columns: [ArrayRef; 3] = [
                Arc::new(file),
                Arc::new(Int64Array::from_value(job.number, rows)),
                Arc::new(Date32Array::from_value(night, rows)),
            ];
            Constants { number: job.number, rows, columns }
        });
        let cut = made.columns.each_ref().map(|column| column.slice(0, rows));
        self.constants = Some(made);
        cut
    }
}
