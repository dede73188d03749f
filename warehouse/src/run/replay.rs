//! Held rows, tried again or given up.
//!
//! A replay reads the files of held rows once more under the contract as it is now, and finds the rows by their lines:
//! it may cut files otherwise by now. What fits goes to bronze under its own file, record and night. Bronze is the
//! truth: a record that is there already, because an earlier replay died before it could say so, is marked and not
//! loaded again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::bronze::commit_staged;
use super::chosen::{Choice, Chosen, Records, in_bronze, paths};
use super::context::{RunContext, RunRequest};
use super::error::RunError;
use super::evolution::refused_contract;
use super::hold::holding;
use super::ledgers;
use super::night::run_night;
use super::quarantine::{Misfit, TABLE};
use super::replaced::Anew;
use super::report::RunReport;
use super::settle::{DISCARDED, Settled, settle};
use super::sink::StagedSinks;
use super::sources::refused_strangers;
use super::state::StagedTable;
use super::strangers::on_quarantine;
use crate::clock::run_id;
use crate::failpoint;
use crate::ingest::{self, Corrected, Held, IngestError, LoadOptions, Replayed};
use crate::lease::{Holder, Lease};
use crate::project::Advice;
use crate::project::contract::Contract;
use crate::release;
use crate::table::TableSnapshot;

/// What became of the held rows of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tried {
    /// Rows that were held.
    pub held: u64,
    /// Rows that fit now and are in bronze.
    pub replayed: u64,
    /// Rows that do not fit now either, by file and record.
    pub refused: Vec<Refused>,
}

/// A row that does not fit the contract as it is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    pub file: String,
    pub record: i64,
    pub reason: String,
}

impl Tried {
    /// How many rows were held, and how many of them fit now.
    pub fn counts(&self) -> (u64, u64) {
        (self.held, self.replayed)
    }
}

/// Tries the held rows of a source again.
///
/// # Errors
/// Where there is no lake, the source is unknown, or a file is gone or has changed.
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

/// Builds what depends on replayed rows, however many nights these are of; also where nothing was held, for an earlier
/// replay may have died before this. A night without work costs nothing. `None` where no night was released yet: which
/// one is to be the first is for whoever runs it to say.
///
/// # Errors
/// As [`run_night`].
pub async fn build_replayed(context: &RunContext) -> Result<Option<RunReport>, RunError> {
    let Some(latest) = release::latest(&context.lake).await? else { return Ok(None) };
    let request = RunRequest { night: latest.night, unlimited: true, ..RunRequest::default() };
    run_night(context, &request).await.map(Some)
}

async fn try_again(
    context: &RunContext,
    source: &str,
    choice: &Choice,
    corrected: Option<(&str, Bytes)>,
) -> Result<Tried, RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::open(&context.lake).await?;
    holding(context, Holder::this_process(&run_id, "quarantine replay"), async |lease| {
        replay_held(context, lease, contract(context, source)?, choice, corrected, &run_id).await
    })
    .await
}

/// Gives held rows of a source up, for a reason; how many. Those that are in bronze cannot be given up any more: they
/// were replayed.
///
/// # Errors
/// Where there is no lake, the source is unknown, or the lake cannot be written.
pub async fn discard(
    context: &RunContext,
    source: &str,
    choice: &Choice,
    reason: &str,
    by: &str,
) -> Result<u64, RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::open(&context.lake).await?;
    holding(context, Holder::this_process(&run_id, "quarantine discard"), async |lease| {
        let contract = contract(context, source)?;
        refuse_strangers(context).await?;
        mark_present(context, lease, contract, choice, &run_id).await?;
        let settled = Settled::now(context, DISCARDED, by, Some(reason.to_owned()));
        let change = |row: &Misfit<'_>| choice.means(row).then(|| settled.clone());
        settle(context, lease, &contract.name, &run_id, &change).await
    })
    .await
}

/// No held row is settled on top of what another program committed to the quarantine.
async fn refuse_strangers(context: &RunContext) -> Result<(), RunError> {
    match on_quarantine(context).await? {
        Some(because) => Err(RunError::refused(TABLE, &because)),
        None => Ok(()),
    }
}

fn contract<'a>(context: &'a RunContext, source: &str) -> Result<&'a Contract, RunError> {
    let contracts = &context.project.contracts;
    contracts.get(source).ok_or_else(|| no_source(source, contracts.keys().map(String::as_str)))
}

