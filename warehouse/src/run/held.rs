//! Why nodes stay at their last release, and who is told.

use super::build::Build;
use super::error::RunError;
use super::state::NodeState;
use crate::error::ErrorKind;
use crate::graph::Node;

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
    /// It asks for more than there is in a table or view which is not selected and stays: that one.
    Behind { root: String },
}

impl Hold {
    /// What follows for a node that reads `held`, which is held so.
    pub fn of_what_reads(&self, held: &str) -> Self {
        match self {
            Self::NotSelected => Self::Lacks { root: held.to_owned() },
            Self::Own { .. } => Self::Below { root: held.to_owned() },
            Self::Below { .. } | Self::Lacks { .. } | Self::Behind { .. } => self.clone(),
        }
    }

    /// Whether whoever started the run asked for no more, and nothing is wrong.
    pub fn is_by_selection(&self) -> bool {
        matches!(self, Self::NotSelected | Self::Lacks { .. } | Self::Behind { .. })
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSelected => f.write_str("it was never built and is not selected"),
            Self::Own { because } => f.write_str(because),
            Self::Below { root } => f.write_str(root),
            Self::Lacks { root } => write!(f, "{root} was never built and is not selected"),
            Self::Behind { root } => write!(f, "{root} does not have yet what is asked of it, and is not selected"),
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
            Hold::Lacks { .. } | Hold::Behind { .. } if is_selected => {
                self.warn(format!("{node} is held: {hold} — {}", select_all(node)));
            }
            hold if hold.is_by_selection() || !self.is_fed(node) => tracing::debug!(%node, "held: {hold}"),
            hold => tracing::warn!(%node, "held: {hold}"),
        }
    }

    /// What follows on the error of a node that asks for more than there is in what is left below it.
    pub(super) fn lack(&self, node: &Node, error: &RunError) -> String {
        match self.left_below(node).filter(|_| error.kind() == ErrorKind::User) {
            Some(left) => format!(
                " — {left} is not selected and stays as it was released, and may not have yet what is asked of it: {}",
                select_all(&node.name)
            ),
            None => String::new(),
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
        let is_ahead = matches!(self.states.get(name), Some(NodeState::Held(Hold::Behind { .. })));
        match self.view_text(name) {
            Some(_) if is_ahead && !self.texts.contains_key(name) => false,
            Some((_, inputs)) => inputs.iter().all(|input| self.is_there(input)),
            None => self.candidates.contains_key(name) || self.kept.contains_key(name),
        }
    }
}

/// The way out where a node needs more than is selected.
fn select_all(node: &str) -> String {
    let name = node.rsplit('.').next().unwrap_or(node);
    format!("`--select +{name}` selects all that it is made of")
}
