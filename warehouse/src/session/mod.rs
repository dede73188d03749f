//! Sessions of the query engine: one memory budget, one spill folder, one catalog per question.

pub(crate) mod batches;
mod caps;
pub(crate) mod neighbours;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use self::caps::{Cap, Capped, Limit};
pub(crate) use self::task::task_of;
use crate::functions;
use crate::table::{Lake, TableError};

/// Consumers an out-of-memory error names.
const NAMED_CONSUMERS: usize = 5;
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Rows of a batch where memory is short: a merge of spilled runs holds a batch of each.
const SHORT_BATCH_ROWS: usize = 1024;
/// Partitions where memory is short: the fewest with which the planner considers sort-merge joins.
const SHORT_THREADS: usize = 2;
/// How the engine calls a merge of spilled runs.
const MERGE: &str = "ExternalSorterMerge";
/// How the engine calls the first of an aggregation's two phases.
const FIRST_PHASE: &str = "PartialHashAggregateStream";
/// How the engine calls the second.
const SECOND_PHASE: &str = "FinalHashAggregateStream";
/// How the engine calls an aggregation of rows that lie by their groups already: it has one phase.
const ONLY_PHASE: &str = "SingleHashAggregateStream";
/// How the engine calls what a hash join keeps of its smaller side.
const BUILD_SIDE: &str = "HashJoinInput";
/// Bytes of groups the first phase holds in one partition: some hundred thousand of them.
const FIRST_PHASE_BYTES: usize = 16 << 20;
/// Share of the budget a sort sets aside to merge what it spilled, where memory is short.
const MERGE_SHARE: usize = 16;
/// Spilled runs that are merged at a time: each has a file open, with read buffers no pool knows of.
const MERGE_RUNS: usize = 32;
/// Share of the budget a merge may take: a sort-merge join has four of them at a time.
const MERGE_LIMIT: usize = 4;
/// What the last attempt may take beyond the budget, of the 512 MiB that the process may: a dozen sorts
/// that share 64 MiB have too little each for a single batch.
const RESERVE_BYTES: usize = 160 << 20;

/// What all sessions of a process share: memory, disk, object stores, caches of footers.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The budget goes to whom asks first.
    fast: Arc<RuntimeEnv>,
    /// The same budget in equal shares for operators that can spill.
    fair: Arc<RuntimeEnv>,
    /// As `fair`, with the reserve.
    last: Arc<RuntimeEnv>,
    threads: usize,
    /// The budget in bytes.
    memory: usize,
}

/// How a query uses memory. The budget is one: whoever asks for another effort than
/// [`Effort::Fast`] sees to it that nothing else runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Memory to whom asks first, hash joins: the fastest. An operator that cannot spill may find
    /// nothing left.
    Fast,
    /// Operators that can spill get equal shares, and leave the rest to those that cannot.
    Fair,
    /// As [`Effort::Fair`], with sort-merge joins, which spill where a hash join's build side cannot, in
    /// few partitions and small batches: the least memory, whatever the time.
    Spilling,
}

impl Engine {
    /// An engine within `memory` bytes on `threads` threads over the lake's store.
    ///
    /// # Errors
    /// Where no spill folder can be made, or the lake's URL is not one DataFusion can name.
    pub fn new(lake: &Lake, memory: u64, threads: usize) -> Result<Self> {
        Self::with_reserve(lake, memory, RESERVE_BYTES, threads)
    }

