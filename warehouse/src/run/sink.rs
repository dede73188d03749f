//! Where ingest's workers write: each worker its own Parquet file in the bronze table's folder.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::runtime::Handle;

use crate::ingest::{BatchSink, SinkError, SinkFactory};
use crate::table::{Lake, StageWriter, StagedFile, TableError};

/// Makes the files of one load and collects them as they are finished.
#[derive(Debug)]
pub(super) struct StagedSinks {
    lake: Lake,
    table: String,
    schema: SchemaRef,
    /// Part of every file's name, so that no two attempts write the same file.
    run_id: String,
    opened: AtomicUsize,
    finished: Arc<Mutex<Vec<StagedFile>>>,
    /// The runtime that does the uploads; workers are blocking threads.
    runtime: Handle,
}

impl StagedSinks {
    pub fn new(lake: &Lake, table: &str, schema: SchemaRef, run_id: &str) -> Self {
        Self {
            lake: lake.clone(),
            table: table.to_owned(),
            schema,
            run_id: run_id.to_owned(),
            opened: AtomicUsize::new(0),
            finished: Arc::default(),
            runtime: Handle::current(),
        }
    }

    /// The files finished so far, in the order of their names.
    pub fn files(&self) -> Vec<StagedFile> {
        let mut files = self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files
    }
}

impl SinkFactory for StagedSinks {
    fn open(&self) -> Result<Box<dyn BatchSink>, SinkError> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let name = format!("part-{number:05}-{}.zstd.parquet", self.run_id);
        let writer = StageWriter::open(&self.lake, &self.table, &name, &self.schema).map_err(refused)?;
        Ok(Box::new(StagedSink { writer, finished: Arc::clone(&self.finished), runtime: self.runtime.clone() }))
    }
}

fn refused(error: TableError) -> SinkError {
    SinkError { kind: error.kind(), source: Box::new(error) }
}

struct StagedSink {
    writer: StageWriter,
    finished: Arc<Mutex<Vec<StagedFile>>>,
    runtime: Handle,
}

impl BatchSink for StagedSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        self.runtime.block_on(self.writer.write(batch)).map_err(refused)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        let Self { writer, finished, runtime } = *self;
        let file = runtime.block_on(writer.finish()).map_err(refused)?;
        if file.rows > 0 {
            finished.lock().unwrap_or_else(PoisonError::into_inner).push(file);
        }
        Ok(())
    }
}
