//! The build phase: nodes in parallel by the graph, each staged or left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::RwLock;

use super::compute::{ComputeError, Target, stage_query, target_schema};
use super::context::{RunContext, RunRequest};
use super::decide::{Decision, decision, recipe};
use super::error::{RunError, is_out_of_memory};
use super::report::NodeReport;
use super::sources::SourceOutcome;
use super::state::{Candidate, NodeState, StagedTable};
use super::{publish, stage, views};
use crate::error::ErrorKind;
use crate::graph::Node;
use crate::project::model::{Materialized, Model};
use crate::release::{Recipe, Release, ReleasedTable, TableState};
use crate::session::Effort;
use crate::table::{DataFile, PinnedTable, StagedFile, TableSnapshot};

/// What the build phase knows and learns.
#[derive(Debug)]
pub(super) struct Build<'a> {
    context: &'a RunContext,
    request: &'a RunRequest,
    /// The night the tables are built for.
    night: NaiveDate,
    run_id: &'a str,
    previous: Option<&'a Release>,
    /// Tables as this run sees them: bronze at first, then every node that was built or is current.
    pub candidates: BTreeMap<String, Candidate>,
    /// What identifies the rows of each table and view, for the keys of what reads them.
    identities: BTreeMap<String, String>,
    /// Versions of the tables that stay as they are.
    kept: BTreeMap<String, u64>,
    pub states: BTreeMap<String, NodeState>,
    pub reports: BTreeMap<String, NodeReport>,
    /// Readers share it; a node that ran out of memory takes it alone.
    gate: Arc<RwLock<()>>,
}

/// A node that was computed, or not.
struct Computed {
    node: String,
    recipe: Recipe,
    seconds: f64,
    result: Result<Outcome, RunError>,
}

/// What a computation came to.
enum Outcome {
    Staged(StagedTable),
    /// An earlier attempt had committed the very table, at this version.
    Committed(u64),
}

impl<'a> Build<'a> {
    /// Starts from what the ingest phase brought.
    pub fn new(
        context: &'a RunContext,
        request: &'a RunRequest,
        night: NaiveDate,
        run_id: &'a str,
        previous: Option<&'a Release>,
        sources: &[SourceOutcome],
    ) -> Self {
        let mut build = Self {
            context,
            request,
            night,
            run_id,
            previous,
            candidates: BTreeMap::new(),
            identities: BTreeMap::new(),
            kept: BTreeMap::new(),
            states: BTreeMap::new(),
            reports: BTreeMap::new(),
            gate: Arc::new(RwLock::new(())),
        };
        for source in sources {
            build.take_source(source);
        }
        build
    }

    fn take_source(&mut self, source: &SourceOutcome) {
        if let Some(contract) = self.context.project.contracts.get(&source.source) {
            let identity = views::bronze_identity(contract, &source.ledger.ledger, &source.candidate, self.night);
            self.identities.insert(source.table.clone(), identity);
        }
        self.candidates.insert(source.table.clone(), source.candidate.clone());
        if let Some(blocked) = &source.blocked {
            let state = match blocked.failed {
                Some(kind) => NodeState::Failed { message: blocked.because.clone(), kind },
                None => NodeState::Held { because: blocked.because.clone() },
            };
            self.states.insert(source.table.clone(), state);
        }
    }

    /// Sets a table as it is to be, without computing it.
    pub fn place(&mut self, name: &str, candidate: Candidate, state: Option<NodeState>) {
        self.candidates.insert(name.to_owned(), candidate);
        self.states.extend(state.map(|state| (name.to_owned(), state)));
    }

