//! What a night would do, and why: nothing is loaded, computed or written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::build::Build;
use super::context::{RunContext, RunRequest};
use super::decide::{Asked, Decision, decision, is_behind};
use super::error::RunError;
use super::forecast::{Ahead, Forecast, Pending, WindowsPlan};
use super::held::Hold;
use super::leaving::Leaving;
use super::planned::hold_pairs;
use super::standing as windows;
use super::state::{Candidate, NodeState};
use super::unasked::are_others;
use super::{diff, evolution, views};
use super::{ledgers, ml};
use crate::error::ErrorKind;
use crate::graph::Node;
use crate::ingest::{self, FreshnessState, IngestError, Reason};
use crate::project::contract::{Contract, Missing};
use crate::project::model::Materialized;
use crate::project::types::ColumnType;
use crate::release::{self, Recipe, Release, ReleasedTable};
use crate::table::TableSnapshot;

/// Sources listed beside each other.
const SOURCES_AT_ONCE: usize = 8;

/// The plan of a night.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NightPlan {
    pub night: NaiveDate,
    /// The night the tables would be built for: the highest released, if that is later.
    pub built_for: NaiveDate,
    /// The release that stands now.
    pub release: Option<String>,
    /// The release that it restores, where it is a rollback: what is built is built forward from that again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restores: Option<String>,
    pub sources: Vec<SourcePlan>,
    pub nodes: Vec<NodePlan>,
}

/// What would be read of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourcePlan {
    pub source: String,
    pub table: String,
    /// Files never seen, by path.
    pub new: Vec<String>,
    /// Known files with another content.
    pub corrected: Vec<String>,
    /// Files that are loaded already.
    pub unchanged: usize,
    /// Files that belong to a later night.
    pub waiting: usize,
    /// What the contract's `expect` says of the night as things stand.
    pub freshness: Option<String>,
    /// Deliveries that were read otherwise than the contract says by now, and the way out.
    pub reading: Option<String>,
    pub error: Option<String>,
}

/// What would be done with a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodePlan {
    pub node: String,
    /// `build`, `audit`, `skip`, `view`, `hold`, or `leave` for one that only the latest release has.
    pub action: String,
    pub why: String,
    /// Columns that would be added, dropped or changed.
    pub columns: Vec<String>,
    /// Of a table in windows those that would be built, as far as is known before the run.
    pub windows: Vec<WindowsPlan>,
    /// What else may be built of it, and is known only in the run.
    pub unknown: Vec<String>,
}

/// Plans a night.
///
/// # Errors
/// [`RunError::User`] where the night is in the future; else where the lake cannot be read. What is wrong with one source
/// is in its plan.
pub async fn plan_night(context: &RunContext, request: &RunRequest) -> Result<NightPlan, RunError> {
    context.refuse_future(request.night)?;
    release::check_format(&context.lake, false).await?;
    let previous = release::latest(&context.lake).await?;
    let leaving = Leaving::of(context, previous.as_ref())?;
    evolution::check(context, request, previous.as_ref()).await?;
    let built_for = previous.as_ref().map_or(request.night, |release| release.night.max(request.night));
    let contracts: Vec<&Contract> = context.project.contracts.values().collect();
    let sources: Vec<(SourcePlan, Standing)> = stream::iter(contracts)
        .map(|contract| plan_source(context, contract, request.night, built_for))
        .buffered(SOURCES_AT_ONCE)
        .try_collect()
        .await?;
    let mut nodes = plan_nodes(context, request, built_for, previous.as_ref(), &sources).await?;
    nodes.extend(leaving.models.into_iter().map(|name| leaves(name, "model")));
    nodes.extend(leaving.sources.into_iter().map(|name| leaves(name, "source")));
    Ok(NightPlan {
        night: request.night,
        built_for,
        restores: previous.as_ref().and_then(|release| release.restores.clone()),
        release: previous.map(|release| release.id().to_string()),
        sources: sources.into_iter().map(|(plan, _)| plan).collect(),
        nodes,
    })
}

/// How a source would enter the graph.
struct Standing {
    identity: String,
    state: Option<NodeState>,
    candidate: Candidate,
    pending: Vec<Pending>,
}

