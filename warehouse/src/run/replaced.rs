//! Bronze files without the rows of deliveries that others took the place of.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;

use super::compute::{Target, stage_query};
use super::context::RunContext;
use super::error::RunError;
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, StagedFile, TableSnapshot};

/// The files that hold rows of replaced deliveries, written again without them.
pub(super) async fn without_deliveries(
    context: &RunContext,
    base: &TableSnapshot,
    replaced: &[i64],
    attempt: &str,
) -> Result<(Vec<StagedFile>, HashSet<String>), RunError> {
    let touched: Vec<DataFile> = base.files.iter().filter(|file| may_hold(file, replaced)).cloned().collect();
    let removes = touched.iter().map(|file| file.path.clone()).collect();
    let session = context.engine.session(Effort::Fast);
    let failed = |error| RunError::query(&base.table, error);
    let provider = PinnedTable::new(&context.lake, &base.table, &base.schema, &touched)?;
    register(&session, &base.table, Arc::new(provider)).map_err(failed)?;
    let gone: Vec<Expr> = replaced.iter().map(|number| lit(ScalarValue::Int64(Some(*number)))).collect();
    let kept = session
        .table(base.table.as_str())
        .await
        .and_then(|table| table.filter(ident("_delivery").in_list(gone, true)))
        .map_err(failed)?;
    let target = Target::plain(&base.table, format!("kept-{attempt}"));
    let files = stage_query(&context.lake, &target, kept, &session).await.map_err(|error| error.of(&base.table))?;
    Ok((files, removes))
}

/// Whether a file's statistics allow rows of one of the deliveries.
fn may_hold(file: &DataFile, deliveries: &[i64]) -> bool {
    match file.integers("_delivery") {
        Some((least, greatest)) => deliveries.iter().any(|number| (least..=greatest).contains(number)),
        None => true,
    }
}
