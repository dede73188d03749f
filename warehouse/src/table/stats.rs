//! Per-file statistics: from a Parquet footer to Delta's JSON, and from that to DataFusion's.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use chrono::{DateTime, Duration, NaiveDate};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics as ParquetStatistics;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::snapshot::DataFile;

/// Text bounds longer than this are left out: a cut upper bound would have to be rounded up.
const LONGEST_TEXT: usize = 64;
/// Decimal digits that survive a JSON number read as a double.
const EXACT_DIGITS: u8 = 15;

/// Delta's `stats` of a file (Delta protocol, "Per-file Statistics").
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileStats {
    pub num_records: u64,
    #[serde(default)]
    pub min_values: BTreeMap<String, Value>,
    #[serde(default)]
    pub max_values: BTreeMap<String, Value>,
    #[serde(default)]
    pub null_count: BTreeMap<String, u64>,
}

impl FileStats {
    /// Folds the row groups of a footer. A bound is kept only if every row group has it.
    pub fn from_footer(schema: &SchemaRef, footer: &ParquetMetaData) -> Self {
        let mut stats = Self { num_records: footer.file_metadata().num_rows().max(0) as u64, ..Self::default() };
        for (index, field) in schema.fields().iter().enumerate() {
            let mut bounds = Bounds::default();
            for group in footer.row_groups() {
                let column = group.columns().get(index).and_then(|column| column.statistics());
                bounds.fold(column, field.data_type());
            }
            if let Some(nulls) = bounds.nulls {
                stats.null_count.insert(field.name().clone(), nulls);
            }
            if let (Some(Some(min)), Some(Some(max))) = (bounds.min, bounds.max) {
                stats.min_values.insert(field.name().clone(), min);
                stats.max_values.insert(field.name().clone(), max);
            }
        }
        stats
    }
}

/// Running bounds of one column: outer `None` = no row group seen, inner `None` = unknown.
#[derive(Default)]
struct Bounds {
    min: Option<Option<Value>>,
    max: Option<Option<Value>>,
    nulls: Option<u64>,
}

impl Bounds {
    fn fold(&mut self, column: Option<&ParquetStatistics>, data_type: &DataType) {
        let first = self.min.is_none();
        let Some(column) = column else {
            *self = Self { min: Some(None), max: Some(None), nulls: None };
            return;
        };
        self.nulls = match (first, self.nulls, column.null_count_opt()) {
            (true, _, count) => count,
            (false, Some(sum), Some(count)) => Some(sum + count),
            _ => None,
        };
        let all_null = column.min_bytes_opt().is_none() && column.null_count_opt() == Some(0);
        let (min, max) = if all_null { (None, None) } else { bounds(column, data_type) };
        self.min = Some(merge(self.min.take(), min, less));
        self.max = Some(merge(self.max.take(), max, |new, old| less(old, new)));
    }
}

fn merge(old: Option<Option<Value>>, new: Option<Value>, better: impl Fn(&Value, &Value) -> bool) -> Option<Value> {
    match (old, new) {
        (None, new) => new,
        (Some(Some(old)), Some(new)) => Some(if better(&new, &old) { new } else { old }),
        _ => None,
    }
}

fn less(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left < right,
            _ => left.as_f64() < right.as_f64(),
        },
        (Value::String(left), Value::String(right)) => left < right,
        (Value::Bool(left), Value::Bool(right)) => !left & right,
        _ => false,
    }
}

/// The bounds of one column chunk as Delta writes them, where both are exact.
fn bounds(column: &ParquetStatistics, data_type: &DataType) -> (Option<Value>, Option<Value>) {
    if !(column.min_is_exact() && column.max_is_exact()) {
        return (None, None);
    }
    match column {
        ParquetStatistics::Boolean(s) => (s.min_opt().map(|v| Value::Bool(*v)), s.max_opt().map(|v| Value::Bool(*v))),
        ParquetStatistics::Int32(s) => (
            s.min_opt().and_then(|v| integer(i128::from(*v), data_type)),
            s.max_opt().and_then(|v| integer(i128::from(*v), data_type)),
        ),
        ParquetStatistics::Int64(s) => (
            s.min_opt().and_then(|v| integer(i128::from(*v), data_type)),
            s.max_opt().and_then(|v| integer(i128::from(*v), data_type)),
        ),
        ParquetStatistics::Double(s) => (
            s.min_opt().and_then(|v| Number::from_f64(*v)).map(Value::Number),
            s.max_opt().and_then(|v| Number::from_f64(*v)).map(Value::Number),
        ),
        ParquetStatistics::ByteArray(s) => {
            (s.min_opt().and_then(|v| text(v.data(), data_type)), s.max_opt().and_then(|v| text(v.data(), data_type)))
        }
        ParquetStatistics::FixedLenByteArray(s) => (
            s.min_opt().and_then(|v| big_endian(v.data())).and_then(|v| integer(v, data_type)),
            s.max_opt().and_then(|v| big_endian(v.data())).and_then(|v| integer(v, data_type)),
        ),
        _ => (None, None),
    }
}

