//! `buho run`: a whole night.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use warehouse::clock::default_night;
use warehouse::graph;
use warehouse::plain::{escaped, said_of};
use warehouse::project::Project;
use warehouse::run::{Begun, RunContext, RunReport, RunRequest, RunStatus, Stage, run_night};

use crate::cli::{IngestArgs, ReportFormat, RunArgs, StageArgs};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::failed;
use crate::learn::Recipes;

pub fn run(context: &Context, args: &RunArgs) -> Result<Exit, CommandError> {
    let asked = RunRequest { full_refresh: args.full_refresh, ..RunRequest::default() };
    told(context, asked, &args.stages)
}

/// The stage that loads what was delivered.
pub fn ingest(context: &Context, args: &IngestArgs) -> Result<Exit, CommandError> {
    let (stage, full_refresh) = (Some(Stage::Ingest), args.full_refresh);
    told(context, RunRequest { stage, full_refresh, ..RunRequest::default() }, &args.stages)
}

/// Another stage of a night: `buho build`, `buho publish`.
pub fn stage(context: &Context, stage: Stage, args: &StageArgs) -> Result<Exit, CommandError> {
    let asked = RunRequest { stage: Some(stage), ..RunRequest::default() };
    told(context, asked, args)
}

/// What is known of a run that ends without a report.
#[derive(Debug)]
struct Known {
    night: Cell<Option<NaiveDate>>,
    begun: Begun,
}

fn told(context: &Context, asked: RunRequest, args: &StageArgs) -> Result<Exit, CommandError> {
    let known = Known { night: Cell::new(args.of.night), begun: Begun::default() };
    let done = one(context, asked, args, &known);
    failed::told(context, args.format, done, |kind, message| {
        failed::line_of_run(known.begun.run_id().as_deref(), known.night.get(), kind, message)
    })
}

fn one(context: &Context, asked: RunRequest, args: &StageArgs, known: &Known) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let night = args.of.night.unwrap_or_else(|| default_night(context.clock.now(), settings.time_zone));
    known.night.set(Some(night));
    let stage = asked.stage;
    let report = context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, begun: known.begun.clone(), ..open(context, project).await? };
        let request = RunRequest { night, select: selection(&opened, args.of.select.as_deref())?, ..asked };
        Ok(run_night(&opened, &request).await?)
    })?;
    exit(&report, args.skip_code).said(match args.format {
        ReportFormat::Json => context.say(report.result_line()),
        ReportFormat::Text => context.print(&format!("{}{}", summary(&report), next(&report, stage))),
    })
}

/// Opens a project for a run.
pub async fn open(context: &Context, project: Project) -> Result<RunContext, CommandError> {
    let env = |name: &str| context.env(name);
    let opened = RunContext::open(project, &env, context.clock.clone()).await?;
    Ok(opened.learning_with(Arc::new(Recipes))?)
}

/// The nodes that a selection names; `None` is all.
pub fn selection(opened: &RunContext, select: Option<&str>) -> Result<Option<BTreeSet<String>>, CommandError> {
    let Some(text) = select else {
        return Ok(None);
    };
    graph::select(text, &opened.graph).map(Some).map_err(|error| CommandError::of(error.kind(), &error))
}

fn exit(report: &RunReport, skip_code: bool) -> Exit {
    match (report.worst(), &report.status) {
        (Some(kind), _) => Exit::Failed(kind),
        (None, RunStatus::Skipped) if skip_code => Exit::NothingToDo,
        (None, _) => Exit::Done,
    }
}

/// What follows on a stage that went well.
fn next(report: &RunReport, stage: Option<Stage>) -> String {
    let night = report.night;
    match stage.filter(|_| report.worst().is_none()) {
        Some(Stage::Ingest) => format!("  next   buho build --night {night}\n"),
        Some(Stage::Build) if waits_for_models(report) => format!("  next   buho train --night {night}\n"),
        Some(Stage::Train) => format!("  next   buho score --night {night}\n"),
        Some(Stage::Build | Stage::Score) => format!("  next   buho publish --night {night}\n"),
        _ => String::new(),
    }
}

/// Whether the project has models that a build leaves to `train`.
fn waits_for_models(report: &RunReport) -> bool {
    report.node_reports.iter().any(|node| node.kind == "training" && node.status == "held")
}

/// What a person wants to know of a run.
pub fn summary(report: &RunReport) -> String {
    let mut text = format!("night {}: {}", report.night, report.status.name());
    match &report.release {
        Some(release) => text.push_str(&format!(", release {release}")),
        None if matches!(report.status, RunStatus::Done | RunStatus::Running) => {}
        None if report.status == RunStatus::Skipped => text.push_str(", nothing to do"),
        None => text.push_str(", nothing released"),
    }
    let nodes = report.nodes;
    text.push_str(&format!(
        "\n  rows   {} ingested, {} in quarantine\n  nodes  {} built, {} skipped, {} held, {} failed\n  time   {:.1} s",
        report.rows.ingested,
        report.rows.quarantined,
        nodes.built,
        nodes.skipped,
        nodes.held,
        nodes.failed,
        report.seconds
    ));
    if let Some((became, cause)) = report.cause() {
        text.push_str(&format!("\n  {became:<6} {}", said_of(&cause.node, &escaped(&cause.message))));
    }
    if report.rows.quarantined > 0 {
        text.push_str("\n  see    buho quarantine list");
    }
    text.push('\n');
    text
}
