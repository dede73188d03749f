//! Tables in windows of time: the change that builds the windows of which an input changed.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::prelude::SessionContext;

use super::amend;
use super::changed::Changed;
use super::changes::{self, Seen};
use super::compute::{ComputeError, stage_query};
use super::digests::ranges;
use super::error::RunError;
use super::reads::ReadFiles;
use super::rewrite;
use super::standing::Standing;
use super::work::{Attempt, Made, Work, in_order};
use crate::audit;
use crate::graph::{Cut, Moment, WindowedRead};
use crate::materialize::{self, DELTA, PRIOR, ROWS, Range};
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
    /// How many windows the model may be asked for at once.
    pub cut: Cut,
    /// Whether rows keep what was true of a lookup when their window was built.
    pub looks_up: bool,
}

impl WindowedInputs {
    /// The record of rows before, where these were built by the same SQL.
    pub fn prior_of_same_code(&self) -> Option<&Standing> {
        self.prior.as_ref().filter(|prior| prior.code == self.code)
    }

    /// Whether rows before may have met others that they do not meet any more: of several windows that were built at
    /// once. What they looked up is not there to be looked up again.
    pub fn may_have_met(&self, prior: &Standing) -> bool {
        self.cut != Cut::Together && !prior.apart && !self.looks_up
    }

