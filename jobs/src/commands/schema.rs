//! `buho schema KIND`

use warehouse::project::{Advice, FileKind};

use crate::cli::SchemaArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &SchemaArgs) -> Result<Exit, CommandError> {
    let Some(kind) = FileKind::named(&args.kind) else {
        let advice = Advice::new(&args.kind, FileKind::ALL.iter().map(|kind| kind.name()));
        let kinds: Vec<String> =
            FileKind::ALL.iter().map(|kind| format!("  {:<8} {}", kind.name(), kind.place())).collect();
        let kinds = kinds.join("\n");
        return Err(CommandError::user(format!("`{}` is not a kind of file — {advice}\n{kinds}", args.kind)));
    };
    context.say(format!("{:#}", kind.json_schema()))?;
    Ok(Exit::Done)
}
