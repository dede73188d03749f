//! Files of which some rows go: written anew without them. All other files stay as they are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{DataFrame, Expr, SessionContext, ident};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use super::compute::{ComputeError, Target, stage_query, stage_rows};
use super::keys::KeySet;
use super::windowed::prior_table;
use super::work::{Attempt, Made, Work, in_order};
use crate::materialize::{DELTA, PRIOR, Range, others, outside};
use crate::planted::{Bug, planted};
use crate::project::model::Model;
use crate::session::register;
use crate::table::{DataFile, Lake, PinnedTable, StagedFile, TableError};

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

/// The change that puts staged rows in place of those that were there in ranges of days.
pub(super) async fn in_place_of(
    work: &Work,
    model: &Model,
    ranges: &[Range],
    mut adds: Vec<StagedFile>,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    let time = model.spec.time().map_or("", |time| time.as_str());
    let mut removes = HashSet::new();
    let mut cut = Vec::new();
    for file in work.base_files() {
        match overlap(file, time, ranges) {
            Overlap::None => continue,
            Overlap::Whole => {}
            Overlap::Part => cut.push(file.clone()),
        }
        removes.insert(file.path.clone());
    }
    adds.extend(without_ranges(work, model, &cut, ranges, attempt).await?);
    Ok(Made { adds, removes: Some(removes), standing: None })
}

/// Writes the rows of files of the table before that lie outside the ranges.
async fn without_ranges(
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
    let rest = stage_query(&work.context.lake, &work.target(model, attempt, "-rest"), rows, &session).await?;
    Ok(handed_on(work, files, rest))
}

/// Says of files with some of the rows of others that they hold nothing new, where these are of the version before.
fn handed_on(work: &Work, from: &[DataFile], rest: Vec<StagedFile>) -> Vec<StagedFile> {
    let hands_on = from.iter().all(|file| work.base_files().any(|base| base.path == file.path));
    rest.into_iter().map(|file| StagedFile { hands_on, ..file }).collect()
}

/// Writes the rows of all but the keys of the delta, of the files that hold one: their paths, and what stands
/// in their place. Rows keep the order they have in their file.
pub(super) async fn without_keys(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    delta: &[StagedFile],
    target: &Target,
    attempt: Attempt,
) -> Result<(HashSet<String>, Vec<StagedFile>), ComputeError> {
    let session = work.context.engine.session(attempt.effort);
    register(&session, DELTA, Arc::new(keys_table(work, model, delta)?))?;
    let reservation =
        MemoryConsumer::new(format!("keys merged into {}", work.name)).register(session.task_ctx().memory_pool());
    match key_set(&session, model, &reservation).await? {
        Some(keys) => file_by_file(work, model, files, Arc::new(keys), target, attempt).await,
        None => {
            drop(reservation);
            joined(work, model, files, target, &session).await
        }
    }
}

/// All files anew, by a join that may spill: for keys that do not fit into memory.
async fn joined(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    target: &Target,
    session: &SessionContext,
) -> Result<(HashSet<String>, Vec<StagedFile>), ComputeError> {
    let paths = files.iter().map(|file| file.path.clone()).collect();
    if files.is_empty() {
        return Ok((paths, Vec::new()));
    }
    prior_table(work, model, files, session)?;
    let rows = in_order(session.sql(&others(&model.spec)).await?, model)?;
    let rest = stage_query(&work.context.lake, target, rows, session).await?;
    Ok((paths, handed_on(work, files, rest)))
}

/// The key columns of staged files.
pub(super) fn keys_table(work: &Work, model: &Model, files: &[StagedFile]) -> Result<PinnedTable, TableError> {
    let key = model.spec.key_names();
    let columns = model.spec.columns.iter().filter(|column| key.contains(&column.name.as_str()));
    let fields: Vec<Field> =
        columns.map(|column| Field::new(column.name.as_str(), column.kind.value.arrow(), true)).collect();
    PinnedTable::from_staged(&work.context.lake, &work.name, &Arc::new(Schema::new(fields)), files)
}

