//! Rows of two computations of the same table, side by side: where they differ.

use std::collections::HashMap;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::take;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::project::model::ModelColumn;

/// Relative difference of DOUBLE values that is none, unless the yml gives a tolerance.
const TOLERANCE: f64 = 1e-9;

/// Two values of one column.
pub(super) struct Difference {
    pub column: String,
    pub entity: String,
    pub used: String,
    pub again: String,
}

/// One side of a comparison: its rows, and where each entity's are.
pub(super) struct Side {
    rows: RecordBatch,
    places: HashMap<String, Vec<u32>>,
}

impl Side {
    /// Rows by the text of a column.
    pub fn by(entity: &str, rows: RecordBatch) -> Result<Self, ArrowError> {
        let mut places: HashMap<String, Vec<u32>> = HashMap::new();
        let named = rows.column_by_name(entity).map(shown).transpose()?.unwrap_or_default();
        for (place, entity) in (0_u32..).zip(named) {
            places.entry(entity).or_default().push(place);
        }
        Ok(Self { rows, places })
    }

    fn of(&self, entity: &str) -> Vec<Option<u32>> {
        self.places.get(entity).map_or(vec![None], |places| places.iter().copied().map(Some).collect())
    }

    /// A column of chosen rows; a row that is not there is NULL.
    fn column(&self, name: &str, chosen: &UInt32Array) -> Result<Option<ArrayRef>, ArrowError> {
        let values = self.rows.column_by_name(name);
        values.map(|values| take(values.as_ref(), chosen, None)).transpose()
    }
}

/// A column as text, NULL among it.
pub(super) fn shown(values: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let format = ArrayFormatter::try_new(values.as_ref(), &options)?;
    Ok((0..values.len()).map(|row| format.value(row).to_string()).collect())
}

/// The first of the columns in which each of the entities' rows differ, where they do.
pub(super) fn first_differences(
    entities: &[String],
    used: &Side,
    again: &Side,
    compared: &[&ModelColumn],
) -> Result<Vec<Difference>, ArrowError> {
    let mut pairs = Vec::new();
    for entity in entities {
        let again = again.of(entity);
        pairs
            .extend(used.of(entity).into_iter().flat_map(|used| again.iter().map(move |again| (entity, used, *again))));
    }
    let of_used: UInt32Array = pairs.iter().map(|(_, used, _)| *used).collect();
    let of_again: UInt32Array = pairs.iter().map(|(.., again)| *again).collect();
    let mut found: Vec<Option<Difference>> = pairs.iter().map(|_| None).collect();
    for declared in compared {
        let name = declared.name.as_str();
        let (Some(used), Some(again)) = (used.column(name, &of_used)?, again.column(name, &of_again)?) else {
            continue;
        };
        let differ = differing(declared, &used, &again)?;
        if differ.is_empty() {
            continue;
        }
        let (used, again) = (shown(&used)?, shown(&again)?);
        for row in differ {
            let (Some(first), Some((entity, ..))) = (found.get_mut(row), pairs.get(row)) else { continue };
            first.get_or_insert_with(|| Difference {
                column: name.to_owned(),
                entity: (*entity).clone(),
                used: used.get(row).cloned().unwrap_or_default(),
                again: again.get(row).cloned().unwrap_or_default(),
            });
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// The rows in which two columns differ: numbers by their tolerance, NULL from all that is not.
fn differing(declared: &ModelColumn, used: &ArrayRef, again: &ArrayRef) -> Result<Vec<usize>, ArrowError> {
    if declared.kind.value.arrow() != DataType::Float64 {
        let differ = distinct(used, again)?;
        return Ok(differ.values().set_indices().collect());
    }
    let tolerance = declared.tolerance.unwrap_or(TOLERANCE);
    let pairs = used.as_primitive::<Float64Type>().iter().zip(again.as_primitive::<Float64Type>());
    let differ = |(used, again): (Option<f64>, Option<f64>)| match (used, again) {
        (Some(used), Some(again)) => !is_near(used, again, tolerance),
        (used, again) => used.is_some() != again.is_some(),
    };
    Ok(pairs.enumerate().filter(|(_, pair)| differ(*pair)).map(|(row, _)| row).collect())
}

fn is_near(used: f64, again: f64, tolerance: f64) -> bool {
    if !used.is_finite() || !again.is_finite() {
        return used == again || (used.is_nan() && again.is_nan());
    }
    (used - again).abs() <= tolerance * (used.abs() + again.abs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::project::located::Located;
    use crate::project::types::ColumnType;

    fn side(rows: &[(&str, Option<i64>, f64, f64)]) -> Side {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
        let orders: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)));
        let mean: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)));
        let rough: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3)));
        let named = [("customer_id", names), ("orders", orders), ("mean", mean), ("rough", rough)];
        Side::by("customer_id", RecordBatch::try_from_iter(named).unwrap()).unwrap()
    }

    fn found(entities: &[&str], used: &Side, again: &Side) -> Vec<String> {
        let column = |name: &str, kind: ColumnType, tolerance: Option<f64>| ModelColumn {
            name: Located::nowhere(name.to_owned()),
            kind: Located::nowhere(kind),
            description: String::new(),
            unit: None,
            pii: None,
            tolerance,
            fixed: false,
            audits: Vec::new(),
        };
        let columns = [
            column("orders", ColumnType::Bigint, None),
            column("mean", ColumnType::Double, None),
            column("rough", ColumnType::Double, Some(0.1)),
        ];
        let compared: Vec<&ModelColumn> = columns.iter().collect();
        let entities: Vec<String> = entities.iter().map(|entity| (*entity).to_owned()).collect();
        let told = first_differences(&entities, used, again, &compared).unwrap();
        told.iter().map(|one| format!("{} {} {} {}", one.entity, one.column, one.used, one.again)).collect()
    }

    #[test]
    fn the_first_column_that_differs_is_told_of_each_row_in_the_order_of_the_entities() {
        let used = side(&[("b", Some(1), 0.5, 1.0), ("a", Some(2), 0.5, 1.0), ("c", None, 0.5, 1.0)]);
        let again = side(&[("a", Some(3), 0.7, 1.0), ("b", Some(1), 0.5 + 1e-3, 9.0), ("c", None, 0.5, 1.0)]);
        assert_eq!(found(&["a", "b", "c"], &used, &again), ["a orders 2 3", "b mean 0.5 0.501"]);
    }

    #[test]
    fn what_is_within_a_tolerance_or_not_finite_in_the_same_way_is_no_difference() {
        let used = side(&[("a", Some(1), 1.0, 1.0), ("b", Some(1), f64::NAN, f64::INFINITY)]);
        let again = side(&[("a", Some(1), 1.0 + 1e-10, 1.15), ("b", Some(1), f64::NAN, f64::INFINITY)]);
        assert_eq!(found(&["a", "b"], &used, &again), [""; 0]);
        let again = side(&[("a", Some(1), 1.0, 1.3), ("b", Some(1), 0.0, f64::NEG_INFINITY)]);
        assert_eq!(found(&["a", "b"], &used, &again), ["a rough 1.0 1.3", "b mean NaN 0.0"]);
    }

    #[test]
    fn a_row_that_is_not_there_again_and_a_second_one_of_an_entity_differ() {
        let used = side(&[("a", Some(1), 1.0, 1.0), ("b", Some(2), 1.0, 1.0)]);
        let again = side(&[("b", Some(2), 1.0, 1.0), ("b", Some(4), 1.0, 1.0)]);
        assert_eq!(found(&["a", "b"], &used, &again), ["a orders 1 NULL", "b orders 2 4"]);
    }
}
