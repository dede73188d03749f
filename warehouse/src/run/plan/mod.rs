//! What a night would do, and why: nothing is loaded, computed or written.

mod forecast;
mod nodes;
mod pairs;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use self::forecast::Pending;
pub use self::forecast::WindowsPlan;
pub use self::nodes::NodePlan;
use self::nodes::{plan_nodes, tell_ahead};
use super::context::{RunContext, RunRequest};
use super::decide::Asked;
use super::error::RunError;
use super::held::Hold;
use super::leaving::Leaving;
use super::sources::{self, Wanted};
use super::state::{Candidate, NodeState};
use super::{evolution, ledgers, views};
use crate::error::ErrorKind;
use crate::ingest::{self, FreshnessState, IngestError, Reason};
use crate::project::contract::{Contract, Missing};
use crate::release;

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
    let wanted = Wanted::all(request.night, previous.as_ref());
    let built_for = wanted.undated;
    let contracts: Vec<&Contract> = context.project.contracts.values().collect();
    let sources: Vec<(SourcePlan, Standing)> = stream::iter(contracts)
        .map(|contract| plan_source(context, contract, &wanted))
        .buffered(SOURCES_AT_ONCE)
        .try_collect()
        .await?;
    let asked = Asked { context, request, night: built_for, run_id: "plan" };
    let mut nodes = plan_nodes(asked, previous.as_ref(), &sources).await?;
    tell_ahead(context, previous.as_ref(), &mut nodes).await;
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
    wanted: &Wanted,
) -> Result<(SourcePlan, Standing), RunError> {
    let (snapshot, strangers) = sources::own(context, contract).await?;
    let ledger = ledgers::load(&context.lake, &contract.name, snapshot.as_ref()).await?.ledger;
    let lost = sources::lost(context, contract, snapshot.as_ref(), wanted).await?;
    let loses = snapshot.as_ref().and_then(|bronze| evolution::refused_contract(contract, bronze));
    let refused = strangers.or(lost).or(loses);
    let candidate = Candidate::Unchanged { snapshot, schema: ingest::bronze_schema(contract) };
    let identity = views::bronze_identity(contract, &ledger, &candidate, wanted.undated);
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
    let looked = look(context, contract, &ledger, wanted, (&mut plan, &mut pending)).await;
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
    wanted: &Wanted,
    (plan, pending): (&mut SourcePlan, &mut Vec<Pending>),
) -> Result<Option<NodeState>, IngestError> {
    let night = wanted.night;
    let files = ingest::discover(context.raw.as_ref(), &context.raw_root, contract).await?;
    let found = ingest::plan_deliveries(contract, &files, ledger, night, wanted.undated);
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

fn leaves(node: String, what: &str) -> NodePlan {
    NodePlan::bare(node, "leave", format!("leaves the release: the project has no such {what} any more"))
}

impl NightPlan {
    /// Whether a run would have nothing to do.
    pub fn is_empty(&self) -> bool {
        self.sources.iter().all(|source| source.new.is_empty() && source.corrected.is_empty())
            && self.nodes.iter().all(NodePlan::is_idle)
    }
}
