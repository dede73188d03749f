//! Held rows, tried again or given up.
//!
//! A replay reads the files of held rows once more under the contract as it is now, and finds the rows by their lines:
//! it may cut files otherwise by now. What fits goes to bronze under its own file, record and night. Bronze is the
//! truth: a record that is there already, because an earlier replay died before it could say so, is marked and not
//! loaded again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;

use super::bronze::commit_staged;
use super::context::RunContext;
use super::error::RunError;
use super::hold::holding;
use super::ledgers;
use super::quarantine::{Misfit, each_held};
use super::settle::{DISCARDED, Settled, settle};
use super::sink::StagedSinks;
use super::sources::refused_strangers;
use super::state::StagedTable;
use crate::clock::run_id;
use crate::failpoint;
use crate::ingest::{self, Corrected, Held, HeldRecord, IngestError, Ledger, LoadOptions, Replayed};
use crate::lease::{Holder, Lease};
use crate::project::contract::Contract;
use crate::release;
use crate::session::{Effort, register};
use crate::table::{PinnedTable, TableSnapshot};

/// What became of the held rows of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tried {
    /// Rows that were held.
    pub held: u64,
    /// Rows that fit now and are in bronze.
    pub replayed: u64,
}

/// Which held rows are meant; an empty choice is all of a source.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Path of a file below the raw location.
    pub file: Option<String>,
    /// Record number in it.
    pub record: Option<i64>,
}

impl Choice {
    fn means(&self, row: &Misfit<'_>) -> bool {
        let file = self.file.as_ref().is_none_or(|file| file == row.file);
        file && self.record.is_none_or(|record| record == row.record)
    }
}

/// Tries the held rows of a source again.
///
/// # Errors
/// Where the source is unknown, or a file is gone or has changed.
pub async fn replay(context: &RunContext, source: &str, choice: &Choice) -> Result<Tried, RunError> {
    try_again(context, source, choice, None).await
}

/// Loads corrected rows in place of the held ones of one file: as many, in their order, in the form of the
/// source's own files. `name` is how the user calls the file with them.
///
/// # Errors
/// As [`replay`]; [`RunError::User`] where the choice names no file with held rows, or the rows are not as many.
pub async fn replay_with(
    context: &RunContext,
    source: &str,
    choice: &Choice,
    name: &str,
    bytes: Bytes,
) -> Result<Tried, RunError> {
    try_again(context, source, choice, Some((name, bytes))).await
}

async fn try_again(
    context: &RunContext,
    source: &str,
    choice: &Choice,
    corrected: Option<(&str, Bytes)>,
) -> Result<Tried, RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::check_format(&context.lake, true).await?;
    holding(context, Holder::this_process(&run_id, "quarantine replay"), async |lease| {
        replay_held(context, lease, contract(context, source)?, choice, corrected, &run_id).await
    })
    .await
}

/// Gives held rows of a source up, for a reason; how many.
///
/// # Errors
/// Where the source is unknown, or the lake cannot be written.
pub async fn discard(
    context: &RunContext,
    source: &str,
    choice: &Choice,
    reason: &str,
    by: &str,
) -> Result<u64, RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::check_format(&context.lake, true).await?;
    holding(context, Holder::this_process(&run_id, "quarantine discard"), async |lease| {
        let contract = contract(context, source)?;
        let settled = Settled::now(context, DISCARDED, by, Some(reason.to_owned()));
        let change = |row: &Misfit<'_>| choice.means(row).then(|| settled.clone());
        settle(context, lease, &contract.name, &run_id, &change).await
    })
    .await
}

fn contract<'a>(context: &'a RunContext, source: &str) -> Result<&'a Contract, RunError> {
    context.project.contracts.get(source).ok_or_else(|| {
        let known = crate::nearest::nearest(source, context.project.contracts.keys().map(String::as_str));
        let hint =
            known.map_or_else(|| "`buho plan` lists the sources".to_owned(), |name| format!("did you mean `{name}`?"));
        RunError::User { message: format!("there is no source `{source}` — {hint}") }
    })
}

