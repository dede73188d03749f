//! `buho run`: a whole night.

use chrono::NaiveDate;
use warehouse::clock::default_night;
use warehouse::graph;

use warehouse::project::Project;
use warehouse::run::{RunContext, RunReport, RunRequest, RunStatus, run_night};

use crate::cli::{ReportFormat, RunArgs};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &RunArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let night = args.night.unwrap_or_else(|| default_night(context.clock.now(), settings.time_zone));
    let report = context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..open(context, project).await? };
        let request = request(&opened, night, args.select.as_deref(), args.full_refresh)?;
        Ok(run_night(&opened, &request).await?)
    })?;
    match args.format {
        ReportFormat::Json => context.say(report.result_line())?,
        ReportFormat::Text => context.print(&summary(&report))?,
    }
    Ok(exit(&report, args.skip_code))
}

/// Opens a project for a run.
pub async fn open(context: &Context, project: Project) -> Result<RunContext, CommandError> {
    let env = |name: &str| context.env(name);
    Ok(RunContext::open(project, &env, context.clock.clone()).await?)
}

/// A request with its selection resolved against the graph.
pub fn request(
    opened: &RunContext,
    night: NaiveDate,
    select: Option<&str>,
    full_refresh: bool,
) -> Result<RunRequest, CommandError> {
    let select = match select {
        Some(text) => Some(graph::select(text, &opened.graph).map_err(|error| CommandError::of(error.kind(), &error))?),
        None => None,
    };
    Ok(RunRequest { night, select, full_refresh, ..RunRequest::default() })
}

fn exit(report: &RunReport, skip_code: bool) -> Exit {
    match (report.worst(), report.status) {
        (Some(kind), _) => Exit::Failed(kind),
        (None, RunStatus::Skipped) if skip_code => Exit::NothingToDo,
        (None, _) => Exit::Done,
    }
}

/// What a person wants to know of a run.
pub fn summary(report: &RunReport) -> String {
    let mut text = format!("night {}: {}", report.night, report.status.name());
    match &report.release {
        Some(release) => text.push_str(&format!(", release {release}")),
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
    if let Some(failure) = &report.failed {
        text.push_str(&format!("\n  failed {}: {}", failure.node, failure.message));
    }
    if report.rows.quarantined > 0 {
        text.push_str("\n  see    buho quarantine list");
    }
    text.push('\n');
    text
}
