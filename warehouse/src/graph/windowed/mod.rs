//! Which rows of its inputs a window of a model is made of, found in the model's own WHERE.
//!
//! The model is planned for a window so far from any real date that its bounds are known again wherever
//! the optimiser has moved them. What arrives at a table as `day >= start - 6 AND day < end` says that a
//! row of day `d` is read by the windows from `d` to `d + 6`. A bound that lies further off at some dates than at
//! others, such as the begin of the month, is planned for several such windows ([`probe`]), and the farthest counts.

mod bound;
mod meet;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue, project_schema};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, Operator, TableProviderFilterPushDown, TableScan, TableType, cast, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use self::bound::{comparison, near};
use super::parse::{Moment, Parsed};
use super::plan::plan_query;
use super::schemas::register;
use crate::functions::{session, session_config};
use crate::project::model::ModelFile;

/// How a model reads one table by the window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowedRead {
    pub table: String,
    /// DATE of a row of the table.
    pub time: Expr,
    /// Days before the window's first day from which rows are read; 0 or negative: none, usually.
    pub before: i64,
    /// Days after the window's last day up to which rows are read.
    pub after: i64,
    /// The columns that are read.
    pub columns: BTreeSet<String>,
}

impl WindowedRead {
    /// A table that is read whole, as one day's rows.
    pub fn whole(table: &str, columns: &BTreeSet<String>) -> Self {
        let time = lit(ScalarValue::Date32(Some(0)));
        Self { table: table.to_owned(), time, before: 0, after: 0, columns: columns.clone() }
    }

    /// The column of the table that the day is, or is the day of.
    pub fn column(&self) -> Option<&str> {
        match &self.time {
            Expr::Column(column) => Some(&column.name),
            Expr::Cast(cast) => match cast.expr.as_ref() {
                Expr::Column(column) => Some(&column.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether rows are read by windows after that of their day, and so by windows that are yet to come.
    pub fn is_looked_back_on(&self) -> bool {
        self.before > 0
    }

    /// Tells two reads of a model apart, and a read from what it was before the SQL changed.
    pub fn id(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        format!("{} by {} -{} +{} of {}", self.table, self.time, self.before, self.after, columns.join(","))
    }
}

/// How many windows a model may be asked for at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cut {
    /// Any that follow each other: what it gives for them is what it gives for each.
    #[default]
    Together,
    /// One: rows of two might meet in a limit, a group, a window function or a join.
    Apart,
    /// One, and it may have rows of a window of which nothing is read: it asks for the window elsewhere than as the
    /// bounds of what is read.
    Each,
}

/// All that a model reads, by the window or whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windowing {
    pub reads: Vec<WindowedRead>,
    /// Tables of which at least one reading is not cut by the window, and the columns that such readings ask for.
    pub whole: BTreeMap<String, BTreeSet<String>>,
    pub cut: Cut,
}

/// Finds how a model's tables are read; `schemas` are those of all tables.
///
/// # Errors
/// What the planner finds wrong.
pub async fn windowing(schemas: &BTreeMap<String, SchemaRef>, parsed: &Parsed, spec: &ModelFile) -> Result<Windowing> {
    let context: SessionContext = session(session_config(1), Arc::default());
    let tables = parsed.inputs.keys().filter_map(|name| {
        let table: Arc<dyn TableProvider> = Arc::new(Columns(Arc::clone(schemas.get(name)?)));
        Some((name.clone(), table))
    });
    register(&context, tables)?;
    let state = context.state();
    let mut planned = Vec::new();
    for moment in probe::moments(spec.window(), parsed.even_bounds) {
        planned.push((moment, state.optimize(&plan_query(&state, parsed, moment).await?)?));
    }
    let mut found = Windowing { cut: cut(parsed, spec, &planned)?, ..Windowing::default() };
    let seen = planned.iter().map(|(moment, plan)| scans(plan, *moment)).collect::<Result<Vec<_>>>()?;
    for scan in probe::farthest(seen) {
        match scan.read {
            Some(read) if found.reads.contains(&read) => {}
            Some(read) => found.reads.push(read),
            None => found.whole.entry(scan.table).or_default().extend(scan.columns),
        }
    }
    Ok(found)
}

/// How many windows may be asked for at once, as far as the plans show it, or the author vouches for it.
fn cut(parsed: &Parsed, spec: &ModelFile, planned: &[(Moment, LogicalPlan)]) -> Result<Cut> {
    if parsed.one_window_at_a_time {
        return Ok(Cut::Each);
    }
    let may_meet = !spec.windows_together() && meet::may_meet(spec, planned)?;
    Ok(if may_meet { Cut::Apart } else { Cut::Together })
}

/// One reading of a table.
#[derive(Debug, Clone, PartialEq)]
struct Scan {
    table: String,
    columns: BTreeSet<String>,
    /// How, where the window cuts it.
    read: Option<WindowedRead>,
}

/// All readings of a plan, in its order.
fn scans(plan: &LogicalPlan, moment: Moment) -> Result<Vec<Scan>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = &scan.table_name;
            let table =
                name.schema().map_or_else(|| name.table().to_owned(), |layer| format!("{layer}.{}", name.table()));
            found.push(Scan { read: read(scan, &table, moment)?, columns: columns(scan), table });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The columns that a scan gives or filters by.
fn columns(scan: &TableScan) -> BTreeSet<String> {
    let mut columns: BTreeSet<String> =
        scan.projected_schema.fields().iter().map(|field| field.name().clone()).collect();
    for filter in &scan.filters {
        columns.extend(filter.column_refs().into_iter().map(|column| column.name.clone()));
    }
    columns
}

/// How one scan reads its table, where the window cuts it.
fn read(scan: &TableScan, table: &str, moment: Moment) -> Result<Option<WindowedRead>> {
    let Moment { window_start, window_end, .. } = moment;
    let (mut from, mut to) = (BTreeMap::new(), BTreeMap::new());
    for filter in scan.filters.iter().flat_map(split_conjunction) {
        let Some((time, operator, bound)) = comparison(filter) else { continue };
        let text = time.to_string();
        // The first day of which a row may be read, and the day after the last.
        match operator {
            Operator::GtEq => near(bound.day(), window_start).map(|days| from.insert(text, (-days, time))),
            Operator::Gt => near(bound.day_after_it(), window_start).map(|days| from.insert(text, (-days, time))),
            Operator::Lt => near(bound.day_not_before_it(), window_end).map(|days| to.insert(text, (days, time))),
            Operator::LtEq => near(bound.day() + 1, window_end).map(|days| to.insert(text, (days, time))),
            _ => None,
        };
    }
    let bounds = from.into_iter().find_map(|(text, (before, time))| Some((time, before, to.get(&text)?.0)));
    let Some((time, before, after)) = bounds else {
        return Ok(None);
    };
    let time = time.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    });
    let time = cast(time.data()?, DataType::Date32);
    Ok(Some(WindowedRead { table: table.to_owned(), time, before, after, columns: columns(scan) }))
}

/// A table of which only the columns are known, and which takes every filter.
#[derive(Debug)]
struct Columns(SchemaRef);

#[async_trait]
impl TableProvider for Columns {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(EmptyExec::new(project_schema(&self.0, projection)?)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }
}
