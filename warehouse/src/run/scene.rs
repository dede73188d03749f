//! What a query sees: the tables and views it reads, as this run has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use super::build::Build;
use super::error::RunError;
use super::state::Candidate;
use super::views;
use crate::project::contract::Contract;
use crate::project::model::Materialized;
use crate::table::{PinnedTable, TableSnapshot};

/// Tables and views to be registered in a session, the views in order.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub tables: BTreeMap<String, Arc<dyn TableProvider>>,
    pub views: Vec<(String, String)>,
}

impl Scene {
    pub async fn open(&self, session: &SessionContext, night: NaiveDate) -> Result<(), RunError> {
        views::open(session, self.tables.clone(), &self.views, night).await
    }
}

impl Build<'_> {
    /// The tables and views that a query over `names` sees, with what the views read.
    pub async fn scene(&self, names: &BTreeSet<String>) -> Result<Scene, RunError> {
        self.scene_at(names, self.night()).await
    }

    /// As [`Self::scene`], bronze as another night sees it.
    pub(super) async fn scene_at(&self, names: &BTreeSet<String>, night: NaiveDate) -> Result<Scene, RunError> {
        let graph = &self.context.graph;
        let mut needed: BTreeSet<String> = names.clone();
        let mut views = Vec::new();
        for node in graph.nodes.iter().rev() {
            if node.materialized == Materialized::View && needed.contains(&node.name) {
                needed.extend(node.inputs.iter().cloned());
                if let Some(model) = self.context.project.models.get(&node.name) {
                    views.push((node.name.clone(), model.sql.clone()));
                }
            }
        }
        views.reverse();
        let mut tables = BTreeMap::new();
        for name in needed {
            let provider = match (self.candidates.get(&name), self.kept.get(&name)) {
                (Some(candidate), _) => Some(self.provider(&name, candidate, night)?),
                (None, Some(version)) => self.kept_table(&name, *version).await?,
                (None, None) => None,
            };
            if let Some(provider) = provider {
                tables.insert(name, provider);
            }
        }
        Ok(Scene { tables, views })
    }

    async fn kept_table(&self, name: &str, version: u64) -> Result<Option<Arc<dyn TableProvider>>, RunError> {
        let Some(snapshot) = TableSnapshot::load(&self.context.lake, name, Some(version)).await? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(PinnedTable::from_snapshot(&self.context.lake, &snapshot)?)))
    }

    pub(super) fn contract(&self, table: &str) -> Option<&Contract> {
        self.context.project.contracts.values().find(|contract| contract.table == table)
    }

    fn provider(
        &self,
        name: &str,
        candidate: &Candidate,
        night: NaiveDate,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        match self.contract(name) {
            Some(contract) => views::bronze_as_of(&self.context.lake, contract, candidate, night),
            None => Ok(candidate.provider(&self.context.lake, name)?),
        }
    }
}
