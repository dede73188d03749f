//! What audits proved of a table's files, so that the next night asks only of files that came.
//!
//! Files never change. Where a check looks at rows one by one and no row of some files failed it, none of them
//! ever will; keys that differ among some files differ among any of them, and a new file's keys have to differ
//! from theirs. A file that a change wrote anew without some of its rows is as known as it was before. Keys that were
//! found in another table are found as long as that table has all the keys it had ([`super::parents`]).
//! `_buho/audited/<node>/<identity>.json`, written before the release that names the identity; where
//! it is missing, all is asked of all rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::execution::context::SessionContext;
use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::audits::{Question, audited_as};
use super::build::Build;
use super::error::{RunError, is_out_of_memory};
use super::maintain::remove_old;
use super::method::only_scan;
use super::parents::{self, Parent};
use super::reads::BaseTable;
use crate::audit::{self, AuditOutcome, Check, Reads};
use crate::identity::word_of;
use crate::project::model::{Materialized, Model};
use crate::release::Release;
use crate::table::{DataFile, Lake, TableError};

const FOLDER: &str = "_buho/audited";
/// A night that brings more than this share of the rows asks of all of them.
const SMALL_SHARE: u64 = 4;

/// What was asked of which files, and passed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Proof {
    /// The checks, and the SQL through which the files are seen.
    asked: String,
    files: BTreeSet<String>,
    /// Names of the checks that passed.
    passed: BTreeSet<String>,
    /// The tables in which keys were found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parents: BTreeMap<String, parents::Files>,
}

fn file(table: &str, identity: &str) -> String {
    format!("{FOLDER}/{table}/{identity}.json")
}

/// What a node's rows come from, and what is known of its files.
pub(super) struct Grounds {
    base: BaseTable,
    asked: String,
    known: Vec<DataFile>,
    fresh: Vec<DataFile>,
    passed: BTreeSet<String>,
    parents: BTreeMap<String, Parent>,
    night: NaiveDate,
}

impl Grounds {
    /// `None` where a node's rows cannot be told apart by the files they come from.
    pub async fn find(build: &Build<'_>, model: &Model) -> Result<Option<Self>, RunError> {
        let lake = &build.context.lake;
        let (Some(node), Some(base)) = (build.context.graph.node(&model.name), build.stored_behind(&model.name).await?)
        else {
            return Ok(None);
        };
        if node.materialized == Materialized::Table {
            return Ok(None);
        }
        let asked = word_of([audit::fingerprint(model).to_hex().to_string(), build.code(node)]);
        let before = match build.previous().and_then(|release| name_in(release, &model.name)) {
            Some(identity) => lake.read(&file(&model.name, &identity)).await?,
            None => None,
        };
        // A record that cannot be read proves nothing.
        let before = before.and_then(|found| serde_json::from_slice::<Proof>(&found).ok());
        let proof = before.filter(|proof| proof.asked == asked).unwrap_or_default();
        let night = build.night();
        let is_proven = |file: &DataFile| proof.files.contains(&base.key(file, night));
        let handed_on = base.candidate.handed_on(is_proven);
        let (known, fresh) =
            base.files().into_iter().partition(|file| is_proven(file) || handed_on.contains(file.path.as_str()));
        let mut parents = BTreeMap::new();
        for parent in audit::parents(model) {
            // What is cut by files itself is not there whole beside some of its files.
            let found = Parent::find(build, &parent, proof.parents.get(&parent)).await?;
            let apart = found.filter(|found| found.base.table != base.table);
            parents.extend(apart.map(|found| (parent, found)));
        }
        Ok(Some(Self { base, asked, known, fresh, passed: proof.passed, parents, night }))
    }

    /// Whether little enough came for asking of it apart.
    pub fn is_small_change(&self) -> bool {
        let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<Option<u64>>();
        match (rows(&self.known), rows(&self.fresh)) {
            (Some(known), Some(fresh)) => known > 0 && fresh.saturating_mul(SMALL_SHARE) <= known,
            _ => false,
        }
    }

    pub fn brings_nothing(&self) -> bool {
        self.fresh.is_empty()
    }

