//! What is said of the columns that were learnt from: what they weigh, what was done with them, what to look at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use models::encode::{Action, ColumnKind, ColumnReport, Dropped, Warning};
use models::recipe::FittedModel;
use serde_json::{Value, json};
use warehouse::learn::TrainingRows;

/// Entities below which values of their own are no sign of an identifier.
const LEAST_ENTITIES: usize = 100;
/// One of so many entities may share its value with another.
const SHARED_OF: usize = 10;

const IDENTIFIER: &str = "looks like an identifier, which can only be learnt by heart: name it in `exclude`";

/// Columns by what they weigh, the heaviest first, each with what the model does with it.
pub(super) fn report(model: &FittedModel, identifiers: &BTreeSet<String>) -> Vec<Value> {
    let mut found: Vec<_> = model.importance().iter().collect();
    found.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then_with(|| a.column.cmp(&b.column)));
    let prepared: HashMap<&str, &ColumnReport> =
        model.report().columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let row = |(place, found): (usize, &&models::recipe::Importance)| {
        let prepared = prepared.get(found.column.as_str()).copied();
        let warning = match identifiers.contains(&found.column) {
            true => Some(IDENTIFIER),
            false => prepared.and_then(warning),
        };
        json!({
            "column_name": found.column, "importance": found.contribution, "place": place + 1,
            "treatment": prepared.map(treatment), "warning": warning,
        })
    };
    found.iter().enumerate().map(row).collect()
}

fn treatment(column: &ColumnReport) -> String {
    let infinite = match column.infinite {
        0 => "",
        _ => "; infinite is the greatest or the least finite value",
    };
    prepared(column) + infinite
}

fn prepared(column: &ColumnReport) -> String {
    match &column.action {
        Action::Dropped(Dropped::Constant) => "left out: one value in every row".to_owned(),
        Action::Dropped(Dropped::AllMissing) => "left out: no value in any row".to_owned(),
        Action::Dropped(Dropped::Identifier) => "left out: a category with nearly as many levels as rows".to_owned(),
        Action::Kept if column.kind == ColumnKind::Categorical => {
            "levels as they are, missing values too; a level not seen before is as missing".to_owned()
        }
        Action::Kept if column.missing > 0 => "as it is, missing values too".to_owned(),
        Action::Kept => "as it is".to_owned(),
        Action::Filled { .. } if column.missing == 0 => "as it is".to_owned(),
        Action::Filled { median, indicator: true } => format!("missing is {median}, and a column says where"),
        Action::Filled { median, indicator: false } => format!("missing is {median}"),
        Action::OneHot { levels, pooled: 0 } => {
            format!("a column for each of {levels} levels; a level not seen before is none of them")
        }
        Action::OneHot { levels, pooled } => {
            format!("a column for each of {levels} levels, one for {pooled} rare ones and those not seen before")
        }
        Action::TargetStatistic { levels } => {
            format!("the mean label of each of {levels} levels; of one not seen before, that of all rows")
        }
    }
}

fn warning(column: &ColumnReport) -> Option<&'static str> {
    match (&column.action, column.warning) {
        (Action::Dropped(Dropped::Identifier), _) | (_, Some(Warning::LooksLikeIdentifier)) => Some(IDENTIFIER),
        (_, Some(Warning::MostlyMissing)) => Some("has a value in less than 5 % of the rows"),
        (Action::Dropped(Dropped::Constant), _) => Some("has one value in every row, and is left out"),
        (_, None) => None,
    }
}

/// Columns that name the entity: the same on all its nights, and another than that of nearly all others. One night
/// alone does not tell them from numbers that happen to differ.
pub(super) fn identifiers(rows: &TrainingRows) -> BTreeSet<String> {
    let entities = rows.entities.iter().max().map_or(0, |last| *last as usize + 1);
    if entities < LEAST_ENTITIES || entities == rows.entities.len() {
        return BTreeSet::new();
    }
    let schema = rows.features.schema();
    let columns = schema.fields().iter().zip(rows.features.columns());
    let naming = columns.filter(|(_, values)| names_the_entity(values, &rows.entities, entities));
    naming.map(|(field, _)| field.name().clone()).collect()
}

fn names_the_entity(values: &ArrayRef, of: &[u32], entities: usize) -> bool {
    match values.data_type() {
        DataType::Utf8 => {
            let texts = values.as_string::<i32>();
            is_a_name(|row| texts.is_valid(row).then(|| texts.value(row)), of, entities)
        }
        kind if kind.is_integer() => {
            let Ok(values) = cast(values, &DataType::Int64) else { return false };
            let numbers = values.as_primitive::<Int64Type>();
            is_a_name(|row| numbers.is_valid(row).then(|| numbers.value(row)), of, entities)
        }
        _ => false,
    }
}

/// Ends at the first row that says otherwise: nearly all columns differ from night to night.
fn is_a_name<T: Copy + Eq + Hash>(value: impl Fn(usize) -> Option<T>, of: &[u32], entities: usize) -> bool {
    let mut own: Vec<Option<T>> = vec![None; entities];
    let mut taken = HashSet::new();
    let mut shared = 0;
    for (row, entity) in of.iter().enumerate() {
        let (Some(value), Some(known)) = (value(row), own.get_mut(*entity as usize)) else { return false };
        match known {
            Some(known) if *known != value => return false,
            Some(_) => {}
            None => {
                *known = Some(value);
                shared += usize::from(!taken.insert(value));
                if shared * SHARED_OF > entities {
                    return false;
                }
            }
        }
    }
    true
}
