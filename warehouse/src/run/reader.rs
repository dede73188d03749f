//! Reading a release: pinned tables, the views' text as it was released, `ops` at its newest.
//!
//! `$night` of a view is the view's own night, and bronze behind it is cut by that: one that is held, or restored, says
//! what it said. What is asked directly is asked of the night that the release shows.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionContext};

use super::error::RunError;
use super::evolution::readable;
use super::ops::ops_schemas;
use super::state::Candidate;
use super::views;
use crate::clock::{Clock, default_night};
use crate::graph::parse;
use crate::nearest::nearest;
use crate::project::Project;
use crate::project::contract::Contract;
use crate::release::{self, Release, ReleaseId, ReleasedView};
use crate::session::{self, Effort, Engine};
use crate::table::{Lake, TableSnapshot};

/// Views by name, each after those it reads.
type Views = Vec<(String, ReleasedView)>;
/// What is registered in a session, by name.
type Providers = BTreeMap<String, Arc<dyn TableProvider>>;

/// Answers queries from one release.
#[derive(Debug)]
pub struct Reader<'a> {
    project: &'a Project,
    lake: &'a Lake,
    engine: &'a Engine,
    release: Option<Release>,
    /// The night `$night` stands for.
    night: NaiveDate,
}

impl<'a> Reader<'a> {
    /// Opens a release, the latest unless told; before the first one, only `ops` and empty bronze
    /// tables can be read.
    ///
    /// # Errors
    /// Where the release does not exist, or the lake is newer than this version.
    pub async fn open(
        project: &'a Project,
        lake: &'a Lake,
        engine: &'a Engine,
        release: Option<ReleaseId>,
        clock: &dyn Clock,
    ) -> Result<Self, RunError> {
        release::check_format(lake, false).await?;
        let release = match release {
            Some(id) => Some(release::read(lake, id).await?),
            None => release::latest(lake).await?,
        };
        let night = match &release {
            Some(release) => release.shown_night(),
            None => default_night(clock.now(), project.settings.time_zone),
        };
        Ok(Self { project, lake, engine, release, night })
    }

    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    /// Plans a query; only the tables it names are opened. Statements other than SELECT
    /// (`EXPLAIN`, `SHOW TABLES`, `DESCRIBE`) see all of them.
    ///
    /// # Errors
    /// Where a table or column is unknown (with the nearest name), a table cannot be opened, or the statement is more
    /// than a question.
    pub async fn query(&self, sql: &str) -> Result<DataFrame, RunError> {
        let session = self.engine.session(Effort::Fast);
        let parsed = parse("query", sql).ok();
        if let Some(name) = parsed.as_ref().and_then(|parsed| parsed.unqualified.first()).map(|(name, _)| name) {
            return Err(self.unknown(name, &self.known()));
        }
        let names: BTreeSet<String> = match &parsed {
            Some(parsed) => parsed.inputs.keys().cloned().collect(),
            None => self.known(),
        };
        self.register(&session, &names).await?;
        if parsed.is_some() {
            return views::query(&session, "query", sql, self.night).await;
        }
        let failed = |error| RunError::query("query", error);
        let plan = session.state().create_logical_plan(sql).await.map_err(failed)?;
        refuse_change(&plan)?;
        session.execute_logical_plan(plan).await.map_err(failed)
    }

    /// All names a query can read.
    pub fn known(&self) -> BTreeSet<String> {
        let released = self.release.iter().flat_map(|release| release.tables.keys().chain(release.views.keys()));
        let bronze = self.project.contracts.values().map(|contract| &contract.table);
        let ops = ops_schemas().into_iter().map(|(name, _)| name.to_owned());
        released.chain(bronze).cloned().chain(ops).filter(|name| !name.starts_with("information_schema")).collect()
    }

    async fn register(&self, session: &SessionContext, names: &BTreeSet<String>) -> Result<(), RunError> {
        let (tables, views) = self.needed(names)?;
        let mut tables_at = Providers::new();
        for name in tables {
            if let Some(provider) = self.provider(&name, self.night).await? {
                tables_at.insert(name, provider);
            }
        }
        register_all(session, &tables_at)?;
        // One session for each night that views are of.
        let mut sessions = BTreeMap::from([(self.night, session.clone())]);
        let mut opened = Providers::new();
        for (name, view) in views {
            if let Entry::Vacant(place) = sessions.entry(view.night) {
                let of_night = self.engine.session(Effort::Fast);
                register_all(&of_night, &self.at_night(&tables_at, view.night).await?)?;
                register_all(&of_night, &opened)?;
                place.insert(of_night);
            }
            if let Some(own) = sessions.get(&view.night) {
                let planned = views::planned_view(own, &name, &view.sql, view.night).await?;
                let one = Providers::from([(name, planned)]);
                sessions.values().try_for_each(|session| register_all(session, &one))?;
                opened.extend(one);
            }
        }
        Ok(())
    }

