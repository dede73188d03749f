//! Tables in windows of time: which windows changed, and the change that builds them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use super::build::Scene;
use super::compute::{ComputeError, stage_query};
use super::digests::{FileDigests, digest, ranges, windows_of};
use super::error::RunError;
use super::rewrite;
use super::standing::Standing;
use super::state::Candidate;
use super::views;
use super::work::{Attempt, Made, Work, in_order};
use crate::audit;
use crate::graph::{Moment, WindowedRead};
use crate::materialize::{self, DELTA, PRIOR, ROWS, Range};
use crate::project::contract::Contract;
use crate::project::model::{Materialized, Model, WindowLength};
use crate::session::register;
use crate::sql_text::columns;
use crate::table::{DataFile, Lake, PinnedTable, StagedFile};

/// What a windowed node is made from, and what it was made from before.
pub(super) struct WindowedInputs {
    pub reads: Vec<(WindowedRead, ReadFiles)>,
    /// What is read whole and is no lookup.
    pub whole: Vec<(WindowedRead, ReadFiles)>,
    /// Fingerprint of the model and of the views behind it.
    pub code: String,
    pub prior: Option<Standing>,
    /// Identity of the rows before.
    pub prior_identity: Option<String>,
    /// Rebuild however many windows changed.
    pub unlimited: bool,
}

impl WindowedInputs {
    /// Whether an earlier attempt found the inputs changed in no window.
    pub async fn are_as_before(&self, lake: &Lake, table: &str, identity: &str) -> Result<bool, RunError> {
        let known = Standing::load(lake, table, identity).await?;
        let same_as = known.and_then(|known| known.same_as);
        Ok(self.prior.is_some() && same_as.is_some() && same_as == self.prior_identity)
    }
}

/// Where the rows of a read come from.
pub(super) struct ReadFiles {
    pub scene: Scene,
    /// The one table behind it, where each of its rows makes at most one row of the read.
    pub base: Option<BaseTable>,
}

/// A table whose files are looked at one by one.
pub(super) struct BaseTable {
    pub table: String,
    pub candidate: Candidate,
    /// Of a bronze table.
    pub contract: Option<Contract>,
    /// Whether a view before it asks for the night, so that the same file gives other rows at another.
    pub by_night: bool,
}

impl BaseTable {
    /// The file in one night's eyes: rows that wait for a later night are not read yet.
    pub fn key(&self, file: &DataFile, night: NaiveDate) -> String {
        let one = self.of(std::slice::from_ref(file));
        let waits = self.contract.as_ref().is_some_and(|contract| !views::sees_everything(contract, &one, night));
        if waits || self.by_night { format!("{}@{night}", file.path) } else { file.path.clone() }
    }

    /// The table as if these were all its files.
    fn of(&self, files: &[DataFile]) -> Candidate {
        Candidate::Files { schema: Arc::clone(self.candidate.schema()), files: files.to_vec() }
    }

    pub fn files(&self) -> Vec<DataFile> {
        self.candidate.files()
    }

    /// Some of its files as a night sees them.
    pub fn provider(
        &self,
        lake: &Lake,
        files: &[DataFile],
        night: NaiveDate,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        let candidate = self.of(files);
        match &self.contract {
            Some(contract) => views::bronze_as_of(lake, contract, &candidate, night),
            None => Ok(candidate.provider(lake, &self.table)?),
        }
    }
}

