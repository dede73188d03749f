//! Whether rows of two windows may meet where a model is asked for both at once.
//!
//! A plan may be asked for any windows that follow each other if its rows of a window are the same whichever windows are
//! asked for beside it. That is followed from the tables up: of what is read by `day >= $window_start AND day <
//! $window_end` all rows near the windows, by their `day`, are there; how near is the [`Reach`].
//!
//! | step | its rows by a moment are there as far |
//! |---|---|
//! | bounds of the window on one moment | as the bounds say; by any other moment nothing is known |
//! | group, partition, distinct | as before, by moments that are among what is grouped by |
//! | join | as before, where the rows of the other side that it meets are all there: the same day, or days within its reach |
//! | union | as each of what it takes |
//! | limit, anything else | not at all, unless it reads nothing by the window |
//!
//! Of a table by key the last window's rows of a key count, so that it may also take of each key the last row: the
//! greatest of what is made of the moment, or the first when numbered by that from the greatest on ([`Rows::Latest`]).

mod bounds;
mod groups;
mod join;
mod rows;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, TableScan, Union};

use self::rows::{Latest, Rows, Timed, column, is_made_of};
use self::time::{Reach, Time, is_moment};
use crate::graph::parse::Moment;
use crate::project::model::{Materialized, ModelFile, WindowLength};