    /// An engine whose last attempts may take `reserve` bytes beyond the budget.
    pub(crate) fn with_reserve(lake: &Lake, memory: u64, reserve: usize, threads: usize) -> Result<Self> {
        let bytes = usize::try_from(memory).unwrap_or(usize::MAX);
        let caps = vec![
            Cap { consumer: FIRST_PHASE, limit: Limit::Bytes(FIRST_PHASE_BYTES) },
            Cap { consumer: SECOND_PHASE, limit: Limit::Doubled },
            Cap { consumer: ONLY_PHASE, limit: Limit::Doubled },
            Cap { consumer: BUILD_SIDE, limit: Limit::Doubled },
        ];
        let fast = runtime(lake, Capped::new(GreedyMemoryPool::new(bytes), caps.clone()))?;
        let fair = runtime(lake, Capped::new(FairSpillPool::new(bytes), caps.clone()))?;
        let most = bytes.saturating_add(reserve);
        let merge = Cap { consumer: MERGE, limit: Limit::Bytes(most / MERGE_LIMIT) };
        let caps = caps.into_iter().chain([merge]).collect();
        let last = runtime(lake, Capped::new(FairSpillPool::new(most), caps))?;
        Ok(Self { fast, fair, last, threads: threads.max(1), memory: bytes })
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes that queries hold at the moment.
    #[cfg(test)]
    pub(crate) fn reserved(&self) -> usize {
        [&self.fast, &self.fair, &self.last].iter().map(|runtime| runtime.memory_pool.reserved()).sum()
    }

    /// Whether a query put rows on the disk for want of memory.
    #[cfg(test)]
    pub(crate) fn spilled(&self) -> bool {
        // The folder for them is made with the first.
        [&self.fast, &self.fair, &self.last].iter().any(|runtime| !runtime.disk_manager.temp_dir_paths().is_empty())
    }

    /// An empty session: no table is visible before [`register`] makes it so.
    pub fn session(&self, effort: Effort) -> SessionContext {
        functions::session(self.config(effort), Arc::clone(self.runtime(effort)))
    }

    /// A session for a question that few rows of its tables answer: what filters and joins leave of a row's other
    /// columns is all that is decoded of them. Where most rows stay this costs more than it saves.
    pub fn session_of_few(&self, effort: Effort) -> SessionContext {
        let mut config = self.config(effort);
        config.options_mut().execution.parquet.pushdown_filters = true;
        functions::session(config, Arc::clone(self.runtime(effort)))
    }

    fn runtime(&self, effort: Effort) -> &Arc<RuntimeEnv> {
        match effort {
            Effort::Fast => &self.fast,
            Effort::Fair => &self.fair,
            Effort::Spilling => &self.last,
        }
    }

    fn config(&self, effort: Effort) -> SessionConfig {
        let short = effort == Effort::Spilling;
        let (threads, rows) = if short { (SHORT_THREADS, SHORT_BATCH_ROWS) } else { (self.threads, BATCH_ROWS) };
        let mut config = functions::session_config(threads).with_batch_size(rows);
        let options = config.options_mut();
        options.optimizer.prefer_hash_join = !short;
        if short {
            options.execution.sort_spill_reservation_bytes = self.memory / MERGE_SHARE;
        }
        options.execution.collect_statistics = false;
        config
    }
}

fn runtime<P: MemoryPool + 'static>(lake: &Lake, pool: P) -> Result<Arc<RuntimeEnv>> {
    let named = NonZeroUsize::new(NAMED_CONSUMERS).unwrap_or(NonZeroUsize::MIN);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_spill_merge_fan_in(MERGE_RUNS);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, named)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let url =
        lake.store_url().map_err(|error: TableError| datafusion::error::DataFusionError::External(error.into()))?;
    runtime.register_object_store(url.as_ref(), Arc::clone(lake.store()));
    Ok(runtime)
}

/// Makes a table visible as `layer.name`, creating the layer's schema where needed.
///
/// # Errors
/// Where the name is not `layer.name` or is taken.
pub fn register(session: &SessionContext, table: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
    let (layer, name) = split(table)?;
    let catalog = session.catalog(functions::CATALOG).ok_or_else(|| {
        datafusion::error::DataFusionError::Internal(format!("the session has no catalog {}", functions::CATALOG))
    })?;
    if catalog.schema(layer).is_none() {
        catalog.register_schema(layer, Arc::new(MemorySchemaProvider::new()))?;
    }
    session.register_table(TableReference::partial(layer, name), provider)?;
    Ok(())
}

/// The names that are visible in a session, as `layer.name`.
pub fn visible(session: &SessionContext) -> BTreeSet<String> {
    let Some(catalog) = session.catalog(functions::CATALOG) else {
        return BTreeSet::new();
    };
    catalog
        .schema_names()
        .into_iter()
        .filter_map(|layer| catalog.schema(&layer).map(|schema| (layer, schema)))
        .flat_map(|(layer, schema)| {
            schema.table_names().into_iter().map(move |name| format!("{layer}.{name}")).collect::<Vec<_>>()
        })
        .collect()
}

fn split(table: &str) -> Result<(&str, &str)> {
    table
        .split_once('.')
        .ok_or_else(|| datafusion::error::DataFusionError::Internal(format!("`{table}` is not layer.name")))
}
