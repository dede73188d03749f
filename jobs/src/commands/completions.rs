//! `buho completions SHELL`

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "buho", &mut script);
    context.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
