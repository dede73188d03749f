//! `buho lineage TABLE[.COLUMN]`: where it comes from, or what depends on it.

use std::collections::BTreeMap;
use std::fmt::Write;

use warehouse::clock::default_night;
use warehouse::error::ErrorKind;
use warehouse::graph::lineage::{Influence, Lineage, LineageError, Place, Step};
use warehouse::graph::{self, Graph, Resolved};
use warehouse::project::Project;
use warehouse::run::{RunError, ops_schemas};

use crate::cli::{LineageArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &LineageArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let (table, column) = target(&args.target)?;
    let steps = context.block_on(&settings, async {
        let (graph, resolved) = resolve(context, &project).await?;
        let lineage = Lineage::of(&graph, &resolved, &project.contracts).map_err(told)?;
        if args.downstream { lineage.downstream(table, column) } else { lineage.upstream(table, column) }.map_err(told)
    })?;
    match args.format {
        ReportFormat::Text => context.print(&text(&args.target, &steps, args.downstream))?,
        ReportFormat::Json => context.say(json(&steps))?,
    }
    Ok(Exit::Done)
}

/// Checks the graph of a project without opening its storage.
pub async fn resolve(context: &Context, project: &Project) -> Result<(Graph, Resolved), CommandError> {
    let graph = graph::build(&project.models, &project.contracts).map_err(RunError::from)?;
    let night = default_night(context.clock.now(), project.settings.time_zone);
    let others: BTreeMap<_, _> = ops_schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let resolved =
        graph::resolve(&graph, &project.models, &project.contracts, &others, night).await.map_err(RunError::from)?;
    Ok((graph, resolved))
}

/// `layer.table` or `layer.table.column`.
fn target(text: &str) -> Result<(&str, Option<&str>), CommandError> {
    match text.match_indices('.').map(|(at, _)| at).collect::<Vec<_>>()[..] {
        [_] => Ok((text, None)),
        [_, second] => Ok((&text[..second], Some(&text[second + 1..]))),
        _ => Err(CommandError::user(format!(
            "`{text}` is neither layer.table nor layer.table.column, e.g. marts.customer_value.net_revenue"
        ))),
    }
}

fn told(error: LineageError) -> CommandError {
    let kind = match error {
        LineageError::Plan { .. } => ErrorKind::Defect,
        _ => ErrorKind::User,
    };
    CommandError::of(kind, &error)
}

/// One line an arrow, indented by its distance; what only decides rows is said once a table.
fn text(target: &str, steps: &[Step], downstream: bool) -> String {
    let mut text = format!("{target}\n");
    let mut deciding: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        let (near, far) = if downstream { (&step.from, &step.to) } else { (&step.to, &step.from) };
        match step.influence {
            Influence::Value => {
                let arrow = if downstream { "→" } else { "←" };
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{:indent$}{near} {arrow} {far}", "", indent = 2 * step.depth);
            }
            Influence::Rows => *deciding.entry(far.to_string()).or_default() += 1,
        }
    }
    if !deciding.is_empty() {
        let what = if downstream { "decides which rows there are in" } else { "which rows there are is decided by" };
        let _ = writeln!(text, "  {what}");
        for place in deciding.keys() {
            let _ = writeln!(text, "    {place}");
        }
    }
    text
}

fn json(steps: &[Step]) -> serde_json::Value {
    let place = |place: &Place| match place {
        Place::Column { table, column } => serde_json::json!({ "table": table, "column": column }),
        Place::Raw { source, path, column } => {
            serde_json::json!({ "source": source, "path": path, "column": column })
        }
    };
    steps
        .iter()
        .map(|step| {
            let influence = match step.influence {
                Influence::Value => "value",
                Influence::Rows => "rows",
            };
            serde_json::json!({
                "depth": step.depth, "from": place(&step.from), "to": place(&step.to), "influence": influence,
            })
        })
        .collect()
}