async fn plan_source(
    context: &RunContext,
    contract: &Contract,
    night: NaiveDate,
    built_for: NaiveDate,
) -> Result<(SourcePlan, Standing), RunError> {
    let snapshot = TableSnapshot::load(&context.lake, &contract.table, None).await?;
    let ledger = ledgers::load(&context.lake, &contract.name, snapshot.as_ref()).await?.ledger;
    let refused = snapshot.as_ref().and_then(|bronze| evolution::refused_contract(contract, bronze));
    let candidate = Candidate::Unchanged { snapshot, schema: ingest::bronze_schema(contract) };
    let identity = views::bronze_identity(contract, &ledger, &candidate, built_for);
    let mut plan = SourcePlan {
        source: contract.name.clone(),
        table: contract.table.clone(),
        new: Vec::new(),
        corrected: Vec::new(),
        unchanged: 0,
        waiting: 0,
        freshness: None,
        reading: None,
        error: None,
    };
    let mut pending = Vec::new();
    let looked = look(context, contract, &ledger, night, (&mut plan, &mut pending)).await;
    let looked = match refused {
        Some(because) => Err((because, ErrorKind::Data)),
        None => looked.map_err(|error| (error.to_string(), error.kind())),
    };
    let standing = match looked {
        Ok(state) => {
            let changes = plan.new.len() + plan.corrected.len();
            let identity = if changes == 0 { identity } else { format!("{identity}+{changes}") };
            Standing { identity, state, candidate, pending }
        }
        Err((message, kind)) => {
            plan.error = Some(message.clone());
            let state = NodeState::Failed { message, kind };
            Standing { identity, state: Some(state), candidate, pending: Vec::new() }
        }
    };
    Ok((plan, standing))
}

async fn look(
    context: &RunContext,
    contract: &Contract,
    ledger: &ingest::Ledger,
    night: NaiveDate,
    (plan, pending): (&mut SourcePlan, &mut Vec<Pending>),
) -> Result<Option<NodeState>, IngestError> {
    let files = ingest::discover(context.raw.as_ref(), &context.raw_root, contract).await?;
    let found = ingest::plan_deliveries(contract, &files, ledger, night);
    for delivery in &found.deliveries {
        let path = delivery.file.path.clone();
        pending.push(Pending { path: path.clone(), night: delivery.night, replaces: delivery.reason.replaces() });
        match delivery.reason {
            Reason::New | Reason::Skipped { .. } => plan.new.push(path),
            Reason::Changed { .. } | Reason::Again { .. } => plan.corrected.push(path),
        }
    }
    let time_zone = context.project.settings.time_zone;
    let otherwise = ingest::read_otherwise(contract, time_zone, &files, ledger, night);
    plan.reading = otherwise.map(|otherwise| otherwise.told(contract, night));
    plan.new.extend(found.left_out().map(str::to_owned));
    plan.unchanged = found.unchanged.len();
    plan.waiting = found.waiting.len();
    if !found.is_empty() {
        // How many rows come is known once they are read.
        return Ok(None);
    }
    let now = context.clock.now().with_timezone(&time_zone).naive_local();
    let freshness = ingest::freshness(contract, ledger, night, now)?;
    let unused = freshness.state == FreshnessState::Never && freshness.action != Some(Missing::Fail);
    if unused {
        return Ok(None);
    }
    plan.freshness = Some(freshness.message.clone());
    Ok(match freshness.action {
        Some(Missing::Hold | Missing::Fail) => Some(NodeState::Held(Hold::Own { because: freshness.message })),
        _ => None,
    })
}

async fn plan_nodes(
    context: &RunContext,
    request: &RunRequest,
    night: NaiveDate,
    previous: Option<&Release>,
    sources: &[(SourcePlan, Standing)],
) -> Result<Vec<NodePlan>, RunError> {
    let decisions = ml::standing(&context.lake, &context.project).await?;
    let mut identities: BTreeMap<_, _> = ml::identities(&context.project, &decisions).into_iter().collect();
    let mut states = BTreeMap::new();
    for (plan, standing) in sources {
        identities.insert(plan.table.clone(), standing.identity.clone());
        states.extend(standing.state.clone().map(|state| (plan.table.clone(), state)));
    }
    let mut ahead = ahead(context, request, night, previous, sources);
    ahead.build.take_ops().await?;
    identities.extend(ahead.build.identities.clone());
    let mut behind = BTreeSet::new();
    let mut plans = Vec::new();
    for node in &context.graph.nodes {
        let released = previous.and_then(|release| release.tables.get(&node.name));
        let asked = Asked { context, request, night, run_id: "plan" };
        let made_from = asked.recipe(node, &identities, released);
        let decided = decision(node, &states, released, &made_from, asked);
        let over = node.inputs.iter().find(|input| behind.contains(*input)).cloned();
        if is_behind(node, &decided, &behind) {
            behind.insert(node.name.clone());
        }
        let forecast = if is_built(&decided) { ahead.forecast(node).await? } else { None };
        let (action, why, identity) = match decided {
            Decision::Build { .. } if stays(context, node, released, &made_from, forecast.as_ref()).await? => {
                let identity = released.map(|table| table.recipe.identity()).unwrap_or_default();
                ("skip", NOTHING_CHANGED.to_owned(), identity)
            }
            Decision::Build { why } => ("build", why, made_from.identity()),
            Decision::Leave { released, why } => ("skip", why, released.recipe.identity()),
            Decision::Keep { released } => {
                let (action, why) = kept(context, &node.name, &released);
                let why = over.map_or(why.to_owned(), |over| format!("not of this night, with {over}"));
                (action, why, released.recipe.identity())
            }
            Decision::View => ("view", view_reason(previous, node.name.as_str()), made_from.identity()),
            Decision::Hold(hold) => {
                states.insert(node.name.clone(), NodeState::Held(hold.clone()));
                ("hold", held(&hold), String::new())
            }
        };
        identities.insert(node.name.clone(), identity);
        let columns = match (action, node.materialized) {
            ("build", materialized) if materialized != Materialized::View => {
                column_changes(context, &node.name, released.map(|table| table.version)).await?
            }
            _ => Vec::new(),
        };
        let forecast = forecast.filter(|_| action == "build");
        let (windows, unknown) = forecast.as_ref().map(|known| (known.windows(), known.unknown())).unwrap_or_default();
        if action == "build" {
            ahead.built.insert(node.name.clone(), forecast);
        }
        plans.push(NodePlan { node: node.name.clone(), action: action.to_owned(), why, columns, windows, unknown });
    }
    hold_pairs(&ahead, &mut states, &mut plans);
    Ok(plans)
}