/// Builds the windows that changed; `None` where none did.
pub(super) async fn make(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    identity: &str,
    attempt: Attempt,
) -> Result<Option<Made>, ComputeError> {
    let lake = &work.context.lake;
    let prior = inputs.prior.as_ref().filter(|prior| prior.code == inputs.code);
    let standing = stand(work, inputs, prior, attempt).await?;
    let prior = prior.filter(|prior| same_entire(prior, &standing));
    let (all, changed) = windows(work, model, inputs, prior, &standing);
    if prior.is_some() && changed.is_empty() {
        let same = Standing { same_as: inputs.prior_identity.clone(), ..standing };
        same.store(lake, &work.name, identity).await.map_err(ComputeError::Other)?;
        return Ok(None);
    }
    let whole = all.first().zip(all.last());
    let whole = whole.map(|(first, last)| Range { start: *first, end: model.spec.window().next(*last) });
    let made = match (model.spec.materialized, prior) {
        (Materialized::Merge, Some(prior)) if comes_after(&changed, model, inputs, prior) => {
            merged(work, model, &ranges(&changed, WindowLength::Day), attempt).await?
        }
        (Materialized::Merge, _) => {
            let rows = resolved(work, model, whole.as_slice(), attempt).await?;
            Made { adds: standing_rows(work, model, rows, attempt).await?, removes: None, standing: None }
        }
        (_, Some(prior)) => {
            within_limit(work, model, inputs, prior, &changed).map_err(ComputeError::Other)?;
            rebuilt(work, model, &ranges(&changed, model.spec.window()), attempt).await?
        }
        (_, None) => {
            let adds = window_rows(work, model, whole.as_slice(), attempt).await?;
            Made { adds, removes: None, standing: None }
        }
    };
    Ok(Some(Made { standing: Some(standing), ..made }))
}

/// Whether all that is read whole has the rows that it had.
fn same_entire(prior: &Standing, now: &Standing) -> bool {
    let same =
        |(id, digests): (&String, &FileDigests)| prior.entire.get(id).is_some_and(|before| before.same_rows(digests));
    prior.entire.len() == now.entire.len() && now.entire.iter().all(same)
}

/// The digests of all inputs: of files that were there before, those from before.
async fn stand(
    work: &Work,
    inputs: &WindowedInputs,
    prior: Option<&Standing>,
    attempt: Attempt,
) -> Result<Standing, ComputeError> {
    let (mut reads, mut entire) = (BTreeMap::new(), BTreeMap::new());
    for (read, from) in &inputs.reads {
        let before = prior.and_then(|prior| prior.reads.get(&read.id()));
        reads.insert(read.id(), read_digests(work, read, from, before, attempt).await?);
    }
    for (read, from) in &inputs.whole {
        let before = prior.and_then(|prior| prior.entire.get(&read.id()));
        entire.insert(read.id(), read_digests(work, read, from, before, attempt).await?);
    }
    Ok(Standing {
        engine: Standing::engine(),
        code: inputs.code.clone(),
        reads,
        entire,
        nights: BTreeMap::new(),
        same_as: None,
    })
}

async fn read_digests(
    work: &Work,
    read: &WindowedRead,
    from: &ReadFiles,
    before: Option<&FileDigests>,
    attempt: Attempt,
) -> Result<FileDigests, ComputeError> {
    let open = async |scene: &Scene| -> Result<SessionContext, ComputeError> {
        let session = work.context.engine.session(attempt.effort);
        scene.open(&session, work.night).await.map_err(ComputeError::Other)?;
        Ok(session)
    };
    let mut digests = FileDigests::default();
    let Some(base) = &from.base else {
        digests.0.insert("all".to_owned(), digest(&open(&from.scene).await?, read).await?);
        return Ok(digests);
    };
    for file in base.files() {
        let key = base.key(&file, work.night);
        let known = before.and_then(|before| before.0.get(&key)).cloned();
        let days = match known {
            Some(days) => days,
            None => {
                let mut scene = from.scene.clone();
                let provider = base
                    .provider(&work.context.lake, std::slice::from_ref(&file), work.night)
                    .map_err(ComputeError::Other)?;
                scene.tables.insert(base.table.clone(), provider);
                digest(&open(&scene).await?, read).await?
            }
        };
        digests.0.insert(key, days);
    }
    Ok(digests)
}

