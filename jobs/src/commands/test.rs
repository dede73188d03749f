//! `buho test [SEL]`: the SQL unit tests, in memory.

use warehouse::error::ErrorKind;
use warehouse::graph;
use warehouse::testing::{TestOutcome, run_unit_tests};

use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &TestArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let outcomes = context.block_on(&settings, async {
        let (graph, resolved) = super::lineage::resolve(context, &project).await?;
        let selected = graph::select(args.select.as_deref().unwrap_or_default(), &graph)
            .map_err(|error| CommandError::of(error.kind(), &error))?;
        Ok(run_unit_tests(&graph, &project.models, &resolved, &selected, settings.threads).await)
    })?;
    let failures: Vec<String> = outcomes.iter().filter(|outcome| !outcome.passed).map(failure).collect();
    let failed = failures.len();
    let exit = if failed == 0 { Exit::Done } else { Exit::Failed(ErrorKind::Data) };
    let told = failures.iter().try_for_each(|failure| context.say(failure));
    exit.said(told.and_then(|()| context.say(format!("{} passed, {failed} failed", outcomes.len() - failed))))
}

fn failure(outcome: &TestOutcome) -> String {
    format!("✗ {} of {} ({})\n{}", outcome.test, outcome.model, outcome.at, indented(&outcome.message))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
