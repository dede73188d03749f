//! The ingest phase: every source's new deliveries become staged bronze files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use futures::{StreamExt, TryStreamExt, stream};

use chrono::NaiveDate;

use super::compute::{Target, stage_query};
use super::context::RunContext;
use super::error::RunError;
use super::ledgers::{self, NumberedLedger};
use super::quarantine::Misfits;
use super::report::SourceReport;
use super::sink::StagedSinks;
use super::state::{Candidate, StagedTable};
use super::waiting::{self, Waits};
use crate::error::ErrorKind;
use crate::ingest::{self, Freshness, FreshnessState, IngestError, LoadFailure, LoadOptions, LoadReport};
use crate::planted::{Bug, planted};
use crate::project::contract::{Contract, Missing};
use crate::release::{Recipe, ReleasedTable, TableState};
use crate::session::{Effort, register};
use crate::table::{DataFile, PinnedTable, StagedFile, Strangers, TableError, TableSnapshot};

/// Sources read beside each other; each may use all threads.
const SOURCES_AT_ONCE: usize = 4;

/// What one source brought.
#[derive(Debug)]
pub(super) struct SourceOutcome {
    pub source: String,
    pub table: String,
    pub candidate: Candidate,
    /// The ledger after this load, numbered as before it.
    pub ledger: NumberedLedger,
    /// Whether the ledger must be stored beside a commit.
    pub ledger_changed: bool,
    /// `None` where its files were not looked at, or no row of them is at fault.
    pub misfits: Option<Misfits>,
    pub report: SourceReport,
    /// Whether this run committed rows of it.
    pub is_new: bool,
    /// Why what reads it must stay at the last release, and whether the source itself failed.
    pub blocked: Option<Blocked>,
    /// What there is to say of a delivery that waits, where that blocks nothing.
    pub waits: Option<String>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Blocked {
    pub because: String,
    /// `None`: held, not failed.
    pub failed: Option<ErrorKind>,
}

impl SourceOutcome {
    /// Whether there is anything to commit of what was staged.
    pub fn commits(&self, staged: &StagedTable) -> bool {
        self.ledger_changed || !staged.adds.is_empty()
    }

    /// Whether the bronze table is to be created.
    pub fn creates(&self) -> bool {
        matches!(&self.candidate, Candidate::Staged(staged) if staged.base.is_none() && self.commits(staged))
    }

    /// How a release names the bronze table; `None` where nothing was ever delivered.
    pub fn released(&self, night: NaiveDate) -> Option<ReleasedTable> {
        let state = match &self.blocked {
            None => TableState::Fresh,
            Some(blocked) if blocked.failed.is_some() => TableState::Failed,
            Some(_) => TableState::Held,
        };
        let version = match &self.candidate {
            Candidate::Staged(staged) => staged.base.as_ref()?.version,
            Candidate::Unchanged { snapshot, .. } => snapshot.as_ref()?.version,
            Candidate::Files { .. } => return None,
        };
        Some(ReleasedTable { version, night, state, recipe: Recipe::default(), audited: String::new() })
    }
}

/// What is to be taken in.
pub(super) struct Wanted {
    pub night: NaiveDate,
    /// Where it may not, a source with a delivery that is not loaded yet blocks what reads it.
    pub may_load: bool,
    /// Only sources of these bronze tables; `None` is all.
    pub tables: Option<BTreeSet<String>>,
    /// What is read for what was asked for; `None` is all.
    pub read: Option<BTreeSet<String>>,
    /// Whether what is built already goes out, and nothing else.
    pub publishes: bool,
    /// Versions of bronze tables that the last release names.
    pub released: BTreeMap<String, u64>,
    /// Sources that storage did not give for an earlier night of the run: they stay as they are, for what a later
    /// night finds of theirs would be the later night's.
    pub missed: BTreeMap<String, Blocked>,
}

impl Wanted {
    /// All that came for a night.
    pub fn all(night: NaiveDate) -> Self {
        let (missed, released) = (BTreeMap::new(), BTreeMap::new());
        Self { night, may_load: true, tables: None, read: None, publishes: false, missed, released }
    }

