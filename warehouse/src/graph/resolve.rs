//! Every model planned against the columns its inputs declare, so that each is checked by itself:
//! a mistake in one yml is not found again in all models below it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use datafusion::execution::SessionState;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;

use super::audits::audit_errors;
use super::build::{Graph, Node};
use super::error::{At, GraphError, GraphErrors};
use super::history::history_errors;
use super::lineage::trace;
use super::lint::{lint_totals, lint_types, probe};
use super::ml::query_errors;
use super::parse::bind;
use super::plan::plan_query;
use super::plan_error::{plain, plan_errors, search};
use super::schemas::{empty, register, schemas};
use super::windowed::{Windowing, windowing};
use crate::functions::{session, session_config};
use crate::nearest::nearest;
use crate::project::contract::Contract;
use crate::project::ml::{MlNode, MlRole};
use crate::project::model::Model;
use crate::project::types::ColumnType;

/// A graph whose every model plans, with the columns and types its yml declares.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Logical plans by model, as planned: not optimised, inputs as scans, `$night` a literal.
    pub plans: BTreeMap<String, LogicalPlan>,
    /// Columns of every table, bronze and ops included.
    pub schemas: BTreeMap<String, SchemaRef>,
    /// How each model that is stored by windows of time reads its inputs.
    pub windows: BTreeMap<String, Windowing>,
}

/// Plans every model of the graph and holds it against its yml.
///
/// `others` are the tables that are neither models nor contracts: `ops.*`.
///
/// # Errors
/// All mistakes of all models: columns that are not there, types that differ, what is not portable.
pub async fn resolve(
    graph: &Graph,
    models: &BTreeMap<String, Model>,
    contracts: &BTreeMap<String, Contract>,
    others: &BTreeMap<String, SchemaRef>,
    night: NaiveDate,
) -> Result<Resolved, GraphErrors> {
    let schemas = schemas(models, contracts, others);
    let mut errors = Vec::new();
    let state = planning_state(&schemas, &mut errors);
    let mut plans = BTreeMap::new();
    let mut windows = BTreeMap::new();
    for node in &graph.nodes {
        let Some(model) = models.get(&node.name) else { continue };
        if unknown_inputs(node, model, &schemas, &mut errors) {
            continue;
        }
        match plan_query(&state, &node.parsed, night).await {
            // What stands for a table that the engine makes follows from its yml; mistakes there are named there.
            Ok(plan) if model.ml.is_some() => drop(plans.insert(node.name.clone(), plan)),
            Err(error) => errors.extend(plan_errors(&model.sql_file, &model.sql, &error)),
            Ok(plan) => {
                outputs(model, &plan, &mut errors);
                errors.extend(lint_types(&model.sql_file, &state, &bind(&node.parsed.statement, night)).await);
                errors.extend(totals(model, &plan));
                plans.insert(node.name.clone(), plan);
                if node.materialized.is_windowed() {
                    windows.extend(by_window(node, model, &schemas, &mut errors).await);
                }
            }
        }
        errors.extend(audit_errors(&state, model, night).await);
    }
    errors.extend(query_errors(&state, learning(models), &schemas, night).await);
    GraphErrors::unless_empty(errors)?;
    let resolved = Resolved { plans, schemas, windows };
    GraphErrors::unless_empty(history_errors(graph, &resolved, models, contracts))?;
    Ok(resolved)
}

/// The ML nodes among the models.
pub(super) fn learning(models: &BTreeMap<String, Model>) -> impl Iterator<Item = &MlNode> {
    models.values().filter_map(|model| match &model.ml {
        Some(MlRole::Training(node)) => Some(node.as_ref()),
        _ => None,
    })
}

