//! One node's computation, detached from the build.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use tokio::sync::RwLock;

use super::compute::{ComputeError, Target, stage_query, target_schema};
use super::context::RunContext;
use super::error::{RunError, is_out_of_memory};
use super::ground::Ground;
use super::history::HistoryInputs;
use super::ml::LearntInputs;
use super::scene::Scene;
use super::standing::Standing;
use super::state::StagedTable;
use super::windowed::WindowedInputs;
use super::{history, ml, publish, stage, views, windowed};
use crate::graph::Moment;
use crate::planted::{Bug, planted};
use crate::project::model::Model;
use crate::release::{Recipe, ReleasedTable};
use crate::session::Effort;
use crate::table::{DataFile, StagedFile, TableSnapshot};

/// A node that was computed, or not.
pub(super) struct Computed {
    pub node: String,
    pub recipe: Recipe,
    pub seconds: f64,
    pub result: Result<Outcome, RunError>,
}

/// What a computation came to.
pub(super) enum Outcome {
    Staged(Box<StagedTable>),
    /// An earlier attempt had committed the very table, at this version, from this recipe.
    Committed(u64, Recipe),
    /// Nothing that its rows are made of changed.
    Same,
}

/// How a node's rows become its table.
pub(super) enum Method {
    /// All of them anew.
    Whole,
    /// Those of the windows that changed.
    Windowed(WindowedInputs),
    /// What nights that were not seen yet add to a history.
    History(HistoryInputs),
    /// What a learner makes of them.
    Learnt(LearntInputs),
}

/// The change that a computation makes to a table.
pub(super) struct Made {
    pub adds: Vec<StagedFile>,
    /// Paths of the files before that leave; `None` is all of them.
    pub removes: Option<HashSet<String>>,
    /// What the next night has to know.
    pub standing: Option<Standing>,
}

/// All that one computation needs.
pub(super) struct Work {
    pub context: RunContext,
    /// Whether what an earlier attempt finished may be used.
    pub may_resume: bool,
    /// Whether what no attempt finished may be computed.
    pub may_compute: bool,
    /// Whether others publish what it makes, and have to know where it failed.
    pub is_stage: bool,
    /// Whether anything was ever delivered of what it is made from.
    pub is_fed: bool,
    /// Whether the table has versions that no release names.
    pub ahead: bool,
    /// How the last release names it.
    pub released: Option<ReleasedTable>,
    pub name: String,
    pub scene: Scene,
    pub base: Option<TableSnapshot>,
    pub method: Method,
    pub night: NaiveDate,
    pub attempt: String,
    /// Readers share it; a node that ran out of memory takes it alone.
    pub gate: Arc<RwLock<()>>,
}

/// One try at a computation.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub effort: Effort,
    pub number: u32,
}