    pub fn previous(&self) -> Option<&'a Release> {
        self.previous
    }

    /// What identifies the rows of a table or view, where it has any.
    pub fn identity(&self, name: &str) -> Option<&str> {
        self.identities.get(name).map(String::as_str)
    }

    pub fn night(&self) -> NaiveDate {
        self.night
    }

    pub fn run_id(&self) -> &'a str {
        self.run_id
    }

    /// Brings every node to a state. Nodes whose inputs are settled run beside each other.
    pub async fn run(&mut self) -> Result<(), RunError> {
        let graph = Arc::clone(&self.context.graph);
        let mut waiting: Vec<&Node> = graph.nodes.iter().collect();
        let mut running = FuturesUnordered::new();
        loop {
            let mut rest = Vec::with_capacity(waiting.len());
            for node in waiting {
                if running.len() >= self.context.engine.threads() || !self.is_ready(node) {
                    rest.push(node);
                } else if let Some(recipe) = self.decide(node) {
                    running.push(self.compute(node, recipe).await?);
                }
            }
            waiting = rest;
            match running.next().await {
                Some(computed) => self.settle(computed),
                None if waiting.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    fn is_ready(&self, node: &Node) -> bool {
        node.inputs.iter().all(|input| self.identities.contains_key(input) || self.states.contains_key(input))
    }

    /// Settles a node that needs no work; what one that does is made from.
    fn decide(&mut self, node: &Node) -> Option<Recipe> {
        let released = self.previous.and_then(|release| release.tables.get(&node.name)).cloned();
        let recipe = recipe(node, &self.identities, self.night);
        match decision(node, &self.states, released.as_ref(), &recipe, self.request) {
            Decision::Hold { because } => {
                self.hold(node, released, because);
                None
            }
            Decision::View => {
                self.identities.insert(node.name.clone(), recipe.identity());
                self.states.insert(node.name.clone(), NodeState::Built { recipe });
                None
            }
            Decision::Keep { released } => {
                self.keep(node, &released);
                self.note(node, "skipped", None, 0.0);
                self.states.insert(node.name.clone(), NodeState::Current { released });
                None
            }
            Decision::Build { why } => {
                tracing::debug!(node = %node.name, "to build: {why}");
                Some(recipe)
            }
        }
    }

    /// Leaves a node at its released version, if it has one.
    fn hold(&mut self, node: &Node, released: Option<ReleasedTable>, because: String) {
        if let Some(table) = &released {
            self.keep(node, table);
        }
        tracing::warn!(node = %node.name, "held: {because}");
        self.note(node, "held", Some(because.clone()), 0.0);
        self.states.insert(node.name.clone(), NodeState::Held { because });
    }

    /// Remembers the released version; its log is read only if something built reads the table.
    fn keep(&mut self, node: &Node, table: &ReleasedTable) {
        self.identities.insert(node.name.clone(), table.recipe.identity());
        self.kept.insert(node.name.clone(), table.version);
    }

    fn note(&mut self, node: &Node, status: &str, message: Option<String>, seconds: f64) {
        let kind = match node.materialized {
            Materialized::View => "view",
            Materialized::Table => "table",
        };
        let report = NodeReport {
            node: node.name.clone(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            rows: None,
            version: None,
            seconds,
            message,
        };
        self.reports.insert(node.name.clone(), report);
    }

    /// A built node that an audit failed.
    pub fn fail(&mut self, node: &str, message: &str) {
        let state = NodeState::Failed { message: message.to_owned(), kind: ErrorKind::Data };
        self.states.insert(node.to_owned(), state);
        self.restate(node, "failed", message);
    }

    /// A node below one that failed or is held.
    pub fn hold_below(&mut self, node: &str, because: String) {
        if matches!(self.states.get(node), Some(NodeState::Failed { .. } | NodeState::Held { .. })) {
            return;
        }
        self.restate(node, "held", &because);
        self.states.insert(node.to_owned(), NodeState::Held { because });
    }

    fn restate(&mut self, node: &str, status: &str, message: &str) {
        if let Some(report) = self.reports.get_mut(node) {
            report.status = status.to_owned();
            report.message = Some(message.to_owned());
        }
    }

    fn settle(&mut self, computed: Computed) {
        let Computed { node, recipe, seconds, result } = computed;
        let Some(found) = self.context.graph.node(&node) else {
            return;
        };
        match result {
            Ok(Outcome::Staged(staged)) => {
                tracing::info!(node = %node, rows = staged.rows(), seconds, "built");
                self.note(found, "built", None, seconds);
                if let Some(report) = self.reports.get_mut(&node) {
                    report.rows = Some(staged.rows());
                    report.version = Some(staged.next_version());
                }
                self.identities.insert(node.clone(), recipe.identity());
                self.candidates.insert(node.clone(), Candidate::Staged(staged));
                self.states.insert(node, NodeState::Built { recipe });
            }
            Ok(Outcome::Committed(version)) => {
                tracing::info!(node = %node, version, "committed already by a run that did not get to its release");
                self.note(found, "built", None, seconds);
                let released = ReleasedTable { version, night: self.night, state: TableState::Fresh, recipe };
                self.keep(found, &released);
                self.states.insert(node, NodeState::Current { released });
            }
            Err(error) => {
                tracing::error!(node = %node, seconds, "failed: {error}");
                self.note(found, "failed", Some(error.to_string()), seconds);
                self.states.insert(node, NodeState::Failed { message: error.to_string(), kind: error.kind() });
            }
        }
    }

    /// The future that computes a node, holding only what it needs.
    async fn compute(&self, node: &Node, recipe: Recipe) -> Result<impl Future<Output = Computed> + use<>, RunError> {
        let model = self.context.project.models.get(&node.name).cloned();
        let scene = self.scene(&node.inputs).await?;
        let base = TableSnapshot::load(&self.context.lake, &node.name, None).await?;
        let released = self.previous.and_then(|release| release.tables.get(&node.name));
        let ahead = base.as_ref().is_some_and(|base| released.is_none_or(|table| table.version < base.version));
        let work = Work {
            context: self.context.clone(),
            may_resume: !self.request.full_refresh,
            ahead,
            name: node.name.clone(),
            scene,
            base,
            night: self.night,
            attempt: self.run_id.to_owned(),
            gate: Arc::clone(&self.gate),
        };
        Ok(work.computed(model, recipe))
    }

    /// The tables and views that a query over `names` sees, with what the views read.
    pub async fn scene(&self, names: &BTreeSet<String>) -> Result<Scene, RunError> {
        let graph = &self.context.graph;
        let mut needed: BTreeSet<String> = names.clone();
        let mut views = Vec::new();
        for node in graph.nodes.iter().rev() {
            if node.materialized == Materialized::View && needed.contains(&node.name) {
                needed.extend(node.inputs.iter().cloned());
                if let Some(model) = self.context.project.models.get(&node.name) {
                    views.push((node.name.clone(), model.sql.clone()));
                }
            }
        }
        views.reverse();
        let mut tables = BTreeMap::new();
        for name in needed {
            let provider = match (self.candidates.get(&name), self.kept.get(&name)) {
                (Some(candidate), _) => Some(self.provider(&name, candidate)?),
                (None, Some(version)) => self.kept_table(&name, *version).await?,
                (None, None) => None,
            };
            if let Some(provider) = provider {
                tables.insert(name, provider);
            }
        }
        Ok(Scene { tables, views })
    }

    async fn kept_table(&self, name: &str, version: u64) -> Result<Option<Arc<dyn TableProvider>>, RunError> {
        let Some(snapshot) = TableSnapshot::load(&self.context.lake, name, Some(version)).await? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(PinnedTable::from_snapshot(&self.context.lake, &snapshot)?)))
    }

    fn provider(&self, name: &str, candidate: &Candidate) -> Result<Arc<dyn TableProvider>, RunError> {
        let contract = self.context.project.contracts.values().find(|contract| contract.table == name);
        match contract {
            Some(contract) => views::bronze_as_of(&self.context.lake, contract, candidate, self.night),
            None => Ok(candidate.provider(&self.context.lake, name)?),
        }
    }
}

/// Tables and views to be registered in a session, the views in order.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub tables: BTreeMap<String, Arc<dyn TableProvider>>,
    pub views: Vec<(String, String)>,
}