/// All windows up to the night's or to the last that has rows, and those of which an input's rows changed.
fn windows(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    prior: Option<&Standing>,
    now: &Standing,
) -> (BTreeSet<NaiveDate>, BTreeSet<NaiveDate>) {
    let length = model.spec.window();
    let (mut all, mut changed) = (BTreeSet::new(), BTreeSet::new());
    let none = FileDigests::default();
    for (read, _) in &inputs.reads {
        let id = read.id();
        let digests = now.reads.get(&id).unwrap_or(&none);
        let before = prior.and_then(|prior| prior.reads.get(&id)).unwrap_or(&none);
        all.extend(windows_of(&digests.days(), read, length));
        changed.extend(windows_of(&digests.changed_since(before), read, length));
    }
    // Rows that are dated past the night, and do not wait for theirs, are in no window that a later night changes.
    // Nor are those that were, and are gone.
    let standings = prior.into_iter().chain([now]);
    let days = standings.flat_map(|standing| standing.reads.values()).filter_map(|reads| reads.days().last().copied());
    let latest = days.max();
    let last = length.start(latest.map_or(work.night, |latest| latest.max(work.night)));
    all.retain(|window| *window <= last);
    changed.retain(|window| *window <= last);
    (all, changed)
}

/// The windows that there were before.
fn windows_before(model: &Model, inputs: &WindowedInputs, prior: &Standing) -> BTreeSet<NaiveDate> {
    let length = model.spec.window();
    let windows = inputs.reads.iter().filter_map(|(read, _)| {
        let digests = prior.reads.get(&read.id())?;
        Some(windows_of(&digests.days(), read, length))
    });
    windows.flatten().collect()
}

/// Whether all that changed was delivered after all that was merged: then it wins, whatever it is.
fn comes_after(changed: &BTreeSet<NaiveDate>, model: &Model, inputs: &WindowedInputs, prior: &Standing) -> bool {
    match (windows_before(model, inputs, prior).last(), changed.first()) {
        (Some(last), Some(first)) => last < first,
        _ => true,
    }
}

/// A correction of many windows is asked for by name: it may take much longer than a night has.
fn within_limit(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    prior: &Standing,
    changed: &BTreeSet<NaiveDate>,
) -> Result<(), RunError> {
    let Some(spec) = model.spec.incremental.as_ref().filter(|_| !inputs.unlimited) else {
        return Ok(());
    };
    let length = model.spec.window();
    let late = length.before(length.start(work.night), spec.lookback);
    let before = windows_before(model, inputs, prior);
    let old: Vec<&NaiveDate> = changed.iter().filter(|window| **window < late && before.contains(window)).collect();
    match old.as_slice() {
        [first, .., last] if old.len() > spec.max_rebuild as usize => Err(RunError::refused(
            &work.name,
            &format!(
                "{} windows before the lookback changed, from {first} to {last}, and `max_rebuild` is {} — \
                 run `buho backfill --from {first} --to {} --select {}`, or raise it in {}",
                old.len(),
                spec.max_rebuild,
                work.night,
                work.name,
                model.yml_file
            ),
        )),
        _ => Ok(()),
    }
}

/// The rows of ranges in place of those that were there.
async fn rebuilt(work: &Work, model: &Model, ranges: &[Range], attempt: Attempt) -> Result<Made, ComputeError> {
    let mut adds = window_rows(work, model, ranges, attempt).await?;
    let time = model.spec.time().map_or("", |time| time.as_str());
    let mut removes = HashSet::new();
    let mut cut = Vec::new();
    for file in work.base_files() {
        match rewrite::overlap(file, time, ranges) {
            rewrite::Overlap::None => continue,
            rewrite::Overlap::Whole => {}
            rewrite::Overlap::Part => cut.push(file.clone()),
        }
        removes.insert(file.path.clone());
    }
    adds.extend(rewrite::without_ranges(work, model, &cut, ranges, attempt).await?);
    Ok(Made { adds, removes: Some(removes), standing: None })
}

/// Runs the model for each range, and holds its rows against it.
async fn window_rows(
    work: &Work,
    model: &Model,
    ranges: &[Range],
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    let mut rows = Vec::new();
    for (number, range) in ranges.iter().enumerate() {
        let target = work.target(model, attempt, &format!("-w{number}"));
        let moment = Moment::window(work.night, range.start, range.end);
        let staged = work.stage_model(model, &work.scene, moment, attempt, &target).await?;
        inside(work, model, &staged, range).map_err(ComputeError::Other)?;
        rows.extend(staged);
    }
    Ok(rows)
}

