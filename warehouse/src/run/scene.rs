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
        let (needed, views) = self.needed(names);
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

    /// The tables behind some names, and the views among them, each after those it reads.
    fn needed(&self, names: &BTreeSet<String>) -> (BTreeSet<String>, Vec<(String, String)>) {
        let mut tables = BTreeSet::new();
        let mut views: Vec<(String, String)> = Vec::new();
        let mut path: Vec<(String, bool)> = names.iter().rev().map(|name| (name.clone(), false)).collect();
        while let Some((name, inputs_done)) = path.pop() {
            match self.view_text(&name) {
                Some(_) if views.iter().any(|(seen, _)| *seen == name) => {}
                Some((sql, _)) if inputs_done => views.push((name, sql.to_owned())),
                Some((_, inputs)) => {
                    path.push((name, true));
                    path.extend(inputs.iter().map(|input| (input.clone(), false)));
                }
                None => {
                    tables.insert(name);
                }
            }
        }
        (tables, views)
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
