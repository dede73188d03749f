//! `buho doctor`
use crate::context::Context;
use crate::exit::{CommandError, Exit};
pub fn run(context: &Context) -> Result<Exit, CommandError> {
    context.load_project()?;
    Ok(Exit::Done)
}
