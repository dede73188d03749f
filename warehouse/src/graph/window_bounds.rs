//! Whether a model's window is nothing but the bounds of the rows it reads.
//!
//! `day >= $window_start AND day < $window_end` gives for two windows that follow each other what it gives for each of
//! them. A window that is selected, or that cuts what came before it, does not.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DateTimeField, Expr, Interval, JoinConstraint, JoinOperator, Query, Select, SetExpr,
    Statement, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::parse::{WINDOW_END, WINDOW_START};

/// What a statement's parameters say of its window.
pub(super) struct WindowBounds {
    /// Whether every mention of the window is such a bound.
    pub are_all: bool,
    /// Whether each bound lies as many days from the window's own at any date.
    pub are_even: bool,
}

/// Finds the bounds among the places of a statement's parameters.
pub(super) fn window_bounds(statement: &Statement, parameters: &[(String, Span)]) -> WindowBounds {
    let mut bounds = Bounds::default();
    let ControlFlow::Continue(()) = statement.visit(&mut bounds);
    let mut mentions = parameters.iter().filter(|(name, _)| name == WINDOW_START || name == WINDOW_END);
    let are_all = mentions.all(|(_, span)| bounds.places.contains(&span.start));
    WindowBounds { are_all, are_even: !bounds.has_uneven }
}

/// Places of the parameters that are bounds.
#[derive(Default)]
struct Bounds {
    places: BTreeSet<Location>,
    has_uneven: bool,
}

impl Visitor for Bounds {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.body(&query.body);
        ControlFlow::Continue(())
    }
}

impl Bounds {
    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            // A query is visited by itself.
            _ => {}
        }
    }

    fn select(&mut self, select: &Select) {
        let joins = select.from.iter().flat_map(|table| &table.joins);
        let asked = joins.filter_map(|join| on(&join.join_operator)).chain(&select.selection).chain(&select.having);
        asked.for_each(|filter| self.conjuncts(filter));
    }

    fn conjuncts(&mut self, filter: &Expr) {
        match filter {
            Expr::Nested(inner) => self.conjuncts(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjuncts(left);
                self.conjuncts(right);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Gt | BinaryOperator::GtEq, right } => self.between(right, left),
            Expr::BinaryOp { left, op: BinaryOperator::Lt | BinaryOperator::LtEq, right } => self.between(left, right),
            Expr::Between { negated: false, low, high, .. } => {
                self.note(low, WINDOW_START);
                self.note(high, WINDOW_END);
            }
            _ => {}
        }
    }

    /// What is less than the window's end, or more than its start.
    fn between(&mut self, less: &Expr, more: &Expr) {
        self.note(less, WINDOW_START);
        self.note(more, WINDOW_END);
    }

    fn note(&mut self, bound: &Expr, parameter: &str) {
        let mut mentions = Mentions { parameter, places: &mut self.places, is_found: false };
        let ControlFlow::Continue(()) = bound.visit(&mut mentions);
        self.has_uneven |= mentions.is_found && !is_even(bound);
    }
}

/// Whether a bound is the parameter itself, or so many days or hours from it: months differ in their days, and the begin
/// of a month lies further back at its end.
fn is_even(bound: &Expr) -> bool {
    match bound {
        Expr::Nested(inner) => is_even(inner),
        Expr::Value(value) => matches!(value.value, Value::Placeholder(_)),
        Expr::Cast { expr, data_type: DataType::Date | DataType::Timestamp(..), .. } => is_even(expr),
        Expr::BinaryOp { left, op: BinaryOperator::Plus, right } => {
            (is_even(left) && is_span(right)) || (is_span(left) && is_even(right))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } => is_even(left) && is_span(right),
        _ => false,
    }
}

/// Whether something added to a date is as long at any.
fn is_span(added: &Expr) -> bool {
    match added {
        Expr::Nested(inner) => is_span(inner),
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::Interval(Interval { value, leading_field, last_field: None, .. }) => {
            let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text) | Value::Number(text, _), .. }) =
                value.as_ref()
            else {
                return false;
            };
            let words = || text.split(|part: char| !part.is_ascii_alphabetic()).filter(|word| !word.is_empty());
            match leading_field {
                Some(DateTimeField::Day | DateTimeField::Days | DateTimeField::Hour | DateTimeField::Hours) => {
                    words().count() == 0
                }
                None => words().count() > 0 && words().all(|word| ["day", "days", "hour", "hours"].contains(&word)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// The condition of a join that reads rows of both sides.
fn on(join: &JoinOperator) -> Option<&Expr> {
    let constraint = match join {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::Semi(on)
        | JoinOperator::LeftSemi(on)
        | JoinOperator::RightSemi(on) => on,
        _ => return None,
    };
    if let JoinConstraint::On(condition) = constraint { Some(condition) } else { None }
}

struct Mentions<'a> {
    parameter: &'a str,
    places: &'a mut BTreeSet<Location>,
    is_found: bool,
}

impl Visitor for Mentions<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::Placeholder(name) = &value.value
            && name.eq_ignore_ascii_case(self.parameter)
        {
            self.places.insert(value.span.start);
            self.is_found = true;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::parse;

    fn apart(sql: &str) -> bool {
        parse("m.sql", sql).unwrap().one_window_at_a_time
    }

    #[test]
    fn a_window_that_only_bounds_what_is_read_may_be_two_windows_at_once() {
        for sql in [
            "select day from core.t where day >= $window_start and day < $window_end",
            "select day from core.t where (day >= $window_start - interval '6' day and $WINDOW_END > day)",
            "select a.day from core.a as a left join core.b as b on b.id = a.id and b.day >= $window_start \
             where a.day between $window_start and $window_end",
            "with t as (select id, max(day) as day from core.t where day < $window_end group by id \
             having max(day) >= $window_start union all select id, day from core.u where day >= $window_start) \
             select day from t where id in (select id from core.v where day < $window_end)",
            "select day from core.t where day <= $night",
        ] {
            assert!(!apart(sql), "{sql}");
        }
    }

    #[test]
    fn a_window_that_is_selected_or_cuts_what_came_before_it_is_built_alone() {
        for sql in [
            "select $window_start as day, count(*) as rows from core.t where day < $window_end",
            "select day, case when day >= $window_start then 1 end as is_new from core.t where day >= $window_start",
            "select day from core.t where day >= $window_start and id not in (select id from core.t where day < $window_start)",
            "select day from core.t where day = $window_start",
            "select day from core.t where not (day >= $window_start)",
        ] {
            assert!(apart(sql), "{sql}");
        }
    }

    #[test]
    fn a_bound_in_days_is_as_far_off_at_any_date_and_one_in_months_is_not() {
        let even = |bound: &str| {
            parse("m.sql", &format!("select day from core.t where day >= {bound} and day < $window_end"))
                .unwrap()
                .even_bounds
        };
        for bound in [
            "$window_start",
            "($window_start - 6)",
            "$window_start - interval '6' day",
            "$window_start - interval '6 days'",
            "cast($window_start as timestamp) + interval '6' hour",
            "cast($window_start - interval '1' day as date)",
        ] {
            assert!(even(bound), "{bound}");
        }
        for bound in [
            "date_trunc('month', $window_start)",
            "cast(date_trunc('week', $window_start) as date)",
            "$window_start - interval '1' month",
            "$window_start - interval '1 year'",
            "$window_start - days",
            "cast($window_start as varchar)",
        ] {
            assert!(!even(bound), "{bound}");
        }
    }
}
