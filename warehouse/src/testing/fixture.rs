//! Rows written in YAML as Arrow columns of declared types, exactly.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, SchemaRef};
use chrono::{NaiveDate, NaiveDateTime};
use serde_json::Value;

use crate::nearest::{did_you_mean, nearest};
use crate::project::model::Row;
use crate::project::types::ColumnType;

/// A fixture that does not fit the table it is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FixtureError {
    #[error("row {row} of `{table}` names column `{column}`, which is not there — {}", did_you_mean(.nearest.as_deref(), "name a column it declares"))]
    UnknownColumn { table: String, row: usize, column: String, nearest: Option<String> },
    #[error("row {row} of `{table}`: `{value}` is no {kind} for column `{column}` — {advice}")]
    Value { table: String, row: usize, column: String, kind: String, value: String, advice: &'static str },
    #[error("`{table}` cannot be written in a test: {message}")]
    Table { table: String, message: String },
}

/// The rows of a fixture as one batch; a column that a row does not name is NULL.
///
/// # Errors
/// A column the table does not have, with the nearest; a value its type cannot hold exactly.
pub fn rows(table: &str, schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch, FixtureError> {
    for (index, row) in rows.iter().enumerate() {
        for column in row.keys() {
            if schema.field_with_name(column).is_err() {
                let known = schema.fields().iter().map(|field| field.name().as_str());
                return Err(FixtureError::UnknownColumn {
                    table: table.to_owned(),
                    row: index + 1,
                    column: column.clone(),
                    nearest: nearest(column, known).map(str::to_owned),
                });
            }
        }
    }
    let columns = schema.fields().iter().map(|field| column(table, field, rows)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| FixtureError::Table { table: table.to_owned(), message: error.to_string() })
}

fn column(table: &str, field: &Field, rows: &[Row]) -> Result<ArrayRef, FixtureError> {
    let Some(kind) = ColumnType::from_arrow(field.data_type()) else {
        let message = format!("column `{}` is {}", field.name(), field.data_type());
        return Err(FixtureError::Table { table: table.to_owned(), message });
    };
    let cells = Cells { table, column: field.name(), kind, rows };
    let array: ArrayRef = match kind {
        ColumnType::Varchar => Arc::new(StringArray::from(cells.read("write text in quotes", text)?)),
        ColumnType::Boolean => Arc::new(BooleanArray::from(cells.read("write true or false", boolean)?)),
        ColumnType::Integer => {
            Arc::new(Int32Array::from(cells.read("write a whole number", |value| plain(value)?.parse().ok())?))
        }
        ColumnType::Bigint => {
            Arc::new(Int64Array::from(cells.read("write a whole number", |value| plain(value)?.parse().ok())?))
        }
        ColumnType::Double => {
            Arc::new(Float64Array::from(cells.read("write a number", |value| plain(value)?.parse().ok())?))
        }
        ColumnType::Decimal(precision, scale) => {
            let values = cells.read("write a number with no more digits than the type has", |value| {
                decimal(&plain(value)?, precision, scale)
            })?;
            let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale);
            Arc::new(
                array.map_err(|error| FixtureError::Table { table: table.to_owned(), message: error.to_string() })?,
            )
        }
        ColumnType::Date => Arc::new(Date32Array::from(cells.read("write 2026-01-31", date)?)),
        ColumnType::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(cells.read("write \"2026-01-31 10:00:00\"", timestamp)?))
        }
    };
    Ok(array)
}

struct Cells<'a> {
    table: &'a str,
    column: &'a str,
    kind: ColumnType,
    rows: &'a [Row],
}

impl Cells<'_> {
    fn read<T>(
        &self,
        advice: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<Option<T>>, FixtureError> {
        let cell = |(index, row): (usize, &Row)| match row.get(self.column) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| FixtureError::Value {
                table: self.table.to_owned(),
                row: index + 1,
                column: self.column.to_owned(),
                kind: self.kind.to_string(),
                value: value.to_string(),
                advice,
            }),
        };
        self.rows.iter().enumerate().map(cell).collect()
    }
}

/// Text; a bare number or word of YAML (`id: 7`) is text where the column is.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(word) => Some(word.to_string()),
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(word) => Some(*word),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The digits of a number, written as a number or in quotes.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => {
            let text = number.to_string();
            match (text.contains(['e', 'E']), number.as_f64()) {
                (true, Some(value)) => Some(format!("{value:.20}")),
                _ => Some(text),
            }
        }
        _ => None,
    }
}

/// A decimal's digits as an integer; `None` where the type would have to round.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::try_from(scale).ok()?;
    let fraction = fraction.trim_end_matches('0');
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > scale
        || !is_number(whole)
        || !is_number(fraction)
        || (whole.is_empty() && fraction.is_empty() && !digits.contains('0'))
    {
        return None;
    }
    let all = format!("{whole}{fraction:0<scale$}");
    let all = all.trim_start_matches('0');
    if all.len() > usize::from(precision) {
        return None;
    }
    let value: i128 = if all.is_empty() { 0 } else { all.parse().ok()? };
    Some(if negative { -value } else { value })
}

fn date(value: &Value) -> Option<i32> {
    let days = value.as_str()?.trim().parse::<NaiveDate>().ok()?.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).ok()
}

fn timestamp(value: &Value) -> Option<i64> {
    let text = value.as_str()?.trim();
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M"));
    let moment = match parsed {
        Ok(moment) => moment,
        Err(_) => text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?,
    };
    Some(moment.and_utc().timestamp_micros())
}
