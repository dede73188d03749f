//! The SQL of a view as this run reads it, and as its release has it.
//!
//! | a view | its SQL |
//! |---|---|
//! | over what the project makes today | the project's |
//! | over a table that is not selected and stays, which has not yet what the project's asks for | the released one |
//! | that is held | the released one |
//! | while a release is restored | that release's |

use std::collections::{BTreeMap, BTreeSet};

use super::build::Build;
use super::error::RunError;
use super::held::Hold;
use super::state::NodeState;
use super::views;
use crate::error::ErrorKind;
use crate::graph::{Node, parse};
use crate::project::model::Materialized;
use crate::release::{Recipe, ReleasedView};
use crate::session::Effort;

/// The released SQL of a view.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub sql: String,
    /// Tables and views that it reads.
    pub inputs: BTreeSet<String>,
    /// Whether it asks for the night.
    by_night: bool,
}

impl Text {
    /// `None` where it cannot be read any more.
    fn of(name: &str, view: &ReleasedView) -> Option<Self> {
        let parsed = parse(name, &view.sql).ok()?;
        let (inputs, by_night) = (parsed.inputs.into_keys().collect(), !parsed.parameters.is_empty());
        Some(Self { sql: view.sql.clone(), inputs, by_night })
    }
}

impl Build<'_> {
    /// The SQL and the inputs of a view; `None` where the name is none of a view.
    pub(super) fn view_text<'b>(&'b self, name: &str) -> Option<(&'b str, &'b BTreeSet<String>)> {
        if self.candidates.contains_key(name) {
            return None;
        }
        if let Some(text) = self.texts.get(name) {
            return Some((&text.sql, &text.inputs));
        }
        let is_view = |node: &&Node| node.materialized == Materialized::View && !self.is_placed();
        let node = self.context.graph.node(name).filter(is_view)?;
        let model = self.context.project.models.get(name)?;
        Some((&model.sql, &node.inputs))
    }

    /// Reads views as a release has them.
    pub(super) fn take_texts(&mut self, views: &BTreeMap<String, ReleasedView>) {
        self.texts.extend(views.iter().filter_map(|(name, view)| Some((name.clone(), Text::of(name, view)?))));
    }

    fn released_view(&self, name: &str) -> Option<&ReleasedView> {
        self.previous()?.views.get(name)
    }

    /// A view that does not go out is read as it was released.
    pub(super) fn keep_text(&mut self, node: &Node) {
        let released = self.released_view(&node.name).filter(|_| node.materialized == Materialized::View);
        let text = released.and_then(|view| Text::of(&node.name, view));
        self.texts.extend(text.map(|text| (node.name.clone(), text)));
    }

    /// Sees to it that a view fits the tables that are left below it: what was not asked for has the columns of its own
    /// night.
    pub(super) async fn fit_view(&mut self, node: &Node) -> Result<(), RunError> {
        let is_out = matches!(self.states.get(&node.name), Some(NodeState::Built { .. }));
        let is_over_left = node.materialized == Materialized::View && is_out && self.behind.contains(&node.name);
        let Some(model) = self.context.project.models.get(&node.name).filter(|_| is_over_left) else { return Ok(()) };
        let released = self.released_view(&node.name);
        if released.is_some_and(|view| view.sql == model.sql) {
            return Ok(());
        }
        let released = released.and_then(|view| Text::of(&node.name, view));
        let Some(misfit) = self.misfit(&node.name, &model.sql, &node.inputs).await? else { return Ok(()) };
        let root = self.left_below(node).unwrap_or_default();
        let fits = match released.filter(|text| text.inputs.iter().all(|input| self.is_settled(input))) {
            Some(text) => self.misfit(&node.name, &text.sql, &text.inputs).await?.is_none().then_some(text),
            None => None,
        };
        let Some(text) = fits else {
            self.identities.remove(&node.name);
            self.hold(node, None, Hold::Behind { root });
            return Ok(());
        };
        let name = node.name.rsplit('.').next().unwrap_or(&node.name);
        self.warn(format!(
            "{} goes out with the SQL that readers have, for what it asks for by now is not in {root}, which is not selected ({misfit}) — `buho run --night {} --select +{name}` builds all that it reads",
            node.name,
            self.night()
        ));
        self.read_as(node, text);
        Ok(())
    }

    /// Lets a view go out with its released SQL.
    fn read_as(&mut self, node: &Node, text: Text) {
        let identity = |input: &String| (input.clone(), self.identity(input).unwrap_or_default().to_owned());
        let recipe = Recipe {
            code: text.sql.clone(),
            night: text.by_night.then_some(self.night()),
            inputs: text.inputs.iter().map(identity).collect(),
        };
        self.identities.insert(node.name.clone(), recipe.identity());
        self.states.insert(node.name.clone(), NodeState::Built { recipe });
        self.texts.insert(node.name.clone(), text);
    }

    /// What a node reads and is not selected, though a build would give other rows.
    pub(super) fn left_below(&self, node: &Node) -> Option<String> {
        node.inputs.iter().find(|input| self.behind.contains(*input)).cloned()
    }

    /// Why SQL cannot be asked of the tables as they are in this run; `None` where it can.
    async fn misfit(&self, name: &str, sql: &str, inputs: &BTreeSet<String>) -> Result<Option<String>, RunError> {
        let scene = self.scene(inputs).await?;
        let session = self.context.engine.session(Effort::Fast);
        let planned = match scene.open(&session, self.night()).await {
            Ok(()) => views::plan_sql(&session, name, sql, self.night()).await.map(drop),
            Err(error) => Err(error),
        };
        match planned {
            Err(error) if error.kind() == ErrorKind::User => Ok(Some(error.to_string())),
            planned => planned.map(|()| None),
        }
    }
}
