//! Which held rows of a source are meant, and which of them are in bronze already.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;

use super::context::RunContext;
use super::error::RunError;
use super::quarantine::{Misfit, each_held};
use crate::ingest::{Held, HeldRecord, Ledger};
use crate::session::{Effort, register};
use crate::table::{PinnedTable, TableSnapshot};

/// Which held rows are meant; an empty choice is all of a source.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Path of a file below the raw location.
    pub file: Option<String>,
    /// Record number in it.
    pub record: Option<i64>,
}

impl Choice {
    pub(super) fn means(&self, row: &Misfit<'_>) -> bool {
        let file = self.file.as_ref().is_none_or(|file| file == row.file);
        file && self.record.is_none_or(|record| record == row.record)
    }
}

/// Rows by delivery and record.
pub(super) type Records = HashSet<(i64, i64)>;

/// The held rows of a source.
#[derive(Default)]
pub(super) struct Chosen {
    /// Those of deliveries that are loaded, each as it is known by.
    held: HashMap<i64, HashMap<i64, HeldRecord>>,
    /// Those of them that a choice means.
    pub records: Records,
    /// Files that are not loaded and have rows that it means.
    pub unread: BTreeSet<String>,
}

impl Chosen {
    pub async fn find(context: &RunContext, source: &str, choice: &Choice, ledger: &Ledger) -> Result<Self, RunError> {
        let loaded = paths(ledger);
        let mut found = Self::default();
        each_held(context, source, |row| {
            let is_meant = choice.means(row);
            if loaded.get(&row.delivery).is_some_and(|path| path == row.file) {
                let held = found.held.entry(row.delivery).or_default();
                held.insert(row.record, HeldRecord::new(row.line, row.raw));
                found.records.extend(is_meant.then_some((row.delivery, row.record)));
            } else if is_meant && !ledger.has_brought(row.delivery, row.file) {
                found.unread.insert(row.file.to_owned());
            }
        })
        .await?;
        // A row that is meant may be one with others of its file; with those of other files it has nothing to do.
        let deliveries: HashSet<i64> = found.records.iter().map(|(delivery, _)| *delivery).collect();
        found.held.retain(|delivery, _| deliveries.contains(delivery));
        Ok(found)
    }

    /// The rows of deliveries of which something is to be tried, given which of them are in bronze.
    pub fn tried(&self, ledger: &Ledger, present: &Records) -> Vec<Held> {
        let held = ledger.loaded().filter_map(|delivery| {
            let mut records = self.held.get(&delivery.number)?.clone();
            for (number, record) in &mut records {
                record.is_wanted = self.records.contains(&(delivery.number, *number));
                record.is_in_bronze = present.contains(&(delivery.number, *number));
            }
            let is_tried = records.values().any(|record| record.is_wanted && !record.is_in_bronze);
            is_tried.then(|| Held { delivery: delivery.clone(), records })
        });
        held.collect()
    }

    pub fn all(&self) -> Records {
        self.held.iter().flat_map(|(delivery, rows)| rows.keys().map(|record| (*delivery, *record))).collect()
    }
}

/// The file of each delivery that is loaded.
pub(super) fn paths(ledger: &Ledger) -> HashMap<i64, String> {
    ledger.loaded().map(|delivery| (delivery.number, delivery.path.clone())).collect()
}

/// Which of the records are in bronze already.
pub(super) async fn in_bronze(
    context: &RunContext,
    bronze: &TableSnapshot,
    records: &Records,
) -> Result<Records, RunError> {
    let failed = |error| RunError::query(&bronze.table, error);
    let deliveries: HashSet<i64> = records.iter().map(|(delivery, _)| *delivery).collect();
    let numbers: HashSet<i64> = records.iter().map(|(_, record)| *record).collect();
    let session = context.engine.session(Effort::Fast);
    let provider = PinnedTable::from_snapshot(&context.lake, bronze)?;
    register(&session, &bronze.table, Arc::new(provider)).map_err(failed)?;
    let any = |values: HashSet<i64>| -> Vec<Expr> { values.into_iter().map(lit).collect() };
    let rows = session
        .table(bronze.table.as_str())
        .await
        .and_then(|table| table.filter(ident("_delivery").in_list(any(deliveries), false)))
        .and_then(|table| table.filter(ident("_record").in_list(any(numbers), false)))
        .and_then(|table| table.select(vec![ident("_delivery"), ident("_record")]))
        .map_err(failed)?;
    let mut found = HashSet::new();
    for batch in rows.collect().await.map_err(failed)? {
        let (deliveries, records) =
            (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
        found.extend(deliveries.values().iter().copied().zip(records.values().iter().copied()));
    }
    Ok(found.intersection(records).copied().collect())
}
