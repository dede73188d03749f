//! What may change in the columns of a table that readers know: a new column, a wider type. Anything else is
//! asked for by name.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::context::{RunContext, RunRequest};
use super::error::RunError;
use crate::ingest::{bronze_schema, is_of_the_engine};
use crate::project::contract::Contract;
use crate::project::model::{Materialized, Model};
use crate::project::types::ColumnType;
use crate::release::Release;
use crate::table::TableSnapshot;

/// Holds the columns of every model that changed against those of its released table.
///
/// # Errors
/// [`RunError::User`] names each column that would go or hold less, and the way out.
pub(super) async fn check(
    context: &RunContext,
    request: &RunRequest,
    previous: Option<&Release>,
) -> Result<(), RunError> {
    let Some(previous) = previous.filter(|_| !request.full_refresh) else {
        return Ok(());
    };
    let mut found = Vec::new();
    for node in context.graph.nodes.iter().filter(|node| node.materialized != Materialized::View) {
        let selected = request.select.as_ref().is_none_or(|selection| selection.contains(&node.name));
        let released = previous.tables.get(&node.name).filter(|_| selected);
        let (Some(released), Some(model)) = (released, context.project.models.get(&node.name)) else { continue };
        if released.recipe.code == node.fingerprint.to_string() {
            continue;
        }
        if let Some(table) = TableSnapshot::load(&context.lake, &node.name, Some(released.version)).await? {
            found.extend(losses(&table, |name| declared(model, name)).into_iter().map(|loss| {
                format!(
                    "{}: {loss}, and readers may need it — keep it, or say so: `buho run --select {} --full-refresh`",
                    model.yml_file, node.name
                )
            }));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(RunError::User { message: found.join("\n") }) }
}

fn declared(model: &Model, name: &str) -> Option<ColumnType> {
    model.spec.columns.iter().find(|column| column.name.as_str() == name).map(|column| column.kind.value)
}

/// What a contract would take from its bronze table, and the way out; `None` where that keeps all it had. A column
/// without a value has nothing to lose.
pub(super) fn refused_contract(contract: &Contract, bronze: &TableSnapshot) -> Option<String> {
    let columns = &contract.spec.columns;
    let now = |name: &str| {
        let column = columns.iter().find(|column| column.name.as_str() == name);
        let was = || ColumnType::from_arrow(bronze.schema.field_with_name(name).ok()?.data_type());
        match is_of_the_engine(name) || is_empty(bronze, name) {
            true => was(),
            false => column.map(|column| column.kind.value),
        }
    };
    let losses = losses(bronze, now);
    (!losses.is_empty()).then(|| {
        format!(
            "{}: {} — take it back (a column that files do not have any more is NULL; another type is a cast in the staging model), or have all that raw has read anew: `buho ingest --select {} --full-refresh`",
            contract.file,
            losses.join(", "),
            contract.table
        )
    })
}

/// Whether no row of a table has a value in a column.
fn is_empty(table: &TableSnapshot, column: &str) -> bool {
    table.files.iter().all(|file| file.nulls(column).is_some_and(|nulls| file.rows == Some(nulls)))
}

/// Whether a column that a table has is of another type by now.
pub(super) fn has_other_types(table: &TableSnapshot, now: &SchemaRef) -> bool {
    let kind = |field: &Field| ColumnType::from_arrow(field.data_type());
    let is_other = |before: &Field| now.field_with_name(before.name()).is_ok_and(|now| kind(now) != kind(before));
    table.schema.fields().iter().any(|before| is_other(before))
}

/// The columns of a contract as a version of its table can be read: no value is cut to a type that came later.
pub(super) fn readable(contract: &Contract, bronze: Option<&TableSnapshot>) -> SchemaRef {
    let declared = bronze_schema(contract);
    let Some(bronze) = bronze else { return declared };
    let kind = |field: &Field| ColumnType::from_arrow(field.data_type());
    let fields = declared.fields().iter().map(|now| match bronze.schema.field_with_name(now.name()) {
        Ok(before) if !kind(now).zip(kind(before)).is_some_and(|(now, before)| now.holds(before)) => {
            Arc::new(before.clone())
        }
        _ => Arc::clone(now),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns of a table that would go, or store less.
fn losses(table: &TableSnapshot, now: impl Fn(&str) -> Option<ColumnType>) -> Vec<String> {
    let mut losses = Vec::new();
    for field in table.schema.fields() {
        let Some(before) = ColumnType::from_arrow(field.data_type()) else { continue };
        match now(field.name()) {
            None => losses.push(format!("column `{}` of {} goes", field.name(), table.table)),
            Some(now) if !now.holds(before) => losses.push(format!(
                "column `{}` of {} was {before} and would be {now}, which does not hold all its values",
                field.name(),
                table.table
            )),
            Some(_) => {}
        }
    }
    losses
}
