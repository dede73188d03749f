//! `buho quarantine list|show|replay|discard`: rows that did not fit, and what becomes of them.

mod held;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::Path;

use datafusion::error::DataFusionError;
use datafusion::prelude::DataFrame;
use serde_json::json;
use warehouse::plain::{counted, escaped};
use warehouse::run::{Reader, RunContext, RunError, RunReport, Tried, build_replayed, discard, replay, replay_with};

use crate::cli::{QuarantineChoice, QuarantineCommand, ReportFormat, RowFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::failed;
use crate::output::{Destination, write_stream};
use held::{Held, literal};

/// Rows that do not fit after a replay either and are shown.
const SHOWN: usize = 5;

pub fn run(context: &Context, command: &QuarantineCommand) -> Result<Exit, CommandError> {
    match command {
        QuarantineCommand::List { .. } | QuarantineCommand::Show { .. } => look(context, command),
        QuarantineCommand::Replay { format, .. } => {
            failed::told(context, *format, settle(context, command), failed::line)
        }
        QuarantineCommand::Discard { .. } => settle(context, command),
    }
}

/// What only looks works with a project whose SQL is broken.
fn look(context: &Context, command: &QuarantineCommand) -> Result<Exit, CommandError> {
    let project = context.load_to_look()?;
    context.block_on(&project.settings, async {
        let (lake, engine) = super::sql::open(context, &project)?;
        let reader = Reader::open(&project, &lake, &engine, None, context.clock.as_ref()).await?;
        let held = Held { project: &project, reader: &reader };
        match command {
            QuarantineCommand::List { source, format } => {
                if let Some(source) = source {
                    held.check_source(source).await?;
                }
                print(&reader, &listed(source.as_deref()), *format).await
            }
            QuarantineCommand::Show { choice, limit, format } => {
                let file = held.meant(choice).await?.file;
                print(&reader, &shown(choice, file.as_deref(), *limit), *format).await
            }
            QuarantineCommand::Replay { .. } | QuarantineCommand::Discard { .. } => Ok(()),
        }
    })?;
    Ok(Exit::Done)
}

/// Tries held rows again, or gives them up.
fn settle(context: &Context, command: &QuarantineCommand) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..super::run::open(context, project).await? };
        match command {
            QuarantineCommand::Replay { choice, with, format } => {
                try_again(context, &opened, choice, with.as_deref(), *format).await
            }
            QuarantineCommand::Discard { choice, reason, by } => {
                let meant = meant(context, &opened, choice).await?;
                let by = by.clone().or_else(|| context.env("USER")).unwrap_or_else(|| "somebody".to_owned());
                let count = discard(&opened, &choice.source, &meant, reason, &by).await?;
                let rows = counted(count, "row");
                context.say(format!("{rows} of {} discarded: {reason}", choice.source))?;
                Ok(Exit::Done)
            }
            QuarantineCommand::List { .. } | QuarantineCommand::Show { .. } => Ok(Exit::Done),
        }
    })
}

async fn meant(
    context: &Context,
    opened: &RunContext,
    choice: &QuarantineChoice,
) -> Result<warehouse::run::Choice, CommandError> {
    let reader = Reader::open(&opened.project, &opened.lake, &opened.engine, None, context.clock.as_ref()).await?;
    Held { project: &opened.project, reader: &reader }.meant(choice).await
}

fn listed(source: Option<&str>) -> String {
    let which = source.map(|source| format!("where source = {}", literal(source))).unwrap_or_default();
    format!(
        "select source, status, file, column_name, reason, count(*) as rows from ops.quarantine {which}
        group by source, status, file, column_name, reason
        order by rows desc nulls last, source, file, reason"
    )
}

fn shown(choice: &QuarantineChoice, file: Option<&str>, limit: usize) -> String {
    let mut which = format!("source = {}", literal(&choice.source));
    if let Some(file) = file {
        which.push_str(&format!(" and file = {}", literal(file)));
    }
    if let Some(record) = choice.record {
        which.push_str(&format!(" and record = {record}"));
    }
    format!(
        "select file, record, line, column_name, reason, raw, status, settled_at, settled_by, note
        from ops.quarantine where {which} order by file, record limit {limit}"
    )
}

async fn print(reader: &Reader<'_>, query: &str, format: RowFormat) -> Result<(), CommandError> {
    let rows: DataFrame = reader.query(query).await?;
    let schema = std::sync::Arc::clone(rows.schema().inner());
    let stream = rows.execute_stream().await.map_err(unread)?;
    write_stream(stream, schema, format, Destination::new(None), unread).await?;
    Ok(())
}

fn unread(error: DataFusionError) -> CommandError {
    RunError::while_running("ops.quarantine", &error).into()
}

/// What is said where a replay has no night to build for.
const UNRELEASED: &str = "no release yet, so nothing is built: run the night with `buho run --night DATE`\n";

/// Loads the rows that fit now, then builds what depends on them.
async fn try_again(
    context: &Context,
    opened: &RunContext,
    choice: &QuarantineChoice,
    with: Option<&Path>,
    format: ReportFormat,
) -> Result<Exit, CommandError> {
    let meant = meant(context, opened, choice).await?;
    let tried = match with {
        None => replay(opened, &choice.source, &meant).await?,
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|error| {
                CommandError::user(format!("{}: {error} — name a file that can be read", file.display()))
            })?;
            let name = file.display().to_string();
            replay_with(opened, &choice.source, &meant, &name, bytes.into()).await?
        }
    };
    let report = build_replayed(opened).await?;
    let worst = report.as_ref().and_then(RunReport::worst);
    worst.map_or(Exit::Done, Exit::Failed).said(match format {
        ReportFormat::Json => context.say(line(&tried, report.as_ref())),
        ReportFormat::Text => {
            let built = report.as_ref().map_or_else(|| UNRELEASED.to_owned(), super::run::summary);
            context.print(&format!("{}{built}", text(&tried)))
        }
    })
}

fn line(tried: &Tried, report: Option<&RunReport>) -> serde_json::Value {
    let refused: Vec<_> = tried.refused.iter().take(SHOWN).collect();
    json!({ "held": tried.held, "replayed": tried.replayed, "refused": refused, "run": report.map(RunReport::result_line) })
}

fn text(tried: &Tried) -> String {
    let mut text = format!("{} of {} fit now and are in bronze\n", tried.replayed, counted(tried.held, "held row"));
    for refused in tried.refused.iter().take(SHOWN) {
        let (file, reason) = (escaped(&refused.file), escaped(&refused.reason));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {file}, record {}: {reason}", refused.record);
    }
    let more = tried.refused.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more that do not fit");
    }
    text
}
