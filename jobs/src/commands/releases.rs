//! `buho releases list|show|diff|rollback|pin|unpin`: what readers see, saw, and will see again.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::error::ArrowError;
use warehouse::error::ErrorKind;
use warehouse::graph;
use warehouse::project::Project;
use warehouse::release::{self, Found, Pin, Release, ReleaseError, ReleaseId, TableState};
use warehouse::run::{Comparison, Measure, RunContext, RunError, TableDiff, diff, rollback};
use warehouse::table::Lake;

use crate::cli::{ReleasesCommand, ReportFormat, RowFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::failed;
use crate::logging;
use crate::output::{Destination, write_batches};

/// What `diff` compares unless told: the tables of a layer, or all where neither release has one of it.
const DEFAULT_LAYER: &str = "marts.";

pub fn run(context: &Context, command: &ReleasesCommand) -> Result<Exit, CommandError> {
    match command {
        ReleasesCommand::Diff { format, .. } => failed::told(context, *format, answer(context, command), failed::line),
        _ => answer(context, command),
    }
}

fn answer(context: &Context, command: &ReleasesCommand) -> Result<Exit, CommandError> {
    // What only looks, or only keeps, works with a project whose SQL is broken.
    let project = match command {
        ReleasesCommand::Rollback { .. } | ReleasesCommand::Diff { select: Some(_), .. } => context.load_project()?,
        _ => context.load_to_look()?,
    };
    let settings = project.settings.clone();
    context.block_on_stoppable(&settings, async |stop| {
        let (lake, engine) = super::sql::open(context, &project)?;
        match command {
            ReleasesCommand::List { limit, format } => return list(&lake, *limit, *format).await,
            ReleasesCommand::Show { release, format } => show(context, &lake, release.as_deref(), *format).await,
            ReleasesCommand::Pin { release, reason } => pin(context, &lake, release, reason.as_deref()).await,
            ReleasesCommand::Unpin { release } => unpin(context, &lake, release).await,
            ReleasesCommand::Diff { before, after, select, format } => {
                let selected = selected(context, &project, select.as_deref()).await?;
                let with = Comparison { lake: &lake, engine: &engine, models: &project.models };
                compare(context, with, (before, after.as_deref()), selected, *format).await
            }
            ReleasesCommand::Rollback { release } => {
                let opened = RunContext { stop, ..super::run::open(context, project).await? };
                let target = read(&lake, Some(release)).await?;
                let published = rollback(&opened, target.id()).await?;
                context.say(format!(
                    "release {} restores {}: readers see it from now on, until a run builds forward again (`buho plan` shows what it would)",
                    published.id(),
                    target.id()
                ))
            }
        }?;
        Ok(Exit::Done)
    })
}

async fn pin(context: &Context, lake: &Lake, release: &str, reason: Option<&str>) -> Result<(), CommandError> {
    let id = read(lake, Some(release)).await?.id();
    let pin = Pin { reason: reason.unwrap_or_default().to_owned(), at: context.clock.now() };
    release::pin(lake, id, &pin).await.map_err(RunError::from)?;
    context.say(format!("release {id} is kept until `buho releases unpin {id}`"))
}

async fn unpin(context: &Context, lake: &Lake, release: &str) -> Result<(), CommandError> {
    let id = read(lake, Some(release)).await?.id();
    let was_pinned = release::unpin(lake, id).await.map_err(RunError::from)?;
    context.say(if was_pinned {
        format!("release {id} is kept as long as others of its age")
    } else {
        format!("release {id} was not pinned")
    })
}

/// The nodes that a selection names; `None` is for whoever selects nothing.
async fn selected(
    context: &Context,
    project: &Project,
    select: Option<&str>,
) -> Result<Option<BTreeSet<String>>, CommandError> {
    let Some(select) = select else { return Ok(None) };
    let (graph, _) = super::lineage::resolve(context, project).await?;
    graph::select(select, &graph).map(Some).map_err(|error| CommandError::of(error.kind(), &error))
}

async fn compare(
    context: &Context,
    with: Comparison<'_>,
    (before, after): (&str, Option<&str>),
    selected: Option<BTreeSet<String>>,
    format: ReportFormat,
) -> Result<(), CommandError> {
    let before = read(with.lake, Some(before)).await?;
    let after = read(with.lake, after).await?;
    let tables = selected.unwrap_or_else(|| worth_comparing(&before, &after));
    let left_out = not_compared(&before, &after, &tables);
    if let Some(said) = &left_out {
        tracing::warn!("{said}");
    }
    let found = diff(with, &before, &after, &tables).await?;
    match format {
        ReportFormat::Json => context.say(serde_json::json!(found)),
        ReportFormat::Text if found.is_empty() && left_out.is_some() => {
            context.print(&format!("{} -> {}\nno table that was compared differs\n", before.id(), after.id()))
        }
        ReportFormat::Text => context.print(&diff_text(&before, &after, &found)),
    }
}

/// What is asked for and has no rows of its own in either release.
fn not_compared(before: &Release, after: &Release, tables: &BTreeSet<String>) -> Option<String> {
    let is_table = |name: &&String| before.tables.contains_key(*name) || after.tables.contains_key(*name);
    let is_view = |name: &&String| before.views.contains_key(*name) || after.views.contains_key(*name);
    let (views, unknown): (Vec<&String>, Vec<&String>) =
        tables.iter().filter(|name| !is_table(name)).partition(is_view);
    let list = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let views = (!views.is_empty()).then(|| {
        format!(
            "views are not compared, for they have no rows of their own: {} — compare what reads them",
            list(&views)
        )
    });
    let unknown = (!unknown.is_empty()).then(|| format!("in neither release: {}", list(&unknown)));
    let said: Vec<String> = views.into_iter().chain(unknown).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The marts of either release; all tables where there is none.
fn worth_comparing(before: &Release, after: &Release) -> BTreeSet<String> {
    let all: BTreeSet<String> = before.tables.keys().chain(after.tables.keys()).cloned().collect();
    let marts: BTreeSet<String> = all.iter().filter(|name| name.starts_with(DEFAULT_LAYER)).cloned().collect();
    if marts.is_empty() { all } else { marts }
}

/// A release by id or night; the one readers get, if none is named.
async fn read(lake: &Lake, text: Option<&str>) -> Result<Release, CommandError> {
    match text {
        Some(text) => {
            let id = super::sql::release_id(lake, text).await?;
            Ok(release::read(lake, id).await.map_err(RunError::from)?)
        }
        None => release::latest(lake)
            .await
            .map_err(RunError::from)?
            .ok_or_else(|| CommandError::user("no release yet — `buho run` writes the first")),
    }
}

/// Releases with those that cannot be read among them: each of these is told with the way out, the rest of its row is
/// empty.
async fn list(lake: &Lake, limit: usize, format: RowFormat) -> Result<Exit, CommandError> {
    let ids: Vec<ReleaseId> =
        release::list(lake).await.map_err(RunError::from)?.into_iter().rev().take(limit).collect();
    let pins = release::pins(lake).await.map_err(RunError::from)?;
    let releases = release::read_each(lake, &ids).await.map_err(RunError::from)?;
    let batch = rows(&releases, &pins).map_err(|error| CommandError::of(ErrorKind::Defect, &error))?;
    let schema = batch.schema();
    let written = write_batches(&[batch], schema, format, Destination::new(None));
    let damaged: Vec<&ReleaseError> = releases.iter().filter_map(|(_, found)| found.as_ref().err()).collect();
    for error in &damaged {
        logging::tell(&error.to_string());
    }
    let worst = damaged.iter().map(|error| error.kind()).reduce(ErrorKind::worst);
    worst.map_or(Exit::Done, Exit::Failed).said(written)
}

fn rows(releases: &[(ReleaseId, Found)], pins: &[ReleaseId]) -> Result<RecordBatch, ArrowError> {
    let texts = |of: &dyn Fn(&Release) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(releases.iter().map(|(_, found)| found.as_ref().ok().and_then(of))))
    };
    let tables = |state: TableState| -> ArrayRef {
        let in_state = |release: &Release| release.tables.values().filter(|table| table.state == state).count() as u64;
        Arc::new(UInt64Array::from_iter(releases.iter().map(|(_, found)| found.as_ref().ok().map(in_state))))
    };
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(releases.iter().map(|(id, _)| id.to_string())));
    let pinned: ArrayRef = Arc::new(BooleanArray::from_iter(releases.iter().map(|(id, _)| Some(pins.contains(id)))));
    let damaged: ArrayRef = Arc::new(BooleanArray::from_iter(releases.iter().map(|(_, found)| Some(found.is_err()))));
    RecordBatch::try_from_iter([
        ("release", ids),
        ("at", texts(&|release| Some(release.at.format("%Y-%m-%d %H:%M:%SZ").to_string()))),
        ("run_id", texts(&|release| Some(release.run_id.clone()))),
        ("fresh", tables(TableState::Fresh)),
        ("held", tables(TableState::Held)),
        ("failed", tables(TableState::Failed)),
        ("pinned", pinned),
        ("restores", texts(&|release| release.restores.clone())),
        ("damaged", damaged),
    ])
}

