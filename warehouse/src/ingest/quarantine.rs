//! Rows that did not fit, held until the load ends; bounded, so that a wrong file cannot fill the
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use chrono::{Datelike, NaiveDate};

use super::error::IngestError;
use super::options::Limits;
use super::schema::quarantine_schema;
use crate::plain::counted;

/// Rows of one quarantine batch.
const BATCH_ROWS: usize = 8192;

/// One record that did not fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuarantineRow {
    pub(crate) delivery: i64,
    pub(crate) night: NaiveDate,
    pub(crate) file: Arc<str>,
    pub(crate) record: i64,
    /// `None` where a format has no lines.
    pub(crate) line: Option<i64>,
    pub(crate) column: Option<String>,
    pub(crate) reason: String,
    pub(crate) raw: String,
    /// Only where `raw` is not exact.
    pub(crate) raw_base64: Option<String>,
}

impl QuarantineRow {
    /// What does not fit, and why.
    pub(crate) fn described(&self) -> String {
        match &self.column {
            Some(column) => format!("column `{column}`: {}", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// The quarantine of one load.
#[derive(Debug)]
pub(crate) struct Quarantine {
    source: String,
    rows: Vec<QuarantineRow>,
    bytes: u64,
    limits: Limits,
}

impl Quarantine {
    pub(crate) fn new(source: &str, limits: &Limits) -> Self {
        Self { source: source.to_owned(), rows: Vec::new(), bytes: 0, limits: limits.clone() }
    }

    /// # Errors
    /// [`IngestError::QuarantineFull`] once there is more than is kept.
    pub(crate) fn add(&mut self, rows: Vec<QuarantineRow>) -> Result<(), IngestError> {
        for row in rows {
            self.bytes += (row.raw.len() + row.reason.len()) as u64;
            let limit = if self.bytes > self.limits.quarantine_bytes {
                format!("{} bytes of rows", self.limits.quarantine_bytes)
            } else if self.rows.len() as u64 >= self.limits.quarantine_rows {
                format!("{} rows", self.limits.quarantine_rows)
            } else {
                self.rows.push(row);
                continue;
            };
            let first = self.rows.first().unwrap_or(&row);
            let example = format!("first record {}, {}", first.record, first.described());
            return Err(IngestError::QuarantineFull { path: row.file.to_string(), limit, example });
        }
        Ok(())
    }

    /// Rows that are held.
    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The most frequent reason of a delivery.
    pub(crate) fn mostly(&self, delivery: i64) -> String {
        let mut counts: HashMap<String, (u64, &QuarantineRow)> = HashMap::new();
        for row in self.rows.iter().filter(|row| row.delivery == delivery) {
            let key = format!("{:?} {}", row.column, without_value(&row.reason));
            let (count, first) = counts.entry(key).or_insert((0, row));
            *count += 1;
            if row.record < first.record {
                *first = row;
            }
        }
        let most = counts.into_values().max_by_key(|(count, row)| (*count, std::cmp::Reverse(row.record)));
        most.map_or_else(String::new, |(count, row)| format!("{} ({})", row.described(), counted(count, "row")))
    }

    /// The rows by delivery and record.
    pub(crate) fn into_batches(mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.rows.sort_by_key(|row| (row.delivery, row.record));
        self.rows.chunks(BATCH_ROWS).map(|rows| batch(&self.source, rows)).collect()
    }
}

/// A reason without the value it quotes, so that like ones are counted together.
fn without_value(reason: &str) -> String {
    reason.split('`').step_by(2).collect()
}

fn batch(source: &str, rows: &[QuarantineRow]) -> Result<RecordBatch, ArrowError> {
    let text = |value: fn(&QuarantineRow) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let night = |row: &QuarantineRow| row.night.num_days_from_ce() - super::EPOCH_FROM_CE;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| source))),
        text(|row| Some(&row.file)),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.record))),
        Arc::new(rows.iter().map(|row| row.line).collect::<Int64Array>()),
        text(|row| row.column.as_deref()),
        text(|row| Some(&row.reason)),
        text(|row| Some(&row.raw)),
        text(|row| row.raw_base64.as_deref()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.delivery))),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(night))),
    ];
    RecordBatch::try_new(quarantine_schema(), columns)
}
