//! Tables of the latest release that the project does not know any more: they leave the release, never without a word.

use super::context::{RunContext, RunRequest, Stage};
use super::error::RunError;
use super::report::RunReport;
use crate::release::Release;

/// What the next release will not have.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    pub models: Vec<String>,
    pub sources: Vec<String>,
}

impl Leaving {
    /// Holds the latest release against the project.
    ///
    /// # Errors
    /// [`RunError::User`] where the release has models and the project not a single one: more often a folder that was
    /// not checked out than a warehouse that is given up.
    pub fn of(context: &RunContext, previous: Option<&Release>) -> Result<Self, RunError> {
        let mut leaving = Self::default();
        for name in previous.iter().flat_map(|release| release.tables.keys().chain(release.views.keys())) {
            let is_source = name.starts_with("bronze.");
            let is_known = match is_source {
                true => context.project.contracts.values().any(|contract| contract.table == *name),
                false => context.graph.node(name).is_some(),
            };
            match (is_known, is_source) {
                (true, _) => {}
                (false, true) => leaving.sources.push(name.clone()),
                (false, false) => leaving.models.push(name.clone()),
            }
        }
        match (leaving.models.len(), context.graph.nodes.is_empty(), previous) {
            (count @ 1.., true, Some(release)) => Err(RunError::User {
                message: format!(
                    "the project has not a single model, and release {} has {count}: none of them would be left — look at `sql/` of the project in {}: is it there, and whole?",
                    release.id(),
                    context.project.root.display()
                ),
            }),
            _ => Ok(leaving),
        }
    }

    /// Says what leaves, where the run publishes.
    pub fn tell(&self, request: &RunRequest, report: &mut RunReport) {
        if !request.includes(Stage::Publish) {
            return;
        }
        for (names, what) in [(&self.models, "model"), (&self.sources, "source")] {
            let said = match names.as_slice() {
                [] => continue,
                [one] => format!("{one} leaves the release: the project has no such {what} any more"),
                more => format!("{} leave the release: the project has no such {what}s any more", more.join(", ")),
            };
            tracing::warn!("{said}");
            report.warnings.push(said);
        }
    }
}
