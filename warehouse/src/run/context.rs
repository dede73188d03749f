//! What a run works with, resolved once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::watch;

use super::error::RunError;
use super::ops::ops_schemas;
use super::turns::Turns;
use crate::clock::{Clock, default_night, in_future};
use crate::graph::{self, Graph, Resolved};
use crate::learn::{Learner, NoLearner};
use crate::project::Project;
use crate::project::ml::MlRole;
use crate::session::Engine;
use crate::store::{self, Environment};
use crate::table::Lake;

/// Project, storage, engine and clock of a run.
#[derive(Debug, Clone)]
pub struct RunContext {
    pub project: Arc<Project>,
    pub graph: Arc<Graph>,
    /// Plans of all models against the declared columns.
    pub resolved: Arc<Resolved>,
    /// The store of the raw exports, and the folder they lie in.
    pub raw: Arc<dyn ObjectStore>,
    pub raw_root: Path,
    pub lake: Lake,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    pub begun: Begun,
    pub turns: Turns,
    pub learner: Arc<dyn Learner>,
}

/// Tells a run from outside that it should end: what it has begun is given up, its lease given back.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: watch::Receiver<bool>,
}

impl Stop {
    /// A way to ask, and what a run listens to.
    pub fn channel() -> (watch::Sender<bool>, Self) {
        let (ask, asked) = watch::channel(false);
        (ask, Self { asked })
    }

    /// Nobody will ask.
    pub fn never() -> Self {
        Self::channel().1
    }

    /// Ends when the run should; never, where nobody is left to ask.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Tells outside which run of a night `runs show` knows of, also where that ends without a report.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    run_id: Arc<Mutex<Option<String>>>,
}

impl Begun {
    pub(super) fn note(&self, run_id: &str) {
        *self.run_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(run_id.to_owned());
    }

    /// The id of the last run that took the lake.
    pub fn run_id(&self) -> Option<String> {
        self.run_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RunContext {
    /// Checks the whole graph and opens the storage of a project; reads and writes no data.
    ///
    /// # Errors
    /// Every mistake in the SQL of the project, or a location that cannot be opened.
    pub async fn open(project: Project, env: &Environment<'_>, clock: Arc<dyn Clock>) -> Result<Self, RunError> {
        let graph = graph::build(&project.models, &project.contracts)?;
        let night = default_night(clock.now(), project.settings.time_zone);
        let others: BTreeMap<_, _> =
            ops_schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
        let resolved = graph::resolve(&graph, &project.models, &project.contracts, &others, night).await?;
        let (raw, raw_root) = store::open(&project.settings.raw, env)?;
        let lake = open_lake(&project, env)?;
        let engine = Engine::new(&lake, project.settings.memory, project.settings.threads)
            .map_err(|error| RunError::query("engine", error))?;
        Ok(Self {
            project: Arc::new(project),
            graph: Arc::new(graph),
            resolved: Arc::new(resolved),
            raw,
            raw_root,
            lake,
            engine,
            clock,
            stop: Stop::never(),
            begun: Begun::default(),
            turns: Turns::default(),
            learner: Arc::new(NoLearner),
        })
    }
}

impl RunContext {
    /// Whether a node trains a model.
    pub(super) fn is_training(&self, node: &str) -> bool {
        let role = self.project.models.get(node).and_then(|model| model.ml.as_ref());
        matches!(role, Some(MlRole::Training(_)))
    }

    /// Refuses a night that is later than tomorrow: its release would be the latest for years, and every night until then
    /// built for it.
    ///
    /// # Errors
    /// [`RunError::User`] names today and the night.
    pub(super) fn refuse_future(&self, night: NaiveDate) -> Result<(), RunError> {
        let time_zone = self.project.settings.time_zone;
        match in_future(night, self.clock.now(), time_zone) {
            None => Ok(()),
            Some(today) => Err(RunError::User {
                message: format!(
                    "night {night} is in the future, today is {today} in {time_zone}: readers would get it whatever night is run until then — is that the date you mean?"
                ),
            }),
        }
    }

    /// Plugs in what learns, which must have the candidates of all ML nodes.
    ///
    /// # Errors
    /// [`RunError::User`] names each family and parameter that it does not have.
    pub fn learning_with(self, learner: Arc<dyn Learner>) -> Result<Self, RunError> {
        let mut faults = Vec::new();
        for node in &self.project.ml {
            for fault in learner.faults(node) {
                let line = node.spec.candidates.get(fault.candidate).map_or(0, |candidate| candidate.family.line);
                faults.push(format!("{}:{line}: {}", node.file, fault.message));
            }
        }
        match faults.is_empty() {
            true => Ok(Self { learner, ..self }),
            false => Err(RunError::User { message: faults.join("\n") }),
        }
    }
}

/// Opens the lake of a project, creating its folder where it is local.
///
/// # Errors
/// Where the location cannot be opened.
pub fn open_lake(project: &Project, env: &Environment<'_>) -> Result<Lake, RunError> {
    let (store, prefix) = store::open_lake(&project.settings.lake, env)?;
    Ok(Lake::new(project.settings.lake.clone(), store, prefix))
}

/// A part of a run, for an orchestrator that wants tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Load deliveries into bronze.
    Ingest,
    /// Compute and stage what has to be built and waits for no model; no reader sees it.
    Build,
    /// Compute and stage the models of ML nodes.
    Train,
    /// Compute and stage their scores, and all that is made from these.
    Score,
    /// Audit what was staged, commit it, release it; compute nothing.
    Publish,
}

/// What is asked of a run.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// Only this part of the run; `None` is all of it.
    pub stage: Option<Stage>,
    pub night: NaiveDate,
    /// Nights before that one, in order, whose deliveries and states are taken in first: a backfill.
    pub earlier: Vec<NaiveDate>,
    /// Nodes to build; `None` is all.
    pub select: Option<BTreeSet<String>>,
    /// Build selected tables even where nothing changed; of a stage that ingests: read all files of selected sources
    /// anew, even those that are loaded.
    pub full_refresh: bool,
    /// Rebuild however many windows changed.
    pub unlimited: bool,
}

impl Stage {
    /// The part of a run that computes a node.
    pub(super) fn of(node: &str, context: &RunContext) -> Self {
        if context.is_training(node) {
            return Self::Train;
        }
        match context.graph.ancestors([node]).iter().any(|name| context.is_training(name)) {
            true => Self::Score,
            false => Self::Build,
        }
    }

    /// Whether it computes nodes.
    pub(super) fn computes(self) -> bool {
        matches!(self, Self::Build | Self::Train | Self::Score)
    }
}

impl RunRequest {
    /// Whether a part of a run is in what is asked.
    pub(super) fn includes(&self, stage: Stage) -> bool {
        self.stage.is_none_or(|only| only == stage)
    }

    /// Whether nights before the one that tables are built for are asked for.
    pub(super) fn looks_back(&self, built_for: Option<NaiveDate>) -> bool {
        !self.earlier.is_empty() || built_for.is_some_and(|night| self.night < night)
    }
}
