//! Groups, and rows that are looked at beside each other.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Aggregate, Expr, Window};

use super::Walk;
use super::rows::{Latest, Rows, Timed, column, is_made_of};
use super::time::{Reach, Time};

impl Walk<'_> {
    pub(super) fn grouped(&mut self, aggregate: &Aggregate) -> Result<Rows> {
        let rows = self.rows(&aggregate.input)?;
        Ok(self.by_groups(rows, &aggregate.group_expr, &aggregate.aggr_expr, aggregate.input.schema()))
    }

    pub(super) fn by_groups(&mut self, rows: Rows, groups: &[Expr], gathered: &[Expr], schema: &DFSchema) -> Rows {
        let has_sets = groups.iter().any(|group| matches!(group, Expr::GroupingSet(_)));
        let all = || groups.iter().chain(gathered);
        match rows {
            Rows::Same => Rows::Same,
            Rows::Timed(mut timed) if !has_sets => {
                let made: Vec<bool> = all().map(|expr| is_made_of(expr, schema, &timed.made)).collect();
                let mut columns: Vec<Option<Time>> =
                    groups.iter().map(|group| self.value(group, &mut timed, schema)).collect();
                let classes = whole_groups(&timed, &columns);
                if classes.is_empty() && self.is_by_key && takes_the_last(gathered, schema, &timed.made) {
                    return Rows::Latest(Latest { keys: (0..groups.len()).map(|at| [at].into()).collect(), made });
                }
                columns.resize(made.len(), None);
                Timed { columns, made, ..timed }.within(classes)
            }
            Rows::Latest(latest) if !has_sets && latest.are_by_key(groups, schema) => {
                let made = all().map(|expr| is_made_of(expr, schema, &latest.made)).collect();
                let from: Vec<Option<usize>> = groups.iter().map(|group| column(group, schema)).collect();
                Rows::Latest(latest.with_columns(&from, made))
            }
            _ => Rows::Mixed,
        }
    }

    /// Window functions, which look at the rows beside each.
    pub(super) fn beside_others(&mut self, window: &Window) -> Result<Rows> {
        let schema = window.input.schema();
        let partitions: Vec<&[Expr]> = window.window_expr.iter().map(partition).collect();
        Ok(match self.rows(&window.input)? {
            Rows::Same => Rows::Same,
            Rows::Timed(mut timed) => {
                let mut classes = timed.classes.clone();
                for partition in partitions {
                    let times: Vec<Option<Time>> =
                        partition.iter().map(|expr| self.value(expr, &mut timed, schema)).collect();
                    let own = whole_groups(&timed, &times);
                    classes = classes
                        .into_iter()
                        .filter_map(|(class, reach)| Some((class, reach.least(*own.get(&class)?))))
                        .collect();
                }
                let ranked = ranks_the_last(&window.window_expr, schema, &timed.made);
                let place = timed.made.len();
                let of_functions = window.window_expr.iter().map(|expr| is_made_of(expr, schema, &timed.made));
                timed.made = timed.made.iter().copied().chain(of_functions).collect();
                if let Some(keys) = ranked.filter(|_| classes.is_empty() && self.is_by_key) {
                    return Ok(Rows::Ranked(Latest { keys, made: timed.made }, place));
                }
                timed.columns.resize(timed.made.len(), None);
                timed.within(classes)
            }
            Rows::Latest(mut latest) if partitions.iter().all(|by| latest.are_by_key(by, schema)) => {
                let of_functions = window.window_expr.iter().map(|expr| is_made_of(expr, schema, &latest.made));
                latest.made = latest.made.iter().copied().chain(of_functions).collect();
                Rows::Latest(latest)
            }
            _ => Rows::Mixed,
        })
    }
}

/// Classes by which whole groups are there, of the moments that are grouped by.
fn whole_groups(timed: &Timed, groups: &[Option<Time>]) -> BTreeMap<usize, Reach> {
    let mut classes: BTreeMap<usize, Reach> = BTreeMap::new();
    for time in groups.iter().flatten() {
        let Some(values) = timed.reach(*time) else { continue };
        let reach = time.class_reach(values);
        let known = classes.entry(time.class).or_insert(reach);
        if known.least(reach) == *known {
            *known = reach;
        }
    }
    classes
}

/// What a window function is partitioned by.
fn partition(expr: &Expr) -> &[Expr] {
    match expr {
        Expr::Alias(alias) => partition(&alias.expr),
        Expr::WindowFunction(function) => &function.params.partition_by,
        _ => &[],
    }
}

/// Whether nothing is gathered but the greatest of what is made of the time, which is the last window's.
fn takes_the_last(gathered: &[Expr], schema: &DFSchema, made: &[bool]) -> bool {
    let is_last = |expr: &Expr| match expr {
        Expr::AggregateFunction(call) => {
            let params = &call.params;
            call.func.name() == "max" && params.filter.is_none() && is_made_of(expr, schema, made)
        }
        _ => false,
    };
    let plain = |expr: &Expr| match expr {
        Expr::Alias(alias) => is_last(&alias.expr),
        other => is_last(other),
    };
    !gathered.is_empty() && gathered.iter().all(plain)
}

/// The keys within which rows are numbered from the last window's on, by what is made of the time.
fn ranks_the_last(functions: &[Expr], schema: &DFSchema, made: &[bool]) -> Option<Vec<BTreeSet<usize>>> {
    match functions {
        [Expr::Alias(alias)] => ranks_the_last(std::slice::from_ref(alias.expr.as_ref()), schema, made),
        [Expr::WindowFunction(function)] if function.fun.name() == "row_number" => {
            let first = function.params.order_by.first()?;
            let keys = function.params.partition_by.iter().map(|by| column(by, schema).into_iter().collect());
            (!first.asc && is_made_of(&first.expr, schema, made)).then(|| keys.collect())
        }
        _ => None,
    }
}
