//! A past night's features as that night stored them, computed again.
//!
//! Features are a function of their night. Of the oldest night that a kept release still has, made by the very SQL of
//! today, some entities' rows are computed again from what was delivered until then, where all files say of which night
//! they are. Where they come out otherwise, an export was delivered anew, or a query is no function of its night.

use std::sync::Arc;

use chrono::NaiveDate;

use super::gather::Gather;
use super::leak::{Raw, Snapshot};
use crate::release::{self, Release, ReleasedTable, TableState};
use crate::run::compute::ComputeError;
use crate::run::views;
use crate::table::{PinnedTable, TableSnapshot};

/// What came of the comparison.
pub(super) struct Restated {
    pub night: NaiveDate,
    /// Entities whose features come out otherwise now.
    pub entities: u64,
    /// The first of them: column, entity, both values.
    pub example: Option<String>,
}

/// Compares; `None` where no night is kept that could be.
///
/// # Errors
/// Where the lake cannot be read, or the features cannot be computed.
pub(super) async fn compare(gather: Gather<'_>, raw: &[Raw]) -> Result<Option<Restated>, ComputeError> {
    if !raw.iter().all(|raw| views::is_dated(&raw.contract)) {
        return Ok(None);
    }
    let names = [gather.node.spec.spine.as_str(), gather.node.spec.features.as_str()];
    let Some((night, [spine, features])) = oldest(&gather, names).await? else { return Ok(None) };
    let lake = &gather.work.context.lake;
    let pinned = |table: &TableSnapshot| -> Result<_, ComputeError> {
        Ok(Arc::new(PinnedTable::new(lake, &table.table, &table.schema, &table.files)?))
    };
    let snapshot = Snapshot { gather, raw, night, spine: pinned(&spine)?, features: pinned(&features)? };
    let Some(found) = snapshot.restated().await? else { return Ok(None) };
    let example = found
        .first()
        .map(|first| format!("`{}` of {} was {} and is {}", first.column, first.entity, first.used, first.again));
    Ok(Some(Restated { night, entities: found.len() as u64, example }))
}

/// The oldest kept night before tonight whose features were made by the SQL of today, with spine and features.
async fn oldest(
    gather: &Gather<'_>,
    [spine, features]: [&str; 2],
) -> Result<Option<(NaiveDate, [TableSnapshot; 2])>, ComputeError> {
    let failed = |error: release::ReleaseError| ComputeError::Other(error.into());
    let (lake, tonight) = (&gather.work.context.lake, gather.work.night);
    let ids = release::list(lake).await.map_err(failed)?;
    for id in ids.into_iter().filter(|id| id.night < tonight) {
        let Ok(release) = release::read(lake, id).await else { continue };
        if !is_of_same_code(gather, &release, features) {
            continue;
        }
        let load = async |name: &str| match release.tables.get(name).filter(|table| is_own(&release, table)) {
            Some(table) => TableSnapshot::load(lake, name, Some(table.version)).await,
            None => Ok(None),
        };
        // A table that was kept has the release's night too, and the rows of an earlier one: the spine asks for its own.
        let asked_for = release.tables.get(spine).and_then(|table| table.recipe.night);
        if asked_for == Some(release.night)
            && let (Some(spine), Some(features)) = (load(spine).await?, load(features).await?)
        {
            return Ok(Some((release.night, [spine, features])));
        }
    }
    Ok(None)
}

/// Whether a table has the release's own night.
fn is_own(release: &Release, table: &ReleasedTable) -> bool {
    table.state == TableState::Fresh && table.night == release.night
}

/// Whether all that is behind a table was made by the SQL that makes it today.
fn is_of_same_code(gather: &Gather<'_>, release: &Release, name: &str) -> bool {
    let (graph, project) = (&gather.work.context.graph, &gather.work.context.project);
    let behind = graph.ancestors([name]);
    graph.nodes.iter().filter(|node| behind.contains(&node.name)).all(|node| {
        let table = release.tables.get(&node.name).map(|table| table.recipe.code == node.fingerprint.to_string());
        let view = || Some(release.views.get(&node.name)?.sql == project.models.get(&node.name)?.sql);
        table.or_else(view).unwrap_or(false)
    })
}
