//! `buho backfill`: many nights, oldest first.

use warehouse::run::{RunContext, RunReport, backfill};

use super::run::{open, selection, summary};
use crate::cli::{BackfillArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &BackfillArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let mut worst = None;
    let mut printed = Ok(());
    context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..open(context, project).await? };
        let select = selection(&opened, args.select.as_deref())?;
        let told = |report: RunReport| {
            let said = match args.format {
                ReportFormat::Json => context.say(report.result_line()),
                ReportFormat::Text => context.print(&summary(&report)),
            };
            if printed.is_ok() {
                printed = said;
            }
            worst = worst.into_iter().chain(report.worst()).reduce(warehouse::error::ErrorKind::worst);
        };
        Ok(backfill(&opened, args.from, args.to, args.at_once, select.as_ref(), told).await?)
    })?;
    printed?;
    Ok(worst.map_or(Exit::Done, Exit::Failed))
}