impl Scene {
    pub async fn open(&self, session: &SessionContext, night: NaiveDate) -> Result<(), RunError> {
        views::open(session, self.tables.clone(), &self.views, night).await
    }
}

/// One node's computation, detached from the build.
struct Work {
    context: RunContext,
    /// Whether what an earlier attempt finished may be used.
    may_resume: bool,
    /// Whether the table has versions that no release names.
    ahead: bool,
    name: String,
    scene: Scene,
    base: Option<TableSnapshot>,
    night: NaiveDate,
    attempt: String,
    gate: Arc<RwLock<()>>,
}

impl Work {
    async fn computed(self, model: Option<Model>, recipe: Recipe) -> Computed {
        let started = self.context.clock.now();
        let result = match &model {
            Some(model) => self.outcome(model, &recipe).await,
            None => Err(RunError::Defect { what: format!("{} is in the graph but not in the project", self.name) }),
        };
        let seconds = (self.context.clock.now() - started).as_seconds_f64();
        Computed { node: self.name, recipe, seconds, result }
    }

    /// What an earlier attempt committed or staged of the same recipe, else the computation.
    async fn outcome(&self, model: &Model, recipe: &Recipe) -> Result<Outcome, RunError> {
        if let Some(base) = self.base.as_ref().filter(|_| self.may_resume && self.ahead)
            && publish::committed_recipe(base).await?.as_ref() == Some(recipe)
        {
            return Ok(Outcome::Committed(base.version));
        }
        let identity = recipe.identity();
        let earlier =
            if self.may_resume { stage::find(&self.context.lake, &self.name, &identity).await? } else { None };
        let in_use = |file: &StagedFile| self.base_files().any(|base| base.path == file.path);
        let adds = match earlier.filter(|files| !files.iter().any(in_use)) {
            Some(files) => {
                tracing::info!(node = %self.name, files = files.len(), "staged already by an earlier attempt");
                files
            }
            None => {
                let files = self.attempts(model).await?;
                stage::note(&self.context.lake, &self.name, &identity, &files).await?;
                files
            }
        };
        Ok(Outcome::Staged(StagedTable {
            table: self.name.clone(),
            schema: target_schema(&model.spec.columns),
            removes: self.base_files().map(|file| file.path.clone()).collect(),
            base: self.base.clone(),
            adds,
        }))
    }

