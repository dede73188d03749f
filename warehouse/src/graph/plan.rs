//! One model's logical plan, in any session that has its input tables.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};

use super::lists::plan_statement;
use super::parse::{Moment, Parsed, bind};
use crate::project::model::Model;
use crate::project::types::ColumnType;

/// The plan of a parsed query with its parameters bound, its columns as the SQL gives them.
///
/// # Errors
/// What the planner finds wrong.
pub async fn plan_query(state: &SessionState, parsed: &Parsed, moment: impl Into<Moment>) -> Result<LogicalPlan> {
    plan_statement(state, bind(&parsed.statement, moment)).await
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
    let mut positions = HashMap::new();
    for (position, field) in schema.fields().iter().enumerate() {
        positions.entry(field.name().as_str()).or_insert(position);
    }
    let columns = model
        .spec
        .selected()
        .map(|column| output(&schema, positions.get(column.name.as_str()).copied(), &column.name, column.kind.value))
        .collect::<Result<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn output(schema: &DFSchema, position: Option<usize>, name: &str, kind: ColumnType) -> Result<Expr> {
    let column = match position {
        Some(position) => PlanColumn::from(schema.qualified_field(position)),
        None => PlanColumn::from_name(name),
    };
    let expr = Expr::Column(column).cast_to(&kind.arrow(), schema)?;
    Ok(expr.alias(name))
}
