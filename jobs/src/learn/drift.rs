//! How far tonight's rows are from those learnt from.

use std::collections::HashSet;

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::DataType;
use models::encode::EncodeError;
use models::metrics::{stability_index, stability_index_of_levels};
use models::recipe::{Recipe, RecipeError, Training as Rows, fit};
use ndarray::Array1;
use serde_json::{Value, json};
use warehouse::learn::{LearnError, Training};

use super::SEED;
use super::table::frame;

/// Bins of a column's stability index.
const BINS: usize = 10;
/// Rows of each side that the two-sample classifier learns from.
const MOST_ROWS: usize = 2_000;
/// The classifier that tries to tell tonight from the newest night that is learnt from.
const TELLER: &str = "classifier logistic folds=2";

/// What drifted.
pub(super) struct Drift {
    pub rows: Vec<Value>,
    /// AUC of telling tonight from the newest night that is learnt from; .5 where it cannot be told.
    pub auc: Option<f64>,
}

/// Tonight against the newest night that is learnt from, column by column and all together; both are rows drawn by
/// chance, whether or not they have a label.
///
/// # Errors
/// Columns that cannot be read.
pub(super) fn measure(task: &Training) -> Result<Drift, LearnError> {
    let reference = &task.newest;
    let mut drift = Drift { rows: Vec::new(), auc: None };
    if reference.num_rows() == 0 || task.tonight.num_rows() == 0 {
        return Ok(drift);
    }
    for (place, field) in reference.schema().fields().iter().enumerate() {
        let is_text = *field.data_type() == DataType::Utf8;
        let (before, now) = codes(reference, &task.tonight, place)?;
        let index = match is_text {
            true => stability_index_of_levels(before.view(), now.view()),
            false => stability_index(before.view(), now.view(), BINS),
        };
        if let Ok(index) = index {
            drift.rows.push(json!({ "column_name": field.name(), "measure": "psi", "value": index.value }));
        }
    }
    drift.rows.extend(unseen(&task.rows.features, &task.tonight));
    drift.auc = told_apart(reference, &task.tonight)?;
    if let Some(auc) = drift.auc {
        drift.rows.push(json!({ "measure": "c2st", "value": auc }));
    }
    Ok(drift)
}

/// For each column of texts the share of tonight's rows with a level that no row that is learnt from has.
fn unseen(learnt: &RecordBatch, tonight: &RecordBatch) -> Vec<Value> {
    let schema = learnt.schema();
    let columns = schema.fields().iter().zip(learnt.columns()).zip(tonight.columns());
    let texts = columns.filter(|((field, _), _)| *field.data_type() == DataType::Utf8);
    let share = texts.map(|((field, learnt), tonight)| {
        let known: HashSet<&str> = learnt.as_string::<i32>().iter().flatten().collect();
        let new = tonight.as_string::<i32>().iter().flatten().filter(|level| !known.contains(level)).count();
        json!({ "column_name": field.name(), "measure": "unseen", "value": new as f64 / tonight.len().max(1) as f64 })
    });
    share.collect()
}

/// A column of both sides as numbers; texts by one numbering of their levels.
fn codes(before: &RecordBatch, now: &RecordBatch, place: usize) -> Result<(Array1<f64>, Array1<f64>), LearnError> {
    let sides = [before.column(place).as_ref(), now.column(place).as_ref()];
    let column = concat(&sides).map_err(|error| LearnError::new(error.to_string()))?;
    let values: Vec<f64> = match column.data_type() {
        DataType::Utf8 => levels(column.as_ref()),
        DataType::Boolean => as_numbers(column.as_ref(), &DataType::Int8)?,
        DataType::Date32 => as_numbers(column.as_ref(), &DataType::Int32)?,
        DataType::Timestamp(..) => as_numbers(column.as_ref(), &DataType::Int64)?,
        _ => as_numbers(column.as_ref(), &DataType::Float64)?,
    };
    let (first, second) = values.split_at(before.num_rows().min(values.len()));
    Ok((Array1::from(first.to_vec()), Array1::from(second.to_vec())))
}

fn as_numbers(column: &dyn Array, through: &DataType) -> Result<Vec<f64>, LearnError> {
    let unreadable = |error: arrow::error::ArrowError| LearnError::new(error.to_string());
    let column = arrow::compute::cast(column, through).map_err(unreadable)?;
    let column = arrow::compute::cast(&column, &DataType::Float64).map_err(unreadable)?;
    let values = column.as_primitive::<arrow::datatypes::Float64Type>();
    Ok(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

fn levels(column: &dyn Array) -> Vec<f64> {
    let mut known = std::collections::BTreeMap::new();
    let code = |text: Option<&str>| {
        let Some(text) = text else { return f64::NAN };
        let next = known.len() as f64;
        *known.entry(text.to_owned()).or_insert(next)
    };
    column.as_string::<i32>().iter().map(code).collect()
}

/// Out-of-fold AUC of a classifier that tells tonight's rows from the others; 1 where a column alone does, `None` where
/// there are too few.
fn told_apart(before: &RecordBatch, now: &RecordBatch) -> Result<Option<f64>, LearnError> {
    let some = |batch: &RecordBatch| batch.slice(0, batch.num_rows().min(MOST_ROWS));
    let (before, now) = (some(before), some(now));
    let both = concat_batches(&before.schema(), [&before, &now]).map_err(|error| LearnError::new(error.to_string()))?;
    let is_now: Vec<f64> = (0..both.num_rows()).map(|row| f64::from(u8::from(row >= before.num_rows()))).collect();
    let frame = frame(both)?;
    let Ok(recipe) = TELLER.parse::<Recipe>() else { return Ok(None) };
    let model = match fit(&recipe, &Rows::new(&frame, &is_now).seed(SEED)) {
        Ok(model) => model,
        Err(RecipeError::Encode(EncodeError::TellsLabel { .. })) => return Ok(Some(1.0)),
        Err(_) => return Ok(None),
    };
    Ok(model.report().metrics.iter().find(|(name, _)| name == "roc_auc").map(|(_, auc)| *auc))
}