/// Whether it may be so in any of the plans of a model, each of which was made for another window.
pub(super) fn may_meet(spec: &ModelFile, planned: &[(Moment, LogicalPlan)]) -> Result<bool> {
    let fixed = fixed(planned)?;
    for (moment, plan) in planned {
        let mut walk = Walk {
            start: moment.window_start,
            end: moment.window_end,
            length: spec.window(),
            is_by_key: spec.materialized == Materialized::Merge,
            fixed: fixed.as_ref(),
            classes: 0,
        };
        let rows = walk.rows(plan)?;
        let time = spec.time().and_then(|time| plan.schema().index_of_column_by_name(None, time.as_str()));
        if !time.is_some_and(|time| is_whole(&rows, time)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the rows of a window, by the column that says which, are the same whichever windows are asked for.
fn is_whole(rows: &Rows, column: usize) -> bool {
    match rows {
        Rows::Same => true,
        Rows::Timed(timed) => {
            let time = timed.columns.get(column).copied().flatten();
            time.and_then(|time| timed.reach(time.day())).is_some_and(Reach::holds_windows)
        }
        Rows::Latest(latest) => latest.made.get(column).copied().unwrap_or_default(),
        Rows::Ranked(..) | Rows::Mixed => false,
    }
}

/// The conditions that every window has alike, where there are plans of several: in others the window may be in a form
/// that is not known.
fn fixed(planned: &[(Moment, LogicalPlan)]) -> Result<Option<BTreeSet<String>>> {
    let mut fixed: Option<BTreeSet<String>> = None;
    for (_, plan) in planned.iter().filter(|_| planned.len() > 1) {
        let mut own = BTreeSet::new();
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                own.extend(split_conjunction(expr).into_iter().map(ToString::to_string));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        fixed = Some(fixed.map_or_else(|| own.clone(), |fixed| fixed.intersection(&own).cloned().collect()));
    }
    Ok(fixed)
}

/// Goes through the plan that was made for a window.
struct Walk<'a> {
    start: NaiveDate,
    end: NaiveDate,
    length: WindowLength,
    is_by_key: bool,
    fixed: Option<&'a BTreeSet<String>>,
    /// Classes of moments so far.
    classes: usize,
}

impl Walk<'_> {
    /// What is known of the rows of a step, by that of the steps below it.
    fn rows(&mut self, plan: &LogicalPlan) -> Result<Rows> {
        if self.asks_by_window(plan)? {
            return Ok(Rows::Mixed);
        }
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Filter(filter) => {
                let rows = self.rows(&filter.input)?;
                Ok(self.filtered(rows, &split_conjunction(&filter.predicate), filter.input.schema()))
            }
            LogicalPlan::Projection(projection) => {
                let rows = self.rows(&projection.input)?;
                Ok(self.projected(rows, &projection.expr, projection.input.schema()))
            }
            LogicalPlan::Aggregate(aggregate) => self.grouped(aggregate),
            LogicalPlan::Window(window) => self.beside_others(window),
            LogicalPlan::Join(join) => self.joined(join),
            LogicalPlan::Union(union) => self.one_after_another(union),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let rows = self.rows(input)?;
                let columns = input.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
                Ok(self.by_groups(rows, &columns, &[], input.schema()))
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.rows(&sort.input),
            LogicalPlan::SubqueryAlias(alias) => self.rows(&alias.input),
            LogicalPlan::Repartition(repartition) => self.rows(&repartition.input),
            other => self.other(other),
        }
    }

    /// Whether an expression asks rows that are read by the window.
    fn asks_by_window(&mut self, plan: &LogicalPlan) -> Result<bool> {
        let mut asked = Vec::new();
        plan.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::ScalarSubquery(subquery) => asked.push(Arc::clone(&subquery.subquery)),
                    Expr::Exists(exists) => asked.push(Arc::clone(&exists.subquery.subquery)),
                    Expr::InSubquery(within) => asked.push(Arc::clone(&within.subquery.subquery)),
                    Expr::SetComparison(compared) => asked.push(Arc::clone(&compared.subquery.subquery)),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        for plan in asked {
            if !matches!(self.rows(&plan)?, Rows::Same) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn other(&mut self, plan: &LogicalPlan) -> Result<Rows> {
        for input in plan.inputs() {
            if !matches!(self.rows(input)?, Rows::Same) {
                return Ok(Rows::Mixed);
            }
        }
        Ok(Rows::Same)
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Rows> {
        let schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        let conditions: Vec<&Expr> = scan.filters.iter().flat_map(split_conjunction).collect();
        Ok(match (self.filtered(Rows::Same, &conditions, &schema), &scan.projection) {
            (Rows::Same, _) => Rows::Same,
            _ if scan.fetch.is_some() => Rows::Mixed,
            (Rows::Timed(timed), Some(projection)) => {
                let columns = projection.iter().map(|at| timed.columns.get(*at).copied().flatten()).collect();
                let made = projection.iter().map(|at| timed.made.get(*at).copied().unwrap_or_default()).collect();
                Rows::Timed(Timed { columns, made, ..timed })
            }
            (rows, _) => rows,
        })
    }

    /// Rows that are there whole, by any moment that they have.
    fn timed(&mut self, schema: &DFSchema) -> Timed {
        let mut timed = Timed { classes: BTreeMap::new(), columns: Vec::new(), made: Vec::new() };
        for field in schema.fields() {
            let time = is_moment(field.data_type()).then(|| self.class(&mut timed.classes, Reach::ALL));
            timed.columns.push(time);
            timed.made.push(false);
        }
        timed
    }

    fn class(&mut self, classes: &mut BTreeMap<usize, Reach>, reach: Reach) -> Time {
        self.classes += 1;
        classes.insert(self.classes, reach);
        Time::of(self.classes)
    }

    fn projected(&mut self, rows: Rows, exprs: &[Expr], schema: &DFSchema) -> Rows {
        match rows {
            Rows::Timed(mut timed) => {
                let made = exprs.iter().map(|expr| is_made_of(expr, schema, &timed.made)).collect();
                let columns = exprs.iter().map(|expr| self.value(expr, &mut timed, schema)).collect();
                Rows::Timed(Timed { columns, made, ..timed })
            }
            Rows::Latest(latest) => {
                let made = exprs.iter().map(|expr| is_made_of(expr, schema, &latest.made)).collect();
                let from: Vec<Option<usize>> = exprs.iter().map(|expr| column(expr, schema)).collect();
                Rows::Latest(latest.with_columns(&from, made))
            }
            Rows::Ranked(latest, place) => {
                let made = exprs.iter().map(|expr| is_made_of(expr, schema, &latest.made)).collect();
                let from: Vec<Option<usize>> = exprs.iter().map(|expr| column(expr, schema)).collect();
                let is_there = from.iter().position(|from| *from == Some(place));
                is_there.map_or(Rows::Mixed, |place| Rows::Ranked(latest.with_columns(&from, made), place))
            }
            rows => rows,
        }
    }

    /// The moment that an expression is; the first of several that is there has a class of its own.
    fn value(&mut self, expr: &Expr, timed: &mut Timed, schema: &DFSchema) -> Option<Time> {
        if let Some(time) = timed.times(schema, self.length).of(expr) {
            return Some(time);
        }
        let reach = first_of(expr)?.into_iter().try_fold(Reach::ALL, |reach, expr| {
            let time = timed.times(schema, self.length).of(expr)?;
            Some(reach.least(timed.reach(time)?))
        })?;
        Some(self.class(&mut timed.classes, reach))
    }

    fn one_after_another(&mut self, union: &Union) -> Result<Rows> {
        let width = union.schema.fields().len();
        let mut all = Vec::new();
        for input in &union.inputs {
            all.push((self.rows(input)?, input.schema()));
        }
        if all.iter().all(|(rows, _)| matches!(rows, Rows::Same)) {
            return Ok(Rows::Same);
        }
        let mut taken = Vec::new();
        let mut made = vec![false; width];
        let mut has_latest = false;
        for (rows, schema) in all {
            let own = match rows {
                Rows::Ranked(..) | Rows::Mixed => return Ok(Rows::Mixed),
                Rows::Same => self.timed(schema),
                Rows::Timed(timed) => timed,
                Rows::Latest(latest) => {
                    has_latest = true;
                    Timed { classes: BTreeMap::new(), columns: vec![None; width], made: latest.made }
                }
            };
            made.iter_mut().zip(&own.made).for_each(|(made, own)| *made |= own);
            taken.push(own);
        }
        if has_latest {
            // The last windows of a key may be two: no key tells what is of one.
            let is_by_key = taken.iter().all(|timed| timed.classes.is_empty());
            return Ok(if is_by_key {
                Rows::Latest(Latest { keys: vec![BTreeSet::new()], made })
            } else {
                Rows::Mixed
            });
        }
        let mut classes = BTreeMap::new();
        let of_column = |at: usize| {
            let reach = |timed: &Timed| timed.reach(timed.columns.get(at).copied().flatten()?);
            taken.iter().try_fold(Reach::ALL, |all, timed| Some(all.least(reach(timed)?)))
        };
        let reaches: Vec<Option<Reach>> = (0..width).map(of_column).collect();
        let columns =
            reaches.into_iter().map(|reach| reach.map(|reach| self.class(&mut classes, reach))).collect::<Vec<_>>();
        Ok(Timed { classes: classes.clone(), columns, made }.within(classes))
    }
}

/// The expressions of which one is the first that is not NULL.
fn first_of(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Alias(alias) => first_of(&alias.expr),
        Expr::ScalarFunction(call) if call.name() == "coalesce" => Some(call.args.iter().collect()),
        Expr::Case(case) if case.expr.is_none() => {
            let last = case.else_expr.as_deref()?;
            let firsts = case.when_then_expr.iter().map(|(when, then)| match when.as_ref() {
                Expr::IsNotNull(known) if known == then => Some(then.as_ref()),
                _ => None,
            });
            firsts.chain([Some(last)]).collect()
        }
        _ => None,
    }
}
