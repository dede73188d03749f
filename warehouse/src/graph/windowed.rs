//! Which rows of its inputs a window of a model is made of, found in the model's own WHERE.
//!
//! The model is planned for a window so far from any real date that its bounds are known again wherever
//! the optimiser has moved them. What arrives at a table as `day >= start - 6 AND day < end` says that a
//! row of day `d` is read by the windows from `d` to `d + 6`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue, project_schema};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, Operator, TableProviderFilterPushDown, TableScan, TableType, cast, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::parse::{Moment, Parsed};
use super::plan::plan_query;
use super::schemas::register;
use crate::functions::{session, session_config};

const DAY_MICROS: i64 = 86_400_000_000;
/// Days that a bound may be away from the window's own: 27 years.
const FARTHEST: i64 = 10_000;

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

/// All that a model reads, by the window or whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windowing {
    pub reads: Vec<WindowedRead>,
    /// Tables of which at least one reading is not cut by the window, and the columns that such readings ask for.
    pub whole: BTreeMap<String, BTreeSet<String>>,
}

/// The moment whose window no date in a model comes near; a TIMESTAMP in nanoseconds, to which the planner turns
/// what is compared with a DATE, ends in 2262.
fn far() -> Moment {
    let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
    Moment::window(day(2000), day(2150), day(2230))
}

/// Finds how a model's tables are read; `schemas` are those of all tables.
///
/// # Errors
/// What the planner finds wrong.
pub async fn windowing(schemas: &BTreeMap<String, SchemaRef>, parsed: &Parsed) -> Result<Windowing> {
    let context: SessionContext = session(session_config(1), Arc::default());
    let tables = parsed.inputs.keys().filter_map(|name| {
        let table: Arc<dyn TableProvider> = Arc::new(Columns(Arc::clone(schemas.get(name)?)));
        Some((name.clone(), table))
    });
    register(&context, tables)?;
    let state = context.state();
    let plan = state.optimize(&plan_query(&state, parsed, far()).await?)?;
    let mut found = Windowing::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            match read(scan)? {
                Ok(read) if found.reads.contains(&read) => {}
                Ok(read) => found.reads.push(read),
                Err(table) => found.whole.entry(table).or_default().extend(columns(scan)),
            }
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

/// How one scan reads its table, or the table's name where the window does not cut it.
fn read(scan: &TableScan) -> Result<std::result::Result<WindowedRead, String>> {
    let name = &scan.table_name;
    let table = name.schema().map_or_else(|| name.table().to_owned(), |layer| format!("{layer}.{}", name.table()));
    let Moment { window_start, window_end, .. } = far();
    let (mut from, mut to) = (BTreeMap::new(), BTreeMap::new());
    for filter in scan.filters.iter().flat_map(split_conjunction) {
        let Some((time, operator, bound)) = comparison(filter) else { continue };
        let text = time.to_string();
        // The first day of which a row may be read, and the day after the last.
        match operator {
            Operator::GtEq => near(bound.day, window_start).map(|days| from.insert(text, (-days, time))),
            Operator::Gt => near(bound.day_after_it(), window_start).map(|days| from.insert(text, (-days, time))),
            Operator::Lt => near(bound.day_not_before_it(), window_end).map(|days| to.insert(text, (days, time))),
            Operator::LtEq => near(bound.day + 1, window_end).map(|days| to.insert(text, (days, time))),
            _ => None,
        };
    }
    let bounds = from.into_iter().find_map(|(text, (before, time))| Some((time, before, to.get(&text)?.0)));
    let Some((time, before, after)) = bounds else {
        return Ok(Err(table));
    };
    let time = time.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    });
    let time = cast(time.data()?, DataType::Date32);
    Ok(Ok(WindowedRead { table, time, before, after, columns: columns(scan) }))
}

/// What a time is compared with.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// Its day, counted from 1970.
    day: i64,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Day,
    /// The moment that a day begins with.
    Midnight,
    /// A moment within its day.
    Within,
}

impl Bound {
    fn moment(units: i64, a_day: i64) -> Self {
        let precision = if units.rem_euclid(a_day) == 0 { Precision::Midnight } else { Precision::Within };
        Self { day: units.div_euclid(a_day), precision }
    }

    /// The first day of which anything comes after it.
    fn day_after_it(&self) -> i64 {
        if self.precision == Precision::Day { self.day + 1 } else { self.day }
    }

    /// The first day of which nothing comes before it.
    fn day_not_before_it(&self) -> i64 {
        if self.precision == Precision::Within { self.day + 1 } else { self.day }
    }
}

/// An expression that is compared with a day, or a moment.
fn comparison(filter: &Expr) -> Option<(Expr, Operator, Bound)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (time, Expr::Literal(value, _)) => Some((time.clone(), *op, bound_of(value)?)),
        (Expr::Literal(value, _), time) => Some((time.clone(), op.swap()?, bound_of(value)?)),
        _ => None,
    }
}

/// Of a DATE or TIMESTAMP.
fn bound_of(value: &ScalarValue) -> Option<Bound> {
    match value {
        ScalarValue::Date32(day) => day.map(|day| Bound { day: day.into(), precision: Precision::Day }),
        ScalarValue::TimestampMicrosecond(micros, None) => micros.map(|micros| Bound::moment(micros, DAY_MICROS)),
        ScalarValue::TimestampNanosecond(nanos, None) => nanos.map(|nanos| Bound::moment(nanos, 1000 * DAY_MICROS)),
        _ => None,
    }
}

/// Days from the window's bound, where it is one.
fn near(day: i64, bound: NaiveDate) -> Option<i64> {
    let days = day - bound.signed_duration_since(NaiveDate::default()).num_days();
    (days.abs() < FARTHEST).then_some(days)
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
