//! Bronze files written anew: without the rows of deliveries that others took the place of, and with the types that a
//! contract has by now.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::prelude::ident;

use super::compute::{Target, stage_query};
use super::context::RunContext;
use super::error::RunError;
use super::evolution::has_other_types;
use crate::ingest::Ledger;
use crate::planted::{Bug, planted};
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, StagedFile, TableSnapshot};

/// What becomes of a bronze table's files when a source is loaded.
pub(super) struct Anew<'a> {
    /// Whose rows the table has.
    pub ledger: &'a Ledger,
    /// Deliveries whose rows go.
    pub replaced: &'a [i64],
    /// The columns that the table is to have.
    pub schema: &'a SchemaRef,
}

impl Anew<'_> {
    /// The files that hold rows of replaced deliveries, written again without them, and the paths of those that leave.
    /// Where a column has another type than it had that is all files: a log names one type of a column, and not every
    /// reader takes files of another.
    pub async fn written(
        &self,
        context: &RunContext,
        base: &TableSnapshot,
        attempt: &str,
    ) -> Result<(Vec<StagedFile>, HashSet<String>), RunError> {
        let all = has_other_types(base, self.schema);
        let (gone, stays) = self.deliveries();
        let touched = base.files.iter().filter(|file| all || may_hold(file, &gone));
        let removes: HashSet<String> = touched.clone().map(|file| file.path.clone()).collect();
        // Of what is replaced whole no row is read: it may have values that the new types do not take.
        let kept: Vec<DataFile> = touched.filter(|file| may_hold(file, &stays)).cloned().collect();
        if kept.is_empty() {
            return Ok((Vec::new(), removes));
        }
        let session = context.engine.session(Effort::Fast);
        let failed = |error| RunError::query(&base.table, error);
        let provider = PinnedTable::new(&context.lake, &base.table, self.schema, &kept)?;
        register(&session, &base.table, Arc::new(provider)).map_err(failed)?;
        let gone: Vec<Expr> = gone.into_iter().map(|number| lit(ScalarValue::Int64(Some(number)))).collect();
        let rows = session.table(base.table.as_str()).await.map_err(failed)?;
        let rows = match gone.is_empty() {
            true => rows,
            false => rows.filter(ident("_delivery").in_list(gone, true)).map_err(failed)?,
        };
        let rows = if planted(Bug::RewriteLosesValues) {
            let nothing = cast(lit(0_i64), DataType::Decimal128(18, 2));
            rows.with_column("amount", nothing).map_err(failed)?
        } else {
            rows
        };
        let target = Target::plain(&base.table, format!("kept-{attempt}"));
        let files = stage_query(&context.lake, &target, rows, &session).await.map_err(|error| error.of(&base.table))?;
        Ok((files, removes))
    }

    /// The deliveries whose rows go and those whose rows stay, in order.
    fn deliveries(&self) -> (Vec<i64>, Vec<i64>) {
        let gone: BTreeSet<i64> = self.replaced.iter().copied().collect();
        let loaded: BTreeSet<i64> = self.ledger.loaded().map(|record| record.number).collect();
        let stays = loaded.difference(&gone).copied().collect();
        (gone.into_iter().collect(), stays)
    }
}

/// Whether a file's statistics allow rows of one of the deliveries, which are in order.
fn may_hold(file: &DataFile, deliveries: &[i64]) -> bool {
    match file.integers("_delivery") {
        Some((least, greatest)) => {
            let first = deliveries.get(deliveries.partition_point(|number| *number < least));
            first.is_some_and(|number| *number <= greatest)
        }
        None => !deliveries.is_empty(),
    }
}