fn text(bytes: &[u8], data_type: &DataType) -> Option<Value> {
    let is_text = matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    if !is_text || bytes.len() > LONGEST_TEXT {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(|text| Value::String(text.to_owned()))
}

fn big_endian(bytes: &[u8]) -> Option<i128> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut wide = [fill; 16];
    wide.get_mut(16 - bytes.len()..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// A stored integer as the value of its logical type.
fn integer(value: i128, data_type: &DataType) -> Option<Value> {
    match data_type {
        DataType::Int32 | DataType::Int64 => i64::try_from(value).ok().map(Value::from),
        DataType::Date32 => {
            let day = NaiveDate::default().checked_add_signed(Duration::try_days(i64::try_from(value).ok()?)?)?;
            Some(Value::String(day.format("%Y-%m-%d").to_string()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let at = DateTime::from_timestamp_micros(i64::try_from(value).ok()?)?;
            Some(Value::String(at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()))
        }
        DataType::Decimal128(_, scale) => decimal(value, *scale),
        _ => None,
    }
}

/// A decimal as a JSON number, where a double reads it back exactly.
fn decimal(value: i128, scale: i8) -> Option<Value> {
    let limit = 10_i128.pow(u32::from(EXACT_DIGITS));
    if value.abs() >= limit {
        return None;
    }
    if scale == 0 {
        return i64::try_from(value).ok().map(Value::from);
    }
    let double = value as f64 / 10_f64.powi(i32::from(scale));
    Number::from_f64(double).map(Value::Number)
}

/// Bounds of a column of one file, as its statistics give them.
impl DataFile {
    /// The last day in a DATE or TIMESTAMP column: outer `None` where the file does not say, inner
    /// `None` where the column has no value.
    pub fn last_day(&self, column: &str) -> Option<Option<NaiveDate>> {
        let stats = self.parsed_stats()?;
        if stats.null_count.get(column) == Some(&stats.num_records) {
            return Some(None);
        }
        let text = stats.max_values.get(column)?.as_str()?;
        text.get(..10)?.parse().ok().map(Some)
    }

    /// The first day in a DATE or TIMESTAMP column, as [`Self::last_day`] the last.
    pub fn first_day(&self, column: &str) -> Option<Option<NaiveDate>> {
        let stats = self.parsed_stats()?;
        if stats.null_count.get(column) == Some(&stats.num_records) {
            return Some(None);
        }
        let text = stats.min_values.get(column)?.as_str()?;
        text.get(..10)?.parse().ok().map(Some)
    }

    /// Rows of which a column has no value, where the file says.
    pub fn nulls(&self, column: &str) -> Option<u64> {
        self.parsed_stats()?.null_count.get(column).copied()
    }

    /// The least and the greatest value of an integer column, where the file says.
    pub fn integers(&self, column: &str) -> Option<(i64, i64)> {
        let stats = self.parsed_stats()?;
        Some((stats.min_values.get(column)?.as_i64()?, stats.max_values.get(column)?.as_i64()?))
    }

    fn parsed_stats(&self) -> Option<FileStats> {
        serde_json::from_str(self.stats.as_deref()?).ok()
    }
}

/// DataFusion's statistics of a file, from Delta's JSON. What cannot be read back is absent.
pub(super) fn to_datafusion(json: Option<&str>, size: u64, schema: &SchemaRef) -> Statistics {
    let parsed = json.and_then(|json| serde_json::from_str::<FileStats>(json).ok());
    let Some(stats) = parsed else {
        return Statistics::new_unknown(schema);
    };
    let column_statistics = schema
        .fields()
        .iter()
        .map(|field| ColumnStatistics {
            null_count: stats
                .null_count
                .get(field.name())
                .map_or(Precision::Absent, |count| Precision::Exact(*count as usize)),
            min_value: bound(stats.min_values.get(field.name()), field.data_type()),
            max_value: bound(stats.max_values.get(field.name()), field.data_type()),
            ..ColumnStatistics::new_unknown()
        })
        .collect();
    Statistics {
        num_rows: Precision::Exact(stats.num_records as usize),
        total_byte_size: Precision::Inexact(size as usize),
        column_statistics,
    }
}

fn bound(value: Option<&Value>, data_type: &DataType) -> Precision<ScalarValue> {
    value.and_then(|value| scalar(value, data_type)).map_or(Precision::Absent, Precision::Exact)
}

fn scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    match (data_type, value) {
        (DataType::Boolean, Value::Bool(value)) => Some(ScalarValue::Boolean(Some(*value))),
        (DataType::Int32, Value::Number(number)) => {
            number.as_i64().and_then(|v| i32::try_from(v).ok()).map(|v| ScalarValue::Int32(Some(v)))
        }
        (DataType::Int64, Value::Number(number)) => number.as_i64().map(|v| ScalarValue::Int64(Some(v))),
        (DataType::Float64, Value::Number(number)) => number.as_f64().map(|v| ScalarValue::Float64(Some(v))),
        (DataType::Decimal128(precision, scale), Value::Number(number)) => {
            let unscaled = (number.as_f64()? * 10_f64.powi(i32::from(*scale))).round();
            let exact = unscaled.abs() < 10_f64.powi(i32::from(EXACT_DIGITS));
            exact.then_some(ScalarValue::Decimal128(Some(unscaled as i128), *precision, *scale))
        }
        (DataType::Utf8, Value::String(text)) => Some(ScalarValue::Utf8(Some(text.clone()))),
        (DataType::Utf8View, Value::String(text)) => Some(ScalarValue::Utf8View(Some(text.clone()))),
        (DataType::Date32, Value::String(text)) => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            let days = day.signed_duration_since(NaiveDate::default()).num_days();
            i32::try_from(days).ok().map(|days| ScalarValue::Date32(Some(days)))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, None), Value::String(text)) => {
            let at = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
            Some(ScalarValue::TimestampMicrosecond(Some(at.and_utc().timestamp_micros()), None))
        }
        _ => None,
    }
}