/// A row outside the window would be there twice, or never, when another window is built.
fn inside(work: &Work, model: &Model, staged: &[StagedFile], range: &Range) -> Result<(), RunError> {
    let time = model.spec.time().map_or("", |time| time.as_str());
    for file in staged {
        let file = DataFile::from(file);
        let problem = match (file.nulls(time), file.first_day(time), file.last_day(time)) {
            (Some(1..), ..) => "rows without a value".to_owned(),
            (_, Some(Some(first)), Some(Some(last))) if range.holds(first) && range.holds(last) => continue,
            (_, Some(Some(first)), Some(Some(last))) => format!("rows from {first} to {last}"),
            _ => "rows that cannot be told".to_owned(),
        };
        return Err(RunError::refused(
            &work.name,
            &format!(
                "asked for `{time}` from {} up to {}, the SQL gives {problem} — keep only rows of the window in the last SELECT of {}",
                range.start, range.end, model.sql_file
            ),
        ));
    }
    Ok(())
}

/// The delivered rows of ranges, one of each key.
async fn resolved(
    work: &Work,
    model: &Model,
    ranges: &[Range],
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    let rows = window_rows(work, model, ranges, attempt).await?;
    let target = work.target(model, attempt, "-newest");
    let session = work.context.engine.session(attempt.effort);
    staged_table(work, model, ROWS, &rows, &session)?;
    // A model that gives one row of each key already has said which is the newest.
    let keys = format!("SELECT {} FROM {ROWS}", columns(model.spec.key_names()));
    if audit::all_differ(&session, &keys).await? {
        return Ok(rows);
    }
    let query = session.sql(&materialize::newest(&model.spec)).await?;
    stage_query(&work.context.lake, &target, in_order(query, model)?, &session).await
}

/// Of resolved rows those whose key stays.
async fn standing_rows(
    work: &Work,
    model: &Model,
    rows: Vec<StagedFile>,
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    if model.spec.merge.as_ref().is_none_or(|merge| merge.deleted.is_none()) {
        return Ok(rows);
    }
    let target = work.target(model, attempt, "-stand");
    let session = work.context.engine.session(attempt.effort);
    staged_table(work, model, DELTA, &rows, &session)?;
    let query = session.sql(&materialize::stand(&model.spec)).await?;
    stage_query(&work.context.lake, &target, in_order(query, model)?, &session).await
}

/// The delivered rows in place of those of the same keys; files without such a key stay.
async fn merged(work: &Work, model: &Model, ranges: &[Range], attempt: Attempt) -> Result<Made, ComputeError> {
    let delta = resolved(work, model, ranges, attempt).await?;
    let before: Vec<DataFile> = work.base_files().cloned().collect();
    let target = work.target(model, attempt, "-rest");
    let (touched, mut adds) = rewrite::without_keys(work, model, &before, &delta, &target, attempt).await?;
    adds.extend(standing_rows(work, model, delta, attempt).await?);
    Ok(Made { adds, removes: Some(touched), standing: None })
}

/// Registers staged rows of the model under a name of the engine's own.
fn staged_table(
    work: &Work,
    model: &Model,
    name: &str,
    files: &[StagedFile],
    session: &SessionContext,
) -> Result<(), ComputeError> {
    let schema = super::compute::target_schema(&model.spec.columns);
    let provider = PinnedTable::from_staged(&work.context.lake, &work.name, &schema, files)?;
    Ok(register(session, name, Arc::new(provider))?)
}

/// Registers files of the table as it was before.
pub(super) fn prior_table(
    work: &Work,
    model: &Model,
    files: &[DataFile],
    session: &SessionContext,
) -> Result<(), ComputeError> {
    let schema = super::compute::target_schema(&model.spec.columns);
    let provider = PinnedTable::new(&work.context.lake, &work.name, &schema, files)?;
    Ok(register(session, PRIOR, Arc::new(provider))?)
}
