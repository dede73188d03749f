//! `ops` tables as models and audits read them: as they stand when the build begins, and once a night.
//!
//! Every run adds to them, so their version cannot say whether a table over them is to be built again: a second run of
//! a night would always have something to do. The night says it.

use std::collections::BTreeSet;

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::ops::ops_schemas;
use super::state::Candidate;
use crate::audit;
use crate::table::TableSnapshot;

impl Build<'_> {
    /// Takes in the `ops` tables that the project reads. One that no run has written yet is empty.
    pub(super) async fn take_ops(&mut self) -> Result<(), RunError> {
        let read = read_by(self.context);
        for (name, schema) in ops_schemas().into_iter().filter(|(name, _)| read.contains(*name)) {
            let snapshot = TableSnapshot::load(&self.context.lake, name, None).await?;
            self.place(name, Candidate::Unchanged { snapshot, schema }, None);
            self.identities.insert(name.to_owned(), format!("night {}", self.night()));
        }
        Ok(())
    }
}

/// The `ops` tables that models and their audits read.
fn read_by(context: &RunContext) -> BTreeSet<String> {
    let inputs = context.graph.nodes.iter().flat_map(|node| node.inputs.iter().cloned());
    let compared = context.project.models.values().flat_map(audit::tables_read);
    inputs.chain(compared).filter(|table| table.starts_with("ops.")).collect()
}
