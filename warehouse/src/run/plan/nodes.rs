//! What a run would do with each node, and why.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use serde::Serialize;

use super::forecast::{Ahead, Forecast, WindowsPlan};
use super::pairs::hold_pairs;
use super::{SourcePlan, Standing};
use crate::error::ErrorKind;
use crate::graph::Node;
use crate::project::model::Materialized;
use crate::project::types::ColumnType;
use crate::release::{Recipe, Release, ReleasedTable};
use crate::run::above::{AT_ONCE, is_to_put_back};
use crate::run::build::Build;
use crate::run::context::RunContext;
use crate::run::decide::{Asked, Decision, decision, is_behind};
use crate::run::error::RunError;
use crate::run::ground::Ground;
use crate::run::held::Hold;
use crate::run::standing as windows;
use crate::run::state::NodeState;
use crate::run::unasked::are_others;
use crate::run::{diff, ml};
use crate::table::TableSnapshot;

/// What would be done with a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodePlan {
    pub node: String,
    /// `build`, `audit`, `skip`, `view`, `hold`; `fail` where a run would refuse to build it, `reset` where all there is to
    /// do is to put the released rows back, and `leave` for one that only the latest release has.
    pub action: String,
    pub why: String,
    /// Columns that would be added, dropped or changed.
    pub columns: Vec<String>,
    /// Of a table in windows those that would be built, as far as is known before the run.
    pub windows: Vec<WindowsPlan>,
    /// What else may be built of it, and is known only in the run.
    pub unknown: Vec<String>,
    /// Whether the run puts the released rows back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_put_back: bool,
}

impl NodePlan {
    /// Of a node of which nothing is built.
    pub fn bare(node: String, action: &str, why: String) -> Self {
        let (columns, windows, unknown) = (Vec::new(), Vec::new(), Vec::new());
        Self { node, action: action.to_owned(), why, columns, windows, unknown, is_put_back: false }
    }

    /// Whether a run leaves it as it is, and has nothing to say of it.
    pub fn is_idle(&self) -> bool {
        !self.is_put_back && !matches!(self.action.as_str(), "build" | "audit" | "leave" | "fail")
    }
}

const NOTHING_CHANGED: &str = "nothing that its rows are made of changed";

/// Plans the nodes, each after what it reads.
pub(super) async fn plan_nodes(
    asked: Asked<'_>,
    previous: Option<&Release>,
    sources: &[(SourcePlan, Standing)],
) -> Result<Vec<NodePlan>, RunError> {
    let context = asked.context;
    let decisions = ml::standing(&context.lake, &context.project).await?;
    let mut planner = Planner {
        asked,
        previous,
        identities: ml::identities(&context.project, &decisions).into_iter().collect(),
        states: BTreeMap::new(),
        behind: BTreeSet::new(),
        ahead: ahead(asked, previous, sources),
    };
    for (plan, standing) in sources {
        planner.identities.insert(plan.table.clone(), standing.identity.clone());
        planner.states.extend(standing.state.clone().map(|state| (plan.table.clone(), state)));
    }
    planner.ahead.build.take_ops().await?;
    planner.identities.extend(planner.ahead.build.identities.clone());
    let mut plans = Vec::new();
    for node in &context.graph.nodes {
        plans.push(planner.plan(node).await?);
    }
    hold_pairs(&planner.ahead, &mut planner.states, &mut plans);
    Ok(plans)
}

/// Why a node would stay.
pub(super) fn held(hold: &Hold) -> String {
    if let Hold::Below { root } = hold { format!("with {root}") } else { hold.to_string() }
}