/// The keys of the delta; `None` where memory is too short for them.
async fn key_set(
    session: &SessionContext,
    model: &Model,
    reservation: &MemoryReservation,
) -> Result<Option<KeySet>, ComputeError> {
    let mut rows = in_file_order(session.table(DELTA).await?, session).await?;
    let mut keys = KeySet::new(&rows.schema(), &model.spec.key_names()).map_err(DataFusionError::from)?;
    while let Some(batch) = rows.try_next().await? {
        keys.add(&batch)?;
        if reservation.try_resize(keys.size()).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(keys))
}

/// As many files at a time as there are threads.
async fn file_by_file(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    keys: Arc<KeySet>,
    target: &Target,
    attempt: Attempt,
) -> Result<(HashSet<String>, Vec<StagedFile>), ComputeError> {
    let keeps_all = planted(Bug::MergeKeepsOldRows);
    let mut tasks = JoinSet::new();
    let mut waiting = files.iter().enumerate();
    let (mut paths, mut adds) = (HashSet::new(), Vec::new());
    loop {
        while tasks.len() < work.context.engine.threads()
            && let Some((number, file)) = waiting.next()
        {
            let session = work.context.engine.session(attempt.effort);
            prior_table(work, model, std::slice::from_ref(file), &session)?;
            let one = OneFile {
                session,
                keys: Arc::clone(&keys),
                key: model.spec.key_names().into_iter().map(ident).collect(),
                columns: model.spec.columns.iter().map(|column| ident(column.name.as_str())).collect(),
                keeps_all,
                lake: work.context.lake.clone(),
                target: Target { attempt: format!("{}-{number}", target.attempt), ..target.clone() },
            };
            let file = file.clone();
            tasks.spawn(async move { Ok::<_, ComputeError>((file, one.without_keys().await?)) });
        }
        let Some(joined) = tasks.join_next().await else {
            adds.sort_by(|left: &StagedFile, right| left.path.cmp(&right.path));
            return Ok((paths, adds));
        };
        if let (file, Some(rest)) = joined.map_err(|error| DataFusionError::External(Box::new(error)))?? {
            adds.extend(handed_on(work, std::slice::from_ref(&file), rest));
            paths.insert(file.path);
        }
    }
}

/// One file of the table before.
struct OneFile {
    session: SessionContext,
    keys: Arc<KeySet>,
    key: Vec<Expr>,
    columns: Vec<Expr>,
    /// A planted defect.
    keeps_all: bool,
    lake: Lake,
    target: Target,
}

impl OneFile {
    /// Its other rows, staged; `None` where it has none of the keys.
    async fn without_keys(self) -> Result<Option<Vec<StagedFile>>, ComputeError> {
        if !self.holds_one().await? {
            return Ok(None);
        }
        let rows = self.rows(self.columns.clone()).await?;
        let keys = Arc::clone(&self.keys);
        let (schema, keeps_all) = (rows.schema(), self.keeps_all);
        let rows = rows.map(move |batch| if keeps_all { batch } else { keys.others(&batch?) });
        let rows = RecordBatchStreamAdapter::new(schema, rows);
        Ok(Some(stage_rows(&self.lake, &self.target, vec![Box::pin(rows)], &self.session).await?))
    }

    async fn holds_one(&self) -> Result<bool, ComputeError> {
        let mut rows = self.rows(self.key.clone()).await?;
        while let Some(batch) = rows.try_next().await? {
            if self.keys.may_hold(&batch)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn rows(&self, columns: Vec<Expr>) -> Result<SendableRecordBatchStream, ComputeError> {
        let rows = self.session.table(PRIOR).await?.select(columns)?;
        Ok(in_file_order(rows, &self.session).await?)
    }
}

/// The rows of a scan, one part of its files after the other.
async fn in_file_order(
    scan: DataFrame,
    session: &SessionContext,
) -> datafusion::error::Result<SendableRecordBatchStream> {
    let plan = scan.create_physical_plan().await?;
    let schema = plan.schema();
    let parts = execute_stream_partitioned(plan, session.task_ctx())?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(parts).flatten())))
}
