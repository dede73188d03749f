//! `buho quarantine list|show|replay|discard`: rows that did not fit, and what becomes of them.

use std::path::Path;

use datafusion::prelude::DataFrame;
use warehouse::run::{Choice, Reader, RunContext, RunError, RunReport, build_replayed, discard, replay, replay_with};

use crate::cli::{QuarantineChoice, QuarantineCommand, ReportFormat, RowFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output::{Destination, write_stream};

pub fn run(context: &Context, command: &QuarantineCommand) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..super::run::open(context, project).await? };
        match command {
            QuarantineCommand::List { source, format } => list(context, &opened, source.as_deref(), *format).await,
            QuarantineCommand::Show { choice, limit, format } => show(context, &opened, choice, *limit, *format).await,
            QuarantineCommand::Replay { choice, with, format } => {
                try_again(context, &opened, choice, with.as_deref(), *format).await
            }
            QuarantineCommand::Discard { choice, reason, by } => {
                let by = by.clone().or_else(|| context.env("USER")).unwrap_or_else(|| "somebody".to_owned());
                let count = discard(&opened, &choice.source, &meant(choice), reason, &by).await?;
                context.say(format!("{count} rows of {} discarded: {reason}", choice.source))?;
                Ok(Exit::Done)
            }
        }
    })
}

fn meant(choice: &QuarantineChoice) -> Choice {
    Choice { file: choice.file.clone(), record: choice.record }
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn list(
    context: &Context,
    opened: &RunContext,
    source: Option<&str>,
    format: RowFormat,
) -> Result<Exit, CommandError> {
    let which = source.map(|source| format!("where source = {}", literal(source))).unwrap_or_default();
    let query = format!(
        "select source, status, file, column_name, reason, count(*) as rows from ops.quarantine {which}
        group by source, status, file, column_name, reason
        order by rows desc nulls last, source, file, reason"
    );
    print(context, opened, &query, format).await
}

async fn show(
    context: &Context,
    opened: &RunContext,
    choice: &QuarantineChoice,
    limit: usize,
    format: RowFormat,
) -> Result<Exit, CommandError> {
    let mut which = format!("source = {}", literal(&choice.source));
    if let Some(file) = &choice.file {
        which.push_str(&format!(" and file = {}", literal(file)));
    }
    if let Some(record) = choice.record {
        which.push_str(&format!(" and record = {record}"));
    }
    let query = format!(
        "select file, record, line, column_name, reason, raw, status, settled_at, settled_by, note
        from ops.quarantine where {which} order by file, record limit {limit}"
    );
    print(context, opened, &query, format).await
}

async fn print(context: &Context, opened: &RunContext, query: &str, format: RowFormat) -> Result<Exit, CommandError> {
    let reader = Reader::open(&opened.project, &opened.lake, &opened.engine, None, context.clock.as_ref()).await?;
    let rows: DataFrame = reader.query(query).await?;
    let schema = std::sync::Arc::clone(rows.schema().inner());
    let told = |error: datafusion::error::DataFusionError| {
        let error = RunError::while_running("ops.quarantine", &error);
        CommandError::from(error)
    };
    let stream = rows.execute_stream().await.map_err(told)?;
    write_stream(stream, schema, format, Destination::new(None), told).await?;
    Ok(Exit::Done)
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
    let tried = match with {
        None => replay(opened, &choice.source, &meant(choice)).await?,
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|error| {
                CommandError::user(format!("{}: {error} — name a file that can be read", file.display()))
            })?;
            let name = file.display().to_string();
            replay_with(opened, &choice.source, &meant(choice), &name, bytes.into()).await?
        }
    };
    let report = build_replayed(opened).await?;
    report.as_ref().and_then(RunReport::worst).map_or(Exit::Done, Exit::Failed).said(match format {
        ReportFormat::Json => {
            let run = report.as_ref().map(RunReport::result_line);
            context.say(serde_json::json!({ "held": tried.held, "replayed": tried.replayed, "run": run }))
        }
        ReportFormat::Text => context
            .say(format!("{} of {} held rows fit now and are in bronze", tried.replayed, tried.held))
            .and_then(|()| context.print(&report.as_ref().map_or_else(|| UNRELEASED.to_owned(), super::run::summary))),
    })
}
