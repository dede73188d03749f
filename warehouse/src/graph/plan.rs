//! One model's logical plan, in any session that has its input tables.

use std::sync::Arc;

use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement;

use super::parse::{Moment, Parsed, bind};
use crate::project::model::Model;
use crate::project::types::ColumnType;

/// The plan of a parsed query with its parameters bound, its columns as the SQL gives them.
///
/// # Errors
/// What the planner finds wrong.
pub async fn plan_query(state: &SessionState, parsed: &Parsed, moment: impl Into<Moment>) -> Result<LogicalPlan> {
    let statement = bind(&parsed.statement, moment);
    state.statement_to_plan(Statement::Statement(Box::new(statement))).await
}

/// The plan of a model: its columns in the order of the yml, each exactly of its Arrow type.
///
/// The engine runs this plan against the night's tables; a view is this plan, read in place.
///
/// # Errors
/// What the planner finds wrong, a column that is missing among it.
pub async fn plan_model(
    state: &SessionState,
    model: &Model,
    parsed: &Parsed,
    moment: impl Into<Moment>,
) -> Result<LogicalPlan> {
    let plan = plan_query(state, parsed, moment).await?;
    shape(plan, model)
}

/// Puts a plan's columns in the yml's order and text in the one layout that is stored.
fn shape(plan: LogicalPlan, model: &Model) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let columns = model
        .spec
        .selected()
        .map(|column| output(&schema, &column.name, column.kind.value))
        .collect::<Result<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn output(schema: &DFSchema, name: &str, kind: ColumnType) -> Result<Expr> {
    let position = schema.fields().iter().position(|field| field.name() == name);
    let column = match position {
        Some(position) => PlanColumn::from(schema.qualified_field(position)),
        None => PlanColumn::from_name(name),
    };
    let expr = Expr::Column(column).cast_to(&kind.arrow(), schema)?;
    Ok(expr.alias(name))
}
