//! Conditions on rows, of which some are the window's bounds.

use std::collections::BTreeMap;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::super::bound::{DAY, comparison, is_near, nanos, near};
use super::Walk;
use super::rows::{Rows, Timed, column, is_made_of};
use super::time::{Reach, Time};

impl Walk<'_> {
    /// Whether a condition depends on the window.
    pub(super) fn is_of_window(&self, condition: &Expr) -> bool {
        let is_near = |part: &Expr| match part {
            Expr::Literal(value, _) => is_near(value, self.start) || is_near(value, self.end),
            _ => false,
        };
        let is_fixed = || self.fixed.is_none_or(|fixed| fixed.contains(&condition.to_string()));
        condition.exists(|part| Ok(is_near(part))).unwrap_or(true) || !is_fixed()
    }

    pub(super) fn filtered(&mut self, rows: Rows, conditions: &[&Expr], schema: &DFSchema) -> Rows {
        let (bounds, others): (Vec<&Expr>, Vec<&Expr>) =
            conditions.iter().copied().partition(|condition| self.is_of_window(condition));
        match rows {
            Rows::Ranked(latest, place) => {
                let (firsts, rest): (Vec<&Expr>, Vec<&Expr>) =
                    conditions.iter().copied().partition(|condition| is_first(condition, schema, place));
                if firsts.is_empty() { Rows::Mixed } else { self.filtered(Rows::Latest(latest), &rest, schema) }
            }
            Rows::Latest(latest) => {
                let is_by_time = |condition: &&Expr| is_made_of(condition, schema, &latest.made);
                let are_around = bounds.iter().all(|bound| is_by_time(bound) && self.is_around(bound));
                if are_around && !others.iter().any(is_by_time) { Rows::Latest(latest) } else { Rows::Mixed }
            }
            rows if bounds.is_empty() => rows,
            Rows::Same => {
                let timed = self.timed(schema);
                self.bounded(timed, &bounds, schema)
            }
            Rows::Timed(timed) => self.bounded(timed, &bounds, schema),
            Rows::Mixed => Rows::Mixed,
        }
    }

    /// Whether a bound lets through all that is of the windows, where it is on the time that says of which.
    fn is_around(&self, condition: &Expr) -> bool {
        let Some((_, operator, bound)) = comparison(condition) else { return false };
        match operator {
            Operator::GtEq => bound.nanos <= nanos(self.start),
            Operator::Lt => bound.nanos >= nanos(self.end),
            _ => false,
        }
    }

    /// Rows between bounds, which have to be of one moment.
    fn bounded(&self, timed: Timed, bounds: &[&Expr], schema: &DFSchema) -> Rows {
        let mut found: BTreeMap<usize, Reach> = BTreeMap::new();
        for bound in bounds {
            let Some((time, reach)) = self.bound(bound, &timed, schema) else { return Rows::Mixed };
            let before = timed.classes.get(&time.class).copied().unwrap_or(Reach::ALL);
            let within = found.entry(time.class).or_insert(before);
            *within = within.least(time.class_reach(reach));
        }
        let (1, Some(class)) = (found.len(), found.keys().next().copied()) else { return Rows::Mixed };
        let is_it = timed.columns.iter().map(|time| time.is_some_and(|time| time.class == class));
        let made = is_it.zip(&timed.made).map(|(is_it, was)| is_it || *was).collect();
        Timed { made, ..timed }.within(found)
    }

    /// The moment that is bounded, and how far its rows are there.
    fn bound(&self, condition: &Expr, timed: &Timed, schema: &DFSchema) -> Option<(Time, Reach)> {
        let (compared, operator, bound) = comparison(condition)?;
        let time = timed.times(schema, self.length).of(&compared)?;
        let beyond = if bound.is_date { DAY } else { 0 };
        let before = |nanos_at: i64| nanos(self.start).checked_sub(nanos_at);
        let after = |nanos_at: i64| nanos_at.checked_sub(nanos(self.end));
        let from = |nanos_at: i64| Some(Reach { before: before(nanos_at)?, ..Reach::ALL });
        let to = |nanos_at: i64| Some(Reach { after: after(nanos_at)?, ..Reach::ALL });
        let is_start = near(bound.day(), self.start).is_some();
        let is_end = near(bound.day(), self.end).is_some();
        let reach = match operator {
            Operator::GtEq if is_start => from(bound.nanos)?,
            // The next moment is a microsecond later.
            Operator::Gt if is_start => from(bound.nanos.checked_add(beyond.max(1000))?)?,
            Operator::Lt if is_end => to(bound.nanos)?,
            Operator::LtEq if is_end => to(bound.nanos.checked_add(beyond)?)?,
            _ => return None,
        };
        Some((time, reach))
    }
}

/// Whether a condition lets through what has the number 1 in a column.
fn is_first(condition: &Expr, schema: &DFSchema, place: usize) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let is_one = |value: &Expr| match value {
        Expr::Literal(value, _) => matches!(value, ScalarValue::UInt64(Some(1)) | ScalarValue::Int64(Some(1))),
        _ => false,
    };
    column(left, schema) == Some(place) && is_one(right)
}
