//! Computing a node: its query runs, its rows become staged files. Tried again with less company,
//! then with joins that spill, before it fails.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream_partitioned};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt;
use tokio::task::JoinSet;

use super::error::RunError;
use crate::session::task_of;
use crate::table::{Lake, Layout, PartitionValues, StageWriter, StagedFile};

/// Bytes after which a file ends and the next begins: what a merge that touches one key of it writes anew.
const FILE_BYTES: usize = 256 << 20;
/// The least bytes of a file of rows in order, and how many such files there are before they grow with the
/// table: a change of neighbouring keys or days leaves most of them as they are.
const ORDERED_FILE_BYTES: usize = 16 << 20;
const ORDERED_FILES: usize = 16;
/// Rows a partition holds before it gets a file of its own; smaller ones share one.
const OWN_FILE_ROWS: usize = 1 << 17;

/// What a node's files are called and how they look.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub table: String,
    /// Distinguishes this attempt's files from every other's.
    pub attempt: String,
    pub layout: Layout,
}

impl Target {
    /// Rows in files as they come.
    pub fn plain(table: &str, attempt: String) -> Self {
        Self { table: table.to_owned(), attempt, layout: Layout::default() }
    }
}

/// Why a computation stopped: the engine's error is kept, for an overflow of memory is tried again.
#[derive(Debug)]
pub(super) enum ComputeError {
    Engine(DataFusionError),
    Other(RunError),
}

impl ComputeError {
    /// As an error of the run, while a table was computed.
    pub fn of(self, table: &str) -> RunError {
        match self {
            Self::Engine(error) => RunError::query(table, error),
            Self::Other(error) => error,
        }
    }
}

impl From<DataFusionError> for ComputeError {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error)
    }
}

impl From<crate::table::TableError> for ComputeError {
    fn from(error: crate::table::TableError) -> Self {
        Self::Other(error.into())
    }
}

/// Runs a query and stages its rows; the number of files follows the amount of rows.
pub(super) async fn stage_query(
    lake: &Lake,
    target: &Target,
    query: DataFrame,
    session: &SessionContext,
) -> Result<Vec<StagedFile>, ComputeError> {
    let plan = in_layout(query.create_physical_plan().await?, &target.layout)?;
    let task = task_of(&plan, session)?;
    let streams = execute_stream_partitioned(plan, task)?;
    stage_rows(lake, target, streams, session).await
}