/// How a model reads its inputs by the window; at least one of them it must.
async fn by_window(
    node: &Node,
    model: &Model,
    schemas: &BTreeMap<String, SchemaRef>,
    errors: &mut Vec<GraphError>,
) -> Option<(String, Windowing)> {
    match windowing(schemas, &node.parsed, &model.spec).await {
        Ok(found) if found.reads.is_empty() => {
            let at = At::line(&model.sql_file, 1);
            errors.push(GraphError::NothingWindowed { at, model: model.name.clone() });
            None
        }
        Ok(found) => Some((node.name.clone(), found)),
        Err(error) => {
            errors.push(GraphError::Plan { at: At::new(&model.sql_file, 0, 0), message: plain(&error) });
            None
        }
    }
}

/// A session in which every table is there and empty.
fn planning_state(schemas: &BTreeMap<String, SchemaRef>, errors: &mut Vec<GraphError>) -> SessionState {
    let context: SessionContext = session(session_config(1), Arc::default());
    context.register_udf(probe());
    let tables = schemas.iter().map(|(name, schema)| (name.clone(), empty(schema)));
    if let Err(error) = register(&context, tables) {
        errors.push(GraphError::Plan { at: At::new("sql", 0, 0), message: error.strip_backtrace() });
    }
    context.state()
}

/// `ops` tables that the engine does not have.
fn unknown_inputs(
    node: &Node,
    model: &Model,
    schemas: &BTreeMap<String, SchemaRef>,
    errors: &mut Vec<GraphError>,
) -> bool {
    let before = errors.len();
    for (table, span) in &node.parsed.inputs {
        if !schemas.contains_key(table) {
            let at = At::span(&model.sql_file, *span);
            let nearest = nearest(table, schemas.keys().map(String::as_str)).map(str::to_owned);
            errors.push(GraphError::UnknownTable { at, table: table.clone(), nearest });
        }
    }
    errors.len() > before
}

/// Columns that are totals of DOUBLE without saying so.
fn totals(model: &Model, plan: &LogicalPlan) -> Vec<GraphError> {
    let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    match trace(plan) {
        Ok(traced) => lint_totals(model, &names, &traced),
        Err(error) => vec![GraphError::Plan { at: At::new(&model.sql_file, 0, 0), message: plain(&error) }],
    }
}

/// The plan's columns are the yml's, by name and type. Order is free: the table has the yml's.
fn outputs(model: &Model, plan: &LogicalPlan, errors: &mut Vec<GraphError>) {
    let fields = plan.schema().fields();
    let declared: HashSet<&str> = model.spec.selected().map(|column| column.name.as_str()).collect();
    let mut given = HashMap::new();
    for field in fields {
        given.entry(field.name().as_str()).or_insert(field);
    }
    for column in model.spec.selected() {
        let name = column.name.as_str();
        let at = At::line(&model.yml_file, column.name.line);
        let Some(field) = given.get(name) else {
            let undeclared = fields.iter().map(|field| field.name().as_str()).filter(|name| !declared.contains(name));
            let nearest = nearest(name, undeclared).map(str::to_owned);
            errors.push(GraphError::MissingColumn { at, model: model.name.clone(), column: name.to_owned(), nearest });
            continue;
        };
        let found = ColumnType::from_arrow(field.data_type());
        if found != Some(column.kind.value) {
            errors.push(GraphError::TypeDiffers {
                at: At::line(&model.yml_file, column.kind.line),
                model: model.name.clone(),
                column: name.to_owned(),
                declared: column.kind.to_string(),
                found: found.map_or_else(|| field.data_type().to_string(), |found| found.to_string()),
            });
        }
    }
    for field in fields {
        if !declared.contains(field.name().as_str()) {
            let at = search(&model.sql, field.name())
                .map_or_else(|| At::new(&model.sql_file, 0, 0), |at| At::location(&model.sql_file, at));
            let missing = model.spec.selected().map(|column| column.name.as_str());
            let missing = missing.filter(|name| !given.contains_key(name));
            let nearest = nearest(field.name(), missing).map(str::to_owned);
            errors.push(GraphError::UndeclaredColumn {
                at,
                model: model.name.clone(),
                column: field.name().clone(),
                nearest,
            });
        }
    }
}