    /// The tables as another night sees them.
    async fn at_night(&self, tables: &Providers, night: NaiveDate) -> Result<Providers, RunError> {
        let mut found = tables.clone();
        for (name, provider) in &mut found {
            if self.contract(name).is_some()
                && let Some(cut) = self.provider(name, night).await?
            {
                *provider = cut;
            }
        }
        Ok(found)
    }

    fn contract(&self, table: &str) -> Option<&Contract> {
        self.project.contracts.values().find(|contract| contract.table == table)
    }

    /// The tables behind the names, and the views among them in the order they read each other.
    fn needed(&self, names: &BTreeSet<String>) -> Result<(BTreeSet<String>, Views), RunError> {
        let known = self.known();
        let mut tables = BTreeSet::new();
        let mut views = Vec::new();
        let mut path: Vec<(String, bool)> = names.iter().rev().map(|name| (name.clone(), false)).collect();
        while let Some((name, inputs_done)) = path.pop() {
            let view = self.release.as_ref().and_then(|release| release.views.get(&name));
            match view {
                Some(view) if inputs_done => {
                    if !views.iter().any(|(seen, _)| *seen == name) {
                        views.push((name, view.clone()));
                    }
                }
                Some(view) => {
                    let parsed =
                        parse(&name, &view.sql).map_err(|error| RunError::User { message: error.to_string() })?;
                    path.push((name, true));
                    path.extend(parsed.inputs.into_keys().map(|input| (input, false)));
                }
                None if known.contains(&name) => {
                    tables.insert(name);
                }
                None if name.starts_with("information_schema.") => {}
                None => return Err(self.unknown(&name, &known)),
            }
        }
        Ok((tables, views))
    }

    fn unknown(&self, name: &str, known: &BTreeSet<String>) -> RunError {
        let tables: BTreeMap<&str, &String> =
            known.iter().rev().filter_map(|known| Some((known.split_once('.')?.1, known))).collect();
        let in_a_layer = nearest(name, tables.keys().copied()).and_then(|table| tables.get(table));
        let found = match in_a_layer.filter(|_| !name.contains('.')) {
            Some(found) => Some(found.as_str()),
            None => nearest(name, known.iter().map(String::as_str)),
        };
        let hint = match found {
            Some(found) => format!("did you mean `{found}`?"),
            None => "`buho sql \"show tables\"` lists what there is".to_owned(),
        };
        let place = match &self.release {
            Some(release) => format!("is not in release {}", release.id()),
            None => "is not there: no release was written yet, `buho run` writes the first".to_owned(),
        };
        RunError::User { message: format!("table `{name}` {place} — {hint}") }
    }

    /// Which rows of a bronze table a night sees, its contract says: of one that cannot be read, nobody can tell.
    fn refuse_without_contract(&self, name: &str) -> Result<(), RunError> {
        let mut faults = self.project.left_out.iter().filter(|problem| problem.file.starts_with("sql/sources/"));
        match faults.next().filter(|_| name.starts_with("bronze.")) {
            None => Ok(()),
            Some(fault) => Err(RunError::User {
                message: format!(
                    "table `{name}` cannot be read: its contract says which of its rows are to be seen, and it may be the one that is wrong — {fault}"
                ),
            }),
        }
    }

    async fn provider(&self, name: &str, night: NaiveDate) -> Result<Option<Arc<dyn TableProvider>>, RunError> {
        if let Some((_, schema)) = ops_schemas().into_iter().find(|(ops, _)| *ops == name) {
            let snapshot = TableSnapshot::load(self.lake, name, None).await?;
            return Ok(Some(Candidate::Unchanged { snapshot, schema }.provider(self.lake, name)?));
        }
        let version = self.release.as_ref().and_then(|release| release.tables.get(name)).map(|table| table.version);
        let snapshot = match version {
            Some(version) => TableSnapshot::load(self.lake, name, Some(version)).await?,
            None => None,
        };
        if let Some(contract) = self.contract(name) {
            let schema = readable(contract, snapshot.as_ref());
            let candidate = Candidate::Unchanged { snapshot, schema };
            return views::bronze_as_of(self.lake, contract, &candidate, night).map(Some);
        }
        self.refuse_without_contract(name)?;
        match snapshot {
            Some(snapshot) => {
                let schema = Arc::clone(&snapshot.schema);
                let candidate = Candidate::Unchanged { snapshot: Some(snapshot), schema };
                Ok(Some(candidate.provider(self.lake, name)?))
            }
            None => Ok(None),
        }
    }
}

fn register_all(session: &SessionContext, providers: &Providers) -> Result<(), RunError> {
    for (name, provider) in providers {
        session::register(session, name, Arc::clone(provider)).map_err(|error| RunError::query(name, error))?;
    }
    Ok(())
}

/// A question changes nothing: the engine would take a statement that writes, and its tables are no tables of the lake.
fn refuse_change(plan: &LogicalPlan) -> Result<(), RunError> {
    let questions = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    questions.verify_plan(plan).map_err(|_| RunError::User {
        message: "this is no query: `buho sql` answers SELECT, EXPLAIN, SHOW and DESCRIBE, and changes nothing — tables come from the models in `sql/`, and rows go to a file with `--output FILE`".to_owned(),
    })
}
