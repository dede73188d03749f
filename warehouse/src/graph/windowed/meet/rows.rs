//! What is known of the rows that a step of a plan gives.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;

use super::time::{Reach, Time, Times};
use crate::project::model::WindowLength;

/// The rows of one step of a plan, beside those that it would give were other windows asked for.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// The same whichever windows are asked for.
    Same,
    Timed(Timed),
    Latest(Latest),
    /// Of a table by key: rows that are numbered, of which those with a 1 in a column are the latest.
    Ranked(Latest, usize),
    /// Nobody knows: rows of two windows may have met.
    Mixed,
}

/// Rows of which those near the windows are the same whichever windows are asked for.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    /// By class of moments how far those are near.
    pub classes: BTreeMap<usize, Reach>,
    /// By column which moment it is.
    pub columns: Vec<Option<Time>>,
    /// By column whether a moment is part of its value.
    pub made: Vec<bool>,
}

impl Timed {
    pub fn times<'a>(&'a self, schema: &'a DFSchema, length: WindowLength) -> Times<'a> {
        Times { schema, columns: &self.columns, length }
    }

    /// How far the rows of the values of a moment are there.
    pub fn reach(&self, time: Time) -> Option<Reach> {
        Some(time.reach_of(*self.classes.get(&time.class)?))
    }

    /// Itself where only some classes are still known.
    pub fn within(mut self, classes: BTreeMap<usize, Reach>) -> Rows {
        if classes.is_empty() {
            return Rows::Mixed;
        }
        self.columns.iter_mut().for_each(|time| *time = time.filter(|time| classes.contains_key(&time.class)));
        Rows::Timed(Self { classes, ..self })
    }
}

/// Of a table by key: rows of which each key has those of the last window that has any of it, all of one window.
#[derive(Debug, Clone)]
pub(super) struct Latest {
    /// The columns by which keys are told apart, each with those that are equal to it.
    pub keys: Vec<BTreeSet<usize>>,
    /// By column whether the time of the window is part of its value.
    pub made: Vec<bool>,
}

impl Latest {
    /// Whether rows are gathered by all of the keys.
    pub fn are_by_key(&self, by: &[Expr], schema: &DFSchema) -> bool {
        let columns: BTreeSet<usize> = by.iter().filter_map(|expr| column(expr, schema)).collect();
        self.keys.iter().all(|key| !key.is_disjoint(&columns))
    }

    /// Its rows with other columns, by where each comes from.
    pub fn with_columns(&self, from: &[Option<usize>], made: Vec<bool>) -> Self {
        let places = |key: &BTreeSet<usize>| {
            let own = from.iter().enumerate().filter(|(_, from)| from.is_some_and(|from| key.contains(&from)));
            own.map(|(place, _)| place).collect()
        };
        Self { keys: self.keys.iter().map(places).collect(), made }
    }
}

/// The column that an expression gives as it is.
pub(super) fn column(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => column(&alias.expr, schema),
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    }
}

/// Whether a column of some is part of an expression.
pub(super) fn is_made_of(expr: &Expr, schema: &DFSchema, columns: &[bool]) -> bool {
    let is_one = |at: usize| columns.get(at).copied().unwrap_or_default();
    expr.column_refs().into_iter().any(|column| schema.maybe_index_of_column(column).is_none_or(is_one))
}