/// What the run would start from.
fn ahead<'a>(asked: Asked<'a>, previous: Option<&'a Release>, sources: &[(SourcePlan, Standing)]) -> Ahead<'a> {
    let mut build = Build::new(asked.context, asked.request, asked.night, asked.run_id, previous, &[]);
    for (plan, standing) in sources {
        build.place(&plan.table, standing.candidate.clone(), None);
    }
    for (table, released) in previous.iter().flat_map(|release| &release.tables) {
        if asked.context.graph.node(table).is_some() {
            build.kept.insert(table.clone(), released.version);
        }
    }
    let pending = sources.iter().map(|(plan, standing)| (plan.table.clone(), standing.pending.clone())).collect();
    Ahead { build, pending, built: BTreeMap::new() }
}

/// What is known while nodes are planned.
struct Planner<'a> {
    asked: Asked<'a>,
    previous: Option<&'a Release>,
    identities: BTreeMap<String, String>,
    states: BTreeMap<String, NodeState>,
    /// Nodes that are not wholly of the night.
    behind: BTreeSet<String>,
    ahead: Ahead<'a>,
}

/// What becomes of a node.
struct Planned {
    action: &'static str,
    why: String,
    /// What then identifies its rows.
    identity: String,
    forecast: Option<Forecast>,
}

impl Planned {
    fn new(action: &'static str, why: impl Into<String>, identity: String) -> Self {
        Self { action, why: why.into(), identity, forecast: None }
    }
}