async fn show(context: &Context, lake: &Lake, release: Option<&str>, format: ReportFormat) -> Result<(), CommandError> {
    let release = read(lake, release).await?;
    if format == ReportFormat::Json {
        return context.say(serde_json::json!(release));
    }
    let mut text = format!("release {}\nwritten {} by run {}\n", release.id(), release.at, release.run_id);
    if let Some(restored) = &release.restores {
        let _ = writeln!(text, "restores {restored}");
    }
    let width = release.tables.keys().map(String::len).max().unwrap_or(0);
    for (name, table) in &release.tables {
        let state = match table.state {
            TableState::Fresh => "fresh",
            TableState::Held => "held",
            TableState::Failed => "failed",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{state:<7} {name:<width$}  version {:<5} night {}", table.version, table.night);
    }
    for name in release.views.keys() {
        let _ = writeln!(text, "view    {name}");
    }
    context.print(&text)
}

fn diff_text(before: &Release, after: &Release, tables: &[TableDiff]) -> String {
    let mut text = format!("{} -> {}\n", before.id(), after.id());
    if tables.is_empty() {
        text.push_str("no table differs\n");
    }
    for table in tables {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {} -> {} rows", table.table, table.rows_before, table.rows_after);
        if let (Some(added), Some(removed), Some(changed)) = (table.added, table.removed, table.changed) {
            let _ = writeln!(text, "  {added} added, {removed} removed, {changed} changed");
        }
        for column in &table.columns {
            let _ = writeln!(text, "  {column}");
        }
        for total in &table.totals {
            let measure = match total.measure {
                Measure::Sum => "sum",
                Measure::Mean => "mean",
            };
            let _ = writeln!(text, "  {measure} of {}: {} -> {}", total.column, total.before, total.after);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use warehouse::release::{LAKE_FORMAT, Recipe, ReleasedTable};

    use super::*;

    fn release(tables: &[&str]) -> Release {
        let night = "2026-02-01".parse().unwrap();
        let table = ReleasedTable {
            version: 1,
            night,
            state: TableState::Fresh,
            recipe: Recipe::default(),
            audited: String::new(),
        };
        Release {
            format: LAKE_FORMAT,
            night,
            sequence: 1,
            run_id: "a".to_owned(),
            at: "2026-02-02T03:00:00Z".parse().unwrap(),
            tables: tables.iter().map(|name| ((*name).to_owned(), table.clone())).collect(),
            views: BTreeMap::new(),
            restores: None,
            shows: None,
        }
    }

    #[test]
    fn releases_are_compared_by_their_marts_and_without_any_by_all_they_have() {
        let (old, new) = (release(&["bronze.a", "core.b"]), release(&["bronze.a", "core.c"]));
        assert_eq!(worth_comparing(&old, &new), ["bronze.a", "core.b", "core.c"].map(str::to_owned).into());
        let (old, new) = (release(&["core.b", "marts.gone"]), release(&["core.b", "marts.come"]));
        assert_eq!(worth_comparing(&old, &new), ["marts.come", "marts.gone"].map(str::to_owned).into());
    }

    #[test]
    fn a_view_that_is_asked_for_is_told_to_be_none_that_is_compared() {
        let view =
            |sql: &str| serde_json::from_value(serde_json::json!({ "sql": sql, "night": "2026-02-01" })).unwrap();
        let release = Release { views: [("staging.v".to_owned(), view("select 1"))].into(), ..release(&["marts.a"]) };
        let told = |names: &[&str]| not_compared(&release, &release, &names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(told(&["marts.a"]), None);
        let said = told(&["marts.a", "marts.new", "staging.v"]).unwrap();
        assert!(said.contains("views are not compared") && said.contains(": staging.v —"), "{said}");
        assert!(said.ends_with("in neither release: marts.new"), "{said}");
    }
}
