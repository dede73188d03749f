//! The first phase of a run: what was delivered for its nights is loaded and committed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::bronze::commit_sources;
use super::context::{RunContext, RunRequest, Stage};
use super::earlier::{Brought, brought};
use super::error::RunError;
use super::outcome::{Blocked, SourceOutcome};
use super::report::RunReport;
use super::sources::{Wanted, ingest_all};
use crate::failpoint;
use crate::lease::Lease;
use crate::release::Release;

/// Loads what came for the nights of a run, and commits it.
pub(super) async fn take_in(
    context: &RunContext,
    request: &RunRequest,
    lease: &Lease,
    report: &mut RunReport,
    previous: Option<&Release>,
) -> Result<Vec<SourceOutcome>, RunError> {
    let run_id = report.run_id.clone();
    let missed = take_in_earlier(context, request, lease, report, previous).await?;
    let may_load = request.includes(Stage::Ingest);
    let read = wanted_tables(context, request);
    let tables = read.clone().filter(|_| request.stage == Some(Stage::Ingest));
    let publishes = request.stage == Some(Stage::Publish);
    let is_stage = request.stage.is_some();
    let anew = request.full_refresh && request.stage == Some(Stage::Ingest);
    let all = Wanted::all(request.night, previous);
    let wanted = Wanted { may_load, is_stage, tables, read, publishes, anew, missed, ..all };
    let sources = ingest_all(context, &wanted, &attempt(&run_id, request.night)).await?;
    failpoint::reached("sources.staged");
    report.take_sources(&sources);
    warn_of_nothing(context, &sources, report);
    if wanted.tables.is_none() {
        tell_unused_packs(context, &sources);
    }
    commit_sources(context, lease, sources, &run_id).await
}

/// Loads what came for the nights before, each by itself, and commits it. Sources that could not be loaded for one of
/// them.
async fn take_in_earlier(
    context: &RunContext,
    request: &RunRequest,
    lease: &Lease,
    report: &mut RunReport,
    previous: Option<&Release>,
) -> Result<BTreeMap<String, Blocked>, RunError> {
    let was_run = |night: &NaiveDate| previous.is_some_and(|release| *night <= release.night);
    let again: Vec<NaiveDate> = request.earlier.iter().copied().filter(was_run).collect();
    let built = Wanted::all(request.night, previous).undated;
    let Brought { mut tables, mut missed } = brought(context, &again, built).await?;
    for night in &request.earlier {
        let tables = match (was_run(night), tables.remove(night)) {
            (true, None) => continue,
            (_, tables) => tables,
        };
        let all = Wanted::all(*night, previous);
        let wanted = Wanted { tables, missed: missed.clone(), is_earlier: true, ..all };
        let sources = ingest_all(context, &wanted, &attempt(&report.run_id, *night)).await?;
        report.take_sources(&sources);
        missed.extend(Wanted::missing(&sources));
        commit_sources(context, lease, sources, &report.run_id).await?;
    }
    Ok(missed)
}

/// What the selected nodes are made from. The stages look at no more of what was delivered; a whole run takes in all
/// that came.
fn wanted_tables(context: &RunContext, request: &RunRequest) -> Option<BTreeSet<String>> {
    let selected = request.select.as_ref().filter(|_| request.stage.is_some())?;
    Some(context.graph.ancestors(selected.iter().map(String::as_str)))
}

/// Names the files that a run loads for a night: it may load several.
fn attempt(run_id: &str, night: NaiveDate) -> String {
    format!("{run_id}-{night}")
}

/// A raw location without a single export is more often a wrong location than a quiet shop; a project without a source
/// more often one that was not checked out.
fn warn_of_nothing(context: &RunContext, sources: &[SourceOutcome], report: &mut RunReport) {
    let waits = |source: &SourceOutcome| {
        let of_later = source.misfits.as_ref().is_some_and(|misfits| !misfits.waiting.is_empty());
        of_later || source.waits.is_some() || source.left
    };
    let came = |source: &SourceOutcome| {
        !source.ledger.ledger.deliveries.is_empty() || source.blocked.is_some() || waits(source)
    };
    let said = if context.project.contracts.is_empty() {
        "the project has no source, so nothing is loaded — `buho source add` makes one".to_owned()
    } else if !sources.is_empty() && !sources.iter().any(came) {
        format!(
            "no export was found below {} and none was ever loaded — check `raw` in buho.toml; `buho doctor` shows what each source looks for",
            context.project.settings.raw
        )
    } else {
        return;
    };
    tracing::warn!("{said}");
    report.warnings.push(said);
}

/// Of a pack without exports one line: what it feeds is empty, and nothing is wrong with it.
fn tell_unused_packs(context: &RunContext, sources: &[SourceOutcome]) {
    let pack = |source: &SourceOutcome| context.project.contracts.get(&source.source)?.spec.pack.clone();
    let has_come = |source: &&SourceOutcome| !source.ledger.ledger.deliveries.is_empty() || source.blocked.is_some();
    let used: BTreeSet<Option<String>> = sources.iter().filter(has_come).map(pack).collect();
    let unused: BTreeSet<String> = sources.iter().map(pack).filter(|pack| !used.contains(pack)).flatten().collect();
    for pack in unused {
        tracing::info!("nothing was ever delivered for pack {pack}: its tables stay empty");
    }
}
