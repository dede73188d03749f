//! Small files become larger ones: what many nights added is read at once again. The rows stay as they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{Days, NaiveDate};

use super::compute::{Target, stage_query};
use super::context::RunContext;
use super::error::RunError;
use super::ledgers;
use super::publish::RECIPE;
use super::state::horizon;
use crate::graph::Node;
use crate::ingest::{DELIVERY, NIGHT, RECORD};
use crate::lease::Lease;
use crate::project::Contract;
use crate::project::model::{Materialized, Model};
use crate::session::{Effort, register};
use crate::table::{Change, DataFile, Layout, PartitionValues, PinnedTable, TableError, TableSnapshot, commit};

/// Small files that are worth one larger file.
const SMALL_FILES: usize = 16;
/// Small files of deliveries that are; a simulated lake has few of them.
const SMALL_DELIVERIES: usize = if cfg!(test) { 2 } else { SMALL_FILES };
/// Nights before the newest delivery, whose files stay as they came: these are the ones that are delivered again.
const UNSETTLED: Days = Days::new(if cfg!(test) { 0 } else { 7 });
/// Bytes below which a file is small.
const SMALL_BYTES: u64 = 16 << 20;
/// Application id of commits that only rearrange.
const APP_ID: &str = "buho/maintain";

/// Compacts a table of `ops`, to which every run may append meanwhile. How many files it was.
pub(super) async fn ops(context: &RunContext, table: &str, run_id: &str) -> Result<usize, RunError> {
    let Some(base) = TableSnapshot::load(&context.lake, table, None).await? else {
        return Ok(0);
    };
    let small: Vec<DataFile> = base.files.iter().filter(|file| file.size < SMALL_BYTES).cloned().collect();
    let layout = Layout::default();
    let rearranged = Rearranged { context, base: &base, layout, least: SMALL_FILES, run_id, token: None };
    rearranged.commit(vec![small], HashMap::new()).await
}

/// Compacts a bronze table, delivery after delivery: one that is delivered again after all costs the files in which its
/// rows are, and those of its neighbours. Rows that wait for a later night keep their files.
pub(super) async fn bronze(
    context: &RunContext,
    lease: &Lease,
    contract: &Contract,
    run_id: &str,
) -> Result<usize, RunError> {
    let Some(base) = TableSnapshot::load(&context.lake, &contract.table, None).await? else {
        return Ok(0);
    };
    let newest = base.files.iter().filter_map(|file| file.last_day(NIGHT).flatten()).max();
    let bound = newest.and_then(|newest| newest.checked_sub_days(UNSETTLED));
    // A table that is there without a ledger is somebody else's.
    let (Some(bound), Some(_)) = (bound, base.transaction(ledgers::APP_ID).await?) else {
        return Ok(0);
    };
    let event_time = contract.spec.event_time.as_ref().map(|column| column.value.as_str());
    let is_settled =
        |file: &&DataFile| horizon(std::slice::from_ref(*file), event_time).is_some_and(|last| last < bound);
    let small = base.files.iter().filter(|file| file.size < SMALL_BYTES).filter(is_settled).cloned().collect();
    let layout = Layout { sort: vec![DELIVERY.to_owned(), RECORD.to_owned()], ..Layout::default() };
    let rearranged =
        Rearranged { context, base: &base, layout, least: SMALL_DELIVERIES, run_id, token: Some(lease.token()) };
    rearranged.commit(vec![small], HashMap::new()).await
}

