//! `buho maintain`: keeping a lake small.

use warehouse::release::Keep;
use warehouse::run::{Maintained, RunContext, maintain};

use crate::cli::{MaintainArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::failed;

pub fn run(context: &Context, args: &MaintainArgs) -> Result<Exit, CommandError> {
    failed::told(context, args.format, maintained(context, args), failed::line)
}

fn maintained(context: &Context, args: &MaintainArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let keep = Keep { nights: settings.keep_nights, months: settings.keep_months };
    let done = context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..super::run::open(context, project).await? };
        Ok(maintain(&opened, keep).await?)
    })?;
    match args.format {
        ReportFormat::Json => context.say(serde_json::json!(done))?,
        ReportFormat::Text => context.print(&text(&done))?,
    }
    Ok(Exit::Done)
}

fn text(done: &Maintained) -> String {
    format!(
        "releases  {} kept, {} dropped (their files stay for an hour)\nfiles     {} small ones compacted, {} removed\nlogs      {} entries removed, {} checkpoints written\nwon back  {:.1} MB\n",
        done.releases_kept,
        done.releases_dropped,
        done.files_compacted,
        done.files_removed,
        done.log_entries_removed,
        done.checkpoints_written,
        done.bytes_removed as f64 / 1e6
    )
}
