//! Why nodes stay at their last release, and who is told.

use super::build::Build;
use super::state::NodeState;
use crate::project::model::Materialized;

/// Why a node stays at its last release, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It was never built, and the run is not asked to.
    NotSelected,
    /// For a reason of its own.
    Own { because: String },
    /// What it reads stays, all because of one that failed or is held for a reason of its own: that one.
    Below { root: String },
    /// What it reads stays, all because of one that was never built and is not selected: that one.
    Lacks { root: String },
}

impl Hold {
    /// What follows for a node that reads `held`, which is held so.
    pub fn of_what_reads(&self, held: &str) -> Self {
        match self {
            Self::NotSelected => Self::Lacks { root: held.to_owned() },
            Self::Own { .. } => Self::Below { root: held.to_owned() },
            Self::Below { .. } | Self::Lacks { .. } => self.clone(),
        }
    }

    /// Whether whoever started the run asked for no more, and nothing is wrong.
    pub fn is_by_selection(&self) -> bool {
        matches!(self, Self::NotSelected | Self::Lacks { .. })
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSelected => f.write_str("it was never built and is not selected"),
            Self::Own { because } => f.write_str(because),
            Self::Below { root } => f.write_str(root),
            Self::Lacks { root } => write!(f, "{root} was never built and is not selected"),
        }
    }
}

impl Build<'_> {
    /// A node that was built, and must not go out.
    pub fn hold_built(&mut self, node: &str, hold: Hold) {
        if matches!(self.states.get(node), Some(NodeState::Failed { .. } | NodeState::Held(_))) {
            return;
        }
        self.tell_held(node, &hold);
        self.restate(node, "held", hold.to_string());
        self.states.insert(node.to_owned(), NodeState::Held(hold));
    }

    /// Says that a node is held: aloud, unless it was not asked for or nothing was ever delivered for it.
    pub(super) fn tell_held(&mut self, node: &str, hold: &Hold) {
        let is_selected = self.request.select.as_ref().is_none_or(|selection| selection.contains(node));
        match hold {
            Hold::Lacks { root } if is_selected => {
                let name = node.rsplit('.').next().unwrap_or(node);
                let way_out = format!("`--select +{name}` selects all that it is made of");
                self.warn(format!("{node} is held: {root} was never built and is not selected — {way_out}"));
            }
            hold if hold.is_by_selection() || !self.is_fed(node) => tracing::debug!(%node, "held: {hold}"),
            hold => tracing::warn!(%node, "held: {hold}"),
        }
    }

    /// Whether anything was ever delivered of what a node is made from. Of a pack without exports nothing is to be
    /// expected.
    pub(super) fn is_fed(&self, node: &str) -> bool {
        let behind = self.context.graph.ancestors([node]);
        let mut sources = behind.iter().filter(|table| self.ledgers.contains_key(*table)).peekable();
        let has_come = |table: &String| {
            let delivered = self.ledgers.get(table).is_some_and(|ledger| !ledger.deliveries.is_empty());
            delivered || self.states.contains_key(table)
        };
        sources.peek().is_none() || sources.any(has_come)
    }

    /// Whether a table or view can be read in this run.
    pub(super) fn is_there(&self, name: &str) -> bool {
        match self.context.graph.node(name).filter(|node| node.materialized == Materialized::View) {
            Some(view) => view.inputs.iter().all(|input| self.is_there(input)),
            None => self.candidates.contains_key(name) || self.kept.contains_key(name),
        }
    }
}
