//! Files of which some rows go: written anew without them. All other files stay as they are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::ident;
use futures::{StreamExt, TryStreamExt, stream};

use super::compute::{ComputeError, Target, stage_query};
use super::windowed::prior_table;
use super::work::{Attempt, Work, in_order};
use crate::materialize::{DELTA, PRIOR, Range, others, outside};
use crate::project::model::Model;
use crate::session::register;
use crate::table::{DataFile, PinnedTable, StagedFile, TableError};

/// Bytes of a hash in a set of hashes, with its share of what is empty.
const BYTES_OF_HASH: usize = 20;

/// How much of a file lies in ranges of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    None,
    Part,
    Whole,
}

/// Judged by the file's statistics; where they do not say, some of it may.
pub(super) fn overlap(file: &DataFile, time: &str, ranges: &[Range]) -> Overlap {
    let (Some(Some(first)), Some(Some(last))) = (file.first_day(time), file.last_day(time)) else {
        return if file.rows == Some(0) { Overlap::Whole } else { Overlap::Part };
    };
    if ranges.iter().any(|range| range.holds(first) && range.holds(last)) {
        Overlap::Whole
    } else if ranges.iter().any(|range| range.start <= last && first < range.end) {
        Overlap::Part
    } else {
        Overlap::None
    }
}

/// Writes the rows of files of the table before that lie outside the ranges.
pub(super) async fn without_ranges(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    ranges: &[Range],
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let session = work.context.engine.session(attempt.effort);
    prior_table(work, model, files, &session)?;
    let rows = in_order(session.sql(&outside(&model.spec, ranges)).await?, model)?;
    stage_query(&work.context.lake, &work.target(model, attempt, "-rest"), rows, &session).await
}

/// Writes the rows of all but the keys of the delta, of the files that hold one: their paths, and what stands
/// in their place.
pub(super) async fn without_keys(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    delta: &[StagedFile],
    target: &Target,
    attempt: Attempt,
) -> Result<(HashSet<String>, Vec<StagedFile>), ComputeError> {
    let touched = holding_keys(work, model, files, delta, attempt).await?;
    let paths = touched.iter().map(|file| file.path.clone()).collect();
    if touched.is_empty() {
        return Ok((paths, Vec::new()));
    }
    let session = work.context.engine.session(attempt.effort);
    prior_table(work, model, &touched, &session)?;
    register(&session, DELTA, Arc::new(keys_table(work, model, delta)?))?;
    let rows = in_order(session.sql(&others(&model.spec)).await?, model)?;
    Ok((paths, stage_query(&work.context.lake, target, rows, &session).await?))
}

/// The key columns of staged files.
pub(super) fn keys_table(work: &Work, model: &Model, files: &[StagedFile]) -> Result<PinnedTable, TableError> {
    let key = model.spec.key_names();
    let columns = model.spec.columns.iter().filter(|column| key.contains(&column.name.as_str()));
    let fields: Vec<Field> =
        columns.map(|column| Field::new(column.name.as_str(), column.kind.value.arrow(), true)).collect();
    PinnedTable::from_staged(&work.context.lake, &work.name, &Arc::new(Schema::new(fields)), files)
}

/// The files of the table before in which a key of the delta may be: found by 64-bit hashes of the keys, so that
/// at worst a file is written anew without need. Where memory is too short for the hashes, all files.
async fn holding_keys(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    delta: &[StagedFile],
    attempt: Attempt,
) -> Result<Vec<DataFile>, ComputeError> {
    let session = work.context.engine.session(attempt.effort);
    register(&session, DELTA, Arc::new(keys_table(work, model, delta)?))?;
    let reservation =
        MemoryConsumer::new(format!("keys merged into {}", work.name)).register(session.task_ctx().memory_pool());
    let mut rows = keys(&session, DELTA, model).await?;
    let mut wanted = HashSet::new();
    while let Some(batch) = rows.try_next().await? {
        wanted.extend(hashes(&batch)?);
        if reservation.try_resize(wanted.len() * BYTES_OF_HASH).is_err() {
            return Ok(files.to_vec());
        }
    }
    let wanted = &wanted;
    let found = stream::iter(files.to_vec())
        .map(|file| async move {
            let holds = holds_any(work, model, &file, wanted, attempt).await?;
            Ok::<_, ComputeError>(holds.then_some(file))
        })
        .buffered(work.context.engine.threads())
        .try_filter_map(|file| async move { Ok(file) })
        .try_collect()
        .await;
    drop::<MemoryReservation>(reservation);
    found
}

async fn holds_any(
    work: &Work,
    model: &Model,
    file: &DataFile,
    wanted: &HashSet<u64>,
    attempt: Attempt,
) -> Result<bool, ComputeError> {
    let session = work.context.engine.session(attempt.effort);
    prior_table(work, model, std::slice::from_ref(file), &session)?;
    let mut rows = keys(&session, PRIOR, model).await?;
    while let Some(batch) = rows.try_next().await? {
        if hashes(&batch)?.iter().any(|hash| wanted.contains(hash)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys of a table, in one stream.
async fn keys(
    session: &SessionContext,
    table: &str,
    model: &Model,
) -> datafusion::error::Result<SendableRecordBatchStream> {
    let columns: Vec<_> = model.spec.key_names().into_iter().map(ident).collect();
    let plan = session.table(table).await?.select(columns)?.create_physical_plan().await?;
    execute_stream(plan, session.task_ctx())
}

fn hashes(batch: &RecordBatch) -> datafusion::error::Result<Vec<u64>> {
    let mut hashes = vec![0; batch.num_rows()];
    create_hashes(batch.columns(), &HLL_RANDOM_STATE, &mut hashes)?;
    Ok(hashes)
}
