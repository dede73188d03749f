//! What the reports of all models say, heading by heading, as tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use serde_json::{Value, json};

use crate::learn::{CHAMPION, MEMORY, Verdict};
use crate::materialize::ROWS;
use crate::project::ml::Section;
use crate::project::model::Model;
use crate::run::compute::{ComputeError, stage_query, target_schema};
use crate::run::error::RunError;
use crate::run::work::{Attempt, Made, Work, in_order};
use crate::session::register;
use crate::sql_text::table;
use crate::table::StagedFile;

/// Rows from JSON objects, by the names and types of a schema; what an object has not is NULL.
pub(super) fn rows_of(schema: &SchemaRef, rows: &[Value]) -> Result<RecordBatch, DataFusionError> {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}

/// The report of a night that scores with the model before: what was said of that model, beside what drifted tonight and
/// what was refused.
pub(super) fn of_kept(champion: Option<&Value>, refused: Option<&Verdict>) -> Value {
    let mut report = champion.and_then(Value::as_object).cloned().unwrap_or_default();
    report.remove(Section::Drift.key());
    let key = Section::Backtests.key();
    let has_role =
        |row: &Value, roles: &[&str]| row.get("role").and_then(Value::as_str).is_some_and(|role| roles.contains(&role));
    let mut backtests = report.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    backtests.retain(|row| has_role(row, &[CHAMPION, "chance", "half_sample"]));
    if let Some(refused) = refused {
        report.insert(MEMORY.to_owned(), refused.memory.clone());
        let drift = refused.sections.get(Section::Drift.key()).cloned().unwrap_or_default();
        report.insert(Section::Drift.key().to_owned(), drift.into());
        let tonight = refused.sections.get(key).cloned().unwrap_or_default().into_iter();
        let tonight = tonight.filter(|row| has_role(row, &[CHAMPION, "challenger", "candidate"]));
        backtests.extend(tonight.map(|mut row| {
            if let Some(role) = row.get_mut("role").filter(|role| **role == CHAMPION) {
                *role = json!("refused");
            }
            row
        }));
    }
    report.insert(key.to_owned(), backtests.into());
    report.into()
}

/// Stages rows that the engine made.
pub(super) async fn stage_made(
    work: &Work,
    model: &Model,
    rows: &[Value],
    attempt: Attempt,
) -> Result<Vec<StagedFile>, ComputeError> {
    let schema = target_schema(&model.spec.columns);
    let batch = rows_of(&schema, rows)?;
    let session = work.context.engine.session(attempt.effort);
    register(&session, ROWS, Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))?;
    let query = in_order(session.table(ROWS).await?, model)?;
    stage_query(&work.context.lake, &work.target(model, attempt, ""), query, &session).await
}

/// The rows that all training tables report under a heading.
pub(super) async fn make(work: &Work, model: &Model, section: Section, attempt: Attempt) -> Result<Made, ComputeError> {
    let mut made = Vec::new();
    for name in work.scene.tables.keys() {
        let session = work.context.engine.session(attempt.effort);
        work.scene.open(&session, work.night).await.map_err(ComputeError::Other)?;
        let query = format!(
            "SELECT model, cast(night AS VARCHAR) AS night_text, version, report FROM {} WHERE report IS NOT NULL ORDER BY night",
            table(name)
        );
        for batch in session.sql(&query).await?.collect().await? {
            made.extend(reported(&batch, section).map_err(|source| {
                ComputeError::Other(RunError::Form { what: format!("a report in {name}"), source })
            })?);
        }
    }
    let adds = stage_made(work, model, &made, attempt).await?;
    Ok(Made { adds, removes: None, standing: None })
}

/// The rows of a heading in reports: model, night, version and the report's own columns.
fn reported(batch: &RecordBatch, section: Section) -> Result<Vec<Value>, serde_json::Error> {
    let texts: Vec<_> =
        batch.columns().iter().map(|column| arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8)).collect();
    let [Ok(model), Ok(night), Ok(version), Ok(report)] = texts.as_slice() else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for row in 0..batch.num_rows() {
        let text = |column: &arrow::array::ArrayRef| {
            let values = column.as_string::<i32>();
            arrow::array::Array::is_valid(values, row).then(|| values.value(row).to_owned())
        };
        let report: Value = serde_json::from_str(&text(report).unwrap_or_default())?;
        for own in report.get(section.key()).and_then(Value::as_array).into_iter().flatten() {
            let Value::Object(mut own) = own.clone() else { continue };
            own.extend([
                ("model".to_owned(), json!(text(model))),
                ("night".to_owned(), json!(text(night))),
                ("version".to_owned(), json!(text(version))),
            ]);
            rows.push(Value::Object(own));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_kept_night_tells_of_its_model_and_of_what_was_refused_apart() {
        let champion = json!({
            "backtests": [{"role": "champion", "value": 0.8}, {"role": "challenger", "value": 0.7}],
            "calibration": [{"bin": 1}], "drift": [{"value": 0.9}], "memory": {"searches": 1},
        });
        let refused = Verdict {
            artefact: None,
            reason: "worse".to_owned(),
            family: "forest".to_owned(),
            recipe: String::new(),
            metric: "roc_auc".to_owned(),
            metric_value: Some(0.5),
            sections: BTreeMap::from([
                ("backtests", vec![json!({"role": "champion", "value": 0.5}), json!({"role": "chance", "value": 0.5})]),
                ("calibration", vec![json!({"bin": 7})]),
                ("drift", vec![json!({"value": 0.6})]),
            ]),
            memory: json!({"searches": 2}),
        };
        let told = of_kept(Some(&champion), Some(&refused));
        let backtests = json!([{"role": "champion", "value": 0.8}, {"role": "refused", "value": 0.5}]);
        assert_eq!(told["backtests"], backtests);
        assert_eq!((&told["calibration"], &told["drift"]), (&json!([{"bin": 1}]), &json!([{"value": 0.6}])));
        assert_eq!(told["memory"], json!({"searches": 2}));
        let untold = of_kept(Some(&champion), None);
        assert_eq!(
            (&untold["backtests"], &untold["drift"]),
            (&json!([{"role": "champion", "value": 0.8}]), &Value::Null)
        );
        let none = of_kept(None, Some(&refused));
        assert_eq!(none["backtests"], json!([{"role": "refused", "value": 0.5}]));
    }
}
