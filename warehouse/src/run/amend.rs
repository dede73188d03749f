//! A merge of deliveries that are not the last: late ones, and corrected ones. Only the keys that these touch are
//! looked up again.
//!
//! | a key is touched | for |
//! |---|---|
//! | where a changed window has a row of it now | that row may be the one that counts |
//! | where the table's row of it is of a changed window | that row may be gone, and an older one counts again |
//! | where keys are deleted: where a changed window had a row of it before | that may have been its deletion, of which the table has no row |
//!
//! A model with `lookups` is built whole instead: what it looks up elsewhere decides its rows too, in windows that did
//! not change. So is one of which rows of two windows may meet: here it is asked for many at once.
//!
//! The latest delivery of a key counts, so its row is looked for from the first changed window on, and before that only
//! where nothing is found. All other keys keep their rows: what changed is neither their row nor after it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::common::{Column, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::{Expr, SessionContext, ident};

use super::changed::Changed;
use super::compute::{ComputeError, stage_query};
use super::digests::{FileDigests, ranges};
use super::reads::BaseTable;
use super::rewrite;
use super::scene::Scene;
use super::views;
use super::windowed::{WindowedInputs, inside, newest_of, prior_table, staged_table, standing_rows};
use super::work::{Attempt, Made, Work, in_order};
use crate::graph::{Cut, Moment};
use crate::materialize::{self, DELTA, ROWS, Range};
use crate::project::model::{Model, WindowLength};
use crate::table::{DataFile, StagedFile};

/// Ranges of windows past which one reading of all rows costs less than one of each.
const MOST_RANGES: usize = 16;

/// The keys that changed windows touch, with the rows that count by now; `None` where it cannot be told which keys
/// these are, as with look-ups, or where it is so much that all rows anew cost less.
pub(super) async fn amended(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    (changed, whole): (&Changed, Option<Range>),
    attempt: Attempt,
) -> Result<Option<Made>, ComputeError> {
    let late = ranges(&changed.windows, WindowLength::Day);
    if inputs.looks_up || inputs.cut != Cut::Together || !is_worth_it(&late, whole) {
        return Ok(None);
    }
    let touch = Touch { work, model, ranges: &late, attempt };
    let Some(touched) = touch.keys(inputs).await? else {
        return Ok(None);
    };
    if is_empty(&touched) {
        return Ok(Some(Made { adds: Vec::new(), removes: Some(HashSet::new()), standing: None }));
    }
    let mut delta = Vec::new();
    let mut missing = touched.clone();
    for (number, range) in newest_first(&late, whole).into_iter().enumerate() {
        let part = format!("-n{number}");
        let found = last_rows(work, model, range, &missing, (attempt, &part)).await?;
        missing = without_a_row(work, model, (&missing, &found), (attempt, &part)).await?;
        delta.extend(found);
        if is_empty(&missing) {
            break;
        }
    }
    let before: Vec<DataFile> = work.base_files().cloned().collect();
    let target = work.target(model, attempt, "-rest");
    let (removes, mut adds) = rewrite::without_keys(work, model, &before, &touched, &target, attempt).await?;
    adds.extend(standing_rows(work, model, delta, attempt).await?);
    Ok(Some(Made { adds, removes: Some(removes), standing: None }))
}

fn is_worth_it(late: &[Range], whole: Option<Range>) -> bool {
    let days = |range: &Range| (range.end - range.start).num_days();
    let changed: i64 = late.iter().map(days).sum();
    late.len() <= MOST_RANGES && whole.is_none_or(|whole| 2 * changed <= days(&whole))
}

fn is_empty(files: &[StagedFile]) -> bool {
    files.iter().all(|file| file.rows == 0)
}

/// The days from the first changed window on, then those before it.
fn newest_first(late: &[Range], whole: Option<Range>) -> Vec<Range> {
    let (Some(first), Some(whole)) = (late.first(), whole) else {
        return Vec::new();
    };
    let cut = first.start.clamp(whole.start, whole.end);
    let parts = [Range { start: cut, end: whole.end }, Range { start: whole.start, end: cut }];
    parts.into_iter().filter(|range| range.start < range.end).collect()
}

/// Of some keys the last row that is delivered in a range.
async fn last_rows(
    work: &Work,
    model: &Model,
    range: Range,
    keys: &[StagedFile],
    (attempt, part): (Attempt, &str),
) -> Result<Vec<StagedFile>, ComputeError> {
    let session = work.context.engine.session(attempt.effort);
    let rows = in_order(model_rows(work, model, &work.scene, range, &session).await?, model)?.alias("delivered")?;
    let keys = session.read_table(Arc::new(rewrite::keys_table(work, model, keys)?))?.alias("touched")?;
    let same = model.spec.key_names().into_iter().map(|name| of("touched", name).eq(of("delivered", name)));
    // The few keys are the side that is held in memory.
    let rows = in_order(keys.join_on(rows, JoinType::RightSemi, same)?, model)?;
    // They may be what the table keeps, so they lie as its files do.
    let target = work.target(model, attempt, &format!("{part}-rows"));
    let rows = stage_query(&work.context.lake, &target, rows, &session).await?;
    inside(work, model, &rows, &range).map_err(ComputeError::Other)?;
    newest_of(work, model, rows, (attempt, part)).await
}

fn of(table: &str, column: &str) -> Expr {
    Expr::Column(Column::new(Some(table), column))
}

