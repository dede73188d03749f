//! The SQL of one model: parsed, its inputs and parameters found, its night bound.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use chrono::NaiveDate;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, DateTimeField, Expr, Ident, Interval, ObjectName, Query, Spanned, Statement, TableFactor,
    Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use super::error::{At, GraphError};
use super::window_bounds::window_bounds;

/// The date the run is for.
pub const NIGHT: &str = "$night";
/// The first day of the windows that are built.
pub const WINDOW_START: &str = "$window_start";
/// The day after the last of the windows that are built.
pub const WINDOW_END: &str = "$window_end";

/// How far ahead a label looks, as an INTERVAL of days.
pub const HORIZON: &str = "$horizon";

/// The values of a model's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub night: NaiveDate,
    pub window_start: NaiveDate,
    /// The first day that is not in the window.
    pub window_end: NaiveDate,
    /// Days that a label looks ahead; of labels alone.
    pub horizon: Option<u32>,
}

impl Moment {
    /// A night asked for the days from `start` up to, not including, `end`.
    pub fn window(night: NaiveDate, start: NaiveDate, end: NaiveDate) -> Self {
        Self { night, window_start: start, window_end: end, horizon: None }
    }

    fn value(&self, parameter: &str) -> Option<NaiveDate> {
        match parameter.to_lowercase().as_str() {
            NIGHT => Some(self.night),
            WINDOW_START => Some(self.window_start),
            WINDOW_END => Some(self.window_end),
            _ => None,
        }
    }
}

/// A night whose window is its own day.
impl From<NaiveDate> for Moment {
    fn from(night: NaiveDate) -> Self {
        Self { night, window_start: night, window_end: night.succ_opt().unwrap_or(night), horizon: None }
    }
}

/// A model's SQL, read once.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// As written, parameters unbound; always a query.
    pub statement: Statement,
    /// Tables read, as `layer.name`, with the place of the first mention.
    pub inputs: BTreeMap<String, Span>,
    /// Names of the CTEs.
    pub ctes: BTreeSet<String>,
    /// Tables mentioned without a layer that no CTE defines.
    pub unqualified: Vec<(String, Span)>,
    /// Parameters, with the place of each mention.
    pub parameters: Vec<(String, Span)>,
    /// Whether the window is asked for elsewhere than as the bounds of what is read: then the rows of two windows are
    /// not those of both in one.
    pub one_window_at_a_time: bool,
    /// Whether each of those bounds lies as many days from the window's own at any date.
    pub even_bounds: bool,
}

/// Reads one SELECT (with or without WITH); anything else is an error.
///
/// # Errors
/// The place and what stands there, where the text is not one plain query.
pub fn parse(file: &str, sql: &str) -> Result<Parsed, GraphError> {
    let mut statements = Parser::new(&GenericDialect {})
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| syntax_error(file, &error))?;
    let not_one = |at, found: &str, advice: &str| GraphError::NotOneSelect {
        at,
        found: found.to_owned(),
        advice: advice.to_owned(),
    };
    let count = statements.len();
    let Some(statement) = statements.pop() else {
        return Err(not_one(At::new(file, 1, 1), "empty", "write the SELECT that makes the table"));
    };
    if count > 1 {
        let found = format!("{count} statements");
        return Err(not_one(
            At::span(file, statement.span()),
            &found,
            "keep one; what the others prepare can be a CTE",
        ));
    }
    let Statement::Query(_) = &statement else {
        let first = statement.to_string();
        let word = first.split_whitespace().next().unwrap_or_default().to_owned();
        let advice = "the run decides how its rows are stored; write only the SELECT that gives them";
        return Err(not_one(At::new(file, 1, 1), &format!("a {word} statement"), advice));
    };
    let mut references = References::default();
    let ControlFlow::Continue(()) = statement.visit(&mut references);
    let bounds = window_bounds(&statement, &references.parameters);
    let unqualified = references.unqualified.into_iter().filter(|(name, _)| !references.ctes.contains(name)).collect();
    Ok(Parsed {
        statement,
        inputs: references.inputs,
        ctes: references.ctes,
        unqualified,
        parameters: references.parameters,
        one_window_at_a_time: !bounds.are_all,
        even_bounds: bounds.are_even,
    })
}

/// The query with its parameters bound as DATEs.
pub fn bind(statement: &Statement, moment: impl Into<Moment>) -> Statement {
    let mut bound = statement.clone();
    let ControlFlow::Continue(()) = VisitMut::visit(&mut bound, &mut Binder { moment: moment.into() });
    bound
}

/// The text that stands for the SQL's meaning: comments, layout, and the case of words do not count.
pub fn canonical(statement: &Statement) -> String {
    let printed = statement.to_string();
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, &printed).tokenize() else {
        return printed;
    };
    let mut text = String::with_capacity(printed.len());
    for token in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.quote_style.is_none() => text.push_str(&word.value.to_lowercase()),
            other => text.push_str(&other.to_string()),
        }
        text.push(' ');
    }
    text
}

/// An identifier as the engines compare it: lower case unless quoted.
pub fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// A dotted name as the engines compare it.
pub fn normal_name(name: &ObjectName) -> String {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normal).collect();
    parts.join(".")
}

fn syntax_error(file: &str, error: &ParserError) -> GraphError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "it nests too deeply".to_owned(),
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message.to_owned(), place.to_owned()),
        None => (text, String::new()),
    };
    let mut numbers = place.split(", Column: ").map(|number| number.trim().parse::<u64>().unwrap_or(0));
    let line = numbers.next().unwrap_or(0);
    let column = numbers.next().unwrap_or(0);
    GraphError::Syntax { at: At::new(file, line, column), message }
}

/// `INTERVAL '<days>' DAY`
fn days_interval(days: u32) -> Expr {
    let value = Value::SingleQuotedString(days.to_string()).with_empty_span();
    Expr::Interval(Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: Some(DateTimeField::Day),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

#[derive(Default)]
struct References {
    inputs: BTreeMap<String, Span>,
    ctes: BTreeSet<String>,
    unqualified: Vec<(String, Span)>,
    parameters: Vec<(String, Span)>,
    /// Table functions are visited as relations too; they are the lint's business.
    functions: BTreeSet<Location>,
}

impl Visitor for References {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(normal(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            self.functions.insert(name.span().start);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let span = relation.span();
        if self.functions.contains(&span.start) {
            return ControlFlow::Continue(());
        }
        let name = normal_name(relation);
        if relation.0.len() == 1 {
            self.unqualified.push((name, span));
        } else {
            self.inputs.entry(name).or_insert(span);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::Placeholder(name) = &value.value {
            self.parameters.push((name.to_lowercase(), value.span));
        }
        ControlFlow::Continue(())
    }
}

/// Puts dates in place of parameters before planning, so that every expression around them is
/// planned with its type: a placeholder in the plan would have none.
struct Binder {
    moment: Moment,
}

impl VisitorMut for Binder {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr
            && let Some(days) = self.moment.horizon.filter(|_| name.eq_ignore_ascii_case(HORIZON))
        {
            *expr = days_interval(days);
            return ControlFlow::Continue(());
        }
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), span }) = expr
            && let Some(date) = self.moment.value(name)
        {
            let text = Value::SingleQuotedString(date.to_string()).with_span(*span);
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(text)),
                data_type: DataType::Date,
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}