    /// Whether an earlier attempt found the inputs changed in no window.
    pub async fn are_as_before(&self, lake: &Lake, table: &str, identity: &str) -> Result<bool, RunError> {
        let known = Standing::load(lake, table, identity).await?;
        let same_as = known.and_then(|known| known.same_as);
        Ok(self.prior.is_some() && same_as.is_some() && same_as == self.prior_identity)
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
    let Seen { standing, whole, changed } = changes::see(work, model, inputs, attempt).await?;
    if changed.as_ref().is_some_and(|changed| changed.windows.is_empty()) {
        let same = Standing { same_as: inputs.prior_identity.clone(), ..standing };
        same.store(&work.context.lake, &work.name, identity).await.map_err(ComputeError::Other)?;
        return Ok(None);
    }
    let made = match (model.spec.materialized, changed) {
        (Materialized::Merge, changed) => by_key(work, model, inputs, (changed, whole), attempt).await?,
        (_, Some(changed)) => {
            changed.within_limit(work, model, inputs).map_err(ComputeError::Other)?;
            // A window before all rows, or after them, is none of the table's any more.
            let is_one = |window: &&NaiveDate| inputs.cut != Cut::Each || whole.is_some_and(|all| all.holds(**window));
            let built = changed.windows.iter().filter(is_one).copied().collect();
            let [built, changed] = [&built, &changed.windows].map(|windows| ranges(windows, model.spec.window()));
            let adds = window_rows(work, model, (&built, Reach::Few), attempt).await?;
            rewrite::in_place_of(work, model, &changed, adds, attempt).await?
        }
        (_, None) => {
            let adds = window_rows(work, model, (whole.as_slice(), Reach::All), attempt).await?;
            Made { adds, removes: None, standing: None }
        }
    };
    Ok(Some(Made { standing: Some(standing), ..made }))
}

/// What came after all that was merged, in place of the rows of its keys; what did not, with all that was delivered of
/// its keys; else all rows anew.
async fn by_key(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    (changed, whole): (Option<Changed>, Option<Range>),
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    if let Some(changed) = changed {
        if changed.comes_after() {
            return merged(work, model, &ranges(&changed.windows, WindowLength::Day), attempt).await;
        }
        if let Some(made) = amend::amended(work, model, inputs, (&changed, whole), attempt).await? {
            return Ok(made);
        }
    }
    let rows = resolved(work, model, (whole.as_slice(), Reach::All), attempt).await?;
    Ok(Made { adds: standing_rows(work, model, rows, attempt).await?, removes: None, standing: None })
}

/// How much of its inputs a model is made of.
#[derive(Clone, Copy)]
enum Reach {
    All,
    /// The rows of a few windows, and what these look up.
    Few,
}

/// Runs the model for each range, and holds its rows against it.
async fn window_rows(
    work: &Work,
    model: &Model,
    (ranges, reach): (&[Range], Reach),
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    let mut rows = Vec::new();
    let ranges = match work.context.resolved.windows.get(&work.name).map(|windowing| windowing.cut) {
        None | Some(Cut::Together) => ranges.to_vec(),
        Some(cut) => apart(work, model, ranges, cut).map_err(ComputeError::Other)?,
    };
    for (number, range) in ranges.iter().enumerate() {
        let target = work.target(model, attempt, &format!("-w{number}"));
        let moment = Moment::window(work.night, range.start, range.end);
        let session = match reach {
            Reach::All => work.context.engine.session(attempt.effort),
            Reach::Few => work.context.engine.session_of_few(attempt.effort),
        };
        let staged = work.stage_model(model, &work.scene, moment, &session, &target).await?;
        inside(work, model, &staged, range).map_err(ComputeError::Other)?;
        rows.extend(staged);
    }
    Ok(rows)
}

/// Windows that a model is asked for one at a time: thirty years of days.
const MOST_APART: usize = 11_000;

/// The windows of ranges, each as a range of its own.
fn apart(work: &Work, model: &Model, ranges: &[Range], cut: Cut) -> Result<Vec<Range>, RunError> {
    let windows = ranges.iter().flat_map(|range| range.windows(model.spec.window()));
    let windows: Vec<Range> = windows.take(MOST_APART + 1).collect();
    match (ranges.first(), ranges.last()) {
        (Some(first), Some(last)) if windows.len() > MOST_APART => {
            let sql = &model.sql_file;
            let (what, way_out) = match cut {
                Cut::Each => (
                    "that asks for its window elsewhere than as a bound",
                    format!("bound what is read by `$window_start` and `$window_end` and nothing else in {sql}"),
                ),
                _ => (
                    "in which rows of two windows may meet",
                    format!(
                        "group, partition and join by the time column in {sql}; where rows of one window never depend on those of another, say `windows_together: true` in {}",
                        model.yml_file
                    ),
                ),
            };
            let by_months =
                model.spec.materialized == Materialized::Incremental && model.spec.window() == WindowLength::Day;
            let by_months = if by_months { "build it by `window: month`, " } else { "" };
            Err(RunError::refused(
                &work.name,
                &format!(
                    "its rows are of days from {} to {}, and a model {what} is built one window at a time, for at most {MOST_APART} — leave out rows of stray days in the model it reads, {by_months}or {way_out}",
                    first.start, last.end
                ),
            ))
        }
        _ => Ok(windows),
    }
}

/// A row outside the window would be there twice, or never, when another window is built.
pub(super) fn inside(work: &Work, model: &Model, staged: &[StagedFile], range: &Range) -> Result<(), RunError> {
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
    ranges: (&[Range], Reach),
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    let rows = window_rows(work, model, ranges, attempt).await?;
    newest_of(work, model, rows, (attempt, "")).await
}

/// Of delivered rows the last of each key.
pub(super) async fn newest_of(
    work: &Work,
    model: &Model,
    rows: Vec<StagedFile>,
    (attempt, part): (Attempt, &str),
) -> Result<Vec<StagedFile>, ComputeError> {
    let target = work.target(model, attempt, &format!("{part}-newest"));
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
pub(super) async fn standing_rows(
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
    let delta = resolved(work, model, (ranges, Reach::Few), attempt).await?;
    let before: Vec<DataFile> = work.base_files().cloned().collect();
    let target = work.target(model, attempt, "-rest");
    let (touched, mut adds) = rewrite::without_keys(work, model, &before, &delta, &target, attempt).await?;
    adds.extend(standing_rows(work, model, delta, attempt).await?);
    Ok(Made { adds, removes: Some(touched), standing: None })
}

/// Registers staged rows of the model under a name of the engine's own.
pub(super) fn staged_table(
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
