//! Models that earlier nights left in the training table.

use std::io::Read;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use serde_json::Value;

use super::decisions::Decided;
use crate::learn::MEMORY;
use crate::materialize::PRIOR;
use crate::project::model::Model;
use crate::run::compute::ComputeError;
use crate::run::error::RunError;
use crate::run::windowed::prior_table;
use crate::run::work::{Attempt, Work};
use crate::sql_text::{table, text};
use crate::table::DataFile;

/// A model's bytes may unfold to so many: more is not one of ours.
const LARGEST_BYTES: u64 = 1 << 30;

/// A model as the training table has it.
#[derive(Debug, Clone)]
pub(super) struct KeptModel {
    /// The last night that scored with it.
    pub night: NaiveDate,
    pub version: String,
    pub family: Option<String>,
    pub recipe: String,
    pub metric: Option<String>,
    pub metric_value: Option<f64>,
    /// How far ahead the label looked that it learnt.
    pub horizon_days: Option<u32>,
    pub checksum: String,
    /// Number of the last decision that the night knew.
    decision: u32,
    /// The night on which leaks were looked for last, and of which code.
    pub checked: Option<(NaiveDate, String)>,
    pub is_promoted: bool,
    /// The report of that night.
    pub report: Value,
    artefact: String,
}

impl KeptModel {
    /// The model's bytes.
    ///
    /// # Errors
    /// Where they are not those that were written.
    pub fn bytes(&self, table: &str) -> Result<Vec<u8>, RunError> {
        model_bytes(table, &self.version, &self.artefact, &self.checksum)
    }
}

/// The bytes of a version, from `artefact` and `checksum` of its row in a training table.
///
/// # Errors
/// Where they are not those that were written.
pub fn model_bytes(table: &str, version: &str, artefact: &str, checksum: &str) -> Result<Vec<u8>, RunError> {
    let unpacked = STANDARD.decode(artefact).ok().and_then(|packed| {
        let mut bytes = Vec::new();
        let decoder = zstd::Decoder::new(packed.as_slice()).ok()?;
        decoder.take(LARGEST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    });
    let is_sound = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().as_str() == checksum;
    unpacked.filter(is_sound).ok_or_else(|| {
        RunError::refused(
            table,
            &format!(
                "the bytes of model {version} are not those that were written: their checksum is not {checksum} — `buho releases rollback` to a release before, or train anew with `buho run --select {table}+ --full-refresh`"
            ),
        )
    })
}

/// The model of the nights before, with the recipe of another version where one was promoted.
pub(super) async fn before(
    work: &Work,
    model: &Model,
    decided: Option<&Decided>,
    attempt: Attempt,
) -> Result<Option<KeptModel>, ComputeError> {
    let files: Vec<DataFile> = work.base_files().cloned().collect();
    if files.is_empty() {
        return Ok(None);
    }
    let session = work.context.engine.session(attempt.effort);
    prior_table(work, model, &files, &session)?;
    let until = format!("night < DATE '{}'", work.night);
    let Some(kept) = last(&session, PRIOR, &until).await? else { return Ok(None) };
    let Some(decided) = decided.filter(|decided| decided.number > kept.decision) else { return Ok(Some(kept)) };
    let other = last(&session, PRIOR, &format!("{until} AND version = {}", text(&decided.version))).await?;
    Ok(Some(match other {
        Some(mut other) => {
            // What was searched is remembered whoever is champion.
            if let Some(report) = other.report.as_object_mut() {
                report.insert(MEMORY.to_owned(), kept.report.get(MEMORY).cloned().unwrap_or_default());
            }
            KeptModel { is_promoted: true, ..other }
        }
        None => kept,
    }))
}

/// The model that a training table has for a night.
pub(super) async fn of_night(
    session: &SessionContext,
    training: &str,
    night: NaiveDate,
) -> Result<Option<KeptModel>, ComputeError> {
    last(session, &table(training), &format!("night <= DATE '{night}'")).await
}

/// The last row that has a version, with the bytes of that version.
async fn last(session: &SessionContext, rows: &str, which: &str) -> Result<Option<KeptModel>, ComputeError> {
    let query = format!(
        "SELECT cast(r.night AS VARCHAR), r.version, r.family, r.recipe, r.metric, cast(r.metric_value AS VARCHAR), \
         r.checksum, r.report, a.artefact, cast(r.decision AS VARCHAR), cast(r.leaks_checked_on AS VARCHAR), r.leaks_checked_code, cast(r.horizon_days AS VARCHAR) FROM (SELECT * FROM {rows} WHERE {which} AND version IS NOT NULL \
         ORDER BY night DESC LIMIT 1) AS r LEFT JOIN (SELECT version, min(artefact) AS artefact FROM {rows} \
         WHERE artefact IS NOT NULL GROUP BY version) AS a ON a.version = r.version"
    );
    let batches = session.sql(&query).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let row = texts(batch)?;
    let [night, version, family, recipe, metric, value, checksum, report, artefact, decision, on, code, horizon] =
        row.as_slice()
    else {
        return Ok(None);
    };
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(Some(KeptModel {
        night: or_empty(night).parse().unwrap_or_default(),
        version: or_empty(version),
        family: family.clone(),
        recipe: or_empty(recipe),
        metric: metric.clone(),
        metric_value: value.as_ref().and_then(|value| value.parse().ok()),
        horizon_days: horizon.as_ref().and_then(|days| days.parse().ok()),
        checksum: or_empty(checksum),
        decision: or_empty(decision).parse().unwrap_or_default(),
        checked: on.as_ref().and_then(|on| on.parse().ok()).zip(code.clone()),
        is_promoted: false,
        report: serde_json::from_str(&or_empty(report)).unwrap_or_default(),
        artefact: or_empty(artefact),
    }))
}

/// The first row as texts; NULL is `None`.
fn texts(batch: &RecordBatch) -> Result<Vec<Option<String>>, ComputeError> {
    let shown = |column: &ArrayRef| {
        let text = cast(column, &DataType::Utf8)?;
        let text = text.as_string::<i32>();
        Ok(text.is_valid(0).then(|| text.value(0).to_owned()))
    };
    let shown: Result<_, arrow::error::ArrowError> = batch.columns().iter().map(shown).collect();
    shown.map_err(|error| ComputeError::Engine(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_those_that_were_written_are_refused_with_a_way_out() {
        let packed = |bytes: &[u8]| STANDARD.encode(zstd::encode_all(bytes, 1).unwrap());
        let checksum = blake3::hash(b"model").to_hex().to_string();
        assert_eq!(model_bytes("ml.t", "v1", &packed(b"model"), &checksum).unwrap(), b"model");
        for damaged in [packed(b"modem"), "?".to_owned()] {
            let error = model_bytes("ml.t", "v1", &damaged, &checksum).unwrap_err().to_string();
            assert!(
                error.contains("the bytes of model v1 are not those") && error.contains("--full-refresh"),
                "{error}"
            );
        }
    }
}
