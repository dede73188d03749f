//! What DataFusion's planner says, as mistakes with file, line and the nearest name.

use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::error::{At, GraphError};
use crate::nearest::nearest;

/// The mistakes in one text of SQL that a planning error stands for.
pub fn plan_errors(file: &str, sql: &str, error: &DataFusionError) -> Vec<GraphError> {
    let mut errors = Vec::new();
    collect(file, sql, error, None, &mut errors);
    errors
}

fn collect(file: &str, sql: &str, error: &DataFusionError, span: Option<Span>, errors: &mut Vec<GraphError>) {
    match error {
        DataFusionError::Collection(all) => all.iter().for_each(|error| collect(file, sql, error, span, errors)),
        DataFusionError::Diagnostic(diagnostic, inner) => collect(file, sql, inner, diagnostic.span.or(span), errors),
        DataFusionError::Context(_, inner) => collect(file, sql, inner, span, errors),
        DataFusionError::Shared(inner) => collect(file, sql, inner, span, errors),
        DataFusionError::SchemaError(inner, _) => errors.push(schema_error(file, sql, inner, span)),
        other => {
            let at = span.map_or_else(|| At::new(file, 0, 0), |span| At::location(file, location(span)));
            errors.push(GraphError::Plan { at, message: plain(other) });
        }
    }
}

fn schema_error(file: &str, sql: &str, error: &SchemaError, span: Option<Span>) -> GraphError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => GraphError::UnknownColumn {
            at: place(file, sql, field, span),
            column: named(field),
            nearest: nearest_field(field, valid_fields),
        },
        SchemaError::AmbiguousReference { field } => GraphError::Plan {
            at: place(file, sql, field, span),
            message: format!("column `{}` could be of several tables; write `table.{}`", named(field), field.name),
        },
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            let at = place(file, sql, &Column::from_name(name), span);
            GraphError::Plan { at, message: format!("two columns are called `{name}`; give one another name") }
        }
    }
}

/// `alias.column` as one would write it: the catalog that holds the layers is not spoken of.
fn named(field: &Column) -> String {
    match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => field.name.clone(),
    }
}

/// The nearest among the columns of the table that was named, else among all.
fn nearest_field(field: &Column, valid: &[Column]) -> Option<String> {
    let of_table: Vec<&Column> = match &field.relation {
        Some(relation) => {
            let same = |column: &&Column| column.relation.as_ref().is_some_and(|own| own.table() == relation.table());
            valid.iter().filter(same).collect()
        }
        None => valid.iter().collect(),
    };
    let found = nearest(&field.name, of_table.iter().map(|column| column.name.as_str()))?;
    let of = field.relation.as_ref().map(|relation| format!("{}.", relation.table())).unwrap_or_default();
    Some(format!("{of}{found}"))
}

fn place(file: &str, sql: &str, field: &Column, span: Option<Span>) -> At {
    let known = span.or_else(|| field.spans.first()).map(location);
    match known.or_else(|| search(sql, &field.name)) {
        Some(location) => At::location(file, location),
        None => At::new(file, 0, 0),
    }
}

fn location(span: Span) -> Location {
    Location { line: span.start.line, column: span.start.column }
}

/// The first mention of a name, for errors the planner gives no place.
pub fn search(sql: &str, name: &str) -> Option<Location> {
    mentions(sql, name).into_iter().next()
}

/// The last mention of a name: that of a column of the result is in the last SELECT.
pub fn search_last(sql: &str, name: &str) -> Option<Location> {
    mentions(sql, name).pop()
}

fn mentions(sql: &str, name: &str) -> Vec<Location> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap_or_default();
    let named = tokens.into_iter().filter_map(|token| match &token.token {
        Token::Word(word) if word.value.eq_ignore_ascii_case(name) => Some(token.span.start),
        _ => None,
    });
    named.collect()
}

/// The message without the class of error in front and the backtrace behind.
pub fn plain(error: &DataFusionError) -> String {
    let text = error.message();
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    text.replace("buho.", "").split_whitespace().collect::<Vec<_>>().join(" ")
}
