//! Where a source's ledger lies: an object per bronze commit, believed only if the table's log names it.
//!
//! The bronze commit carries `txn("buho/ledger", n)`; the ledger is `_buho/ledger/<source>/<n>.json`,
//! created before. A crash between the two leaves an object that nothing names.

use chrono::{DateTime, Utc};

use super::error::RunError;
use super::maintain::remove_old;
use crate::ingest::{Ledger, NIGHT};
use crate::planted::{Bug, planted};
use crate::project::contract::Contract;
use crate::table::{DataFile, Lake, TableError, TableSnapshot};

const FOLDER: &str = "_buho/ledger";
/// Ledgers that stay besides the one that is named.
const KEPT: i64 = if cfg!(test) { 2 } else { 16 };

/// The application id whose `txn` version is the ledger's number.
pub(super) const APP_ID: &str = "buho/ledger";

/// A source's ledger and its number; empty and 0 where nothing was ever loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberedLedger {
    pub ledger: Ledger,
    pub number: i64,
}

pub(super) async fn load(
    lake: &Lake,
    source: &str,
    bronze: Option<&TableSnapshot>,
) -> Result<NumberedLedger, RunError> {
    let Some(bronze) = bronze else {
        return Ok(NumberedLedger::default());
    };
    let mut number = bronze.transaction(APP_ID).await?;
    if planted(Bug::LedgerUntied) && lake.read(&file(source, number.unwrap_or(0) + 1)).await?.is_some() {
        number = number.map(|number| number + 1);
    }
    let Some(number) = number else {
        return Err(RunError::User {
            message: format!(
                "table {} exists but was not written by buho — give the contract of `{source}` another `table`, or move that folder away",
                bronze.table
            ),
        });
    };
    let path = file(source, number);
    let lost =
        |what: String| RunError::Ledger { source_name: source.to_owned(), path: lake.path(&path).to_string(), what };
    let found = lake.read(&path).await?;
    let found = found.ok_or_else(|| lost(format!("is missing, and the log of {} names it", bronze.table)))?;
    let ledger = serde_json::from_slice(&found).map_err(|error| lost(format!("is cut short or damaged ({error})")))?;
    Ok(NumberedLedger { ledger, number })
}

impl NumberedLedger {
    /// A ledger that does not say which columns files had is of a lake that an earlier version wrote: they had those
    /// of which bronze has values.
    pub fn noting_columns(mut self, contract: &Contract, bronze: Option<&TableSnapshot>) -> Self {
        let is_noted = !self.ledger.columns.is_empty() || self.ledger.deliveries.is_empty();
        if is_noted || !contract.spec.format.names_columns() {
            return self;
        }
        let files = bronze.map(|bronze| bronze.files.as_slice()).unwrap_or_default();
        for column in &contract.spec.columns {
            let has_value = |file: &&DataFile| file.nulls(&column.name).zip(file.rows).is_some_and(|(n, all)| n < all);
            let nights = files.iter().filter(has_value).filter_map(|file| file.last_day(NIGHT).flatten());
            self.ledger.columns.extend(nights.min().map(|night| (column.name.value.clone(), night)));
        }
        self
    }
}

/// Writes the ledger that the next bronze commit will name, and returns its number. One that is there is
/// never written over: a run that lost its lease may come late, and the log may name that number by then.
pub(super) async fn store(lake: &Lake, source: &str, last: i64, ledger: &Ledger) -> Result<i64, RunError> {
    let body =
        serde_json::to_vec(ledger).map_err(|error| RunError::Form { what: file(source, last + 1), source: error })?;
    let mut number = last + 1;
    loop {
        let path = lake.path(&file(source, number));
        let created = lake.create(&path, body.clone()).await;
        if created.map_err(|error| TableError::write(&format!("ledger of {source}"), &path, error))? {
            return Ok(number);
        }
        number += 1;
    }
}

/// Removes ledgers from long before the one that the bronze log names. The last few stay: where the log loses its end,
/// what is the newest version then names one of them. Each holds all deliveries, so there are not to be many.
pub(super) async fn forget_old(lake: &Lake, source: &str, bronze: &str, before: DateTime<Utc>) -> Result<(), RunError> {
    let Some(table) = TableSnapshot::load(lake, bronze, None).await? else {
        return Ok(());
    };
    let Some(current) = table.transaction(APP_ID).await? else {
        return Ok(());
    };
    let is_older = |name: &str| {
        let number = name.strip_suffix(".json").and_then(|number| number.parse::<i64>().ok());
        number.is_some_and(|number| number < current - KEPT)
    };
    remove_old(lake, &format!("{FOLDER}/{source}"), before, is_older).await
}

fn file(source: &str, number: i64) -> String {
    format!("{FOLDER}/{source}/{number:08}.json")
}