/// The keys of which no row was found.
async fn without_a_row(
    work: &Work,
    model: &Model,
    (keys, found): (&[StagedFile], &[StagedFile]),
    (attempt, part): (Attempt, &str),
) -> Result<Vec<StagedFile>, ComputeError> {
    let session = work.context.engine.session(attempt.effort);
    crate::session::register(&session, DELTA, Arc::new(rewrite::keys_table(work, model, keys)?))?;
    staged_table(work, model, ROWS, found, &session)?;
    let missing = session.sql(&materialize::missing(&model.spec)).await?;
    stage_query(&work.context.lake, &work.scratch(attempt, &format!("{part}-missing")), missing, &session).await
}

/// The rows that a model makes of a scene in a range.
async fn model_rows(
    work: &Work,
    model: &Model,
    scene: &Scene,
    range: Range,
    session: &SessionContext,
) -> Result<DataFrame, ComputeError> {
    scene.open(session, work.night).await.map_err(ComputeError::Other)?;
    let moment = Moment::window(work.night, range.start, range.end);
    views::query(session, &model.sql_file, &model.sql, moment).await.map_err(ComputeError::Other)
}

/// Finds the keys that changed windows touch.
struct Touch<'a> {
    work: &'a Work,
    model: &'a Model,
    ranges: &'a [Range],
    attempt: Attempt,
}

impl Touch<'_> {
    async fn keys(&self, inputs: &WindowedInputs) -> Result<Option<Vec<StagedFile>>, ComputeError> {
        let mut keys = self.delivered(&self.work.scene, "now").await?;
        let has_unkeyed = |file: &StagedFile| {
            let file = DataFile::from(file);
            self.model.spec.key_names().into_iter().any(|name| file.nulls(name) != Some(0) && file.rows != Some(0))
        };
        // Rows without a key come out of a table that is built whole, where the audit of the key names them.
        if keys.iter().any(has_unkeyed) {
            return Ok(None);
        }
        keys.extend(self.standing().await?);
        let deletes = self.model.spec.merge.as_ref().is_some_and(|merge| merge.deleted.is_some());
        if deletes {
            let Some(before) = self.scene_before(inputs).await? else {
                return Ok(None);
            };
            keys.extend(self.delivered(&before, "then").await?);
        }
        Ok(Some(keys))
    }

    /// Keys of the rows that the changed windows have in a scene.
    async fn delivered(&self, scene: &Scene, when: &str) -> Result<Vec<StagedFile>, ComputeError> {
        let Self { work, model, attempt, .. } = *self;
        let mut keys = Vec::new();
        for (number, range) in self.ranges.iter().enumerate() {
            let session = work.context.engine.session(attempt.effort);
            let rows = model_rows(work, model, scene, *range, &session).await?;
            let rows = rows.select(model.spec.key_names().into_iter().map(ident).collect::<Vec<_>>())?.distinct()?;
            let target = work.scratch(attempt, &format!("-keys-{when}{number}"));
            keys.extend(stage_query(&work.context.lake, &target, rows, &session).await?);
        }
        Ok(keys)
    }

    /// Keys of which the table's row is of a changed window.
    async fn standing(&self) -> Result<Vec<StagedFile>, ComputeError> {
        let Self { work, model, attempt, ranges } = *self;
        let time = model.spec.time().map_or("", |time| time.as_str());
        let of_ranges = |file: &&DataFile| rewrite::overlap(file, time, ranges) != rewrite::Overlap::None;
        let files: Vec<DataFile> = work.base_files().filter(of_ranges).cloned().collect();
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let session = work.context.engine.session(attempt.effort);
        prior_table(work, model, &files, &session)?;
        let keys = session.sql(&materialize::keys_within(&model.spec, ranges)).await?;
        stage_query(&work.context.lake, &work.scratch(attempt, "-keys-standing"), keys, &session).await
    }

    /// What the model saw when the table was built: the inputs with the files that they had; `None` where these cannot
    /// be told or are gone.
    async fn scene_before(&self, inputs: &WindowedInputs) -> Result<Option<Scene>, ComputeError> {
        let mut scene = self.work.scene.clone();
        for (read, from) in &inputs.reads {
            let known = inputs.prior.as_ref().and_then(|prior| prior.reads.get(&read.id()));
            let (Some(base), Some(known)) = (&from.base, known) else {
                return Ok(None);
            };
            let Some((files, night)) = self.files_before(base, known).await? else {
                return Ok(None);
            };
            // A night of before may have been a later one: what it saw whole is not cut by this one.
            let provider = base.provider_then(&self.work.context.lake, &files, night);
            scene.tables.insert(base.table.clone(), provider.map_err(ComputeError::Other)?);
        }
        Ok(Some(scene))
    }

    /// The files that a table had, and the night that saw them, where it did not see all of their rows.
    async fn files_before(
        &self,
        base: &BaseTable,
        known: &FileDigests,
    ) -> Result<Option<(Vec<DataFile>, Option<NaiveDate>)>, ComputeError> {
        let (lake, now) = (&self.work.context.lake, base.files());
        let mut files = Vec::new();
        let mut nights = BTreeSet::new();
        for key in known.0.keys() {
            let (path, night) = BaseTable::of_key(key);
            nights.extend(night);
            match now.iter().find(|file| file.path == path) {
                Some(file) => files.push(file.clone()),
                None => match base.kept_file(lake, path).await.map_err(ComputeError::Other)? {
                    Some(file) => files.push(file),
                    None => return Ok(None),
                },
            }
        }
        // A view that asks for the night would have to be asked for that one.
        let is_clear = !base.by_night && nights.len() <= 1;
        Ok(is_clear.then(|| (files, nights.pop_first())))
    }
}