    /// What is seen of nothing but the files that came, and of nothing but those that are known.
    pub async fn sessions(&self, question: &Question<'_>) -> Result<(SessionContext, SessionContext), RunError> {
        let fresh = question.session_of(&self.base, &self.fresh).await?;
        Ok((fresh, question.session_of(&self.base, &self.known).await?))
    }

    /// One word for the files that came.
    pub fn scope(&self) -> String {
        word_of(self.fresh.iter().chain(&self.known).map(|file| format!("{}\n", file.path)))
    }

    /// Whether a check that the known files passed has to be asked of the others alone.
    pub async fn splits(
        &self,
        question: &Question<'_>,
        session: &SessionContext,
        check: &Check,
        as_written: &Check,
    ) -> Result<bool, RunError> {
        if !self.passed.contains(&check.name) {
            return Ok(false);
        }
        Ok(match (&check.reads, &as_written.reads) {
            (Reads::Rows { .. } | Reads::Keys { .. }, _) => true,
            (Reads::Count { .. }, _) => false,
            (Reads::Orphans { parent, field, .. }, _) => self.still_has_all(question, parent, field).await?,
            // What asks for the night may pass at one and fail at another.
            (Reads::Query { sql }, Reads::Query { sql: written }) if sql == written => {
                let plan = session.state().create_logical_plan(sql).await;
                plan.is_ok_and(|plan| only_scan(&plan).is_some_and(|table| table == check.node))
            }
            (Reads::Query { .. }, _) => false,
        })
    }

    /// Whether a table has every key that the known files' rows could be found by.
    async fn still_has_all(&self, question: &Question<'_>, table: &str, field: &str) -> Result<bool, RunError> {
        let Some(parent) = self.parents.get(table) else {
            return Ok(false);
        };
        let children = self.known.iter().map(|file| file.rows).sum();
        let Some((gone, came)) = parent.to_compare(children) else {
            return Ok(false);
        };
        if gone.is_empty() {
            return Ok(true);
        }
        let gone = question.session_of(&parent.base, gone).await?;
        let came = question.session_of(&parent.base, came).await?;
        match parents::all_in(&gone, &came, table, field).await {
            Err(error) if is_out_of_memory(&error) => Ok(false),
            found => found.map_err(|error| RunError::query(table, error)),
        }
    }

    /// Notes what passed, of all files.
    pub async fn store(&self, build: &Build<'_>, model: &Model, outcomes: &[AuditOutcome]) -> Result<(), RunError> {
        let lake = &build.context.lake;
        let Some(identity) = name_now(build, model) else {
            return Ok(());
        };
        let files = self.known.iter().chain(&self.fresh).map(|file| self.base.key(file, self.night)).collect();
        let passed = outcomes.iter().filter(|outcome| outcome.passed).map(|outcome| outcome.audit.clone()).collect();
        let below = file(&model.name, &identity);
        let parents = self.parents.iter().map(|(table, parent)| (table.clone(), parent.now.clone())).collect();
        let proof = Proof { asked: self.asked.clone(), files, passed, parents };
        let body = serde_json::to_vec(&proof).map_err(|source| RunError::Form { what: below.clone(), source })?;
        let path = lake.path(&below);
        lake.store().put(&path, body.into()).await.map_err(|error| TableError::write(&model.name, &path, error))?;
        Ok(())
    }
}

/// Under which name a release's node has its proof.
fn name_in(release: &Release, node: &str) -> Option<String> {
    let table = release.tables.get(node).map(|table| table.recipe.identity());
    table.or_else(|| release.views.get(node).map(|view| view.audited.clone()))
}

fn name_now(build: &Build<'_>, model: &Model) -> Option<String> {
    match model.spec.materialized {
        Materialized::View => audited_as(build, model),
        _ => build.identity(&model.name).map(str::to_owned),
    }
}

/// Removes what no release in use needs.
pub(super) async fn forget_old(
    lake: &Lake,
    node: &str,
    needed: &[Release],
    before: DateTime<Utc>,
) -> Result<(), RunError> {
    let names: BTreeSet<String> = needed.iter().filter_map(|release| name_in(release, node)).collect();
    let is_unneeded = |name: &str| name.strip_suffix(".json").is_some_and(|identity| !names.contains(identity));
    remove_old(lake, &format!("{FOLDER}/{node}"), before, is_unneeded).await
}