/// A source that there is not, and the one that may be meant.
pub fn no_source<'a>(source: &str, known: impl IntoIterator<Item = &'a str>) -> RunError {
    RunError::User { message: format!("there is no source `{source}` — {}", Advice::new(source, known)) }
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
    let base = TableSnapshot::newest(&context.lake, &contract.table).await?;
    let numbered = ledgers::load(&context.lake, &contract.name, base.as_ref()).await?;
    let chosen = Chosen::find(context, &contract.name, choice, &numbered.ledger).await?;
    tell_unread(&contract.name, &chosen.unread, corrected.is_some() && chosen.records.is_empty())?;
    let Some(base) = base else {
        return Ok(Tried::default());
    };
    if let Some(strangers) = base.strangers().await? {
        return Err(RunError::refused(&contract.table, &refused_strangers(&strangers)));
    }
    refuse_strangers(context).await?;
    if let Some(because) = refused_contract(contract, &base) {
        return Err(RunError::User { message: because });
    }
    let present = in_bronze(context, &base, &chosen.all()).await?;
    let tried = chosen.tried(&numbered.ledger, &present);
    let corrected = match corrected {
        Some((name, bytes)) => Some(in_place_of(name, bytes, &chosen.records, choice)?),
        None => None,
    };
    let paths = paths(&numbered.ledger);
    let mut fits: Records = present.intersection(&chosen.records).copied().collect();
    let mut refused = Vec::new();
    if !tried.is_empty() {
        let found = load(context, lease, contract, base, numbered, (&tried, corrected.as_ref()), run_id).await?;
        refused = found.iter().flat_map(|found| told_of(found, &paths)).collect();
        fits.extend(found.iter().flat_map(in_rows));
    }
    let note = corrected.map(|corrected| format!("corrected in {}", corrected.name));
    let replayed = mark_replayed(context, lease, &contract.name, (&paths, &fits), note, run_id).await?;
    Ok(Tried { held: chosen.records.len() as u64, replayed, refused })
}

/// Records that are in bronze now, or were before.
fn in_rows(found: &Replayed) -> impl Iterator<Item = (i64, i64)> {
    found.fits.union(&found.there).map(|record| (found.delivery, *record))
}

/// Records that do not fit, and why.
fn told_of<'a>(found: &'a Replayed, paths: &'a HashMap<i64, String>) -> impl Iterator<Item = Refused> + 'a {
    let file = paths.get(&found.delivery).cloned().unwrap_or_default();
    let refused = move |(record, reason): (&i64, &String)| Refused {
        file: file.clone(),
        record: *record,
        reason: reason.clone(),
    };
    found.refused.iter().map(refused)
}

/// Marks held rows that are in bronze; how many.
async fn mark_replayed(
    context: &RunContext,
    lease: &Lease,
    source: &str,
    (paths, records): (&HashMap<i64, String>, &Records),
    note: Option<String>,
    run_id: &str,
) -> Result<u64, RunError> {
    let settled = Settled::now(context, "replayed", run_id, note);
    let is_of = |row: &Misfit<'_>| paths.get(&row.delivery).is_some_and(|path| path == row.file);
    let is_in = |row: &Misfit<'_>| is_of(row) && records.contains(&(row.delivery, row.record));
    settle(context, lease, source, run_id, &|row| is_in(row).then(|| settled.clone())).await
}

/// Marks the rows of a choice that are in bronze already: a replay died before it could.
async fn mark_present(
    context: &RunContext,
    lease: &Lease,
    contract: &Contract,
    choice: &Choice,
    run_id: &str,
) -> Result<(), RunError> {
    let Some(base) = TableSnapshot::newest(&context.lake, &contract.table).await? else { return Ok(()) };
    let ledger = ledgers::load(&context.lake, &contract.name, Some(&base)).await?.ledger;
    let chosen = Chosen::find(context, &contract.name, choice, &ledger).await?;
    let present = in_bronze(context, &base, &chosen.records).await?;
    if !present.is_empty() {
        mark_replayed(context, lease, &contract.name, (&paths(&ledger), &present), None, run_id).await?;
    }
    Ok(())
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
) -> Result<Vec<Replayed>, RunError> {
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
        let anew = Anew { ledger: &numbered.ledger, replaced: &[], schema: &schema };
        let (rewritten, removes) = anew.written(context, &base, run_id).await?;
        let staged = StagedTable {
            table: contract.table.clone(),
            schema,
            partition_by: Vec::new(),
            base: Some(base),
            adds: [adds, rewritten].concat(),
            removes,
        };
        failpoint::reached("replay.staged");
        commit_staged(context, lease, &contract.name, &mut numbered, &staged, run_id).await?;
        failpoint::reached("replay.committed");
    }
    Ok(replayed)
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
