//! Tables that keep a history: what each night's state adds to it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::compute::{ComputeError, stage_query};
use super::error::RunError;
use super::rewrite;
use super::scene::Scene;
use super::standing::Standing;
use super::windowed::prior_table;
use super::work::{Attempt, Made, Work, in_order};
use crate::graph::schemas::selected_schema;
use crate::identity::word_of;
use crate::materialize::{self, DELTA, NIGHTS, ROWS};
use crate::planted::{Bug, planted};
use crate::project::model::Model;
use crate::session::register;
use crate::table::{DataFile, PinnedTable, StagedFile};

/// The nights whose state has to be looked at, and what the table knows so far.
pub(super) struct HistoryInputs {
    /// Nights that were not seen yet or are not what they were, in order, with what the query sees of each.
    pub nights: Vec<(NaiveDate, Scene)>,
    /// All nights of the history when these are in it, and what identifies what was delivered up to each.
    pub observed: BTreeMap<NaiveDate, String>,
    /// Nights whose state is in the rows before.
    pub seen: Vec<NaiveDate>,
    pub code: String,
    /// What is said where the rows before are a history, and nobody knows any more of which nights.
    pub lost: Option<String>,
}

/// Among the inputs of a history's recipe: the nights that are in it.
pub(super) const OBSERVED: &str = "$nights";

impl HistoryInputs {
    /// One word for the nights of the history and for what was delivered up to each.
    pub fn identity(&self) -> String {
        word_of(self.observed.iter().map(|(night, delivered)| format!("{night} {delivered}\n")))
    }
}

/// Adds night after night to the history.
pub(super) async fn make(
    work: &Work,
    model: &Model,
    inputs: &HistoryInputs,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    if let Some(because) = &inputs.lost {
        return Err(ComputeError::Other(RunError::refused(&work.name, because)));
    }
    let mut history = History { files: Vec::new(), added: BTreeMap::new(), nights: inputs.seen.clone() };
    if !inputs.seen.is_empty() {
        history.files.extend(work.base_files().cloned());
    }
    for (night, scene) in &inputs.nights {
        history.observe(work, model, *night, scene, attempt).await?;
    }
    let left: HashSet<&str> = history.files.iter().map(|file| file.path.as_str()).collect();
    let removes =
        work.base_files().filter(|file| !left.contains(file.path.as_str())).map(|file| file.path.clone()).collect();
    let standing = Standing {
        engine: Standing::engine(),
        code: inputs.code.clone(),
        nights: inputs.observed.clone(),
        ..Standing::default()
    };
    // What a night added and a later one wrote anew belongs to no version.
    let adds = history.added.into_values().filter(|file| left.contains(file.path.as_str())).collect();
    Ok(Made { adds, removes: Some(removes), standing: Some(standing) })
}

/// The table between two nights.
struct History {
    files: Vec<DataFile>,
    /// Of these the ones that this attempt wrote, by path.
    added: BTreeMap<String, StagedFile>,
    nights: Vec<NaiveDate>,
}

impl History {
    async fn observe(
        &mut self,
        work: &Work,
        model: &Model,
        night: NaiveDate,
        scene: &Scene,
        attempt: Attempt,
    ) -> Result<(), ComputeError> {
        let night = if planted(Bug::HistoryAtWrongNight) { work.night } else { night };
        if !self.nights.contains(&night) {
            self.nights.push(night);
        }
        let seen_at = work.scratch(attempt, &format!("-{night}-seen"));
        let session = work.context.engine.session(attempt.effort);
        let seen = work.stage_model(model, scene, night.into(), &session, &seen_at).await?;
        let changed = self.changed(work, model, night, &seen, attempt).await?;
        let rows: u64 = changed.iter().map(|file| file.rows).sum();
        if rows == 0 {
            return Ok(());
        }
        let session = self.session(work, model, &seen, &changed, attempt)?;
        let history = session.sql(&materialize::history(&model.spec, night)).await?;
        let target = work.target(model, attempt, &format!("-{night}"));
        let states = stage_query(&work.context.lake, &target, in_order(history, model)?, &session).await?;
        let rest_at = work.target(model, attempt, &format!("-{night}-rest"));
        let (touched, rest) = rewrite::without_keys(work, model, &self.files, &changed, &rest_at, attempt).await?;
        self.files.retain(|file| !touched.contains(&file.path));
        for file in states.into_iter().chain(rest) {
            self.files.push(DataFile::from(&file));
            self.added.insert(file.path.clone(), file);
        }
        Ok(())
    }

    /// The keys that the night changes, staged.
    async fn changed(
        &self,
        work: &Work,
        model: &Model,
        night: NaiveDate,
        seen: &[StagedFile],
        attempt: Attempt,
    ) -> Result<Vec<StagedFile>, ComputeError> {
        let session = self.session(work, model, seen, &[], attempt)?;
        let keys = session.sql(&materialize::changed(&model.spec, night)).await?;
        let target = work.scratch(attempt, &format!("-{night}-keys"));
        stage_query(&work.context.lake, &target, keys, &session).await
    }

    /// A session that sees the history so far, the night's state, the changed keys and all nights.
    fn session(
        &self,
        work: &Work,
        model: &Model,
        seen: &[StagedFile],
        changed: &[StagedFile],
        attempt: Attempt,
    ) -> Result<SessionContext, ComputeError> {
        let lake = &work.context.lake;
        let session = work.context.engine.session(attempt.effort);
        prior_table(work, model, &self.files, &session)?;
        let rows = PinnedTable::from_staged(lake, &work.name, &selected_schema(model), seen)?;
        register(&session, ROWS, Arc::new(rows))?;
        register(&session, DELTA, Arc::new(rewrite::keys_table(work, model, changed)?))?;
        let nights = materialize::nights(&self.nights).map_err(DataFusionError::from)?;
        register(&session, NIGHTS, Arc::new(MemTable::try_new(nights.schema(), vec![vec![nights]])?))?;
        Ok(session)
    }
}