    fn base_files(&self) -> impl Iterator<Item = &DataFile> {
        self.base.iter().flat_map(|base| &base.files)
    }

    /// Beside others; then alone; then with joins that spill.
    async fn attempts(&self, model: &Model) -> Result<Vec<StagedFile>, RunError> {
        let first = {
            let _company = self.gate.read().await;
            self.attempt(model, Effort::Fast, 1).await
        };
        let Some(_) = memory_error(&first) else {
            return first.map_err(|error| self.failed(error));
        };
        tracing::warn!(node = %self.name, "ran out of memory beside others; trying it alone");
        let _alone = self.gate.write().await;
        let second = self.attempt(model, Effort::Fair, 2).await;
        let Some(_) = memory_error(&second) else {
            return second.map_err(|error| self.failed(error));
        };
        tracing::warn!(node = %self.name, "ran out of memory alone; trying it with sort-merge joins, which spill");
        self.attempt(model, Effort::Spilling, 3).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ComputeError) -> RunError {
        match error {
            ComputeError::Engine(error) => RunError::query(&self.name, error),
            ComputeError::Other(error) => error,
        }
    }

    async fn attempt(&self, model: &Model, effort: Effort, number: u32) -> Result<Vec<StagedFile>, ComputeError> {
        let session = self.context.engine.session(effort);
        self.scene.open(&session, self.night).await.map_err(ComputeError::Other)?;
        let query =
            views::query(&session, &model.sql_file, &model.sql, self.night).await.map_err(ComputeError::Other)?;
        let query = in_order(query, model)?;
        let target = Target { table: self.name.clone(), attempt: format!("{}-{number}", self.attempt) };
        stage_query(&self.context.lake, &target, query, &session).await
    }
}

fn memory_error(result: &Result<Vec<StagedFile>, ComputeError>) -> Option<()> {
    match result {
        Err(ComputeError::Engine(error)) if is_out_of_memory(error) => Some(()),
        _ => None,
    }
}

/// The columns in the order of the yml.
fn in_order(query: DataFrame, model: &Model) -> datafusion::error::Result<DataFrame> {
    query.select(model.spec.columns.iter().map(|column| ident(column.name.as_str())).collect::<Vec<_>>())
}
