//! One run of a night, phase by phase: take the lease, ingest, build, audit, commit, release, record.

use chrono::NaiveDate;

use super::above::put_back;
use super::audits::audit;
use super::bronze::released_sources;
use super::build::{Build, Staged};
use super::context::{RunContext, RunRequest, Stage};
use super::error::RunError;
use super::held::Hold;
use super::hold::holding;
use super::leaving::Leaving;
use super::outcome::{Blocked, SourceOutcome};
use super::phase_clock::PhaseClock;
use super::publish::commit_all;
use super::report::{Failure, NodeReport, RunReport, RunStatus, SourceReport};
use super::state::NodeState;
use super::take_in::take_in;
use super::waiting::{refused, waits};
use super::{evolution, left, maintain, ops, records};
use crate::clock::run_id;
use crate::error::ErrorKind;
use crate::failpoint;
use crate::lease::{Errand, Holder, Lease, OPENING};
use crate::plain::said_of;
use crate::project::model::Materialized;
use crate::release::{self, Release, ReleaseId};

/// Runs a night and records it. What failed inside it is in the report; an error means that the run
/// itself could not go on.
///
/// # Errors
/// [`RunError::User`] where the night is in the future; else where the lake cannot be read or written, or another run
/// got in between.
pub async fn run_night(context: &RunContext, request: &RunRequest) -> Result<RunReport, RunError> {
    context.refuse_future(request.night)?;
    let started_at = context.clock.now();
    let run_id = run_id(context.clock.as_ref());
    let is_new = release::begin(&context.lake).await?;
    let holder = Holder::this_process(&run_id, "run").on(Errand { night: request.night, began: started_at });
    let mut report = RunReport::begun(&holder, request.night, started_at);
    report.earlier.clone_from(&request.earlier);
    report.phase = Some(OPENING.to_owned());
    if is_new {
        warn_of_new_lake(context, &mut report);
    }
    let ran = holding(context, holder, async |lease| {
        context.begun.note(&report.run_id);
        recorded(context, request, lease, &mut report).await
    })
    .await;
    left::ended(context, report, ran).await
}

/// A lake that is not where it was is more often a disk that is not mounted than one that begins.
fn warn_of_new_lake(context: &RunContext, report: &mut RunReport) {
    let said = format!(
        "a new lake begins at {}: none was there — if there should be one, see that `lake` in buho.toml (BUHO_LAKE) names it and that it is mounted",
        context.lake.url()
    );
    tracing::warn!("{said}");
    report.warnings.push(said);
}

pub(super) async fn recorded(
    context: &RunContext,
    request: &RunRequest,
    lease: &Lease,
    report: &mut RunReport,
) -> Result<(), RunError> {
    match phases(context, request, lease, report).await {
        Ok(is_released) => {
            report.is_released = is_released;
            finish(context, report).await?;
            if is_released {
                lease.enters("maintain").await;
                maintain::after_night(context, lease, report.night, &report.run_id).await;
            }
            Ok(())
        }
        Err(error) => {
            report.status = RunStatus::Failed;
            report.note_failure("run", &error.to_string(), error.kind());
            // The run failed already; a record that cannot be written either must not hide why.
            if let Err(second) = finish(context, report).await {
                tracing::error!("the run could not be recorded: {second}");
            }
            Err(error)
        }
    }
}

/// Whether a release was written.
async fn phases(
    context: &RunContext,
    request: &RunRequest,
    lease: &Lease,
    report: &mut RunReport,
) -> Result<bool, RunError> {
    let (previous, built_for) = standing(context, request, lease, report).await?;
    let run_id = report.run_id.clone();
    let mut clock = PhaseClock::start(context, lease, report, "ingest").await;

    let sources = take_in(context, request, lease, report, previous.as_ref()).await?;
    failpoint::reached("sources.committed");
    if request.stage == Some(Stage::Ingest) {
        report.take_source_nodes(&sources);
        report.conclude_stage();
        clock.end(report);
        return Ok(false);
    }
    clock.next(report, "build").await;

    let mut build = Build::new(context, request, built_for, &run_id, previous.as_ref(), &sources);
    build.take_decisions().await?;
    build.take_ops().await?;
    let staged = build.staged().await?;
    tell_rebuilt(previous.as_ref(), staged.build(), report);
    if request.stage.is_some_and(Stage::computes) {
        report.take_nodes(staged.build(), &sources);
        report.conclude_stage();
        clock.end(report);
        return Ok(false);
    }
    clock.next(report, "audit").await;
    publish(context, lease, staged, (&sources, previous.as_ref()), (report, &mut clock)).await
}

