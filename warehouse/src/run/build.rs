//! The build phase: nodes in parallel by the graph, each staged or left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::RwLock;

use super::context::{RunContext, RunRequest, Stage};
use super::decide::{Asked, Decision, decision, is_behind};
use super::error::RunError;
use super::held::Hold;
use super::history::OBSERVED;
use super::ml::Decisions;
use super::outcome::SourceOutcome;
use super::report::NodeReport;
use super::state::{Candidate, NodeState};
use super::texts::Text;
use super::views;
use super::work::{Computed, Method, Outcome, Work};
use crate::error::ErrorKind;
use crate::graph::Node;
use crate::ingest::Ledger;
use crate::release::{Recipe, Release, ReleasedTable};
use crate::table::TableSnapshot;

/// What the build phase knows and learns.
#[derive(Debug)]
pub(super) struct Build<'a> {
    pub(super) context: &'a RunContext,
    pub(super) request: &'a RunRequest,
    /// The night the tables are built for.
    night: NaiveDate,
    run_id: &'a str,
    previous: Option<&'a Release>,
    /// Tables as this run sees them: bronze at first, then every node that was built or is current.
    pub candidates: BTreeMap<String, Candidate>,
    /// What identifies the rows of each table and view, for the keys of what reads them.
    pub(super) identities: BTreeMap<String, String>,
    /// What was delivered of each bronze table.
    pub(super) ledgers: BTreeMap<String, Ledger>,
    /// Versions of the tables that nothing is staged for.
    pub(super) kept: BTreeMap<String, u64>,
    pub states: BTreeMap<String, NodeState>,
    pub reports: BTreeMap<String, NodeReport>,
    /// What was asked of models.
    pub(super) asked: Arc<Decisions>,
    /// Nodes that would have to be computed, where nothing is.
    pub(super) unbuilt: Vec<String>,
    /// Whether every table was set as it is to be, and nothing was computed.
    is_placed: bool,
    /// Tables that stay, of which an audit failed beside a table that does not go out.
    pub(super) in_doubt: BTreeSet<String>,
    /// What was not asked for and stays, though a build would give other rows, and all that reads it: none is wholly of
    /// this night.
    pub(super) behind: BTreeSet<String>,
    /// Views that are read as a release has them.
    pub(super) texts: BTreeMap<String, Text>,
    /// Audits that ask for what is not there, by node and name.
    pub(super) passed_over: BTreeSet<(String, String)>,
    /// What the run should say.
    pub warnings: BTreeSet<String>,
    /// Readers share it; a node that ran out of memory takes it alone.
    gate: Arc<RwLock<()>>,
}

/// A build of which every node has come to a state: staged, as it was, held or failed. Made by [`Build::staged`], and by
/// [`Build::placed`] of tables that are restored.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    build: Build<'a>,
}