/// Stages rows that are in the target's layout already, each stream in files of its own unless it is short.
pub(super) async fn stage_rows(
    lake: &Lake,
    target: &Target,
    streams: Vec<SendableRecordBatchStream>,
    session: &SessionContext,
) -> Result<Vec<StagedFile>, ComputeError> {
    let partitions = streams.len();
    let mut tasks = JoinSet::new();
    for (partition, stream) in streams.into_iter().enumerate() {
        let writer = PartitionWriter {
            lake: lake.clone(),
            target: target.clone(),
            partition,
            reservation: MemoryConsumer::new(format!("writer of {}", target.table))
                .register(session.task_ctx().memory_pool()),
            held: Vec::new(),
            held_rows: 0,
            open: None,
            values: PartitionValues::new(),
            files: Vec::new(),
            written: 0,
        };
        tasks.spawn(writer.drain(stream));
    }
    let mut files = Vec::new();
    let mut leftovers = Vec::with_capacity(partitions);
    while let Some(joined) = tasks.join_next().await {
        let part = joined.map_err(|error| DataFusionError::External(Box::new(error)))??;
        files.extend(part.files);
        leftovers.push((part.partition, part.leftover, part.reservation));
    }
    leftovers.sort_by_key(|(partition, ..)| *partition);
    files.extend(write_leftovers(lake, target, leftovers).await?);
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

/// Partitions too small for a file of their own become one file together.
async fn write_leftovers(
    lake: &Lake,
    target: &Target,
    leftovers: Vec<(usize, Vec<RecordBatch>, MemoryReservation)>,
) -> Result<Option<StagedFile>, ComputeError> {
    let name = format!("part-{:05}-{}.zstd.parquet", leftovers.len(), target.attempt);
    let batches: Vec<&RecordBatch> = leftovers.iter().flat_map(|(_, batches, _)| batches).collect();
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let mut writer = StageWriter::open(lake, &target.table, &name, &first.schema())?;
    for batch in batches {
        writer.write(batch).await?;
    }
    Ok(Some(writer.finish().await?))
}

/// Writes one partition of a query's output.
struct PartitionWriter {
    lake: Lake,
    target: Target,
    partition: usize,
    /// Accounts for rows held and for the open row group, within the engine's budget.
    reservation: MemoryReservation,
    held: Vec<RecordBatch>,
    held_rows: usize,
    open: Option<StageWriter>,
    /// The Delta partition of the open file.
    values: PartitionValues,
    files: Vec<StagedFile>,
    /// Bytes of these.
    written: usize,
}

/// What a partition left: files, or few rows.
struct Part {
    partition: usize,
    files: Vec<StagedFile>,
    leftover: Vec<RecordBatch>,
    reservation: MemoryReservation,
}

impl PartitionWriter {
    async fn drain(mut self, mut stream: SendableRecordBatchStream) -> Result<Part, ComputeError> {
        while let Some(batch) = stream.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            for (values, rows) in self.target.layout.split(&self.target.table, &batch)? {
                if values != self.values {
                    self.close().await?;
                    self.values = values;
                }
                self.take(rows).await?;
            }
        }
        self.close().await?;
        let Self { partition, files, held, reservation, .. } = self;
        Ok(Part { partition, files, leftover: held, reservation })
    }

    async fn take(&mut self, batch: RecordBatch) -> Result<(), ComputeError> {
        let has_company = self.open.is_some() || !self.files.is_empty() || !self.values.is_empty();
        if !has_company {
            return self.hold(batch).await;
        }
        let mut writer = match self.open.take() {
            Some(writer) => writer,
            None => self.next_file(&batch.schema())?,
        };
        writer.write(&batch).await?;
        if self.reservation.try_resize(writer.memory()).is_err() {
            // The budget is used up: a shorter row group instead of a failed node.
            writer.flush().await?;
            self.reservation.resize(writer.memory());
        }
        let is_full = writer.written() >= self.file_bytes();
        self.open = Some(writer);
        if is_full {
            self.close().await?;
        }
        Ok(())
    }

    fn file_bytes(&self) -> usize {
        if self.target.layout.sort.is_empty() {
            return FILE_BYTES;
        }
        (self.written / ORDERED_FILES).clamp(ORDERED_FILE_BYTES, FILE_BYTES)
    }

    fn next_file(&self, schema: &SchemaRef) -> Result<StageWriter, ComputeError> {
        let next = if self.files.is_empty() { String::new() } else { format!("-{:04}", self.files.len()) };
        let name = format!("part-{:05}{next}-{}.zstd.parquet", self.partition, self.target.attempt);
        Ok(StageWriter::open(&self.lake, &self.target.table, &name, schema)?.of_partition(self.values.clone()))
    }

    /// Ends the open file, if any.
    async fn close(&mut self) -> Result<(), ComputeError> {
        if let Some(writer) = self.open.take() {
            let file = writer.finish().await?;
            self.written = self.written.saturating_add(usize::try_from(file.size).unwrap_or(usize::MAX));
            self.files.push(file);
            self.reservation.resize(0);
        }
        Ok(())
    }

    async fn hold(&mut self, batch: RecordBatch) -> Result<(), ComputeError> {
        let fits = self.reservation.try_grow(batch.get_array_memory_size()).is_ok();
        self.held_rows += batch.num_rows();
        let schema = batch.schema();
        self.held.push(batch);
        if fits && self.held_rows < OWN_FILE_ROWS {
            return Ok(());
        }
        let mut writer = self.next_file(&schema)?;
        for batch in std::mem::take(&mut self.held) {
            writer.write(&batch).await?;
        }
        self.reservation.resize(writer.memory());
        self.open = Some(writer);
        Ok(())
    }
}

/// The rows of each stream in the order that the layout asks for. Those of one partition are in one stream; without
/// partitions there is one stream, so that no two files overlap.
fn in_layout(mut plan: Arc<dyn ExecutionPlan>, layout: &Layout) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let schema = plan.schema();
    let streams = plan.output_partitioning().partition_count();
    if !layout.partition_by.is_empty() && streams > 1 {
        let by = layout.partition_by.iter().map(|name| col(name, &schema)).collect::<Result<Vec<_>, _>>()?;
        plan = Arc::new(RepartitionExec::try_new(plan, Partitioning::Hash(by, streams))?);
    }
    let options = SortOptions { descending: false, nulls_first: false };
    let order = layout
        .order()
        .map(|name| Ok(PhysicalSortExpr::new(col(name, &schema)?, options)))
        .collect::<Result<Vec<_>, DataFusionError>>()?;
    let Some(order) = LexOrdering::new(order) else {
        return Ok(plan);
    };
    plan = Arc::new(SortExec::new(order.clone(), plan).with_preserve_partitioning(true));
    if layout.partition_by.is_empty() && streams > 1 {
        plan = Arc::new(SortPreservingMergeExec::new(order, plan));
    }
    Ok(plan)
}

/// The table's columns in the order of its yml, with text in any of Arrow's layouts.
pub(super) fn target_schema(columns: &[crate::project::model::ModelColumn]) -> SchemaRef {
    let fields: Vec<arrow::datatypes::Field> = columns
        .iter()
        .map(|column| arrow::datatypes::Field::new(column.name.as_str(), column.kind.value.arrow(), true))
        .collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}