/// Audits what was staged, commits it and releases it; whether a release was written.
async fn publish(
    context: &RunContext,
    lease: &Lease,
    staged: Staged<'_>,
    (sources, previous): (&[SourceOutcome], Option<&Release>),
    (report, clock): (&mut RunReport, &mut PhaseClock<'_>),
) -> Result<bool, RunError> {
    staged.build().refuse_unbuilt()?;
    let bronze = released_sources(context, sources, staged.build().night(), previous).await?;
    if let Some(because) = refused(staged.build(), sources, &bronze) {
        clock.end(report);
        report.take_nodes(staged.build(), sources);
        report.note_failure("publish", &because, ErrorKind::User);
        report.conclude(None, None);
        return Ok(false);
    }

    let audited = audit(context, staged).await?;
    report.audits = audited.reports().to_vec();
    failpoint::reached("nodes.audited");
    clock.next(report, "publish").await;

    put_back(context, lease, audited.build(), report).await?;
    #[cfg(test)]
    super::publish::released_first(context, lease, &audited, bronze.clone(), previous).await?;
    let committed = commit_all(context, lease, audited, bronze, previous).await?;
    let released = committed.release(context, lease, previous).await?;
    clock.end(report);
    report.take_nodes(released.build(), sources);
    let mut stands = previous.filter(|previous| previous.night == released.build().night());
    if released.release().is_none()
        && report.kinds.is_empty()
        && let Some(because) = waits(sources)
    {
        report.note_failure("publish", &because, ErrorKind::User);
        stands = None;
    }
    report.conclude(released.release(), stands);
    Ok(released.release().is_some())
}

/// The release that the run builds on, and the night it builds for; what the run may not do to it is refused.
async fn standing(
    context: &RunContext,
    request: &RunRequest,
    lease: &Lease,
    report: &mut RunReport,
) -> Result<(Option<Release>, NaiveDate), RunError> {
    let previous = lease.latest(&context.lake).await?;
    let leaving = Leaving::of(context, previous.as_ref())?;
    evolution::check(context, request, previous.as_ref()).await?;
    let built_for = night_to_build(request.night, previous.as_ref(), report);
    warn_of_rollback(context, previous.as_ref(), report);
    leaving.tell(request, report);
    Ok((previous, built_for))
}

/// What was rolled back comes again, unless what made it was mended.
fn warn_of_rollback(context: &RunContext, previous: Option<&Release>, report: &mut RunReport) {
    let Some((release, restored)) = previous.and_then(|release| Some((release, release.restores.as_ref()?))) else {
        return;
    };
    let said = format!(
        "release {} is a rollback to {restored}: this run builds forward from it again, out of all that was delivered; `buho plan` shows what is rebuilt",
        release.id()
    );
    tracing::warn!("{said}");
    report.warnings.push(said);
    let histories = context.graph.nodes.iter().filter(|node| node.materialized == Materialized::Scd2);
    let histories: Vec<&str> = histories.map(|node| node.name.as_str()).collect();
    let first = restored.parse().ok().and_then(|restored: ReleaseId| restored.night.succ_opt());
    if let Some(first) =
        first.filter(|first| *first < report.night && !histories.is_empty() && report.earlier.is_empty())
    {
        let said = format!(
            "the nights from {first} on are taken back, and their states are in no history any more: `buho backfill --from {first} --to {}` adds them to {}",
            report.night,
            histories.join(", ")
        );
        tracing::warn!("{said}");
        report.warnings.push(said);
    }
}

/// Names what a run built again after a rollback.
fn tell_rebuilt(previous: Option<&Release>, build: &Build<'_>, report: &mut RunReport) {
    let Some(restored) = previous.and_then(|release| release.restores.as_ref()) else { return };
    let is_rebuilt = |name: &&String| {
        let was_there = previous.is_some_and(|release| release.tables.contains_key(*name));
        was_there && build.states.get(*name).is_some_and(NodeState::goes_out)
    };
    let rebuilt: Vec<&str> = build.states.keys().filter(is_rebuilt).map(String::as_str).collect();
    if !rebuilt.is_empty() {
        let said = format!("rebuilt from what {restored} had: {}", rebuilt.join(", "));
        tracing::warn!("{said}");
        report.warnings.push(said);
    }
}

/// Tables are whole: an older night adds its deliveries, and the tables are built for the highest.
fn night_to_build(night: NaiveDate, previous: Option<&Release>, report: &mut RunReport) -> NaiveDate {
    match previous {
        Some(release) if release.night > night => {
            let said = format!(
                "night {night} is older than release {}: its deliveries are taken in, and the tables are built for night {}",
                release.id(),
                release.night
            );
            tracing::warn!("{said}");
            report.warnings.push(said);
            release.night
        }
        _ => night,
    }
}

async fn finish(context: &RunContext, report: &mut RunReport) -> Result<(), RunError> {
    report.seconds = (context.clock.now() - report.started_at).as_seconds_f64();
    if report.status != RunStatus::Skipped {
        ops::append_run(context, report).await?;
    }
    failpoint::reached("ops.appended");
    records::store(&context.lake, report).await?;
    report.is_recorded = true;
    failpoint::reached("run.recorded");
    Ok(())
}

impl RunReport {
    fn note_failure(&mut self, node: &str, message: &str, kind: ErrorKind) {
        self.note_kind(kind);
        if self.failed.is_none() {
            self.failed = Some(Failure { node: node.to_owned(), message: message.to_owned() });
        }
    }

    fn note_kind(&mut self, kind: ErrorKind) {
        self.kinds.push(kind);
        self.exit_kind = self.worst().map(|kind| kind.name().to_owned());
    }

    fn note_hold(&mut self, node: &str, because: &str) {
        self.held.get_or_insert_with(|| Failure { node: node.to_owned(), message: because.to_owned() });
    }

    pub(super) fn take_sources(&mut self, sources: &[SourceOutcome]) {
        for source in sources {
            self.take_source(&source.report);
            self.warnings.extend(source.warnings.iter().map(|warning| said_of(&source.source, warning)));
            self.rows.ingested += source.report.rows;
            self.rows.quarantined += source.report.quarantined;
            match &source.blocked {
                Some(Blocked { because, failed: Some(kind) }) => self.note_failure(&source.table, because, *kind),
                Some(Blocked { because, failed: None }) => {
                    self.note_kind(ErrorKind::Data);
                    self.note_hold(&source.table, because);
                }
                None => {}
            }
        }
    }

    /// One row for a source, however many nights it was looked at for.
    fn take_source(&mut self, of_night: &SourceReport) {
        match self.sources.iter_mut().find(|known| known.source == of_night.source) {
            Some(known) => known.add(of_night),
            None => self.sources.push(of_night.clone()),
        }
    }

    fn take_source_nodes(&mut self, sources: &[SourceOutcome]) {
        self.node_reports.extend(sources.iter().map(source_node));
        self.count_nodes();
    }

    fn take_nodes(&mut self, build: &Build<'_>, sources: &[SourceOutcome]) {
        self.warnings.extend(build.warnings.iter().cloned());
        self.node_reports.extend(sources.iter().map(source_node));
        self.node_reports.extend(build.reports.values().cloned());
        for (node, state) in &build.states {
            let is_source = sources.iter().any(|source| &source.table == node);
            match state {
                NodeState::Failed { message, kind } if !is_source => self.note_failure(node, message, *kind),
                NodeState::Held(Hold::Own { because }) if !is_source => self.note_hold(node, because),
                _ => {}
            }
        }
        self.count_nodes();
    }

    fn count_nodes(&mut self) {
        for report in &self.node_reports {
            match report.status.as_str() {
                "built" => self.nodes.built += 1,
                "held" => self.nodes.held += 1,
                "failed" => self.nodes.failed += 1,
                _ => self.nodes.skipped += 1,
            }
        }
    }

    /// A stage ends without a release.
    fn conclude_stage(&mut self) {
        self.status = match (self.kinds.is_empty(), self.nodes.built) {
            (false, _) => RunStatus::Failed,
            (true, 0) => RunStatus::Skipped,
            (true, _) => RunStatus::Done,
        };
    }

    /// By what was released, and what is wrong with the night. Where that is what readers see of the night already, its
    /// release stands.
    fn conclude(&mut self, released: Option<&Release>, stands: Option<&Release>) {
        let named = released.or(stands.filter(|_| !self.kinds.is_empty()));
        self.release = named.map(|release| release.id().to_string());
        self.exit_kind = self.worst().map(|kind| kind.name().to_owned());
        // A table that was to be created may have begun above a fence.
        for node in self.node_reports.iter_mut().filter(|node| node.version.is_some()) {
            let named = released.and_then(|release| release.tables.get(&node.node));
            node.version = named.map(|table| table.version).or(node.version);
        }
        self.status = match (named, self.kinds.is_empty()) {
            (Some(_), true) => RunStatus::Done,
            (Some(_), false) => RunStatus::Partial,
            (None, true) if self.put_back > 0 => RunStatus::Done,
            (None, true) => RunStatus::Skipped,
            (None, false) => RunStatus::Failed,
        };
    }
}

fn source_node(source: &SourceOutcome) -> NodeReport {
    let status = match (&source.blocked, source.is_new) {
        (Some(blocked), _) if blocked.failed.is_some() => "failed",
        (Some(_), _) => "held",
        (None, true) => "built",
        (None, false) => "skipped",
    };
    NodeReport {
        node: source.table.clone(),
        kind: "source".to_owned(),
        status: status.to_owned(),
        rows: Some(source.report.rows),
        version: None,
        seconds: source.report.seconds,
        message: source.blocked.as_ref().map(|blocked| blocked.because.clone()),
    }
}
