//! Rows of the engine as tables of `models`.

use std::collections::BTreeSet;

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use chrono::NaiveDate;
use models::recipe::{Frame, Training as Rows};
use warehouse::learn::{LearnError, Training};
use warehouse::project::ml::SplitBy;

use super::columns::identifiers;
use super::{SEED, refused};

/// Seconds of a day, in microseconds.
const DAY_MICROS: f64 = 86_400e6;

/// Columns by name: numbers (dates as days since 1970), booleans, text.
///
/// A column of the batch is let go as soon as it is read.
///
/// # Errors
/// A column of a type that no table of the project has.
pub(super) fn frame(batch: RecordBatch) -> Result<Frame, LearnError> {
    let (schema, columns, rows) = batch.into_parts();
    let mut frame = Frame::new(rows);
    for (field, values) in schema.fields().iter().zip(columns) {
        let name = field.name().as_str();
        let unreadable = |error: arrow::error::ArrowError| LearnError::new(format!("column `{name}`: {error}"));
        let added = match field.data_type() {
            DataType::Boolean => frame.flags(name, values.as_boolean().iter()),
            DataType::Utf8 => frame.text(name, values.as_string::<i32>().iter()),
            DataType::Date32 => {
                let days = cast(&values, &DataType::Int32).map_err(unreadable)?;
                let days = days.as_primitive::<Int32Type>();
                frame.numbers(name, days.iter().map(|day| day.map_or(f64::NAN, f64::from)).collect())
            }
            DataType::Timestamp(..) => {
                let at = cast(&values, &DataType::Int64).map_err(unreadable)?;
                frame.numbers(name, numbers(at.as_ref())?.into_iter().map(|micros| micros / DAY_MICROS).collect())
            }
            _ => frame.numbers(name, numbers(values.as_ref())?),
        };
        added.map_err(|error| refused(&error))?;
    }
    Ok(frame)
}

/// Numbers as f64, NULL as NaN.
fn numbers(values: &dyn Array) -> Result<Vec<f64>, LearnError> {
    let values = cast(values, &DataType::Float64).map_err(|error| LearnError::new(error.to_string()))?;
    Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// Days since 1970.
pub(super) fn day_number(night: NaiveDate) -> i64 {
    night.signed_duration_since(NaiveDate::default()).num_days()
}

/// All rows of a night's task.
pub(super) struct Table {
    pub frame: Frame,
    pub labels: Vec<f64>,
    pub entities: Vec<u64>,
    /// The night of each row, as days since 1970.
    pub days: Vec<i64>,
    pub horizon_days: u32,
    pub threads: usize,
    /// Whether later nights judge; else other entities.
    pub by_time: bool,
    /// Columns that name the entity.
    pub identifiers: BTreeSet<String>,
}

impl Table {
    /// Takes features and labels of a task; its nights stay.
    pub fn of(task: &mut Training) -> Result<Self, LearnError> {
        let identifiers = identifiers(&task.rows);
        let none = RecordBatch::new_empty(task.rows.features.schema());
        let features = std::mem::replace(&mut task.rows.features, none);
        let days: Vec<i64> = task.rows.nights.iter().map(|night| day_number(*night)).collect();
        Ok(Self {
            frame: frame(features)?,
            labels: std::mem::take(&mut task.rows.labels),
            entities: task.rows.entities.iter().map(|entity| u64::from(*entity)).collect(),
            by_time: task.node.spec.split.by == SplitBy::Time,
            identifiers,
            days,
            horizon_days: task.horizon_days,
            threads: task.threads,
        })
    }

    /// Some of the rows.
    pub fn some(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|row| values.get(*row).copied()).collect()
        }
        Self {
            frame: self.frame.select(rows),
            labels: pick(&self.labels, rows),
            entities: pick(&self.entities, rows),
            days: pick(&self.days, rows),
            horizon_days: self.horizon_days,
            threads: self.threads,
            by_time: self.by_time,
            identifiers: self.identifiers.clone(),
        }
    }

    /// As `models` learns from them.
    pub fn rows(&self) -> Rows<'_> {
        let rows = Rows::new(&self.frame, &self.labels).entities(&self.entities).seed(SEED).threads(self.threads);
        if self.by_time { rows.days(&self.days, self.horizon_days) } else { rows }
    }
}
