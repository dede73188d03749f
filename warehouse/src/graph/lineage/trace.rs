//! From one model's plan: which input columns each output column is made of.
//!
//! A value flows through expressions, joins, windows, aggregates, unions and subqueries. What only
//! decides which rows there are (filters, join conditions, grouping, sorting with a limit) is kept
//! apart, for the model as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Join, LogicalPlan, RecursiveQuery, Subquery, TableScan, Union, Unnest,
};

/// A column of an input table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// `layer.name`.
    pub table: String,
    pub column: String,
}

pub type Origins = BTreeSet<Origin>;

/// What a plan's rows are made of.
#[derive(Debug, Clone, Default)]
pub struct Traced {
    /// By position: the input columns whose values make the output column's.
    pub columns: Vec<Origins>,
    /// Input columns that decide which rows there are.
    pub rows: Origins,
    /// By position: whether a total of DOUBLE (or a moment, always computed in DOUBLE) is part of
    /// the output column, so that its last digits depend on the order of rows. Empty within a plan.
    pub double_totals: Vec<bool>,
}

/// Aggregates that add up their argument: over DOUBLE, in the order rows come.
const TOTALS: &[&str] = &["avg", "sum"];
/// Aggregates that compute in DOUBLE whatever they are given.
const MOMENTS: &[&str] = &[
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
];

/// Traces every output column of a plan to the tables it scans.
///
/// # Errors
/// A plan whose own columns do not fit together: a defect of the planner.
pub fn trace(plan: &LogicalPlan) -> Result<Traced> {
    let mut traced = Tracer::default().plan(plan, &[])?;
    let mark = total();
    traced.rows.remove(&mark);
    traced.double_totals = traced.columns.iter_mut().map(|column| column.remove(&mark)).collect();
    Ok(traced)
}

/// Travels with the origins of a column, as one of no table, where a total of DOUBLE is among them.
fn total() -> Origin {
    Origin { table: String::new(), column: String::new() }
}

fn is_double_total(name: &str, args: &[Expr], schema: &DFSchema) -> bool {
    let double = || args.iter().any(|arg| arg.get_type(schema).is_ok_and(|kind| kind.is_floating()));
    MOMENTS.contains(&name) || (TOTALS.contains(&name) && double())
}

/// Columns of the queries around a correlated subquery, innermost last.
type Outer<'a> = &'a [(&'a DFSchema, &'a [Origins])];

#[derive(Default)]
struct Tracer {
    /// Plans below a CTE are shared: each is traced once.
    shared: BTreeMap<usize, Traced>,
    /// What the rows of a recursive CTE are made of so far, by its name.
    recursive: BTreeMap<String, Vec<Origins>>,
}

impl Tracer {
    fn input(&mut self, plan: &Arc<LogicalPlan>, outer: Outer<'_>) -> Result<Traced> {
        if !outer.is_empty() || !self.recursive.is_empty() {
            return self.plan(plan, outer);
        }
        let address = Arc::as_ptr(plan) as usize;
        if let Some(known) = self.shared.get(&address) {
            return Ok(known.clone());
        }
        let traced = self.plan(plan, outer)?;
        self.shared.insert(address, traced.clone());
        Ok(traced)
    }