/// Rows by delivery and record.
type Records = HashSet<(i64, i64)>;

/// The held rows of a source.
#[derive(Default)]
struct Chosen {
    /// Those of deliveries that are loaded, each as it is known by.
    held: HashMap<i64, HashMap<i64, HeldRecord>>,
    /// Those of them that a choice means.
    records: Records,
    /// Files that are not loaded and have rows that it means.
    unread: BTreeSet<String>,
}

impl Chosen {
    async fn find(context: &RunContext, source: &str, choice: &Choice, ledger: &Ledger) -> Result<Self, RunError> {
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
    fn tried(&self, ledger: &Ledger, present: &Records) -> Vec<Held> {
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

    fn all(&self) -> Records {
        self.held.iter().flat_map(|(delivery, rows)| rows.keys().map(|record| (*delivery, *record))).collect()
    }
}

/// The file of each delivery that is loaded.
fn paths(ledger: &Ledger) -> HashMap<i64, String> {
    ledger.loaded().map(|delivery| (delivery.number, delivery.path.clone())).collect()
}

/// Held rows of files that are not loaded are not tried, for the next run reads all of such a file: said as an error
/// where corrected rows came for them, else as a warning.
fn tell_unread(source: &str, unread: &BTreeSet<String>, is_corrected: bool) -> Result<(), RunError> {
    let Some(first) = unread.first() else { return Ok(()) };
    let more = if unread.len() > 1 { format!(" and {} more files", unread.len() - 1) } else { String::new() };
    let message = format!(
        "held rows of `{first}`{more} were not tried: nothing of that is loaded — mend the contract, or deliver the corrected file under the same name, and the next run reads all of it"
    );
    if is_corrected {
        return Err(RunError::User { message });
    }
    tracing::warn!(source, "{message}");
    Ok(())
}

async fn replay_held(
    context: &RunContext,
    lease: &Lease,
    contract: &Contract,
    choice: &Choice,
    corrected: Option<(&str, Bytes)>,
    run_id: &str,
) -> Result<Tried, RunError> {
    let base = TableSnapshot::load(&context.lake, &contract.table, None).await?;
    let numbered = ledgers::load(&context.lake, &contract.name, base.as_ref()).await?;
    let chosen = Chosen::find(context, &contract.name, choice, &numbered.ledger).await?;
    tell_unread(&contract.name, &chosen.unread, corrected.is_some() && chosen.records.is_empty())?;
    let Some(base) = base else {
        return Ok(Tried::default());
    };
    if let Some(strangers) = base.strangers().await? {
        return Err(RunError::refused(&contract.table, &refused_strangers(&strangers)));
    }
    let present = in_bronze(context, &base, &chosen.all()).await?;
    let tried = chosen.tried(&numbered.ledger, &present);
    let corrected = match corrected {
        Some((name, bytes)) => Some(in_place_of(name, bytes, &chosen.records, choice)?),
        None => None,
    };
    let paths = paths(&numbered.ledger);
    let mut fits: Records = present.intersection(&chosen.records).copied().collect();
    if !tried.is_empty() {
        fits.extend(load(context, lease, contract, base, numbered, (&tried, corrected.as_ref()), run_id).await?);
    }
    let note = corrected.map(|corrected| format!("corrected in {}", corrected.name));
    let settled = Settled::now(context, "replayed", run_id, note);
    let is_in = |row: &Misfit<'_>| paths.get(&row.delivery).is_some_and(|path| path == row.file);
    let change = |row: &Misfit<'_>| (is_in(row) && fits.contains(&(row.delivery, row.record))).then(|| settled.clone());
    let replayed = settle(context, lease, &contract.name, run_id, &change).await?;
    Ok(Tried { held: chosen.records.len() as u64, replayed })
}

/// The held rows that corrected ones stand for: all of one delivery.
fn in_place_of(name: &str, bytes: Bytes, chosen: &Records, choice: &Choice) -> Result<Corrected, RunError> {
    let deliveries: HashSet<i64> = chosen.iter().map(|(delivery, _)| *delivery).collect();
    if deliveries.len() != 1 || choice.file.is_none() {
        let message = "corrected rows stand for the held rows of one file: name it with `--file`, as `buho quarantine show` writes it";
        return Err(RunError::User { message: message.to_owned() });
    }
    let mut records: Vec<i64> = chosen.iter().map(|(_, record)| *record).collect();
    records.sort_unstable();
    Ok(Corrected { name: name.to_owned(), bytes, records })
}

/// Reads the files again, or what takes their place, and commits the rows that fit, with the ledger that counts them.
async fn load(
    context: &RunContext,
    lease: &Lease,
    contract: &Contract,
    base: TableSnapshot,
    mut numbered: ledgers::NumberedLedger,
    (tried, corrected): (&[Held], Option<&Corrected>),
    run_id: &str,
) -> Result<Records, RunError> {
    let schema = ingest::bronze_schema(contract);
    let sinks = Arc::new(StagedSinks::new(&context.lake, &contract.table, Arc::clone(&schema), run_id));
    let options = LoadOptions::new(context.project.settings.time_zone, context.engine.threads());
    let (raw, root) = (Arc::clone(&context.raw), &context.raw_root);
    let replayed = match (corrected, tried) {
        (Some(corrected), [held]) => {
            let sinks = Arc::clone(&sinks) as _;
            let found = ingest::replay_corrected(root, contract, held.clone(), corrected, &options, sinks).await;
            vec![found.map_err(|error| RunError::User { message: error.to_string() })?]
        }
        _ => ingest::replay(raw, root, contract, tried, &options, Arc::clone(&sinks) as _).await.map_err(not_tried)?,
    };
    tell_lost(contract, tried, &replayed);
    let adds = sinks.files();
    let fit: u64 = replayed.iter().map(|found| found.rows).sum();
    let written: u64 = adds.iter().map(|file| file.rows).sum();
    if written != fit {
        let what = format!("{}: {fit} records fit and {written} rows were written", contract.table);
        return Err(RunError::Defect { what });
    }
    if !adds.is_empty() {
        for found in &replayed {
            numbered.ledger.count_replayed(found.delivery, found.rows, found.fits.len() as u64);
        }
        let staged = StagedTable {
            table: contract.table.clone(),
            schema,
            partition_by: Vec::new(),
            base: Some(base),
            adds,
            removes: HashSet::new(),
        };
        failpoint::reached("replay.staged");
        commit_staged(context, lease, &contract.name, &mut numbered, &staged, run_id).await?;
        failpoint::reached("replay.committed");
    }
    let of_each = |found: &Replayed| -> Records {
        found.fits.union(&found.there).map(|record| (found.delivery, *record)).collect()
    };
    Ok(replayed.iter().flat_map(of_each).collect())
}

/// Says which rows stay held because their file has no such records as the contract cuts it now.
fn tell_lost(contract: &Contract, tried: &[Held], replayed: &[Replayed]) {
    for found in replayed {
        let held = tried.iter().find(|held| held.delivery.number == found.delivery);
        let (Some(held), Some(first)) = (held, found.lost.first()) else { continue };
        let (source, file) = (&contract.name, &held.delivery.path);
        let (which, first) = (found.lost.len(), format!("`{file}`, record {first}"));
        tracing::warn!(
            source,
            "{which} held rows stay held, the first is {first}: as the contract cuts the file now, they are only in records that have loaded rows in them, or lack a part of theirs — write them as they are meant and load these with `buho quarantine replay {source} --file {file} --with CORRECTED`, or deliver the corrected file under the same name"
        );
    }
}

/// A file that is another by now is delivered again; what storage failed is tried again.
fn not_tried(error: IngestError) -> RunError {
    match error {
        IngestError::NotAsLoaded { .. } => RunError::User {
            message: format!(
                "{error} — deliver the corrected file under the same name instead, and run again: it replaces its rows"
            ),
        },
        error => RunError::failed("quarantine replay", &error.to_string(), error.kind()),
    }
}

/// Which of the records are in bronze already.
async fn in_bronze(context: &RunContext, bronze: &TableSnapshot, records: &Records) -> Result<Records, RunError> {
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
