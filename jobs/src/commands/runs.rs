//! `buho runs list|show|unlock`: what happened, and who holds the lake.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use warehouse::lease::{Holder, LeaseError, Link, UNLOCK, break_lease, last_link};
use warehouse::plain::{counted, escaped};
use warehouse::run::{RunReport, has_runs, last_runs, run_by_id};
use warehouse::table::Lake;

use crate::cli::{ReportFormat, RowFormat, RunsCommand};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output::{Destination, write_batches};

/// Runs that `show` looks through for the start of an id.
const SEARCHED: usize = 1_000;
/// Runs that it looks through for the last one whose record can be read.
const LAST: usize = 20;

pub fn run(context: &Context, command: &RunsCommand) -> Result<Exit, CommandError> {
    let project = context.load_to_look()?;
    let settings = project.settings.clone();
    context.block_on(&settings, async {
        let (lake, _engine) = super::sql::open(context, &project)?;
        match command {
            RunsCommand::List { limit, format } => list(context, &lake, *limit, *format).await,
            RunsCommand::Show { run, format } => {
                let report = find(context, &lake, run.as_deref()).await?;
                match format {
                    ReportFormat::Json => context.say(serde_json::json!(report)),
                    ReportFormat::Text => context.print(&text(&report)),
                }
            }
            RunsCommand::Unlock { yes } => unlock(context, &lake, *yes).await,
        }
    })?;
    Ok(Exit::Done)
}

/// Shows the holder of the lease and, once somebody says so, takes it from them.
async fn unlock(context: &Context, lake: &Lake, yes: bool) -> Result<(), CommandError> {
    let told = |error: LeaseError| CommandError::of(error.kind(), &error);
    let Some(link) = last_link(lake).await.map_err(told)?.filter(Link::is_held) else {
        return context.say("nobody holds the lake");
    };
    let age = (context.clock.now() - link.at).num_seconds();
    context.say(format!("held by {}, renewed {age} s ago", link.holder))?;
    if !yes {
        if !context.can_ask() {
            return Err(CommandError::user("say --yes to take the lake from that run"));
        }
        if !context.ask("Take the lake from that run? It stops at its next step, and releases nothing from then on.")? {
            return context.say("left as it is");
        }
    }
    let me = Holder::this_process(UNLOCK, "runs unlock");
    break_lease(lake, &link, me, context.clock.as_ref()).await.map_err(told)?;
    context.say("done: the next run takes over")
}

async fn list(context: &Context, lake: &Lake, limit: usize, format: RowFormat) -> Result<(), CommandError> {
    let runs = last_runs(lake, limit, context.clock.now()).await?;
    let texts = |of: &dyn Fn(&RunReport) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(runs.iter().map(of)))
    };
    let counts =
        |of: &dyn Fn(&RunReport) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(runs.iter().map(of))) };
    let seconds: ArrayRef =
        Arc::new(Float64Array::from_iter_values(runs.iter().map(|run| (run.seconds * 10.0).round() / 10.0)));
    let batch = RecordBatch::try_from_iter([
        ("run_id", texts(&|run| Some(run.run_id.clone()))),
        ("night", texts(&|run| Some(run.night.to_string()))),
        ("status", texts(&|run| Some(run.status.name().to_owned()))),
        ("release", texts(&|run| run.release.clone())),
        ("rows", counts(&|run| run.rows.ingested)),
        ("quarantined", counts(&|run| run.rows.quarantined)),
        ("built", counts(&|run| run.nodes.built)),
        ("held", counts(&|run| run.nodes.held)),
        ("failed", counts(&|run| run.nodes.failed)),
        ("seconds", seconds),
        ("started_at", texts(&|run| Some(run.started_at.format("%Y-%m-%d %H:%M:%SZ").to_string()))),
        ("host", texts(&|run| run.host.clone())),
        ("process", texts(&|run| run.process.map(|process| process.to_string()))),
        ("phase", texts(&|run| run.phase.clone())),
    ])
    .map_err(|error| CommandError::of(warehouse::error::ErrorKind::Defect, &error))?;
    let schema = batch.schema();
    write_batches(&[batch], schema, format, Destination::new(None))
}

async fn find(context: &Context, lake: &Lake, run: Option<&str>) -> Result<RunReport, CommandError> {
    if let Some(run) = run
        && let Some(report) = run_by_id(lake, run).await?
    {
        return Ok(report);
    }
    let runs = last_runs(lake, if run.is_some() { SEARCHED } else { LAST }, context.clock.now()).await?;
    let mut found = runs.into_iter().filter(|report| run.is_none_or(|start| report.run_id.starts_with(start)));
    match (found.next(), found.next()) {
        (Some(report), None) => Ok(report),
        (Some(report), Some(_)) if run.is_none() => Ok(report),
        (Some(_), Some(_)) => Err(CommandError::user(format!(
            "more than one run starts with `{}` — give more of the id; `buho runs list` shows them",
            run.unwrap_or_default()
        ))),
        (None, _) => Err(CommandError::user(match run {
            Some(run) => format!("no run `{run}` — `buho runs list` shows those there are"),
            None if has_runs(lake).await? => {
                "the records of the last runs cannot be read: what is to be done with each is told above".to_owned()
            }
            None => "no run yet — `buho run` is the first".to_owned(),
        })),
    }
}

fn text(report: &RunReport) -> String {
    let mut text = format!("run {}\nstarted {}", report.run_id, report.started_at);
    if let (Some(process), Some(host)) = (report.process, &report.host) {
        text.push_str(&format!(", process {process} on {host}"));
    }
    if let Some(phase) = &report.phase {
        text.push_str(&format!(", came to `{phase}`"));
    }
    text.push_str(&format!("\n{}", super::run::summary(report)));
    for (phase, seconds) in &report.phases {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {phase:<8} {seconds:>7.1} s");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "! {}", escaped(warning));
    }
    let width = report.node_reports.iter().map(|node| node.node.len()).max().unwrap_or(0);
    for node in &report.node_reports {
        let rows = node.rows.map(|rows| counted(rows, "row")).unwrap_or_default();
        let message = escaped(node.message.as_deref().unwrap_or_default());
        let _ =
            writeln!(text, "{:<8} {:<width$} {rows:>14} {:>7.1} s  {message}", node.status, node.node, node.seconds);
    }
    for audit in report.audits.iter().filter(|audit| !audit.passed) {
        let examples = escaped(audit.examples.as_deref().unwrap_or_default());
        let _ = writeln!(
            text,
            "{:<8} {}: {} on {}  {examples}",
            audit.severity,
            audit.node,
            audit.audit,
            counted(audit.failing_rows, "row")
        );
    }
    text
}
