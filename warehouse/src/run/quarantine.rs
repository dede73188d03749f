//! `ops.quarantine`: rows that did not fit their contract, each with the reason and its exact text.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};

use super::context::RunContext;
use super::error::RunError;
use super::ops::{append_batches, text_field};
use super::sources::SourceOutcome;
use crate::ingest;
use crate::table::TableSnapshot;

pub(super) const TABLE: &str = "ops.quarantine";

/// What ingest says of a row, which run says it, and where the row stands now.
pub(super) fn schema() -> SchemaRef {
    let quarantined = ingest::quarantine_schema();
    let mut fields: Vec<_> = quarantined.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(text_field("status"));
    fields.push(text_field("run_id"));
    Arc::new(Schema::new(fields))
}

/// Appends a source's quarantined rows under a name made of its next ledger number: an attempt that
/// died after this and before the bronze commit is superseded by the next one, never added to.
pub(super) async fn append(context: &RunContext, source: &SourceOutcome, run_id: &str) -> Result<(), RunError> {
    let number = source.ledger.number + 1;
    let prefix = format!("{}-{number:08}-", source.source);
    let base = TableSnapshot::load(&context.lake, TABLE, None).await?;
    let superseded: HashSet<String> = base
        .iter()
        .flat_map(|snapshot| &snapshot.files)
        .filter(|file| file.path.starts_with(&prefix))
        .map(|file| file.path.clone())
        .collect();
    if source.quarantine.is_empty() && superseded.is_empty() {
        return Ok(());
    }
    let schema = schema();
    let batches: Vec<RecordBatch> = source
        .quarantine
        .iter()
        .map(|batch| with_status(batch, &schema, run_id))
        .collect::<Result<_, _>>()
        .map_err(|error| RunError::Defect { what: format!("{TABLE}: {error}") })?;
    append_batches(context, TABLE, &format!("{prefix}{run_id}"), &schema, &batches, run_id, &superseded).await
}

fn with_status(batch: &RecordBatch, schema: &SchemaRef, run_id: &str) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; batch.num_rows()])) };
    columns.push(repeated("held"));
    columns.push(repeated(run_id));
    RecordBatch::try_new(Arc::clone(schema), columns)
}