/// Why a node would stay.
pub(super) fn held(hold: &Hold) -> String {
    if let Hold::Below { root } = hold { format!("with {root}") } else { hold.to_string() }
}

const NOTHING_CHANGED: &str = "nothing that its rows are made of changed";

/// Whether a build would look at its inputs and leave the table as it is: it is known that it did, or that no window of
/// it changed.
async fn stays(
    context: &RunContext,
    node: &Node,
    released: Option<&ReleasedTable>,
    made_from: &Recipe,
    forecast: Option<&Forecast>,
) -> Result<bool, RunError> {
    let Some(released) = released.filter(|_| node.materialized.is_windowed()) else { return Ok(false) };
    if forecast.is_some_and(Forecast::is_empty) {
        return Ok(true);
    }
    let known = windows::Standing::load(&context.lake, &node.name, &made_from.identity()).await?;
    Ok(known.and_then(|known| known.same_as).is_some_and(|same| same == released.recipe.identity()))
}

fn is_built(decision: &Decision) -> bool {
    matches!(decision, Decision::Build { .. })
}

/// What is done with a table that stays as it is, and why.
fn kept(context: &RunContext, name: &str, released: &ReleasedTable) -> (&'static str, &'static str) {
    match context.project.models.get(name).is_some_and(|model| are_others(released, model)) {
        true => ("audit", "nothing it depends on changed; its audits did"),
        false => ("skip", "nothing it depends on changed"),
    }
}

/// What the run would start from.
fn ahead<'a>(
    context: &'a RunContext,
    request: &'a RunRequest,
    night: NaiveDate,
    previous: Option<&'a Release>,
    sources: &[(SourcePlan, Standing)],
) -> Ahead<'a> {
    let mut build = Build::new(context, request, night, "plan", previous, &[]);
    for (plan, standing) in sources {
        build.place(&plan.table, standing.candidate.clone(), None);
    }
    for (table, released) in previous.iter().flat_map(|release| &release.tables) {
        if context.graph.node(table).is_some() {
            build.kept.insert(table.clone(), released.version);
        }
    }
    let pending = sources.iter().map(|(plan, standing)| (plan.table.clone(), standing.pending.clone())).collect();
    Ahead { build, pending, built: BTreeMap::new() }
}

fn leaves(node: String, what: &str) -> NodePlan {
    NodePlan {
        node,
        action: "leave".to_owned(),
        why: format!("leaves the release: the project has no such {what} any more"),
        columns: Vec::new(),
        windows: Vec::new(),
        unknown: Vec::new(),
    }
}

fn view_reason(previous: Option<&Release>, name: &str) -> String {
    match previous.and_then(|release| release.views.get(name)) {
        Some(_) => "computed where it is read".to_owned(),
        None => "new; computed where it is read".to_owned(),
    }
}

/// What would change in a table's columns.
async fn column_changes(context: &RunContext, table: &str, version: Option<u64>) -> Result<Vec<String>, RunError> {
    let (Some(version), Some(model)) = (version, context.project.models.get(table)) else {
        return Ok(Vec::new());
    };
    let Some(snapshot) = TableSnapshot::load(&context.lake, table, Some(version)).await? else {
        return Ok(Vec::new());
    };
    let declared: Vec<(&str, Option<ColumnType>)> =
        model.spec.columns.iter().map(|column| (column.name.as_str(), Some(column.kind.value))).collect();
    Ok(diff::column_changes(&diff::sql_types(&snapshot.schema), &declared))
}

impl NightPlan {
    /// Whether a run would have nothing to do.
    pub fn is_empty(&self) -> bool {
        self.sources.iter().all(|source| source.new.is_empty() && source.corrected.is_empty())
            && self.nodes.iter().all(|node| !matches!(node.action.as_str(), "build" | "audit" | "leave"))
    }
}