    /// Notes which sources storage did not give.
    pub fn missing(outcomes: &[SourceOutcome]) -> impl Iterator<Item = (String, Blocked)> {
        let missed = outcomes.iter().filter_map(|outcome| Some((outcome.source.clone(), outcome.blocked.clone()?)));
        missed.filter(|(_, blocked)| blocked.failed == Some(ErrorKind::Retry))
    }
}

/// Ingests the sources of the project; the failure of one does not stop the others.
pub(super) async fn ingest_all(
    context: &RunContext,
    wanted: &Wanted,
    attempt: &str,
) -> Result<Vec<SourceOutcome>, RunError> {
    let is_wanted = |contract: &&Contract| wanted.tables.as_ref().is_none_or(|tables| tables.contains(&contract.table));
    let contracts: Vec<&Contract> = context.project.contracts.values().filter(is_wanted).collect();
    stream::iter(contracts)
        .map(|contract| ingest_source(context, contract, wanted, attempt))
        .buffered(context.turns.at_once(SOURCES_AT_ONCE))
        .try_collect()
        .await
}

async fn ingest_source(
    context: &RunContext,
    contract: &Contract,
    wanted: &Wanted,
    attempt: &str,
) -> Result<SourceOutcome, RunError> {
    let night = wanted.night;
    let started = context.clock.now();
    let (snapshot, strangers) = own(context, contract).await?;
    let numbered = ledgers::load(&context.lake, &contract.name, snapshot.as_ref()).await?;
    let numbered = numbered.noting_columns(contract, snapshot.as_ref());
    let sinks = Arc::new(StagedSinks::new(&context.lake, &contract.table, ingest::bronze_schema(contract), attempt));
    if let Some(missed) = wanted.missed.get(&contract.name) {
        let mut outcome = unchanged(contract, snapshot, numbered);
        outcome.blocked = Some(missed.clone());
        return Ok(outcome);
    }
    let lost = lost(context, contract, snapshot.as_ref(), wanted).await?;
    let read = match strangers.or(lost) {
        Some(because) => Ok(Read::Refused { because }),
        None => read(context, contract, &numbered, wanted, Arc::clone(&sinks)).await,
    };
    let mut outcome = match read {
        Ok(Read::Loaded(report)) => loaded(context, contract, snapshot, numbered, *report, &sinks, attempt).await?,
        Ok(Read::Nothing { waiting }) => {
            let misfits = Misfits { waiting, before: numbered.ledger.clone(), ..Misfits::of(attempt) };
            SourceOutcome { misfits: Some(misfits), ..unchanged(contract, snapshot, numbered) }
        }
        Ok(Read::Refused { because }) => stays(contract, snapshot, numbered, because, ErrorKind::Data),
        Ok(Read::Waiting { path, others }) => {
            let because = waiting::told(&path, others, wanted, &contract.name);
            match wanted.where_one_waits(contract) {
                Waits::Blocks => stays(contract, snapshot, numbered, because, ErrorKind::User),
                Waits::IsNothing => unchanged(contract, snapshot, numbered),
                Waits::IsTold => {
                    let outcome = unchanged(contract, snapshot, numbered);
                    SourceOutcome { waits: Some(because.clone()), warnings: vec![because], ..outcome }
                }
            }
        }
        Err(error) => stays(contract, snapshot, numbered, error.to_string(), error.kind()),
    };
    if let Err(error) = judge_freshness(context, contract, night, &mut outcome) {
        outcome.blocked = Some(Blocked { because: error.to_string(), failed: Some(error.kind()) });
    }
    let ended = context.clock.now();
    outcome.report.seconds = (ended - started).as_seconds_f64();
    announce(&outcome);
    Ok(outcome)
}

/// A bronze table as our own commits left it; and where another program's lie on top, what there is to say of them.
async fn own(context: &RunContext, contract: &Contract) -> Result<(Option<TableSnapshot>, Option<String>), RunError> {
    let newest = TableSnapshot::load(&context.lake, &contract.table, None).await?;
    let strangers = match &newest {
        Some(newest) => newest.strangers().await?,
        None => None,
    };
    let Some(found) = strangers else { return Ok((newest, None)) };
    let own = match found.own {
        Some(own) => TableSnapshot::load(&context.lake, &contract.table, Some(own)).await?,
        None => None,
    };
    Ok((own, Some(refused_strangers(&found))))
}

/// What is said where a bronze table's log ends before the version that the last release names: a load would write it a
/// second time.
async fn lost(
    context: &RunContext,
    contract: &Contract,
    snapshot: Option<&TableSnapshot>,
    wanted: &Wanted,
) -> Result<Option<String>, RunError> {
    let Some((table, released)) = wanted.released.get_key_value(&contract.table) else { return Ok(None) };
    let Some(last) = snapshot.map(|snapshot| snapshot.version).filter(|last| last < released) else { return Ok(None) };
    let first_lost = last + 1;
    if context.lake.has_version(table, first_lost).await {
        return Err(TableError::Unlisted { table: table.clone(), version: first_lost }.into());
    }
    Ok(Some(format!(
        "the log of {table} ends at version {last}, and the last release names version {released} — put the entries `_delta_log/{first_lost:020}.json` to `{released:020}.json` back from a backup"
    )))
}

/// What is said where another program committed to a bronze table, and the way out.
pub(super) fn refused_strangers(found: &Strangers) -> String {
    format!(
        "{found} — bronze has what was delivered and nothing else: deliver what is meant to be there as a file, {}, and run again",
        found.way_out()
    )
}

/// What there was to read of a source.
enum Read {
    /// Nothing but files that are not to be loaded yet.
    Nothing {
        waiting: HashSet<String>,
    },
    Loaded(Box<LoadReport>),
    /// Deliveries that were not to be loaded: the first, and how many more.
    Waiting {
        path: String,
        others: usize,
    },
    /// The table is not as our own commits left it.
    Refused {
        because: String,
    },
}

/// Lists, plans and loads.
async fn read(
    context: &RunContext,
    contract: &Contract,
    numbered: &NumberedLedger,
    wanted: &Wanted,
    sinks: Arc<StagedSinks>,
) -> Result<Read, IngestError> {
    let files = ingest::discover(context.raw.as_ref(), &context.raw_root, contract).await?;
    let plan = ingest::plan_deliveries(contract, &files, &numbered.ledger, wanted.night);
    let may_load = wanted.may_load;
    let nothing = || {
        let waiting = plan.waiting.iter().map(|file| file.path.as_str()).chain(plan.left_out());
        Read::Nothing { waiting: waiting.map(str::to_owned).collect() }
    };
    match plan.deliveries.as_slice() {
        _ if plan.is_empty() => return Ok(nothing()),
        [first, others @ ..] if !may_load => {
            return Ok(Read::Waiting { path: first.file.path.clone(), others: others.len() });
        }
        [] if !may_load => return Ok(nothing()),
        _ => {}
    }
    let options = LoadOptions::new(context.project.settings.time_zone, context.engine.threads());
    ingest::load(Arc::clone(&context.raw), contract, &plan, &options, sinks)
        .await
        .map(|report| Read::Loaded(Box::new(report)))
}

async fn loaded(
    context: &RunContext,
    contract: &Contract,
    snapshot: Option<TableSnapshot>,
    numbered: NumberedLedger,
    report: LoadReport,
    sinks: &StagedSinks,
    attempt: &str,
) -> Result<SourceOutcome, RunError> {
    let misfits = Misfits {
        rows: report.quarantine,
        before: numbered.ledger.clone(),
        read: report.read.into_iter().collect(),
        waiting: report.waiting.into_iter().collect(),
        ..Misfits::of(attempt)
    };
    if let Some(failure) = &report.failure {
        let mut outcome = unchanged(contract, snapshot, numbered);
        outcome.blocked = Some(Blocked { because: failure.to_string(), failed: Some(ErrorKind::Data) });
        // Where a column is missing, no row is at fault.
        if !matches!(failure, LoadFailure::DroppedColumns(_)) {
            outcome.misfits = Some(misfits);
            outcome.report.quarantined = report.quarantined;
        }
        return Ok(outcome);
    }
    let schema = ingest::bronze_schema(contract);
    let (rewritten, removes) = match &snapshot {
        Some(base) if !report.replaced.is_empty() && !planted(Bug::ReplacedRowsStay) => {
            without_deliveries(context, base, &report.replaced, attempt).await?
        }
        _ => (Vec::new(), HashSet::new()),
    };
    let mut adds = sinks.files();
    adds.extend(rewritten);
    let mut warnings = report.warnings;
    warnings.extend(empty_files(&report.ledger, &report.loaded));
    let staged =
        StagedTable { table: contract.table.clone(), schema, partition_by: Vec::new(), base: snapshot, adds, removes };
    Ok(SourceOutcome {
        source: contract.name.clone(),
        table: contract.table.clone(),
        report: SourceReport {
            deliveries: report.loaded.len() as u64,
            rows: report.rows,
            quarantined: report.quarantined,
            ..empty_report(contract)
        },
        candidate: Candidate::Staged(staged),
        ledger: NumberedLedger { ledger: report.ledger, number: numbered.number },
        ledger_changed: report.ledger_changed,
        misfits: Some(misfits),
        is_new: false,
        blocked: None,
        waits: None,
        warnings,
    })
}

/// A file of no byte is a delivery without rows; more often it is an export that failed.
fn empty_files(ledger: &ingest::Ledger, loaded: &[i64]) -> Vec<String> {
    let is_new = |number: i64| loaded.contains(&number);
    ledger
        .deliveries
        .iter()
        .filter(|delivery| delivery.size == 0 && is_new(delivery.number))
        .map(|delivery| {
            format!(
                "`{}` is empty (0 bytes) and counts as a delivery without rows; if the export failed, deliver it again",
                delivery.path
            )
        })
        .collect()
}

fn unchanged(contract: &Contract, snapshot: Option<TableSnapshot>, ledger: NumberedLedger) -> SourceOutcome {
    SourceOutcome {
        source: contract.name.clone(),
        table: contract.table.clone(),
        candidate: Candidate::Unchanged { snapshot, schema: ingest::bronze_schema(contract) },
        ledger,
        ledger_changed: false,
        misfits: None,
        is_new: false,
        report: empty_report(contract),
        blocked: None,
        waits: None,
        warnings: Vec::new(),
    }
}

/// A source that failed stays as it was.
fn stays(
    contract: &Contract,
    snapshot: Option<TableSnapshot>,
    ledger: NumberedLedger,
    because: String,
    kind: ErrorKind,
) -> SourceOutcome {
    let mut outcome = unchanged(contract, snapshot, ledger);
    outcome.blocked = Some(Blocked { because, failed: Some(kind) });
    outcome
}

fn empty_report(contract: &Contract) -> SourceReport {
    SourceReport {
        source: contract.name.clone(),
        freshness: String::new(),
        deliveries: 0,
        rows: 0,
        quarantined: 0,
        seconds: 0.0,
        message: None,
    }
}

/// The files that hold rows of replaced deliveries, written again without them.
async fn without_deliveries(
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

/// Asks the contract whether the source is there in time and in full, and notes what follows.
fn judge_freshness(
    context: &RunContext,
    contract: &Contract,
    night: NaiveDate,
    outcome: &mut SourceOutcome,
) -> Result<(), IngestError> {
    let now = context.clock.now().with_timezone(&context.project.settings.time_zone).naive_local();
    let Freshness { state, action, message } = ingest::freshness(contract, &outcome.ledger.ledger, night, now)?;
    let failed_already = outcome.blocked.is_some();
    outcome.report.freshness = if failed_already { "failed" } else { state_name(&state) }.to_owned();
    let because = outcome.blocked.as_ref().map(|blocked| blocked.because.clone());
    outcome.report.message = because.or_else(|| action.map(|_| message.clone()));
    let never = matches!(state, FreshnessState::Never);
    match action {
        _ if failed_already => {}
        None => outcome.warnings.extend(ingest::doubtful(contract, &outcome.ledger.ledger, night)?),
        // Every standard export is optional: one that never came is not used, and what reads it is
        // built without it. Only a contract that says `fail` insists.
        Some(Missing::Warn | Missing::Hold) if never => outcome.report.message = None,
        Some(Missing::Warn) => outcome.warnings.push(message),
        Some(Missing::Hold) => outcome.blocked = Some(Blocked { because: message, failed: None }),
        Some(Missing::Fail) => {
            outcome.blocked = Some(Blocked { because: message, failed: Some(ErrorKind::Data) });
        }
    }
    Ok(())
}

fn state_name(state: &FreshnessState) -> &'static str {
    match state {
        FreshnessState::Unwatched => "unwatched",
        FreshnessState::Fresh { .. } => "fresh",
        FreshnessState::NotDue { .. } => "not_due",
        FreshnessState::Late { .. } => "late",
        FreshnessState::Never => "absent",
        FreshnessState::Thin { .. } => "thin",
    }
}

fn announce(outcome: &SourceOutcome) {
    let report = &outcome.report;
    for warning in &outcome.warnings {
        tracing::warn!(source = %outcome.source, "{warning}");
    }
    match &outcome.blocked {
        Some(Blocked { because, failed: Some(_) }) => {
            tracing::error!(source = %outcome.source, seconds = report.seconds, "{because}");
        }
        Some(Blocked { because, failed: None }) => tracing::warn!(source = %outcome.source, "{because}"),
        None if report.deliveries > 0 => tracing::info!(
            source = %outcome.source,
            deliveries = report.deliveries,
            rows = report.rows,
            quarantined = report.quarantined,
            seconds = report.seconds,
            "ingested"
        ),
        None => tracing::debug!(source = %outcome.source, freshness = %report.freshness, "nothing new"),
    }
}