/// Compacts a node's table that grows night by night; one that is rebuilt whole is compact. Files of windows that
/// may be rebuilt soon stay apart, and so do partitions.
pub(super) async fn node(context: &RunContext, lease: &Lease, node: &Node, run_id: &str) -> Result<usize, RunError> {
    let grows = !matches!(node.materialized, Materialized::View | Materialized::Table);
    let Some(model) = context.project.models.get(&node.name).filter(|_| grows) else {
        return Ok(0);
    };
    let Some(base) = TableSnapshot::load(&context.lake, &node.name, None).await? else {
        return Ok(0);
    };
    let layout = model.spec.layout();
    // The yml may have other partitions since: the next night lays the table out anew.
    if base.partition_columns()? != layout.partition_by {
        return Ok(0);
    }
    // What the rows were made from goes along: the next night builds on it.
    let Some(recipe) = base.note(RECIPE).await? else {
        return Ok(0);
    };
    let mut groups: BTreeMap<PartitionValues, Vec<DataFile>> = BTreeMap::new();
    let settled = settled(model, &base);
    for file in base.files.iter().filter(|file| file.size < SMALL_BYTES && settled(file)) {
        groups.entry(file.partition.clone()).or_default().push(file.clone());
    }
    let rearranged =
        Rearranged { context, base: &base, layout, least: SMALL_FILES, run_id, token: Some(lease.token()) };
    rearranged.commit(groups.into_values().collect(), HashMap::from([(RECIPE.to_owned(), recipe)])).await
}

/// Tells files of windows that are past the lookback from those that are not.
fn settled(model: &Model, base: &TableSnapshot) -> impl Fn(&DataFile) -> bool + use<> {
    let time = model.spec.time().filter(|_| model.spec.materialized != Materialized::Merge);
    let time = time.map(|time| time.value.clone());
    let last = |file: &DataFile| -> Option<NaiveDate> { file.last_day(time.as_deref()?)? };
    let newest = base.files.iter().filter_map(last).max();
    let length = model.spec.window();
    let lookback = model.spec.incremental.as_ref().map_or(0, |spec| spec.lookback);
    let bound = newest.map(|newest| length.before(length.start(newest), lookback));
    move |file| match (&time, bound) {
        (Some(time), Some(bound)) => file.last_day(time).flatten().is_some_and(|last| last < bound),
        _ => true,
    }
}

/// A commit that rearranges.
struct Rearranged<'a> {
    context: &'a RunContext,
    base: &'a TableSnapshot,
    layout: Layout,
    /// Files of a group that are worth it.
    least: usize,
    run_id: &'a str,
    /// Token of the lease, for a table that only its holder writes.
    token: Option<u64>,
}

impl Rearranged<'_> {
    /// Writes each group that is worth it as few files, and commits them all.
    async fn commit(
        &self,
        groups: Vec<Vec<DataFile>>,
        notes: HashMap<String, serde_json::Value>,
    ) -> Result<usize, RunError> {
        let small: Vec<DataFile> = groups.into_iter().filter(|files| files.len() >= self.least).flatten().collect();
        if small.is_empty() {
            return Ok(0);
        }
        let table = self.base.table.as_str();
        let failed = |error| RunError::query(table, error);
        let session = self.context.engine.session(Effort::Fast);
        let provider = PinnedTable::new(&self.context.lake, table, &self.base.schema, &small)?;
        register(&session, table, Arc::new(provider)).map_err(failed)?;
        let rows = session.table(table).await.map_err(failed)?;
        let attempt = format!("compact-{}", self.run_id);
        let target = Target { layout: self.layout.clone(), ..Target::plain(table, attempt) };
        let adds = stage_query(&self.context.lake, &target, rows, &session).await.map_err(|error| error.of(table))?;
        let at = self.context.clock.now();
        let change = Change {
            table: table.to_owned(),
            schema: self.base.schema.clone(),
            partition_by: self.base.partition_columns()?,
            adds,
            removes: small.iter().map(|file| file.path.clone()).collect(),
            rearranges: true,
            app_id: APP_ID.to_owned(),
            sequence: at.timestamp_millis(),
            token: self.token,
            run_id: self.run_id.to_owned(),
            notes,
            at,
        };
        match commit(&self.context.lake, Some(self.base), &change).await {
            Ok(_) => Ok(small.len()),
            // Somebody appended meanwhile: the next maintenance will do.
            Err(TableError::Conflict { .. }) if self.token.is_none() => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
