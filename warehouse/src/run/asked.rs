//! What a build is asked beyond its request, and what it must not leave out.

use std::sync::Arc;

use super::build::Build;
use super::context::Stage;
use super::error::RunError;
use super::ml;
use crate::graph::Node;

impl Build<'_> {
    /// Takes in what was asked of models.
    pub async fn take_decisions(&mut self) -> Result<(), RunError> {
        let found = ml::standing(&self.context.lake, &self.context.project).await?;
        self.identities.extend(ml::identities(&self.context.project, &found));
        self.asked = Arc::new(found);
        Ok(())
    }

    /// A release names what was built and audited: where a node waits for its computation, nothing goes out.
    ///
    /// # Errors
    /// [`RunError::User`] that names the nodes.
    pub fn refuse_unbuilt(&self) -> Result<(), RunError> {
        if self.unbuilt.is_empty() {
            return Ok(());
        }
        Err(RunError::User {
            message: format!(
                "not built for night {}: {} — run {} first, and see what it says of them",
                self.request.night,
                self.unbuilt.join(", "),
                self.stages_of_unbuilt()
            ),
        })
    }

    /// The commands that compute what was not.
    fn stages_of_unbuilt(&self) -> String {
        let stages: Vec<Stage> = self.unbuilt.iter().map(|node| Stage::of(node, self.context)).collect();
        let commands = [(Stage::Build, "build"), (Stage::Train, "train"), (Stage::Score, "score")];
        // Whatever waits for a model is scored after it.
        let follows = |stage: &Stage| *stage == Stage::Score && stages.contains(&Stage::Train);
        let needed = commands.iter().filter(|(stage, _)| stages.contains(stage) || follows(stage));
        let needed = needed.map(|(_, command)| format!("`buho {command} --night {}`", self.request.night));
        needed.collect::<Vec<_>>().join(", then ")
    }

    /// Nodes that wait, and none is at work that they could wait for.
    pub(super) fn stuck(&self, waiting: &[&Node]) -> RunError {
        let waits = |node: &&Node| {
            let inputs = node.inputs.iter().filter(|input| !self.is_settled(input));
            format!("{} for {}", node.name, inputs.map(String::as_str).collect::<Vec<_>>().join(", "))
        };
        let waiting: Vec<String> = waiting.iter().map(waits).collect();
        RunError::Defect { what: format!("nodes wait for tables that nothing makes: {}", waiting.join("; ")) }
    }
}
