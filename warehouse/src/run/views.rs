//! What a query sees: pinned tables, bronze as of the night, views planned in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::{TableProvider, view::ViewTable};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, cast, lit};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;

use super::error::RunError;
use super::state::{Candidate, horizon};
use crate::graph::{Moment, bind, parse, plan_statement};
use crate::ingest::Ledger;
use crate::project::contract::Contract;
use crate::session::register;
use crate::table::{Lake, TableError};

/// Plans one plain SELECT with its parameters bound.
///
/// # Errors
/// Where the query does not parse or plan against the session's tables.
pub async fn plan_sql(
    session: &SessionContext,
    name: &str,
    sql: &str,
    moment: impl Into<Moment>,
) -> Result<LogicalPlan, RunError> {
    let parsed = parse(name, sql).map_err(|error| RunError::User { message: error.to_string() })?;
    let bound = bind(&parsed.statement, moment);
    plan_statement(&session.state(), bound).await.map_err(|error| RunError::query(name, error))
}

/// As [`plan_sql`], ready to run.
pub async fn query(
    session: &SessionContext,
    name: &str,
    sql: &str,
    moment: impl Into<Moment>,
) -> Result<DataFrame, RunError> {
    let plan = plan_sql(session, name, sql, moment).await?;
    session.execute_logical_plan(plan).await.map_err(|error| RunError::query(name, error))
}

/// A query that the engine wrote itself, however many columns it asks for.
pub(super) async fn sql(session: &SessionContext, sql: &str) -> datafusion::error::Result<DataFrame> {
    let state = session.state();
    let plan = match state.sql_to_statement(sql, &state.config().options().sql_parser.dialect)? {
        DfStatement::Statement(statement) => plan_statement(&state, *statement).await?,
        other => state.statement_to_plan(other).await?,
    };
    session.execute_logical_plan(plan).await
}

/// A view as a session sees it: its plan stands wherever its name is read, in other sessions too.
pub(super) async fn planned_view(
    session: &SessionContext,
    name: &str,
    sql: &str,
    night: NaiveDate,
) -> Result<Arc<dyn TableProvider>, RunError> {
    let plan = plan_sql(session, name, sql, night).await?;
    Ok(Arc::new(ViewTable::new(plan, Some(sql.to_owned()))))
}

/// Registers a view where it is planned.
pub async fn register_view(session: &SessionContext, name: &str, sql: &str, night: NaiveDate) -> Result<(), RunError> {
    let view = planned_view(session, name, sql, night).await?;
    register(session, name, view).map_err(|error| RunError::query(name, error))
}

/// A bronze table as a night sees it: rows of deliveries up to that night, of events up to that
/// day. Where its files say that this is all of them, it is the table itself.
pub fn bronze_as_of(
    lake: &Lake,
    contract: &Contract,
    candidate: &Candidate,
    night: NaiveDate,
) -> Result<Arc<dyn TableProvider>, RunError> {
    let provider = candidate.provider(lake, &contract.table)?;
    if sees_everything(contract, candidate, night) {
        return Ok(provider);
    }
    let plan = cut(&contract.table, provider_as_source(provider), contract, night)
        .map_err(|error| RunError::query(&contract.table, error))?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Which rows of a raw table a past night is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Those of events up to that day, whenever they were delivered.
    ByEvent,
    /// Those delivered up to that night too, where files are dated; where they are not, history came at once.
    ByEventAndDelivery,
}

/// A bronze table without what came after a past night.
pub(super) fn bronze_cut(
    lake: &Lake,
    contract: &Contract,
    candidate: &Candidate,
    night: NaiveDate,
    by: Cut,
) -> Result<Arc<dyn TableProvider>, RunError> {
    if by == Cut::ByEventAndDelivery && is_dated(contract) {
        return bronze_as_of(lake, contract, candidate, night);
    }
    let provider = candidate.provider(lake, &contract.table)?;
    let Some(name) = event_time(contract) else { return Ok(provider) };
    let failed = |error| RunError::query(&contract.table, error);
    let rows = LogicalPlanBuilder::scan(contract.table.as_str(), provider_as_source(provider), None);
    let until = |rows: LogicalPlanBuilder| {
        let happened = cast(column(name), arrow::datatypes::DataType::Date32);
        rows.filter(column(name).is_null().or(happened.lt_eq(day(night))))?.build()
    };
    let plan = rows.and_then(until).map_err(failed)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Whether the names of a source's files say which night they are of.
pub(super) fn is_dated(contract: &Contract) -> bool {
    contract.spec.path.contains("{date")
}

fn day(night: NaiveDate) -> Expr {
    let days = night.signed_duration_since(NaiveDate::default()).num_days();
    lit(ScalarValue::Date32(i32::try_from(days).ok()))
}

fn event_time(contract: &Contract) -> Option<&str> {
    contract.spec.event_time.as_ref().map(|column| column.value.as_str())
}

/// Whether no row of a bronze table waits for a later night.
pub(super) fn sees_everything(contract: &Contract, candidate: &Candidate, night: NaiveDate) -> bool {
    horizon(&candidate.files(), event_time(contract)).is_some_and(|last| last <= night)
}

/// By which column a night is not shown rows of a bronze table that belong to a later one.
pub(super) fn cut_word(contract: &Contract) -> Option<String> {
    event_time(contract).map(|name| format!("\n{} up to {name}", contract.table))
}

/// What identifies the rows a night sees of a bronze table: its deliveries, its columns, by which of these it is cut,
/// and the night where some rows still wait for a later one.
pub fn bronze_identity(contract: &Contract, ledger: &Ledger, candidate: &Candidate, night: NaiveDate) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ledger.identity().as_bytes());
    for field in candidate.schema().fields() {
        hasher.update(format!("\n{} {}", field.name(), field.data_type()).as_bytes());
    }
    hasher.update(cut_word(contract).unwrap_or_default().as_bytes());
    if !sees_everything(contract, candidate, night) {
        hasher.update(format!("\n{night}").as_bytes());
    }
    crate::identity::word(&hasher)
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn cut(
    table: &str,
    source: Arc<dyn TableSource>,
    contract: &Contract,
    night: NaiveDate,
) -> datafusion::error::Result<LogicalPlan> {
    let night = day(night);
    let delivered = column("_night").lt_eq(night.clone());
    let visible = match event_time(contract) {
        Some(name) => {
            let happened = cast(column(name), arrow::datatypes::DataType::Date32);
            delivered.and(column(name).is_null().or(happened.lt_eq(night)))
        }
        None => delivered,
    };
    LogicalPlanBuilder::scan(table, source, None)?.filter(visible)?.build()
}

/// Registers tables, then views (name and text, each after those it reads), in one session.
pub async fn open(
    session: &SessionContext,
    tables: BTreeMap<String, Arc<dyn TableProvider>>,
    views: &[(String, String)],
    night: NaiveDate,
) -> Result<(), RunError> {
    for (name, provider) in tables {
        register(session, &name, provider).map_err(|error| RunError::query(&name, error))?;
    }
    for (name, sql) in views {
        register_view(session, name, sql, night).await?;
    }
    Ok(())
}

impl From<TableError> for datafusion::error::DataFusionError {
    fn from(error: TableError) -> Self {
        Self::External(Box::new(error))
    }
}