impl<'a> Staged<'a> {
    pub fn build(&self) -> &Build<'a> {
        &self.build
    }

    /// For the audits, which hold what fails.
    pub(super) fn into_build(self) -> Build<'a> {
        self.build
    }
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
            ledgers: BTreeMap::new(),
            kept: BTreeMap::new(),
            states: BTreeMap::new(),
            reports: BTreeMap::new(),
            asked: Arc::default(),
            unbuilt: Vec::new(),
            is_placed: false,
            in_doubt: BTreeSet::new(),
            behind: BTreeSet::new(),
            texts: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            warnings: BTreeSet::new(),
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
            self.ledgers.insert(source.table.clone(), source.ledger.ledger.clone());
        }
        self.candidates.insert(source.table.clone(), source.candidate.clone());
        if source.left {
            self.behind.insert(source.table.clone());
        }
        if let Some(blocked) = &source.blocked {
            let state = match blocked.failed {
                Some(kind) => NodeState::Failed { message: blocked.because.clone(), kind },
                None => NodeState::Held(Hold::Own { because: blocked.because.clone() }),
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

    /// Brings every node to a state.
    pub async fn staged(mut self) -> Result<Staged<'a>, RunError> {
        self.run().await?;
        Ok(Staged { build: self })
    }

    pub fn is_placed(&self) -> bool {
        self.is_placed
    }

    /// Says that an audit of a table that stays failed beside one that does not go out: it is asked again.
    pub fn doubt(&mut self, node: &str, audit: &str) {
        self.in_doubt.insert(node.to_owned());
        self.warn(format!(
            "audit {audit} of {node} failed beside a table that does not go out; {node} stays as it was released, and is asked again"
        ));
    }

    /// Where every table was set as it is to be ([`Self::place`]), nothing is left to compute.
    pub fn placed(self) -> Staged<'a> {
        Staged { build: Self { is_placed: true, ..self } }
    }

    /// Nodes whose inputs are settled run beside each other.
    async fn run(&mut self) -> Result<(), RunError> {
        let graph = Arc::clone(&self.context.graph);
        let mut waiting: Vec<&Node> = graph.nodes.iter().collect();
        let mut running = FuturesUnordered::new();
        // A training holds its rows several times, and has all threads: one at a time.
        let context = self.context;
        let mut learning = false;
        loop {
            let before = waiting.len();
            let mut rest = Vec::with_capacity(before);
            for node in waiting {
                let is_training = context.is_training(&node.name);
                let is_full = running.len() >= context.engine.threads() || (is_training && learning);
                if is_full || !self.is_ready(node) {
                    rest.push(node);
                } else if let Some(recipe) = self.decide(node) {
                    learning |= is_training;
                    running.push(self.compute(node, recipe).await?);
                } else {
                    Box::pin(self.fit_view(node)).await?;
                }
            }
            waiting = rest;
            match running.next().await {
                Some(computed) => {
                    learning &= !context.is_training(&computed.node);
                    self.settle(computed);
                }
                None if waiting.is_empty() => return Ok(()),
                None if waiting.len() == before => return Err(self.stuck(&waiting)),
                None => {}
            }
        }
    }

    fn is_ready(&self, node: &Node) -> bool {
        node.inputs.iter().all(|input| self.is_settled(input))
    }

    pub(super) fn is_settled(&self, input: &str) -> bool {
        self.identities.contains_key(input) || self.states.contains_key(input)
    }

    /// Settles a node that needs no work; what one that does is made from.
    fn decide(&mut self, node: &Node) -> Option<Recipe> {
        let released = self.previous.and_then(|release| release.tables.get(&node.name)).cloned();
        let asked = Asked { context: self.context, request: self.request, night: self.night, run_id: self.run_id };
        let recipe = asked.recipe(node, &self.identities, released.as_ref());
        let decided = decision(node, &self.states, released.as_ref(), &recipe, asked);
        if is_behind(node, &decided, &self.behind) {
            self.behind.insert(node.name.clone());
        }
        match decided {
            Decision::Hold(hold) => {
                self.hold(node, released, hold);
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
            Decision::Leave { released, why } => {
                self.keep(node, &released);
                self.note(node, "skipped", Some(why), 0.0);
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
    pub(super) fn hold(&mut self, node: &Node, released: Option<ReleasedTable>, hold: Hold) {
        if let Some(table) = &released {
            self.keep(node, table);
        }
        self.keep_text(node);
        self.tell_held(&node.name, &hold);
        self.note(node, "held", Some(hold.to_string()), 0.0);
        self.states.insert(node.name.clone(), NodeState::Held(hold));
    }

    /// Remembers the released version; its log is read only if something built reads the table.
    fn keep(&mut self, node: &Node, table: &ReleasedTable) {
        self.identities.insert(node.name.clone(), table.recipe.identity());
        self.kept.insert(node.name.clone(), table.version);
    }

    fn note(&mut self, node: &Node, status: &str, message: Option<String>, seconds: f64) {
        let report = NodeReport {
            node: node.name.clone(),
            kind: node.kind.to_owned(),
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
        self.restate(node, "failed", message.to_owned());
    }

    /// Notes what the run should say.
    pub fn warn(&mut self, said: String) {
        if self.warnings.insert(said.clone()) {
            tracing::warn!("{said}");
        }
    }

    /// Of a view nothing is reported unless it does not go out.
    pub(super) fn restate(&mut self, node: &str, status: &str, message: String) {
        if let Some(report) = self.reports.get_mut(node) {
            report.status = status.to_owned();
            report.message = Some(message);
        } else if let Some(found) = self.context.graph.node(node) {
            self.note(found, status, Some(message), 0.0);
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
                self.candidates.insert(node.clone(), Candidate::Staged(*staged));
                self.states.insert(node, NodeState::Built { recipe });
            }
            Ok(Outcome::Committed(version, recipe)) => {
                tracing::info!(node = %node, version, "committed already by a run that did not get to its release");
                self.note(found, "built", None, seconds);
                self.identities.insert(node.clone(), recipe.identity());
                self.kept.insert(node.clone(), version);
                self.states.insert(node, NodeState::Committed { version, recipe });
            }
            Ok(Outcome::Same) => {
                let Some(released) = self.previous.and_then(|release| release.tables.get(&node)).cloned() else {
                    return;
                };
                tracing::info!(node = %node, seconds, "nothing that its rows are made of changed");
                self.keep(found, &released);
                self.note(found, "skipped", None, seconds);
                self.states.insert(node, NodeState::Current { released });
            }
            Err(RunError::Waits { because, .. }) => {
                let released = self.previous.and_then(|release| release.tables.get(&node)).cloned();
                if self.is_fed(&node) {
                    self.warnings.insert(format!("{node} is held: {because}"));
                }
                self.hold(found, released, Hold::Own { because });
            }
            Err(RunError::NotBuilt { .. }) => {
                let hold = Hold::Own { because: "it is not built for this night".to_owned() };
                self.unbuilt.push(node.clone());
                self.note(found, "held", Some(hold.to_string()), seconds);
                self.states.insert(node, NodeState::Held(hold));
            }
            Err(error) => {
                let message = format!("{error}{}", self.lack(found, &error));
                tracing::error!(node = %node, seconds, "failed: {message}");
                self.note(found, "failed", Some(message.clone()), seconds);
                self.states.insert(node, NodeState::Failed { message, kind: error.kind() });
            }
        }
    }

    /// The future that computes a node, holding only what it needs.
    async fn compute(
        &self,
        node: &Node,
        mut recipe: Recipe,
    ) -> Result<impl Future<Output = Computed> + use<>, RunError> {
        let model = self.context.project.models.get(&node.name).cloned();
        let scene = self.scene(&node.inputs).await?;
        let base = TableSnapshot::load(&self.context.lake, &node.name, None).await?;
        let released = self.previous.and_then(|release| release.tables.get(&node.name));
        let ahead = base.as_ref().is_some_and(|base| released.is_none_or(|table| table.version < base.version));
        let method = self.method(node, base.as_ref()).await?;
        if let Method::History(inputs) = &method {
            recipe.inputs.insert(OBSERVED.to_owned(), inputs.identity());
        }
        let work = Work {
            context: self.context.clone(),
            may_resume: !self.request.full_refresh,
            may_compute: self.request.includes(Stage::of(&node.name, self.context)),
            is_stage: self.request.stage.is_some(),
            is_fed: self.is_fed(&node.name),
            released: released.cloned(),
            ahead,
            name: node.name.clone(),
            scene,
            base,
            method,
            night: self.night,
            attempt: self.run_id.to_owned(),
            gate: Arc::clone(&self.gate),
        };
        Ok(work.computed(model, recipe))
    }
}