impl Planner<'_> {
    async fn plan(&mut self, node: &Node) -> Result<NodePlan, RunError> {
        let released = self.previous.and_then(|release| release.tables.get(&node.name));
        let Planned { action, why, identity, forecast } = self.planned(node, released).await?;
        self.identities.insert(node.name.clone(), identity);
        let columns = match (action, node.materialized) {
            ("build", materialized) if materialized != Materialized::View => {
                self.column_changes(&node.name, released.map(|table| table.version)).await?
            }
            _ => Vec::new(),
        };
        let (windows, unknown) = forecast.as_ref().map(|known| (known.windows(), known.unknown())).unwrap_or_default();
        if action == "build" {
            self.ahead.built.insert(node.name.clone(), forecast);
        }
        Ok(NodePlan { columns, windows, unknown, ..NodePlan::bare(node.name.clone(), action, why) })
    }

    async fn planned(&mut self, node: &Node, released: Option<&ReleasedTable>) -> Result<Planned, RunError> {
        let made_from = self.asked.recipe(node, &self.identities, released);
        let decided = decision(node, &self.states, released, &made_from, self.asked);
        let over = node.inputs.iter().find(|input| self.behind.contains(*input)).cloned();
        if is_behind(node, &decided, &self.behind) {
            self.behind.insert(node.name.clone());
        }
        Ok(match decided {
            Decision::Build { why } => self.built(node, released, &made_from, why).await?,
            Decision::Leave { released, why } => Planned::new("skip", why, released.recipe.identity()),
            Decision::Keep { released } => {
                let (action, why) = self.kept(&node.name, &released);
                let why = over.map_or(why.to_owned(), |over| format!("not of this night, with {over}"));
                Planned::new(action, why, released.recipe.identity())
            }
            Decision::View => Planned::new("view", self.view_reason(&node.name), made_from.identity()),
            Decision::Hold(hold) => {
                self.states.insert(node.name.clone(), NodeState::Held(hold.clone()));
                let why = held(&hold);
                Planned::new("hold", why, String::new())
            }
        })
    }

    /// A node that would be built, unless the run finds that it must not be, or that nothing changed.
    async fn built(
        &mut self,
        node: &Node,
        released: Option<&ReleasedTable>,
        made_from: &Recipe,
        why: String,
    ) -> Result<Planned, RunError> {
        let base = TableSnapshot::load(&self.asked.context.lake, &node.name, None).await?;
        let refused = self.refused(node, base.as_ref(), released).await?;
        let forecast = match refused {
            None => self.ahead.forecast(node, base).await?,
            Some(_) => None,
        };
        if let Some(because) = refused.or_else(|| forecast.as_ref().and_then(|known| known.refused.clone())) {
            let state = NodeState::Failed { message: because.clone(), kind: ErrorKind::Data };
            self.states.insert(node.name.clone(), state);
            return Ok(Planned::new("fail", because, String::new()));
        }
        if self.stays(node, released, made_from, forecast.as_ref()).await? {
            let identity = released.map(|table| table.recipe.identity()).unwrap_or_default();
            return Ok(Planned::new("skip", NOTHING_CHANGED, identity));
        }
        Ok(Planned { forecast, ..Planned::new("build", why, made_from.identity()) })
    }

    /// What a run would say of a table on which it does not build.
    async fn refused(
        &self,
        node: &Node,
        base: Option<&TableSnapshot>,
        released: Option<&ReleasedTable>,
    ) -> Result<Option<String>, RunError> {
        let context = self.asked.context;
        let is_learnt = context.project.models.get(&node.name).is_some_and(|model| model.ml.is_some());
        let ground = Ground {
            lake: &context.lake,
            name: &node.name,
            base,
            released: released.map(|table| table.version),
            may_resume: !self.asked.request.full_refresh,
            is_rebuilt: !is_learnt && node.materialized != Materialized::Scd2,
        };
        match ground.refuse().await {
            Ok(()) => self.ahead.build.lost_history(node, base).await,
            Err(RunError::Query { message, kind: ErrorKind::Data, .. }) => Ok(Some(message)),
            Err(error) => Err(error),
        }
    }

    /// Whether a build would look at its inputs and leave the table as it is: it is known that it did, or that no window
    /// of it changed.
    async fn stays(
        &self,
        node: &Node,
        released: Option<&ReleasedTable>,
        made_from: &Recipe,
        forecast: Option<&Forecast>,
    ) -> Result<bool, RunError> {
        let Some(released) = released.filter(|_| node.materialized.is_windowed()) else { return Ok(false) };
        if forecast.is_some_and(Forecast::is_empty) {
            return Ok(true);
        }
        let known = windows::Standing::load(&self.asked.context.lake, &node.name, &made_from.identity()).await?;
        Ok(known.and_then(|known| known.same_as).is_some_and(|same| same == released.recipe.identity()))
    }

    /// What is done with a table that stays as it is, and why.
    fn kept(&self, name: &str, released: &ReleasedTable) -> (&'static str, &'static str) {
        match self.asked.context.project.models.get(name).is_some_and(|model| are_others(released, model)) {
            true => ("audit", "nothing it depends on changed; its audits did"),
            false => ("skip", "nothing it depends on changed"),
        }
    }

    fn view_reason(&self, name: &str) -> &'static str {
        match self.previous.and_then(|release| release.views.get(name)) {
            Some(_) => "computed where it is read",
            None => "new; computed where it is read",
        }
    }

    /// What would change in a table's columns.
    async fn column_changes(&self, table: &str, version: Option<u64>) -> Result<Vec<String>, RunError> {
        let context = self.asked.context;
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
}

/// Says of which tables that stay the run puts the released rows back. A log that cannot be read now is told by the run.
pub(super) async fn tell_ahead(context: &RunContext, previous: Option<&Release>, nodes: &mut [NodePlan]) {
    let stays =
        nodes.iter().enumerate().filter(|(_, node)| matches!(node.action.as_str(), "skip" | "audit" | "hold" | "fail"));
    let asked = stays.map(|(place, node)| (place, node.node.clone())).collect::<Vec<_>>();
    let asked = asked.into_iter().map(|(place, table)| async move {
        is_to_put_back(context, &table, previous).await.is_ok_and(|is_ahead| is_ahead).then_some(place)
    });
    let found: BTreeSet<usize> = stream::iter(asked).buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    for (_, node) in nodes.iter_mut().enumerate().filter(|(place, _)| found.contains(place)) {
        node.is_put_back = true;
        if node.action == "skip" {
            node.action = "reset".to_owned();
        }
        node.why
            .push_str("; a run that did not get to its release left other rows, and the released ones are put back");
    }
}
