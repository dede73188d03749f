//! `buho`: parse, run, exit code.

mod cli;
mod commands;
mod context;
mod demo;
mod exit;
mod failed;
mod learn;
mod limits;
mod logging;
mod output;
mod standard;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use warehouse::error::ErrorKind;

use crate::cli::Cli;
use crate::context::Context;
use crate::exit::CommandError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ErrorKind::User.exit_code() } else { 0 };
            // A closed pipe is all that can fail here, and then nobody reads the reason.
            let _ = error.print();
            let arguments: Vec<String> =
                std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
            if let Some(line) = failed::line_of_usage(&arguments, &error).filter(|_| error.use_stderr()) {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            return ExitCode::from(code);
        }
    };
    logging::start(&cli.global);
    limits::open_files();
    limits::freed_memory();
    let context = Context::new(&cli.global);
    match catch_unwind(AssertUnwindSafe(|| commands::dispatch(&context, cli.command))) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(CommandError::ReaderGone)) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            logging::tell(&error.to_string());
            ExitCode::from(error.code())
        }
        // The panic hook has told where.
        Err(_) => ExitCode::from(ErrorKind::Defect.exit_code()),
    }
}
