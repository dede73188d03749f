//! The publish phase: commit each staged table, then write the release that names the versions.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::ledgers;
use super::quarantine;
use super::sources::SourceOutcome;
use super::state::{Candidate, NodeState, StagedTable};
use crate::project::model::Materialized;
use crate::release::{self, LAKE_FORMAT, Recipe, Release, ReleasedTable, ReleasedView, TableState};
use crate::table::{Change, commit};

/// Application id of the commits of nodes.
const APP_ID: &str = "buho/night";
/// Tables committed beside each other.
const COMMITS_AT_ONCE: usize = 8;

/// Commits what was staged and audited; returns the release, or `None` where nothing changed.
pub(super) async fn publish(
    context: &RunContext,
    build: &Build<'_>,
    sources: &[SourceOutcome],
    previous: Option<&Release>,
    night: NaiveDate,
    run_id: &str,
) -> Result<Option<Release>, RunError> {
    for source in sources {
        quarantine::append(context, source, run_id).await?;
        quarantine::mark_replaced(context, source, run_id).await?;
    }
    let bronze: BTreeMap<String, ReleasedTable> = stream::iter(sources)
        .map(|source| commit_source(context, source, night, run_id))
        .buffered(COMMITS_AT_ONCE)
        .try_filter_map(|released| async move { Ok(released) })
        .try_collect()
        .await?;
    let nodes: BTreeMap<String, ReleasedTable> = stream::iter(&context.graph.nodes)
        .map(|node| release_node(context, build, &node.name, previous, night, run_id))
        .buffered(COMMITS_AT_ONCE)
        .try_filter_map(|released| async move { Ok(released) })
        .try_collect()
        .await?;
    let release = Release {
        format: LAKE_FORMAT,
        night,
        sequence: 0,
        run_id: run_id.to_owned(),
        at: context.clock.now(),
        tables: bronze.into_iter().chain(nodes).collect(),
        views: views(context, build, previous, night),
    };
    if previous.is_some_and(|previous| says_the_same(previous, &release)) {
        return Ok(None);
    }
    Ok(Some(release::publish(&context.lake, release).await?))
}

/// Whether a release would tell readers nothing new.
fn says_the_same(previous: &Release, next: &Release) -> bool {
    let rows = |release: &Release| -> BTreeMap<String, (u64, TableState)> {
        release.tables.iter().map(|(name, table)| (name.clone(), (table.version, table.state))).collect()
    };
    previous.night == next.night && rows(previous) == rows(next) && previous.views == next.views
}

async fn commit_source(
    context: &RunContext,
    source: &SourceOutcome,
    night: NaiveDate,
    run_id: &str,
) -> Result<Option<(String, ReleasedTable)>, RunError> {
    let state = match &source.blocked {
        None => TableState::Fresh,
        Some(blocked) if blocked.failed.is_some() => TableState::Failed,
        Some(_) => TableState::Held,
    };
    let version = match &source.candidate {
        Candidate::Staged(staged) if source.ledger_changed || !staged.adds.is_empty() => {
            let number =
                ledgers::store(&context.lake, &source.source, source.ledger.number, &source.ledger.ledger).await?;
            Some(commit_table(context, staged, ledgers::APP_ID, number, run_id).await?)
        }
        Candidate::Staged(staged) => staged.base.as_ref().map(|base| base.version),
        Candidate::Unchanged { snapshot, .. } => snapshot.as_ref().map(|snapshot| snapshot.version),
    };
    let table = version.map(|version| ReleasedTable { version, night, state, recipe: Recipe::default() });
    Ok(table.map(|table| (source.table.clone(), table)))
}

async fn release_node(
    context: &RunContext,
    build: &Build<'_>,
    name: &str,
    previous: Option<&Release>,
    night: NaiveDate,
    run_id: &str,
) -> Result<Option<(String, ReleasedTable)>, RunError> {
    let before = previous.and_then(|release| release.tables.get(name));
    let kept = |state: TableState| before.map(|table| ReleasedTable { state, ..table.clone() });
    let table = match build.states.get(name) {
        Some(NodeState::Built { recipe }) => match build.candidates.get(name) {
            Some(Candidate::Staged(staged)) => {
                let sequence = context.clock.now().timestamp_millis();
                let version = commit_table(context, staged, APP_ID, sequence, run_id).await?;
                Some(ReleasedTable { version, night, state: TableState::Fresh, recipe: recipe.clone() })
            }
            _ => None,
        },
        Some(NodeState::Current { released }) => {
            Some(ReleasedTable { night, state: TableState::Fresh, ..released.clone() })
        }
        Some(NodeState::Held { .. }) => kept(TableState::Held),
        Some(NodeState::Failed { .. }) => kept(TableState::Failed),
        None => None,
    };
    Ok(table.map(|table| (name.to_owned(), table)))
}

async fn commit_table(
    context: &RunContext,
    staged: &StagedTable,
    app_id: &str,
    sequence: i64,
    run_id: &str,
) -> Result<u64, RunError> {
    let change = Change {
        table: staged.table.clone(),
        schema: staged.schema.clone(),
        adds: staged.adds.clone(),
        removes: staged.removes.clone(),
        app_id: app_id.to_owned(),
        sequence,
        run_id: run_id.to_owned(),
        at: context.clock.now(),
    };
    let committed = commit(&context.lake, staged.base.as_ref(), &change).await?;
    Ok(committed.version)
}

/// Views go out with their text; one that is held keeps the text it had.
fn views(
    context: &RunContext,
    build: &Build<'_>,
    previous: Option<&Release>,
    night: NaiveDate,
) -> BTreeMap<String, ReleasedView> {
    let mut views = BTreeMap::new();
    for node in context.graph.nodes.iter().filter(|node| node.materialized == Materialized::View) {
        let view = match (build.states.get(&node.name), context.project.models.get(&node.name)) {
            (Some(NodeState::Built { .. }), Some(model)) => Some(ReleasedView { sql: model.sql.clone(), night }),
            _ => previous.and_then(|release| release.views.get(&node.name)).cloned(),
        };
        views.extend(view.map(|view| (node.name.clone(), view)));
    }
    views
}
