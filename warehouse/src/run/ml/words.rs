//! Reasons as columns: what moved a score, in numbers and in words.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;

use crate::learn::{Reason, Scored};
use crate::project::ml::{MlNode, Words};

/// Decimals of a DOUBLE in words.
const DECIMALS: f64 = 100.0;

fn speaks_spanish(node: &MlNode) -> bool {
    node.spec.reasons.words.values().any(|words| words.es.is_some())
}

/// The columns of reasons, of all places.
pub(super) fn fields(node: &MlNode) -> Vec<Field> {
    let mut fields = Vec::new();
    for place in 1..=node.spec.reasons.count.value {
        fields.push(Field::new(format!("reason_{place}"), DataType::Utf8, true));
        fields.push(Field::new(format!("reason_{place}_value"), DataType::Utf8, true));
        fields.push(Field::new(format!("reason_{place}_contribution"), DataType::Float64, true));
        fields.push(Field::new(format!("reason_{place}_words"), DataType::Utf8, true));
        if speaks_spanish(node) {
            fields.push(Field::new(format!("reason_{place}_words_es"), DataType::Utf8, true));
        }
    }
    fields
}

/// The values of [`fields`] for scored rows.
pub(super) fn columns(
    node: &MlNode,
    features: &RecordBatch,
    scored: &Scored,
) -> Result<Vec<ArrayRef>, DataFusionError> {
    let options = FormatOptions::default();
    let shown = features.columns().iter().map(|values| ArrayFormatter::try_new(values.as_ref(), &options));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let schema = features.schema();
    let value = |row: usize, reason: &Reason| -> Option<String> {
        let values = features.columns().get(reason.column)?;
        values.is_valid(row).then(|| shown.get(reason.column).map(|shown| rounded(&shown.value(row).to_string())))?
    };
    let name = |reason: &Reason| schema.fields().get(reason.column).map(|field| field.name().as_str());
    let said =
        |row: usize, reason: &Reason, of: fn(&Words) -> Option<&str>| -> Option<String> {
            let name = name(reason)?;
            let value = value(row, reason).unwrap_or_else(|| "?".to_owned());
            let words = node.spec.reasons.words.get(name).and_then(of);
            Some(words.map_or_else(
                || format!("{}: {value}", name.replace('_', " ")),
                |words| words.replace("{value}", &value),
            ))
        };
    let rows = scored.scores.len();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for place in 0..node.spec.reasons.count.value as usize {
        let reason = |row: usize| scored.reasons.get(row).and_then(|reasons| reasons.get(place));
        let each = |of: &dyn Fn(usize, &Reason) -> Option<String>| -> ArrayRef {
            Arc::new(StringArray::from_iter((0..rows).map(|row| of(row, reason(row)?))))
        };
        columns.push(each(&|_, reason| name(reason).map(str::to_owned)));
        columns.push(each(&value));
        let contribution = (0..rows).map(|row| reason(row).map(|reason| reason.contribution));
        columns.push(Arc::new(Float64Array::from_iter(contribution)));
        columns.push(each(&|row, reason| said(row, reason, |words| Some(words.en.as_str()))));
        if speaks_spanish(node) {
            columns.push(each(&|row, reason| said(row, reason, |words| words.es.as_deref())));
        }
    }
    Ok(columns)
}

/// A number with two decimals at most; any other text as it is.
fn rounded(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains('.') && number.is_finite() => format!("{}", (number * DECIMALS).round() / DECIMALS),
        _ => text.to_owned(),
    }
}
