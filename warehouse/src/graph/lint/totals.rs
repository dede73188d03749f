//! Totals of DOUBLE: their last digits depend on the order in which rows come, and so on threads.

use crate::graph::error::{At, GraphError, Rule};
use crate::graph::lineage::Traced;
use crate::project::model::Model;

/// Columns that are totals of DOUBLE and do not say how far they may differ.
pub fn lint_totals(model: &Model, names: &[String], traced: &Traced) -> Vec<GraphError> {
    let undeclared = |name: &String| {
        let column = model.spec.columns.iter().find(|column| *column.name == *name)?;
        if column.tolerance.is_some() {
            return None;
        }
        Some(GraphError::NotPortable {
            at: At::line(&model.yml_file, column.name.line),
            rule: Rule::DoubleTotal,
            found: format!(
                "column `{name}` is a total or average of DOUBLE, whose last digits change with the order of rows"
            ),
            portable:
                "CAST to DECIMAL(p,s) before the sum, or declare the column's `tolerance` (relative, such as 1e-9)"
                    .to_owned(),
        })
    };
    names
        .iter()
        .zip(&traced.double_totals)
        .filter(|(_, total)| **total)
        .filter_map(|(name, _)| undeclared(name))
        .collect()
}
