//! One run of a night, phase by phase: open, ingest, build, audit, publish, record.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::audits::audit_all;
use super::build::Build;
use super::context::{RunContext, RunRequest};
use super::decide::blocked;
use super::error::RunError;
use super::publish::publish;
use super::report::{AuditReport, Failure, NodeCounts, NodeReport, RowCounts, RunReport, RunStatus};
use super::sources::{SourceOutcome, ingest_all};
use super::state::{Candidate, NodeState};
use super::{ops, records};
use crate::clock::run_id;
use crate::error::ErrorKind;
use crate::release::{self, Release};

/// Runs a night and records it. What failed inside it is in the report; an error means that the run
/// itself could not go on.
///
/// # Errors
/// [`RunError`] where the lake cannot be read or written, or another run got in between.
pub async fn run_night(context: &RunContext, request: &RunRequest) -> Result<RunReport, RunError> {
    let started_at = context.clock.now();
    let run_id = run_id(context.clock.as_ref());
    let mut report = RunReport::begun(&run_id, request.night, started_at);
    match phases(context, request, &mut report).await {
        Ok(()) => finish(context, report).await,
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

async fn phases(context: &RunContext, request: &RunRequest, report: &mut RunReport) -> Result<(), RunError> {
    release::check_format(&context.lake, true).await?;
    let previous = release::latest(&context.lake).await?;
    let built_for = night_to_build(request.night, previous.as_ref(), report);
    let mut clock = PhaseClock::start(context);

    let sources = ingest_all(context, request.night, &report.run_id).await?;
    report.take_sources(&sources);
    clock.mark(context, report, "ingest");

    let run_id = report.run_id.clone();
    let mut build = Build::new(context, request, built_for, &run_id, previous.as_ref(), &sources);
    build.run().await?;
    clock.mark(context, report, "build");

    report.audits = audit_all(context, &build, built_for).await?;
    hold_failed(context, &mut build, &report.audits);
    clock.mark(context, report, "audit");

    let released = publish(context, &build, &sources, previous.as_ref(), built_for, &run_id).await?;
    clock.mark(context, report, "publish");
    report.take_nodes(&build, &sources);
    report.conclude(released.as_ref());
    Ok(())
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

/// A node that an audit failed stays at its last release, and so does all that reads it.
fn hold_failed(context: &RunContext, build: &mut Build<'_>, audits: &[AuditReport]) {
    for audit in audits.iter().filter(|audit| !audit.passed && audit.severity == "error") {
        let message = format!(
            "audit {} failed on {} rows{} — see ops.audits",
            audit.audit,
            audit.failing_rows,
            audit.examples.as_ref().map(|examples| format!(", e.g. {examples}")).unwrap_or_default()
        );
        build.fail(&audit.node, &message);
    }
    for node in &context.graph.nodes {
        if let Some(because) = blocked(node, &build.states) {
            build.hold_below(&node.name, because);
        }
    }
}

async fn finish(context: &RunContext, mut report: RunReport) -> Result<RunReport, RunError> {
    report.seconds = (context.clock.now() - report.started_at).as_seconds_f64();
    if report.status != RunStatus::Skipped {
        ops::append_run(context, &report).await?;
    }
    records::store(&context.lake, &report).await?;
    Ok(report)
}

/// Takes the time of each phase.
struct PhaseClock {
    last: DateTime<Utc>,
}

impl PhaseClock {
    fn start(context: &RunContext) -> Self {
        Self { last: context.clock.now() }
    }

    fn mark(&mut self, context: &RunContext, report: &mut RunReport, phase: &str) {
        let now = context.clock.now();
        report.phases.insert(phase.to_owned(), (now - self.last).as_seconds_f64());
        self.last = now;
    }
}

impl RunReport {
    fn begun(run_id: &str, night: NaiveDate, started_at: DateTime<Utc>) -> Self {
        Self {
            run_id: run_id.to_owned(),
            night,
            status: RunStatus::Failed,
            exit_kind: None,
            release: None,
            nodes: NodeCounts::default(),
            rows: RowCounts::default(),
            failed: None,
            seconds: 0.0,
            started_at,
            phases: BTreeMap::new(),
            node_reports: Vec::new(),
            audits: Vec::new(),
            sources: Vec::new(),
            warnings: Vec::new(),
            kinds: Vec::new(),
        }
    }

    fn note_failure(&mut self, node: &str, message: &str, kind: ErrorKind) {
        self.kinds.push(kind);
        self.exit_kind = self.worst().map(|kind| kind.name().to_owned());
        if self.failed.is_none() {
            self.failed = Some(Failure { node: node.to_owned(), message: message.to_owned() });
        }
    }

    fn take_sources(&mut self, sources: &[SourceOutcome]) {
        for source in sources {
            self.sources.push(source.report.clone());
            self.warnings.extend(source.warnings.iter().map(|warning| format!("{}: {warning}", source.source)));
            self.rows.ingested += source.report.rows;
            self.rows.quarantined += source.report.quarantined;
            if let Some(blocked) = &source.blocked {
                let kind = blocked.failed.unwrap_or(ErrorKind::Data);
                self.note_failure(&source.table, &blocked.because, kind);
            }
        }
    }

    fn take_nodes(&mut self, build: &Build<'_>, sources: &[SourceOutcome]) {
        for source in sources {
            self.node_reports.push(source_node(source));
        }
        self.node_reports.extend(build.reports.values().cloned());
        for (node, state) in &build.states {
            let is_source = sources.iter().any(|source| &source.table == node);
            match state {
                NodeState::Failed { message, kind } if !is_source => self.note_failure(node, message, *kind),
                _ => {}
            }
        }
        for report in &self.node_reports {
            match report.status.as_str() {
                "built" => self.nodes.built += 1,
                "held" => self.nodes.held += 1,
                "failed" => self.nodes.failed += 1,
                _ => self.nodes.skipped += 1,
            }
        }
    }

    fn conclude(&mut self, released: Option<&Release>) {
        self.release = released.map(|release| release.id().to_string());
        self.status = match (released, self.kinds.is_empty()) {
            (Some(_), true) => RunStatus::Done,
            (Some(_), false) => RunStatus::Partial,
            (None, true) => RunStatus::Skipped,
            (None, false) => RunStatus::Failed,
        };
    }
}

fn source_node(source: &SourceOutcome) -> NodeReport {
    let status = match (&source.blocked, &source.candidate) {
        (Some(blocked), _) if blocked.failed.is_some() => "failed",
        (Some(_), _) => "held",
        (None, Candidate::Staged(_)) => "built",
        (None, Candidate::Unchanged { .. }) => "skipped",
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
