//! The leak check: a past snapshot's features, computed again from what there was by its night.
//!
//! All models behind the features, the spine too, are computed from raw data without what happened later. A value that
//! differs from the one that was learnt from, or another choice of entities, knew what came after, and is an error. A
//! second pass leaves out what was delivered later
//! too, of sources whose files are dated: what differs then is late data, counted and said, for no feature can help it.
//!
//! What cannot be seen: sources without `event_time`, whose rows have no history.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::JoinType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use object_store::ObjectStoreExt;

use super::differ::{Difference, Side, first_differences, shown};
use super::gather::Gather;
use super::rows::{first_row, in_types};
use crate::graph::schemas::model_schema;
use crate::graph::{Moment, Node};
use crate::materialize::{self, DELTA, ROWS};
use crate::project::contract::Contract;
use crate::project::ml::NIGHT_COLUMN;
use crate::project::model::{Materialized, Model, ModelColumn};
use crate::run::compute::{ComputeError, stage_query};
use crate::run::error::RunError;
use crate::run::state::Candidate;
use crate::run::views::{self, Cut};
use crate::run::work::in_order;
use crate::session::register;
use crate::sql_text::{column, table};
use crate::table::{PinnedTable, StagedFile};

/// Entities whose features are computed again.
const ENTITIES: usize = 200;
/// No event is older; a moment of years before cannot be told in nanoseconds.
const FIRST_YEAR: i32 = 1700;

const SAMPLE: &str = "buho.sample";
const CHOSEN: &str = "buho.chosen";
const USED: &str = "buho.used";
/// The sampled entities, where the tables that are compared have one of their name.
const SAMPLED: &str = "buho_sampled";

/// A raw table as this run has it.
#[derive(Clone)]
pub(in crate::run) struct Raw {
    pub contract: Contract,
    pub candidate: Candidate,
}

/// A snapshot that was learnt from.
pub(super) struct Snapshot<'a> {
    pub gather: Gather<'a>,
    pub raw: &'a [Raw],
    pub night: NaiveDate,
    pub spine: Arc<PinnedTable>,
    pub features: Arc<PinnedTable>,
}

/// What the check came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Checked {
    /// Every value is what it was that night; so many rows changed by what was delivered later.
    Sound { late: u64 },
    /// A model behind the features cannot be read as of another night.
    NotChecked { because: String },
}

