//! The ingest phase: every source's new deliveries become staged bronze files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::context::RunContext;
use super::error::RunError;
use super::evolution;
use super::fresh::{announce, judge_freshness};
use super::ledgers::{self, NumberedLedger};
use super::lost::{self, Lost};
use super::outcome::{Blocked, SourceOutcome, empty_report, stays, unchanged};
use super::quarantine::{self, Misfits};
use super::readings;
use super::replaced::Anew;
use super::report::SourceReport;
use super::sink::StagedSinks;
use super::state::{Candidate, StagedTable};
use super::strangers;
use super::waiting::{self, Waits};
use crate::error::ErrorKind;
use crate::ingest::{self, IngestError, IngestPlan, Ledger, LoadFailure, LoadOptions, LoadReport, News, RawFile};
use crate::planted::{Bug, planted};
use crate::project::contract::Contract;
use crate::release::Release;
use crate::table::{Strangers, TableSnapshot};

/// Sources read beside each other; each may use all threads.
pub(super) const SOURCES_AT_ONCE: usize = 4;

/// What is to be taken in.
pub(super) struct Wanted {
    pub night: NaiveDate,
    /// The night that tables are built for, which may be a later one: a file without a date that is new belongs to it.
    pub undated: NaiveDate,
    /// Where it may not, a source with a delivery that is not loaded yet blocks what reads it.
    pub may_load: bool,
    /// Whether others build and publish what is loaded, and have to know what could not be.
    pub is_stage: bool,
    /// Only sources of these bronze tables; `None` is all.
    pub tables: Option<BTreeSet<String>>,
    /// What is read for what was asked for; `None` is all.
    pub read: Option<BTreeSet<String>>,
    /// Whether what is built already goes out, and nothing else.
    pub publishes: bool,
    /// Whether files that are loaded already are read anew.
    pub anew: bool,
    /// Whether it is a night that is taken in before the one that was asked for.
    pub is_earlier: bool,
    /// Versions of bronze tables that the last release names.
    pub released: BTreeMap<String, u64>,
    /// Sources that could not be loaded for an earlier night of the run. They stay as they are: a later night would find
    /// the same files in them, and what storage did not give would be the later night's.
    pub missed: BTreeMap<String, Blocked>,
}

impl Wanted {
    /// All that came for a night, on top of a release.
    pub fn all(night: NaiveDate, previous: Option<&Release>) -> Self {
        let versions = previous.iter().flat_map(|release| &release.tables);
        Self {
            night,
            undated: previous.map_or(night, |release| release.night.max(night)),
            may_load: true,
            is_stage: false,
            tables: None,
            read: None,
            publishes: false,
            anew: false,
            is_earlier: false,
            missed: BTreeMap::new(),
            released: versions.map(|(name, table)| (name.clone(), table.version)).collect(),
        }
    }

    /// Notes which sources could not be loaded.
    pub fn missing(outcomes: &[SourceOutcome]) -> impl Iterator<Item = (String, Blocked)> {
        let unloaded = outcomes.iter().filter(|outcome| outcome.is_unloaded);
        unloaded.filter_map(|outcome| Some((outcome.source.clone(), outcome.blocked.clone()?)))
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
        let mut outcome = stays(contract, snapshot, numbered, missed.clone());
        outcome.is_unloaded = true;
        outcome.report.freshness = "failed".to_owned();
        outcome.report.message = Some(missed.because.clone());
        return Ok(outcome);
    }
    let lost = lost(context, contract, snapshot.as_ref(), wanted).await?;
    let mut told = Vec::new();
    let read = match strangers.or(lost) {
        Some(because) => Read::Failed(Blocked { because, failed: Some(ErrorKind::Data) }),
        None => {
            let source = Source { context, contract, snapshot: snapshot.as_ref(), ledger: &numbered.ledger };
            source.read(wanted, Arc::clone(&sinks), &mut told).await?
        }
    };
    let mut outcome = match read {
        Read::Loaded(report) => loaded(context, contract, snapshot, numbered, *report, &sinks, attempt).await?,
        Read::Nothing { waiting } => {
            let misfits = Misfits { waiting, before: numbered.ledger.clone(), ..Misfits::of(attempt) };
            SourceOutcome { misfits: Some(misfits), ..unchanged(contract, snapshot, numbered) }
        }
        Read::Failed(blocked) => stays(contract, snapshot, numbered, blocked),
        Read::Waiting { path, others } => {
            let because = waiting::told(&path, others, wanted, &contract.name);
            match wanted.where_one_waits(contract) {
                Waits::Blocks => {
                    stays(contract, snapshot, numbered, Blocked { because, failed: Some(ErrorKind::User) })
                }
                Waits::IsNothing => SourceOutcome { left: true, ..unchanged(contract, snapshot, numbered) },
                Waits::IsTold => {
                    let outcome = unchanged(contract, snapshot, numbered);
                    SourceOutcome { waits: Some(because.clone()), warnings: vec![because], ..outcome }
                }
            }
        }
    };
    outcome.warnings.extend(told);
    outcome.is_unloaded = outcome.blocked.is_some();
    if let Err(error) = judge_freshness(context, contract, night, &mut outcome) {
        outcome.blocked = Some(Blocked::by(&error));
    }
    let ended = context.clock.now();
    outcome.report.seconds = (ended - started).as_seconds_f64();
    announce(&outcome);
    Ok(outcome)
}