    fn plan(&mut self, plan: &LogicalPlan, outer: Outer<'_>) -> Result<Traced> {
        match plan {
            LogicalPlan::TableScan(scan) => Ok(self.scan(scan)),
            LogicalPlan::Join(join) => self.join(join, outer),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, outer),
            LogicalPlan::Union(union) => self.union(union, outer),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query, outer),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest, outer),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct, outer),
            LogicalPlan::Projection(projection) => {
                let input = self.input(&projection.input, outer)?;
                self.project(&projection.expr, &projection.input, input, outer)
            }
            LogicalPlan::Window(window) => {
                let input = self.input(&window.input, outer)?;
                let own = self.project(&window.window_expr, &window.input, input.clone(), outer)?;
                let columns = input.columns.into_iter().chain(own.columns).collect();
                Ok(Traced { columns, rows: own.rows, ..Traced::default() })
            }
            LogicalPlan::Filter(filter) => {
                let input = self.input(&filter.input, outer)?;
                self.deciding(&[&filter.predicate], &filter.input, input, outer)
            }
            LogicalPlan::Sort(sort) => {
                let input = self.input(&sort.input, outer)?;
                let keys: Vec<&Expr> = sort.expr.iter().map(|key| &key.expr).collect();
                self.deciding(&keys, &sort.input, input, outer)
            }
            LogicalPlan::SubqueryAlias(alias) => self.input(&alias.input, outer),
            LogicalPlan::Subquery(subquery) => self.input(&subquery.subquery, outer),
            LogicalPlan::Limit(limit) => self.input(&limit.input, outer),
            LogicalPlan::Values(values) => {
                let width = values.schema.fields().len();
                Ok(Traced { columns: vec![Origins::new(); width], rows: Origins::new(), ..Traced::default() })
            }
            other => self.opaque(other, outer),
        }
    }

    fn scan(&self, scan: &TableScan) -> Traced {
        let name = table_name(&scan.table_name);
        let fields = scan.projected_schema.fields();
        if let Some(known) = self.recursive.get(&name) {
            return Traced { columns: known.clone(), rows: Origins::new(), ..Traced::default() };
        }
        let origin = |column: &String| Origins::from([Origin { table: name.clone(), column: column.clone() }]);
        // A table function has no layer and comes from nowhere.
        let stored = name.contains('.');
        let columns = fields.iter().map(|field| if stored { origin(field.name()) } else { Origins::new() }).collect();
        Traced { columns, rows: Origins::new(), ..Traced::default() }
    }

    fn join(&mut self, join: &Join, outer: Outer<'_>) -> Result<Traced> {
        let left = self.input(&join.left, outer)?;
        let right = self.input(&join.right, outer)?;
        let schema = join.left.schema().join(join.right.schema())?;
        let columns: Vec<Origins> = left.columns.into_iter().chain(right.columns).collect();
        let mut rows: Origins = left.rows.into_iter().chain(right.rows).collect();
        for expr in join.on.iter().flat_map(|(a, b)| [a, b]).chain(&join.filter) {
            let traced = self.expr(expr, &schema, &columns, outer)?;
            rows.extend(traced.value);
            rows.extend(traced.rows);
        }
        // Semi, anti and mark joins keep one side's columns.
        let kept = join
            .schema
            .iter()
            .map(|(relation, field)| {
                position(&schema, relation, field.name()).and_then(|at| columns.get(at).cloned()).unwrap_or_default()
            })
            .collect();
        let columns = if join.schema.fields().len() == columns.len() { columns } else { kept };
        Ok(Traced { columns, rows, ..Traced::default() })
    }

    fn aggregate(&mut self, aggregate: &Aggregate, outer: Outer<'_>) -> Result<Traced> {
        let input = self.input(&aggregate.input, outer)?;
        let exprs: Vec<Expr> = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(set)] => {
                let mut distinct: Vec<Expr> = Vec::new();
                for expr in set.distinct_expr() {
                    distinct.push(expr.clone());
                }
                distinct
            }
            plain => plain.to_vec(),
        };
        let grouping = self.project(&exprs, &aggregate.input, input.clone(), outer)?;
        let values = self.project(&aggregate.aggr_expr, &aggregate.input, input, outer)?;
        let mut rows: Origins = values.rows;
        rows.extend(grouping.rows);
        rows.extend(grouping.columns.iter().flatten().cloned());
        let width = aggregate.schema.fields().len();
        let internal = width.saturating_sub(grouping.columns.len() + values.columns.len());
        let ids = vec![Origins::new(); internal];
        let columns = grouping.columns.into_iter().chain(ids).chain(values.columns).collect();
        Ok(Traced { columns, rows, ..Traced::default() })
    }

    fn union(&mut self, union: &Union, outer: Outer<'_>) -> Result<Traced> {
        let mut all = Traced {
            columns: vec![Origins::new(); union.schema.fields().len()],
            rows: Origins::new(),
            ..Traced::default()
        };
        for input in &union.inputs {
            let traced = self.input(input, outer)?;
            for (column, more) in all.columns.iter_mut().zip(traced.columns) {
                column.extend(more);
            }
            all.rows.extend(traced.rows);
        }
        Ok(all)
    }

    /// The rows of a recursive CTE are made of its first term and, over again, of themselves.
    fn recursive(&mut self, query: &RecursiveQuery, outer: Outer<'_>) -> Result<Traced> {
        let mut all = self.input(&query.static_term, outer)?;
        loop {
            let before = self.recursive.insert(query.name.clone(), all.columns.clone());
            let traced = self.plan(&query.recursive_term, outer);
            self.recursive.remove(&query.name);
            if let Some(before) = before {
                self.recursive.insert(query.name.clone(), before);
            }
            let traced = traced?;
            let size = |traced: &Traced| traced.columns.iter().map(BTreeSet::len).sum::<usize>() + traced.rows.len();
            let known = size(&all);
            for (column, more) in all.columns.iter_mut().zip(traced.columns) {
                column.extend(more);
            }
            all.rows.extend(traced.rows);
            if size(&all) == known {
                return Ok(all);
            }
        }
    }

    fn unnest(&mut self, unnest: &Unnest, outer: Outer<'_>) -> Result<Traced> {
        let input = self.input(&unnest.input, outer)?;
        let from = |index: &usize| input.columns.get(*index).cloned().unwrap_or_default();
        Ok(Traced {
            columns: unnest.dependency_indices.iter().map(from).collect(),
            rows: input.rows.clone(),
            ..Traced::default()
        })
    }

    fn distinct(&mut self, distinct: &Distinct, outer: Outer<'_>) -> Result<Traced> {
        match distinct {
            Distinct::All(input) => self.input(input, outer),
            Distinct::On(on) => {
                let input = self.input(&on.input, outer)?;
                let keys: Vec<&Expr> =
                    on.on_expr.iter().chain(on.sort_expr.iter().flatten().map(|key| &key.expr)).collect();
                let input = self.deciding(&keys, &on.input, input, outer)?;
                self.project(&on.select_expr, &on.input, input, outer)
            }
        }
    }

    /// Any other operator: each column from the input's column of that name, else from all of it.
    fn opaque(&mut self, plan: &LogicalPlan, outer: Outer<'_>) -> Result<Traced> {
        let inputs = plan.inputs().into_iter().map(|input| self.plan(input, outer)).collect::<Result<Vec<_>>>()?;
        let all: Origins = inputs.iter().flat_map(|input| input.columns.iter().flatten().cloned()).collect();
        let rows = inputs.iter().flat_map(|input| input.rows.iter().cloned()).collect();
        let width = plan.schema().fields().len();
        match inputs.as_slice() {
            [one] if one.columns.len() == width => {
                Ok(Traced { columns: one.columns.clone(), rows, ..Traced::default() })
            }
            _ => Ok(Traced { columns: vec![all; width], rows, ..Traced::default() }),
        }
    }

    fn project(&mut self, exprs: &[Expr], below: &LogicalPlan, input: Traced, outer: Outer<'_>) -> Result<Traced> {
        let mut rows = input.rows;
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let traced = self.expr(expr, below.schema(), &input.columns, outer)?;
            columns.push(traced.value);
            rows.extend(traced.rows);
        }
        Ok(Traced { columns, rows, ..Traced::default() })
    }

    fn deciding(
        &mut self,
        exprs: &[&Expr],
        below: &LogicalPlan,
        mut input: Traced,
        outer: Outer<'_>,
    ) -> Result<Traced> {
        for expr in exprs {
            let traced = self.expr(expr, below.schema(), &input.columns, outer)?;
            input.rows.extend(traced.value);
            input.rows.extend(traced.rows);
        }
        Ok(input)
    }

    fn expr(&mut self, expr: &Expr, schema: &DFSchema, columns: &[Origins], outer: Outer<'_>) -> Result<Flow> {
        let mut flow = Flow::default();
        expr.apply(|part| {
            match part {
                Expr::Column(column) => flow.value.extend(lookup(schema, columns, column)),
                Expr::OuterReferenceColumn(_, column) => {
                    for (schema, columns) in outer.iter().rev() {
                        if let Some(at) = position(schema, column.relation.as_ref(), &column.name) {
                            flow.value.extend(columns.get(at).cloned().unwrap_or_default());
                            break;
                        }
                    }
                }
                Expr::AggregateFunction(call) if is_double_total(call.func.name(), &call.params.args, schema) => {
                    flow.value.insert(total());
                }
                Expr::WindowFunction(call) if is_double_total(call.fun.name(), &call.params.args, schema) => {
                    flow.value.insert(total());
                }
                Expr::ScalarSubquery(subquery) => {
                    let traced = self.subquery(subquery, schema, columns, outer)?;
                    flow.value.extend(traced.columns.into_iter().flatten());
                    flow.rows.extend(traced.rows);
                    return Ok(TreeNodeRecursion::Jump);
                }
                Expr::Exists(exists) => {
                    let traced = self.subquery(&exists.subquery, schema, columns, outer)?;
                    flow.value.extend(traced.rows);
                    return Ok(TreeNodeRecursion::Jump);
                }
                Expr::InSubquery(within) => {
                    let traced = self.subquery(&within.subquery, schema, columns, outer)?;
                    flow.value.extend(traced.columns.into_iter().flatten());
                    flow.value.extend(traced.rows);
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(flow)
    }

    fn subquery(
        &mut self,
        subquery: &Subquery,
        schema: &DFSchema,
        columns: &[Origins],
        outer: Outer<'_>,
    ) -> Result<Traced> {
        let mut around: Vec<(&DFSchema, &[Origins])> = outer.to_vec();
        around.push((schema, columns));
        self.plan(&subquery.subquery, &around)
    }
}

/// What an expression is made of, and what decides which rows its subqueries see.
#[derive(Default)]
struct Flow {
    value: Origins,
    rows: Origins,
}

fn lookup(schema: &DFSchema, columns: &[Origins], column: &Column) -> Origins {
    position(schema, column.relation.as_ref(), &column.name).and_then(|at| columns.get(at).cloned()).unwrap_or_default()
}

fn position(schema: &DFSchema, relation: Option<&TableReference>, name: &str) -> Option<usize> {
    schema.index_of_column_by_name(relation, name)
}

/// `layer.name` of a scan; the catalog is ours alone.
fn table_name(reference: &TableReference) -> String {
    match reference.schema() {
        Some(schema) => format!("{schema}.{}", reference.table()),
        None => reference.table().to_owned(),
    }
}
