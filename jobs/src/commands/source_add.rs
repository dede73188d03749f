//! `buho source add NAME FILE…`
use crate::cli::SourceAddArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};
pub fn run(_context: &Context, _args: &SourceAddArgs) -> Result<Exit, CommandError> {
    Ok(Exit::Done)
}