/// A bronze table as our own commits left it; and where another program's lie on top, what there is to say of them.
pub(super) async fn own(
    context: &RunContext,
    contract: &Contract,
) -> Result<(Option<TableSnapshot>, Option<String>), RunError> {
    // What is read on top of it goes to quarantine before a commit to bronze could tell that it is not the newest.
    let newest = TableSnapshot::newest(&context.lake, &contract.table).await?;
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

/// What is said where a bronze table's log ends before the version that the last release names. Without any log it is
/// loaded anew.
pub(super) async fn lost(
    context: &RunContext,
    contract: &Contract,
    snapshot: Option<&TableSnapshot>,
    wanted: &Wanted,
) -> Result<Option<String>, RunError> {
    let (Some(released), Some(snapshot)) = (wanted.released.get(&contract.table), snapshot) else { return Ok(None) };
    let lost = Lost::of(&context.lake, &contract.table, Some(snapshot.version), *released).await?;
    Ok(lost.map(|lost| lost::refused_bronze(&contract.table, &lost)))
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
    /// What stops the source: its files, or a table that is not as our own commits left it.
    Failed(Blocked),
}

/// A source, and what it has in the lake.
struct Source<'a> {
    context: &'a RunContext,
    contract: &'a Contract,
    snapshot: Option<&'a TableSnapshot>,
    ledger: &'a Ledger,
}

