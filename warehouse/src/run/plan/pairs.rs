//! What a plan holds beyond what its inputs tell: the tables that an audit compares with those that stay.

use std::collections::{BTreeMap, BTreeSet};

use super::forecast::Ahead;
use super::nodes::{NodePlan, held};
use crate::project::model::{Materialized, WhenHeld};
use crate::run::decide::blocked;
use crate::run::held::Hold;
use crate::run::pairs::{self, Compared};
use crate::run::state::NodeState;

/// Holds what a run would build and not let out, by the rule of the run.
pub(super) fn hold_pairs(ahead: &Ahead<'_>, states: &mut BTreeMap<String, NodeState>, plans: &mut [NodePlan]) {
    let context = ahead.build.context;
    loop {
        let going = plans.iter().filter(|plan| matches!(plan.action.as_str(), "build" | "view"));
        let built = going.map(|plan| plan.node.clone()).collect();
        let planned = Planned { ahead, states, built };
        let mut parted = pairs::parted(context, &planned);
        parted.retain(|pair| pair.when_held == WhenHeld::Hold);
        if parted.is_empty() {
            return;
        }
        for pair in parted {
            states.insert(pair.fresh, NodeState::Held(Hold::Own { because: pair.because }));
        }
        for node in &context.graph.nodes {
            let stays = matches!(states.get(&node.name), Some(NodeState::Held(_) | NodeState::Failed { .. }));
            if let Some(hold) = blocked(node, states).filter(|_| !stays) {
                states.insert(node.name.clone(), NodeState::Held(hold));
            }
        }
        for plan in plans.iter_mut().filter(|plan| plan.action != "hold") {
            if let Some(NodeState::Held(hold)) = states.get(&plan.node) {
                *plan = NodePlan::bare(plan.node.clone(), "hold", held(hold));
            }
        }
    }
}

/// The tables as the plan has them.
struct Planned<'a> {
    ahead: &'a Ahead<'a>,
    states: &'a BTreeMap<String, NodeState>,
    /// What goes on: tables that would be built, and views.
    built: BTreeSet<String>,
}

impl Compared for Planned<'_> {
    fn is_built(&self, table: &str) -> bool {
        self.built.contains(table)
    }

    fn is_held(&self, table: &str) -> bool {
        let stays = match self.states.get(table) {
            Some(NodeState::Failed { .. }) => true,
            Some(NodeState::Held(hold)) => !hold.is_by_selection(),
            _ => false,
        };
        stays && self.ahead.build.context.graph.node(table).is_some()
    }

    fn is_there(&self, table: &str) -> bool {
        match self.ahead.build.context.graph.node(table).filter(|node| node.materialized == Materialized::View) {
            Some(view) => view.inputs.iter().all(|input| self.is_there(input)),
            None => self.is_built(table) || self.ahead.build.is_there(table),
        }
    }
}
