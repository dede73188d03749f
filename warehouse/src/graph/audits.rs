//! The audits of a model, planned before anything runs: a misspelt column is the user's mistake.

use chrono::NaiveDate;
use datafusion::execution::SessionState;

use super::error::{At, GraphError};
use super::parse::{NIGHT, parse};
use super::plan::plan_query;
use super::plan_error::plan_errors;
use crate::audit::{Check, checks};
use crate::project::model::Model;

/// What is wrong with a model's audits, at the lines of the yml that declare them.
pub async fn audit_errors(state: &SessionState, model: &Model, night: NaiveDate) -> Vec<GraphError> {
    let mut errors = Vec::new();
    for check in checks(model) {
        let sql = check.sql();
        let found = match parse(&check.at.file, &sql) {
            Err(error) => vec![error],
            Ok(parsed) if parsed.parameters.iter().any(|(name, _)| name != NIGHT) => {
                let unknown = parsed.parameters.iter().filter(|(name, _)| name != NIGHT);
                let at = |span| At::span(&check.at.file, span);
                unknown
                    .map(|(name, span)| GraphError::UnknownParameter { at: at(*span), parameter: name.clone() })
                    .collect()
            }
            Ok(parsed) => match plan_query(state, &parsed, night).await {
                Err(error) => plan_errors(&check.at.file, &sql, &error),
                Ok(_) => Vec::new(),
            },
        };
        errors.extend(found.iter().map(|error| at_the_audit(&check, error)));
    }
    errors
}

/// The mistake without its place in the query that was made of the audit.
fn at_the_audit(check: &Check, error: &GraphError) -> GraphError {
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{}: ", error.at())).unwrap_or(&text).to_owned();
    GraphError::Audit { at: check.at.clone(), model: check.node.clone(), audit: check.name.clone(), message }
}
