//! `buho plan`: what a night would do and why; changes nothing.

use std::borrow::Cow;
use std::fmt::Write;

use warehouse::clock::default_night;
use warehouse::plain::escaped;
use warehouse::run::{NightPlan, RunRequest, SourcePlan, WindowsPlan, plan_night};

use crate::cli::{PlanArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::failed;

/// Paths of new files shown by name; the rest are counted.
const NAMED_FILES: usize = 3;

pub fn run(context: &Context, args: &PlanArgs) -> Result<Exit, CommandError> {
    failed::told(context, args.format, planned(context, args), failed::line)
}

fn planned(context: &Context, args: &PlanArgs) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    let night = args.of.night.unwrap_or_else(|| default_night(context.clock.now(), settings.time_zone));
    let plan = context.block_on(&settings, async {
        let opened = super::run::open(context, project).await?;
        let select = super::run::selection(&opened, args.of.select.as_deref())?;
        let request = RunRequest { night, select, ..RunRequest::default() };
        Ok(plan_night(&opened, &request).await?)
    })?;
    match args.format {
        ReportFormat::Json => context.say(serde_json::json!(plan))?,
        ReportFormat::Text => context.print(&text(&plan))?,
    }
    Ok(Exit::Done)
}

fn text(plan: &NightPlan) -> String {
    let mut text = format!("night {}", plan.night);
    match &plan.release {
        Some(release) => text.push_str(&format!(", on top of release {release}\n")),
        None => text.push_str(", the first release of this lake\n"),
    }
    if let (Some(release), Some(restored)) = (&plan.release, &plan.restores) {
        text.push_str(&format!(
            "  release {release} is a rollback to {restored}: what is built below is built forward from it again\n"
        ));
    }
    if plan.built_for != plan.night {
        text.push_str(&format!(
            "  a later night is released: deliveries of {} are taken in, tables are built for {}\n",
            plan.night, plan.built_for
        ));
    }
    text.push_str("sources\n");
    for source in &plan.sources {
        text.push_str(&source_line(source));
    }
    let idle = plan.sources.iter().filter(|source| is_idle(source)).count();
    if idle > 0 {
        text.push_str(&format!("  {idle} without any file\n"));
    }
    text.push_str("nodes\n");
    let width = plan.nodes.iter().map(|node| node.node.len()).max().unwrap_or(0);
    for node in plan.nodes.iter().filter(|node| node.action != "view") {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<5} {:<width$}  {}", node.action, node.node, escaped(&node.why));
        for change in &node.columns {
            let _ = writeln!(text, "        {:<width$}    {change}", "");
        }
        for windows in &node.windows {
            let _ = writeln!(text, "        {:<width$}    {}", "", windows_line(windows));
        }
        for unknown in &node.unknown {
            let _ = writeln!(text, "        {:<width$}    known only in the run: {unknown}", "");
        }
    }
    if plan.is_empty() {
        text.push_str("nothing to do\n");
    }
    text
}

fn windows_line(windows: &WindowsPlan) -> String {
    match (windows.first, windows.last) {
        (Some(first), Some(last)) if first == last => format!("window {first}: {}", windows.why),
        (Some(first), Some(last)) => format!("windows {first} to {last}: {}", windows.why),
        _ => format!("all windows: {}", windows.why),
    }
}

fn is_idle(source: &SourcePlan) -> bool {
    source.new.is_empty()
        && source.corrected.is_empty()
        && source.error.is_none()
        && source.unchanged == 0
        && source.waiting == 0
}

fn source_line(source: &SourcePlan) -> String {
    if is_idle(source) {
        return String::new();
    }
    let mut parts = Vec::new();
    if !source.new.is_empty() {
        parts.push(files("new", &source.new));
    }
    if !source.corrected.is_empty() {
        parts.push(files("corrected", &source.corrected));
    }
    if source.unchanged > 0 {
        parts.push(format!("{} loaded already", source.unchanged));
    }
    if source.waiting > 0 {
        parts.push(format!("{} for later nights", source.waiting));
    }
    // What is said of a source begins with its name, which the line begins with already.
    let own = format!("{}: ", source.source);
    let without_name = |told: &str| escaped(told.strip_prefix(&own).unwrap_or(told)).into_owned();
    parts.extend(source.freshness.as_deref().map(without_name));
    parts.extend(source.reading.as_deref().map(without_name));
    parts.extend(source.error.as_deref().map(|error| format!("error: {}", without_name(error))));
    format!("  {own}{}\n", parts.join("; "))
}

fn files(what: &str, paths: &[String]) -> String {
    let named: Vec<Cow<str>> = paths.iter().take(NAMED_FILES).map(|path| escaped(path)).collect();
    let more = paths.len().saturating_sub(NAMED_FILES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {what} ({}{more})", paths.len(), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_source_names_it_once() {
        let source = SourcePlan {
            source: "my_orders".to_owned(),
            table: "bronze.my_orders".to_owned(),
            new: Vec::new(),
            corrected: Vec::new(),
            unchanged: 5,
            waiting: 0,
            freshness: Some("my_orders: delivered for 2026-01-31".to_owned()),
            reading: None,
            error: None,
        };
        assert_eq!(source_line(&source), "  my_orders: 5 loaded already; delivered for 2026-01-31\n");
    }
}
