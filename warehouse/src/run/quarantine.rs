//! `ops.quarantine`: rows that did not fit their contract, each with the reason and its exact text.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};

use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::ident;

use super::context::RunContext;
use super::error::RunError;
use super::ops::{append_batches, text_field};
use super::sources::SourceOutcome;
use crate::ingest;
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, TableSnapshot};

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

/// Marks the held rows of replaced deliveries: the corrected file stands for them now. Their files
/// keep the prefix they had, so that no later attempt takes them for its own.
pub(super) async fn mark_replaced(context: &RunContext, source: &SourceOutcome, run_id: &str) -> Result<(), RunError> {
    let base = TableSnapshot::load(&context.lake, TABLE, None).await?;
    let (Some(base), false) = (base, source.replaced.is_empty()) else {
        return Ok(());
    };
    let touched = |file: &&DataFile| match file.integers("delivery") {
        Some((least, greatest)) => source.replaced.iter().any(|number| (least..=greatest).contains(number)),
        None => true,
    };
    let prefix = format!("{}-", source.source);
    for file in base.files.iter().filter(|file| file.path.starts_with(&prefix)).filter(touched) {
        let session = context.engine.session(Effort::Fast);
        let failed = |error| RunError::query(TABLE, error);
        let provider = PinnedTable::new(&context.lake, TABLE, &base.schema, std::slice::from_ref(file))?;
        register(&session, TABLE, Arc::new(provider)).map_err(failed)?;
        let gone: Vec<Expr> = source.replaced.iter().map(|number| lit(*number)).collect();
        let status =
            when(ident("delivery").in_list(gone, false), lit("replaced")).otherwise(ident("status")).map_err(failed)?;
        let rows = session.table(TABLE).await.and_then(|table| table.with_column("status", status)).map_err(failed)?;
        let rows = rows.collect().await.map_err(failed)?;
        let stem = file.path.trim_end_matches(".zstd.parquet");
        let name = format!("{stem}-{run_id}");
        let superseded = HashSet::from([file.path.clone()]);
        append_batches(context, TABLE, &name, &schema(), &plain_text(&rows)?, run_id, &superseded).await?;
    }
    Ok(())
}

/// Batches with text in the layout of the table's schema.
fn plain_text(rows: &[RecordBatch]) -> Result<Vec<RecordBatch>, RunError> {
    let schema = schema();
    rows.iter()
        .map(|batch| {
            let columns = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| cast(column, field.data_type()))
                .collect::<Result<Vec<_>, _>>()?;
            RecordBatch::try_new(Arc::clone(&schema), columns)
        })
        .collect::<Result<_, _>>()
        .map_err(|error: arrow::error::ArrowError| RunError::Defect { what: format!("{TABLE}: {error}") })
}

fn with_status(batch: &RecordBatch, schema: &SchemaRef, run_id: &str) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; batch.num_rows()])) };
    columns.push(repeated("held"));
    columns.push(repeated(run_id));
    RecordBatch::try_new(Arc::clone(schema), columns)
}