impl Source<'_> {
    /// Lists, plans and loads. A stage that may not load takes over what the one that was to has noted.
    async fn read(&self, wanted: &Wanted, sinks: Arc<StagedSinks>, told: &mut Vec<String>) -> Result<Read, RunError> {
        let Self { context, contract, ledger, .. } = *self;
        let files = match ingest::discover(context.raw.as_ref(), &context.raw_root, contract).await {
            Ok(files) => files,
            Err(error) => return Ok(Read::Failed(Blocked::by(&error))),
        };
        let plan = ingest::plan_deliveries(contract, &files, ledger, wanted.night, wanted.undated);
        let mut plan = if wanted.anew { plan.reading_anew(&files) } else { plan };
        if let Some(because) = self.refused(&plan) {
            return Ok(Read::Failed(Blocked { because, failed: Some(ErrorKind::Data) }));
        }
        if wanted.may_load && !wanted.is_earlier {
            told.extend(self.told(&files, &plan).await);
        }
        let nothing = |plan: &IngestPlan| {
            let waiting = plan.waiting.iter().map(|file| file.path.as_str()).chain(plan.left_out());
            Read::Nothing { waiting: waiting.map(str::to_owned).collect() }
        };
        if plan.is_empty() {
            return Ok(nothing(&plan));
        }
        if !wanted.may_load {
            return Ok(match (waiting::failure(context, contract, &plan).await?, plan.deliveries.as_slice()) {
                (Some(blocked), _) if !wanted.leaves_out(contract) => Read::Failed(blocked),
                (_, [first, others @ ..]) => Read::Waiting { path: first.file.path.clone(), others: others.len() },
                (_, []) => nothing(&plan),
            });
        }
        plan.given_up = quarantine::given_up(context, &contract.name, ledger).await?;
        let options = LoadOptions::new(context.project.settings.time_zone, context.engine.threads());
        let loaded = ingest::load(Arc::clone(&context.raw), contract, &plan, &options, sinks).await;
        let read = self.read_on(loaded, told).await?;
        let failed = match &read {
            Read::Loaded(report) => report.failure.as_ref().map(Blocked::by_rows),
            Read::Failed(blocked) => Some(blocked.clone()),
            Read::Nothing { .. } | Read::Waiting { .. } => None,
        };
        if let Some(blocked) = failed.filter(|_| wanted.is_stage) {
            waiting::note_failure(context, contract, &plan, &blocked).await;
        }
        Ok(read)
    }

    /// What was loaded, unless its misfits would lie on top of what another program committed.
    async fn read_on(&self, loaded: Result<LoadReport, IngestError>, told: &mut Vec<String>) -> Result<Read, RunError> {
        let report = match loaded {
            Ok(report) => report,
            Err(error) => return Ok(Read::Failed(Blocked::by(&error))),
        };
        let has_misfits = !report.quarantine.is_empty();
        let source = &self.contract.name;
        Ok(match strangers::in_the_way(self.context, source, self.ledger, has_misfits).await? {
            Some(because) => {
                told.extend(report.failure.as_ref().map(ToString::to_string));
                Read::Failed(Blocked { because, failed: Some(ErrorKind::Data) })
            }
            None => Read::Loaded(Box::new(report)),
        })
    }

    /// What the contract would take from what is in bronze; of files that are all read anew it takes nothing.
    fn refused(&self, plan: &IngestPlan) -> Option<String> {
        let because = evolution::refused_contract(self.contract, self.snapshot?)?;
        match (plan.anew, stay(plan)) {
            (true, None) => None,
            (true, Some(stay)) => Some(format!("{because} — which this would be, but {stay}")),
            (false, _) => Some(because),
        }
    }

    /// Deliveries that were read otherwise than the contract says by now.
    async fn told(&self, files: &[RawFile], plan: &IngestPlan) -> Option<String> {
        let Self { context, contract, ledger, .. } = *self;
        if plan.anew {
            return stay(plan);
        }
        let found = ingest::read_otherwise(contract, context.project.settings.time_zone, files, ledger, plan.night)?;
        let is_news = match &found.news {
            News::Yes => true,
            News::No => false,
            News::ByFirst { word } => readings::is_news(&context.lake, &contract.name, word, plan.night).await,
        };
        is_news.then(|| found.told(contract, plan.night))
    }
}

/// Loaded deliveries that cannot be read anew.
fn stay(plan: &IngestPlan) -> Option<String> {
    let first = plan.stays().next()?;
    let more = match plan.stays().count() - 1 {
        0 => " stays".to_owned(),
        1 => " and another delivery stay".to_owned(),
        more => format!(" and {more} more deliveries stay"),
    };
    Some(format!(
        "`{}`{more} as loaded: raw has the files no more, or they are of nights after {}",
        first.path, plan.night
    ))
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
        outcome.blocked = Some(Blocked::by_rows(failure));
        // Where a column is missing, no row is at fault.
        if !matches!(failure, LoadFailure::DroppedColumns(_)) {
            outcome.misfits = Some(misfits);
            outcome.report.quarantined = report.quarantined;
        }
        return Ok(outcome);
    }
    let schema = ingest::bronze_schema(contract);
    let replaced = if planted(Bug::ReplacedRowsStay) { &[] } else { report.replaced.as_slice() };
    let (rewritten, removes) = match &snapshot {
        Some(base) => {
            Anew { ledger: &numbered.ledger, replaced, schema: &schema }.written(context, base, attempt).await?
        }
        None => (Vec::new(), HashSet::new()),
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
        is_unloaded: false,
        left: false,
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
