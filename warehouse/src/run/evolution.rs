//! What may change in the columns of a table that readers know: a new column, a wider type. Anything else is
//! asked for by name.

use super::context::{RunContext, RunRequest};
use super::error::RunError;
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
            found.extend(losses(&table, model).into_iter().map(|loss| {
                format!(
                    "{}: {loss}, and readers may need it — keep it, or say so: `buho run --select {} --full-refresh`",
                    model.yml_file, node.name
                )
            }));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(RunError::User { message: found.join("\n") }) }
}

/// The columns of a table that a model would drop, or store less of.
fn losses(table: &TableSnapshot, model: &Model) -> Vec<String> {
    let mut losses = Vec::new();
    for field in table.schema.fields() {
        let Some(before) = ColumnType::from_arrow(field.data_type()) else { continue };
        let now = model.spec.columns.iter().find(|column| column.name.as_str() == field.name());
        match now.map(|column| column.kind.value) {
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
