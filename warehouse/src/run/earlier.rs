//! Nights that a backfill takes in before the one that it builds for.
//!
//! Most of them were run before and bring nothing new. A source is listed once to tell which do, and the others are
//! passed over: years of nights are not years of listings. A night that no release has had is taken in as it would be
//! by itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::context::RunContext;
use super::error::RunError;
use super::ledgers;
use super::outcome::Blocked;
use super::sources::{SOURCES_AT_ONCE, own};
use crate::error::ErrorKind;
use crate::ingest;
use crate::project::contract::Contract;

/// What nights that were run before bring.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Bronze tables of the sources that have something for a night.
    pub tables: BTreeMap<NaiveDate, BTreeSet<String>>,
    /// Sources that storage did not give: they stay as they are.
    pub missed: BTreeMap<String, Blocked>,
}

/// Which of some nights, in order, bring anything of which source. What belongs to the night that is built for, `built`,
/// comes with that.
pub(super) async fn brought(context: &RunContext, nights: &[NaiveDate], built: NaiveDate) -> Result<Brought, RunError> {
    let mut brought = Brought::default();
    if nights.is_empty() {
        return Ok(brought);
    }
    let contracts: Vec<&Contract> = context.project.contracts.values().collect();
    let found: Vec<Found> = stream::iter(contracts.clone())
        .map(|contract| look(context, contract, nights, built))
        .buffered(context.turns.at_once(SOURCES_AT_ONCE))
        .try_collect()
        .await?;
    for (contract, found) in contracts.into_iter().zip(found) {
        match found {
            Found::Nights(nights) => {
                for night in nights {
                    brought.tables.entry(night).or_default().insert(contract.table.clone());
                }
            }
            Found::Missed(blocked) => {
                brought.missed.insert(contract.name.clone(), blocked);
            }
        }
    }
    Ok(brought)
}

enum Found {
    Nights(BTreeSet<NaiveDate>),
    Missed(Blocked),
}

async fn look(
    context: &RunContext,
    contract: &Contract,
    nights: &[NaiveDate],
    built: NaiveDate,
) -> Result<Found, RunError> {
    let (bronze, _) = own(context, contract).await?;
    let ledger = ledgers::load(&context.lake, &contract.name, bronze.as_ref()).await?.ledger;
    let files = match ingest::discover(context.raw.as_ref(), &context.raw_root, contract).await {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::Retry => return Ok(Found::Missed(Blocked::by(&error))),
        // What is wrong with its files is said with the night that is built for.
        Err(_) => return Ok(Found::Nights(BTreeSet::new())),
    };
    let last = nights.last().copied().unwrap_or(built);
    let plan = ingest::plan_deliveries(contract, &files, &ledger, last, built);
    let first_from = |night: NaiveDate| nights.iter().find(|taken_in| **taken_in >= night).copied();
    Ok(Found::Nights(plan.deliveries.iter().filter_map(|delivery| first_from(delivery.night)).collect()))
}