impl Snapshot<'_> {
    /// Computes the snapshot's features again, for some entities, and compares them with those that were learnt from.
    ///
    /// # Errors
    /// A value that differs: the column, the entity, both values.
    pub async fn check(&self) -> Result<Checked, ComputeError> {
        if let Some(because) = self.obstacle() {
            return Ok(Checked::NotChecked { because });
        }
        if let Some(found) = self.differences(Cut::ByEvent).await?.first() {
            let node = self.gather.node;
            return Err(ComputeError::Other(RunError::refused(
                &self.gather.work.name,
                &format!(
                    "column `{}` of `{}` is {} for {} {} at night {}, and {} by what had happened until then: it reads what came after — compare its dates with the spine's `{NIGHT_COLUMN}`",
                    found.column,
                    node.spec.features.as_str(),
                    found.used,
                    node.spec.entity.as_str(),
                    found.entity,
                    self.night,
                    found.again
                ),
            )));
        }
        let is_dated = |raw: &Raw| views::is_dated(&raw.contract);
        let late = match self.raw.iter().any(is_dated) {
            true => self.differences(Cut::ByEventAndDelivery).await?.len(),
            false => 0,
        };
        Ok(Checked::Sound { late: late as u64 })
    }

    /// The rows that come out otherwise from what was delivered until that night; `None` where that cannot be computed.
    ///
    /// # Errors
    /// Where the features cannot be computed.
    pub async fn restated(&self) -> Result<Option<Vec<Difference>>, ComputeError> {
        match self.obstacle() {
            Some(_) => Ok(None),
            None => self.differences(Cut::ByEventAndDelivery).await.map(Some),
        }
    }

    fn behind(&self) -> Vec<&Node> {
        let graph = &self.gather.work.context.graph;
        let behind = graph.ancestors([self.gather.node.spec.features.as_str()]);
        graph.nodes.iter().filter(|node| behind.contains(&node.name)).collect()
    }

    /// Why the features cannot be computed as of another night.
    fn obstacle(&self) -> Option<String> {
        let known: BTreeSet<&str> = self.raw.iter().map(|raw| raw.contract.table.as_str()).collect();
        self.behind().into_iter().find_map(|node| match node.materialized {
            Materialized::Scd2 | Materialized::Nightly => Some(format!("`{}` keeps a history of its own", node.name)),
            _ => node
                .inputs
                .iter()
                .find(|input| input.starts_with("bronze.") && !known.contains(input.as_str()))
                .map(|input| format!("`{input}` is not there")),
        })
    }

    /// Computes the features again from what a cut leaves, and compares.
    async fn differences(&self, cut: Cut) -> Result<Vec<Difference>, ComputeError> {
        let session = self.gather.work.context.engine.session(self.gather.attempt.effort);
        let staged = self.open(&session, cut).await?;
        let found = Box::pin(self.compare(&session)).await;
        self.forget(staged).await;
        found
    }

    /// The first differing value of each differing row, in a session that has both.
    async fn compare(&self, session: &SessionContext) -> Result<Vec<Difference>, ComputeError> {
        let features = self.gather.model(&self.gather.node.spec.features)?;
        let entity = self.gather.node.spec.entity.as_str();
        let mut sides = Vec::new();
        for name in [USED, features.name.as_str()] {
            let rows = self.of_sample(session, name, features).await?;
            sides.push(Side::by(entity, rows).map_err(DataFusionError::from)?);
        }
        let sample = session.table(SAMPLE).await?.select(vec![ident(entity)])?;
        let mut entities = Vec::new();
        for batch in sample.sort(vec![ident(entity).sort(true, false)])?.collect().await? {
            entities.extend(shown(batch.column(0)).map_err(DataFusionError::from)?);
        }
        let named = |declared: &&ModelColumn| ![NIGHT_COLUMN, entity].contains(&declared.name.as_str());
        let compared: Vec<&ModelColumn> = features.spec.columns.iter().filter(named).collect();
        let [used, again] = sides.as_slice() else { return Ok(Vec::new()) };
        Ok(first_differences(&entities, used, again, &compared).map_err(DataFusionError::from)?)
    }

    /// A table's rows of the entities that are looked at, in the types of the features' yml.
    async fn of_sample(
        &self,
        session: &SessionContext,
        name: &str,
        features: &Model,
    ) -> Result<RecordBatch, ComputeError> {
        let entity = self.gather.node.spec.entity.as_str();
        let sample = session.table(SAMPLE).await?.select(vec![ident(entity).alias(SAMPLED)])?;
        let rows = session.table(name).await?;
        let rows = rows.join_on(sample, JoinType::LeftSemi, [ident(entity).eq(ident(SAMPLED))])?;
        let schema = Arc::clone(rows.schema().inner());
        let batches = rows.collect().await?;
        let all = concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
        let given = schema.fields().iter().zip(all.columns()).map(|(field, values)| (field.name().as_str(), values));
        Ok(in_types(given, &model_schema(features), all.num_rows())?)
    }

    /// A session in which every table behind the features is what it was that night.
    async fn open(&self, session: &SessionContext, cut: Cut) -> Result<Vec<StagedFile>, ComputeError> {
        let (lake, node) = (&self.gather.work.context.lake, self.gather.node);
        for (name, rows) in [(CHOSEN, &self.spine), (USED, &self.features)] {
            let all = format!("{name}_all");
            register(session, &all, Arc::clone(rows) as Arc<dyn TableProvider>)?;
            let sql = format!("SELECT * FROM {all} WHERE night = DATE '{}'", self.night);
            views::register_view(session, name, &sql, self.night).await.map_err(ComputeError::Other)?;
        }
        let entity = column(&node.spec.entity);
        let some = format!("SELECT * FROM {CHOSEN} ORDER BY md5(cast({entity} AS VARCHAR)), {entity} LIMIT {ENTITIES}");
        views::register_view(session, SAMPLE, &some, self.night).await.map_err(ComputeError::Other)?;
        for raw in self.raw {
            let rows = views::bronze_cut(lake, &raw.contract, &raw.candidate, self.night, cut);
            register(session, &raw.contract.table, rows.map_err(ComputeError::Other)?)?;
        }
        let mut staged = Vec::new();
        for behind in self.behind() {
            let model = self.gather.model(&behind.name)?;
            if behind.name != node.spec.spine.as_str() {
                staged.extend(self.as_of(session, model, cut).await?);
            } else {
                if cut == Cut::ByEvent {
                    // Of a sample, the sample.
                    let (sampled, _) = self.gather.sampled(model).await?;
                    staged.extend(self.as_of(session, &sampled, cut).await?);
                    self.same_entities(session, model).await?;
                    session.deregister_table(behind.name.as_str())?;
                }
                let sample = format!("SELECT * FROM {SAMPLE}");
                views::register_view(session, &behind.name, &sample, self.night).await.map_err(ComputeError::Other)?;
            }
        }
        Ok(staged)
    }

    /// The entities that were learnt from are those that the spine gives of what had happened by its night.
    async fn same_entities(&self, session: &SessionContext, spine: &Model) -> Result<(), ComputeError> {
        let (node, entity) = (self.gather.node, column(&self.gather.node.spec.entity));
        let again = format!("SELECT {entity} FROM {} WHERE night = DATE '{}'", table(&spine.name), self.night);
        let chosen = format!("SELECT {entity} FROM {CHOSEN}");
        for (side, other, used, again) in [(&chosen, &again, "is", "is not"), (&again, &chosen, "is not", "is")] {
            let query = format!("SELECT count(*), min(cast({entity} AS VARCHAR)) FROM ({side} EXCEPT {other})");
            if let Some([count, one]) = first_row(session, &query).await?.as_deref()
                && count != "0"
            {
                return Err(ComputeError::Other(RunError::refused(
                    &self.gather.work.name,
                    &format!(
                        "{} {one} {used} in `{}` at night {}, and {again} by what had happened until then; so of {count} in all: whom it picks must not hang on what came after — compare its dates with `$night`",
                        node.spec.entity.as_str(),
                        spine.name,
                        self.night
                    ),
                )));
            }
        }
        Ok(())
    }

    /// Registers a model as its rows of the night: a view as it is, a stored table computed once.
    async fn as_of(&self, session: &SessionContext, model: &Model, cut: Cut) -> Result<Vec<StagedFile>, ComputeError> {
        let (work, kind) = (self.gather.work, model.spec.materialized);
        // Whatever raw rows are shown are in the window: what is cut is cut there.
        let (first, after) = (NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1).unwrap_or_default(), work.night.succ_opt());
        let moment = match kind.is_windowed() {
            true => Moment::window(self.night, first, after.unwrap_or(work.night)),
            false => self.night.into(),
        };
        let plan = views::plan_sql(session, &model.name, &model.sql, moment).await.map_err(ComputeError::Other)?;
        if kind == Materialized::View {
            register(session, &model.name, Arc::new(ViewTable::new(plan, None)))?;
            return Ok(Vec::new());
        }
        let query = match kind {
            Materialized::Merge => self.newest(session, model, plan).await?,
            _ => session.execute_logical_plan(plan).await?,
        };
        let bare = model.name.replace('.', "_");
        let target = work.scratch(self.gather.attempt, &format!("-{cut:?}-{bare}"));
        let files = stage_query(&work.context.lake, &target, in_order(query, model)?, session).await?;
        let rows = PinnedTable::from_staged(&work.context.lake, &work.name, &model_schema(model), &files)?;
        register(session, &model.name, Arc::new(rows))?;
        Ok(files)
    }

    /// Of the rows of a key the newest, unless that says that the key is gone.
    async fn newest(
        &self,
        session: &SessionContext,
        model: &Model,
        plan: LogicalPlan,
    ) -> Result<DataFrame, ComputeError> {
        let bare = model.name.replace('.', "_");
        let (delivered, resolved) = (format!("buho.rows_{bare}"), format!("buho.delta_{bare}"));
        register(session, &delivered, Arc::new(ViewTable::new(plan, None)))?;
        let newest = materialize::newest(&model.spec).replace(ROWS, &delivered);
        views::register_view(session, &resolved, &newest, self.night).await.map_err(ComputeError::Other)?;
        Ok(session.sql(&materialize::stand(&model.spec).replace(DELTA, &resolved)).await?)
    }

    /// Removes what was computed for the comparison alone; what stays is found by `maintain`.
    async fn forget(&self, files: Vec<StagedFile>) {
        let lake = &self.gather.work.context.lake;
        for file in files {
            let path = lake.table_path(&self.gather.work.name).join(file.path.as_str());
            if let Err(error) = lake.store().delete(&path).await {
                tracing::debug!(%path, %error, "a file of the leak check stays");
            }
        }
    }
}
