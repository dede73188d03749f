//! One verb a file; this one only says which.

mod backfill;
mod completions;
mod demo;
mod doctor;
#[cfg(test)]
mod fixture;
mod init;
mod lineage;
mod maintain;
mod models;
mod plan;
mod quarantine;
mod releases;
mod run;
mod runs;
mod schema;
mod source_add;
mod sql;
mod test;
#[cfg(test)]
mod tests;

use warehouse::run::Stage;

use crate::cli::{Command, SourceCommand};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

/// Runs the command that was typed.
///
/// # Errors
/// What kept it from doing what was asked.
pub fn dispatch(context: &Context, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Source(SourceCommand::Add(args)) => source_add::run(context, &args),
        Command::Schema(args) => schema::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Run(args) => run::run(context, &args),
        Command::Ingest(args) => run::ingest(context, &args),
        Command::Build(args) => run::stage(context, Stage::Build, &args),
        Command::Train(args) => run::stage(context, Stage::Train, &args),
        Command::Score(args) => run::stage(context, Stage::Score, &args),
        Command::Publish(args) => run::stage(context, Stage::Publish, &args),
        Command::Backfill(args) => backfill::run(context, &args),
        Command::Plan(args) => plan::run(context, &args),
        Command::Sql(args) => sql::run(context, &args),
        Command::Runs(command) => runs::run(context, &command),
        Command::Models(command) => models::run(context, &command),
        Command::Quarantine(command) => quarantine::run(context, &command),
        Command::Maintain(args) => maintain::run(context, &args),
        Command::Releases(command) => releases::run(context, &command),
        Command::Test(args) => test::run(context, &args),
        Command::Lineage(args) => lineage::run(context, &args),
    }
}