impl Work {
    pub async fn computed(self, model: Option<Model>, recipe: Recipe) -> Computed {
        let started = self.context.clock.now();
        let result = match &model {
            Some(model) => self.outcome(model, &recipe).await,
            None => Err(RunError::Defect { what: format!("{} is in the graph but not in the project", self.name) }),
        };
        if let Err(error) = &result
            && self.is_stage
            && self.may_compute
        {
            stage::note_error(&self.context.lake, &self.name, &recipe.identity(), error).await;
        }
        let seconds = (self.context.clock.now() - started).as_seconds_f64();
        Computed { node: self.name, recipe, seconds, result }
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            lake: &self.context.lake,
            name: &self.name,
            base: self.base.as_ref(),
            released: self.released.as_ref().map(|table| table.version),
            may_resume: self.may_resume,
            is_rebuilt: matches!(self.method, Method::Whole | Method::Windowed(_)),
        }
    }

    /// What an earlier attempt committed or staged of the same recipe, else the computation.
    async fn outcome(&self, model: &Model, recipe: &Recipe) -> Result<Outcome, RunError> {
        self.ground().refuse().await?;
        if let Some(base) = self.base.as_ref().filter(|_| self.may_resume && self.ahead)
            && publish::committed_recipe(base).await?.as_ref() == Some(recipe)
        {
            return Ok(Outcome::Committed(base.version, recipe.clone()));
        }
        let identity = recipe.identity();
        if let Some(staged) = self.staged_before(model, &identity).await? {
            return Ok(Outcome::Staged(Box::new(staged)));
        }
        if self.is_as_before(&identity).await? {
            return self.same().await;
        }
        if !self.may_compute {
            let noted = stage::noted_error(&self.context.lake, &self.name, &identity).await?;
            return Err(noted.unwrap_or_else(|| RunError::NotBuilt { node: self.name.clone() }));
        }
        let Some(made) = self.attempts(model, &identity).await? else {
            return self.same().await;
        };
        if let Some(standing) = &made.standing {
            let prior = self.base.as_ref().filter(|_| planted(Bug::StandingUnderPrior));
            let prior = match prior {
                Some(base) => publish::committed_recipe(base).await?.map(|recipe| recipe.identity()),
                None => None,
            };
            standing.store(&self.context.lake, &self.name, prior.as_ref().unwrap_or(&identity)).await?;
        }
        let staged = self.staged(model, made.adds, made.removes);
        stage::note(&self.context.lake, &staged, &identity).await?;
        Ok(Outcome::Staged(Box::new(staged)))
    }

    /// The rows that the table has already: the released ones, or those that a run committed which did not get to
    /// its release.
    async fn same(&self) -> Result<Outcome, RunError> {
        let Some(base) = self.base.as_ref().filter(|_| self.ahead) else { return Ok(Outcome::Same) };
        let is_released = |recipe: &Recipe| self.released.as_ref().is_some_and(|table| table.recipe == *recipe);
        let made_from = publish::committed_recipe(base).await?.filter(|recipe| !is_released(recipe));
        Ok(made_from.map_or(Outcome::Same, |recipe| Outcome::Committed(base.version, recipe)))
    }

    /// Whether it was found out already that nothing changed.
    async fn is_as_before(&self, identity: &str) -> Result<bool, RunError> {
        match &self.method {
            Method::Whole | Method::Learnt(_) => Ok(false),
            Method::Windowed(inputs) => inputs.are_as_before(&self.context.lake, &self.name, identity).await,
            Method::History(inputs) => Ok(inputs.nights.is_empty()),
        }
    }

    /// What an earlier attempt staged of the same recipe on top of the same files.
    async fn staged_before(&self, model: &Model, identity: &str) -> Result<Option<StagedTable>, RunError> {
        if !self.may_resume {
            return Ok(None);
        }
        let Some(note) = stage::find(&self.context.lake, &self.name, identity).await? else {
            return Ok(None);
        };
        let is_whole = matches!(self.method, Method::Whole);
        let same_base = note.base == stage::files_of(self.base.as_ref());
        let in_use = |file: &StagedFile| self.base_files().any(|base| base.path == file.path);
        if note.adds.iter().any(in_use) || !(is_whole || same_base) {
            return Ok(None);
        }
        tracing::info!(node = %self.name, files = note.adds.len(), "staged already by an earlier attempt");
        let removes = (!is_whole).then(|| note.removes.into_iter().collect());
        Ok(Some(self.staged(model, note.adds, removes)))
    }

    fn staged(&self, model: &Model, adds: Vec<StagedFile>, removes: Option<HashSet<String>>) -> StagedTable {
        StagedTable {
            table: self.name.clone(),
            schema: target_schema(&model.spec.columns),
            partition_by: model.spec.layout().partition_by,
            removes: removes.unwrap_or_else(|| self.base_files().map(|file| file.path.clone()).collect()),
            base: self.base.clone(),
            adds,
        }
    }

    pub fn base_files(&self) -> impl Iterator<Item = &DataFile> {
        self.base.iter().flat_map(|base| &base.files)
    }

    /// Beside others; then alone; then with joins that spill.
    async fn attempts(&self, model: &Model, identity: &str) -> Result<Option<Made>, RunError> {
        let first = {
            let _company = self.gate.read().await;
            self.attempt(model, identity, Attempt { effort: Effort::Fast, number: 1 }).await
        };
        let Some(_) = memory_error(&first) else {
            return first.map_err(|error| error.of(&self.name));
        };
        tracing::warn!(node = %self.name, "ran out of memory beside others; trying it alone");
        let _alone = self.gate.write().await;
        let second = self.attempt(model, identity, Attempt { effort: Effort::Fair, number: 2 }).await;
        let Some(_) = memory_error(&second) else {
            return second.map_err(|error| error.of(&self.name));
        };
        tracing::warn!(node = %self.name, "ran out of memory alone; trying it with sort-merge joins, which spill");
        let last = Attempt { effort: Effort::Spilling, number: 3 };
        self.attempt(model, identity, last).await.map_err(|error| error.of(&self.name))
    }

    /// Each on the heap: what is planned within is deep enough for a thread's stack.
    async fn attempt(&self, model: &Model, identity: &str, attempt: Attempt) -> Result<Option<Made>, ComputeError> {
        match &self.method {
            Method::Whole => {
                let target = self.target(model, attempt, "");
                let session = self.context.engine.session(attempt.effort);
                let adds = self.stage_model(model, &self.scene, self.night.into(), &session, &target).await?;
                Ok(Some(Made { adds, removes: None, standing: None }))
            }
            Method::Windowed(inputs) => Box::pin(windowed::make(self, model, inputs, identity, attempt)).await,
            Method::History(inputs) => Box::pin(history::make(self, model, inputs, attempt)).await.map(Some),
            Method::Learnt(inputs) => Box::pin(ml::make(self, model, inputs, identity, attempt)).await,
        }
    }

    /// The files of one query of an attempt, laid out as the table's.
    pub fn target(&self, model: &Model, attempt: Attempt, part: &str) -> Target {
        Target { layout: model.spec.layout(), ..self.scratch(attempt, part) }
    }

    /// Files that only the attempt itself reads.
    pub fn scratch(&self, attempt: Attempt, part: &str) -> Target {
        Target::plain(&self.name, format!("{}-{}{part}", self.attempt, attempt.number))
    }

    /// Runs the model's query in a scene, in a session that is empty yet, and stages its rows.
    pub async fn stage_model(
        &self,
        model: &Model,
        scene: &Scene,
        moment: Moment,
        session: &SessionContext,
        target: &Target,
    ) -> Result<Vec<StagedFile>, ComputeError> {
        scene.open(session, moment.night).await.map_err(ComputeError::Other)?;
        let query = views::query(session, &model.sql_file, &model.sql, moment).await.map_err(ComputeError::Other)?;
        let columns = model.spec.selected().map(|column| ident(column.name.as_str()));
        let query = query.select(columns.collect::<Vec<_>>())?;
        stage_query(&self.context.lake, target, query, session).await
    }
}

/// The columns in the order of the yml.
pub(super) fn in_order(query: DataFrame, model: &Model) -> datafusion::error::Result<DataFrame> {
    query.select(model.spec.columns.iter().map(|column| ident(column.name.as_str())).collect::<Vec<_>>())
}

fn memory_error<T>(result: &Result<T, ComputeError>) -> Option<()> {
    match result {
        Err(ComputeError::Engine(error)) if is_out_of_memory(error) => Some(()),
        _ => None,
    }
}
