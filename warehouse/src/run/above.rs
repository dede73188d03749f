//! What lies above the versions at which tables stay: commits of other programs, and rows of ours that no release names.
//!
//! A run or a rollback that died between its commits and its release leaves tables ahead of all releases. What the next
//! run would make the same it takes as it is. What stays at its last release has to be that for strangers too, who read
//! the newest version: one more commit takes the present files out and puts the released ones back. A commit that names
//! the released recipe has the released rows, so that this is done once.

use futures::{StreamExt, stream};
use serde_json::Value;

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::publish::{RECIPE, commit_made};
use super::report::RunReport;
use super::rollback::in_place_of;
use super::state::{NodeState, StagedTable};
use crate::lease::Lease;
use crate::release::{Recipe, Release, ReleasedTable};
use crate::table::{Above, Lake, TableError, TableSnapshot};

/// Tables asked for at once.
pub(super) const AT_ONCE: usize = 16;

/// Gives tables that stay their released rows back, and tells of those that other programs committed to since they were
/// released: readers of releases see nothing of either, whoever reads the newest version does. A log that cannot be
/// read now is asked for the next time.
///
/// # Errors
/// Where the released files cannot be committed again.
pub(super) async fn put_back(
    context: &RunContext,
    lease: &Lease,
    build: &Build<'_>,
    report: &mut RunReport,
) -> Result<(), RunError> {
    let stays = |table: &str| build.states.get(table).is_some_and(|state| !state.goes_out());
    let kept = build.previous().into_iter().flat_map(|release| &release.tables).filter(|(table, _)| stays(table));
    let above = kept.map(|(table, released)| async move {
        (table, released, TableSnapshot::above(&context.lake, table, released.version).await)
    });
    let mut found = stream::iter(above).buffered(AT_ONCE);
    while let Some((table, released, above)) = found.next().await {
        // Of one that failed it is told why.
        let is_told = matches!(build.states.get(table), Some(NodeState::Failed { .. }));
        let said = match above {
            Ok(above) if is_ahead(context, table, &above, &released.recipe) => {
                match again(&context.lake, table, released).await {
                    Ok(None) => continue,
                    Ok(Some(staged)) => {
                        let version = commit_made(context, lease, &staged, &released.recipe, build.run_id()).await?;
                        report.put_back += 1;
                        format!(
                            "{table} had rows that no release names, of a run that did not get to its release: version {version} is what was released, as version {}",
                            released.version
                        )
                    }
                    Err(error) => format!("the released rows of {table} are not its newest version: {error}"),
                }
            }
            Ok(Above { strangers: Some(strangers), .. }) if !is_told => {
                format!("{strangers}; the newest version shows what no audit saw — {}", strangers.way_out())
            }
            Err(error) if !is_told => format!("whether another program committed to a table is not known: {error}"),
            _ => continue,
        };
        tracing::warn!("{said}");
        report.warnings.push(said);
    }
    Ok(())
}

/// Whether a run that keeps a table gives it its released rows back.
///
/// # Errors
/// Where its log cannot be read.
pub(super) async fn is_to_put_back(
    context: &RunContext,
    table: &str,
    previous: Option<&Release>,
) -> Result<bool, TableError> {
    let Some(released) = previous.and_then(|release| release.tables.get(table)) else { return Ok(false) };
    let above = TableSnapshot::above(&context.lake, table, released.version).await?;
    Ok(is_ahead(context, table, &above, &released.recipe))
}

/// Whether a model's table has other rows of ours than those that were released. Bronze has what was delivered, however
/// far releases are; and nothing is put over what another program committed.
fn is_ahead(context: &RunContext, table: &str, above: &Above, released: &Recipe) -> bool {
    let of_recipe = |info: &Value| {
        let recipe = info.get(RECIPE).and_then(|recipe| serde_json::from_value::<Recipe>(recipe.clone()).ok());
        recipe.is_some_and(|recipe| recipe == *released)
    };
    let has_others = above.strangers.is_none() && above.own.as_ref().is_some_and(|info| !of_recipe(info));
    has_others && context.graph.node(table).is_some()
}

/// The change that puts the released files back; `None` where they are the newest version's.
async fn again(lake: &Lake, table: &str, released: &ReleasedTable) -> Result<Option<StagedTable>, RunError> {
    let then = TableSnapshot::load(lake, table, Some(released.version)).await?;
    let now = TableSnapshot::load(lake, table, None).await?;
    match then.zip(now) {
        Some((then, now)) if !then.same_rows(&now) => Ok(Some(in_place_of(now, &then)?)),
        _ => Ok(None),
    }
}
