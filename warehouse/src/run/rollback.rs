//! Going back: an earlier release's tables, published again as a new release.
//!
//! Nothing is rewritten. Each table gets one commit that takes its present files out and puts the
//! earlier ones back, judged by the audits like any other, as far as these ask for what the release had. Bronze
//! stays: what was delivered was delivered, and the next night builds from it again. Readers are shown the night of
//! that release, of it too.

use std::collections::{BTreeMap, BTreeSet};

use super::audits::audit;
use super::build::Build;
use super::context::{RunContext, RunRequest};
use super::error::RunError;
use super::hold::holding;
use super::publish::commit_all;
use super::state::{Candidate, NodeState, StagedTable};
use crate::clock::run_id;
use crate::failpoint;
use crate::lease::{Holder, Lease};
use crate::release::{self, Release, ReleaseId, ReleasedTable};
use crate::table::{DataFile, StagedFile, TableError, TableSnapshot};

/// Publishes the tables of an earlier release under the highest night, which makes it the default.
///
/// # Errors
/// [`RunError::User`] where it is the default already; [`RunError::Query`] where an audit fails on the
/// restored tables: nothing is changed then.
pub async fn rollback(context: &RunContext, to: ReleaseId) -> Result<Release, RunError> {
    told(context, to).await.map(|(published, _)| published)
}

/// As [`rollback`], with what it said.
pub(super) async fn told(context: &RunContext, to: ReleaseId) -> Result<(Release, BTreeSet<String>), RunError> {
    let run_id = run_id(context.clock.as_ref());
    release::open(&context.lake).await?;
    holding(context, Holder::this_process(&run_id, "releases rollback"), async |lease| {
        Box::pin(restore(context, lease, to, &run_id)).await
    })
    .await
}

async fn restore(
    context: &RunContext,
    lease: &Lease,
    to: ReleaseId,
    run_id: &str,
) -> Result<(Release, BTreeSet<String>), RunError> {
    let target = release::read(&context.lake, to).await?;
    let latest = lease.latest(&context.lake).await?.unwrap_or_else(|| target.clone());
    if latest.id() == to {
        return Err(RunError::User { message: format!("release {to} is what readers see already; nothing to do") });
    }
    let night = target.shown_night();
    let request = RunRequest { night, ..RunRequest::default() };
    let mut build = Build::new(context, &request, night, run_id, Some(&latest), &[]);
    build.take_texts(&target.views);
    for (name, table) in &target.tables {
        let (candidate, state) = restored(context, name, table, &latest).await?;
        build.place(name, candidate, state);
    }
    build.take_ops().await?;
    let audited = audit(context, build.placed()).await?;
    failpoint::reached("rollback.audited");
    if let Some((node, message)) = audited.first_failure() {
        return Err(RunError::refused(
            &node,
            &format!(
                "{message} — the restored table does not pass, and nothing was changed; roll back to another release, or mend the audit"
            ),
        ));
    }
    let committed = commit_all(context, lease, audited, BTreeMap::new(), Some(&latest)).await?;
    let published = committed.restoring(&latest, &target).release(context, lease, Some(&latest)).await?;
    let warnings = published.build().warnings.clone();
    let published = published.into_release().ok_or_else(|| RunError::User {
        message: format!("release {to} says what {} says; nothing to do", latest.id()),
    })?;
    Ok((published, warnings))
}

/// A table as the release had it, and what has to be committed for it.
async fn restored(
    context: &RunContext,
    name: &str,
    table: &ReleasedTable,
    latest: &Release,
) -> Result<(Candidate, Option<NodeState>), RunError> {
    let missing =
        || RunError::Defect { what: format!("{name}: version {} is in a release, not in its log", table.version) };
    let then = TableSnapshot::load(&context.lake, name, Some(table.version)).await?.ok_or_else(missing)?;
    let now = TableSnapshot::load(&context.lake, name, None).await?.ok_or_else(missing)?;
    let schema = then.schema.clone();
    let is_node = context.graph.node(name).is_some();
    if !is_node || then.same_rows(&now) {
        let version = if is_node { unfenced(context, now, latest).await? } else { table.version };
        let state = is_node.then(|| NodeState::Current { released: ReleasedTable { version, ..table.clone() } });
        return Ok((Candidate::Unchanged { snapshot: Some(then), schema }, state));
    }
    Ok((Candidate::Staged(in_place_of(now, &then)?), Some(NodeState::Built { recipe: table.recipe.clone() })))
}

/// The change that makes a table what an earlier version of it was.
pub(super) fn in_place_of(now: TableSnapshot, then: &TableSnapshot) -> Result<StagedTable, TableError> {
    let (before, after) = (now.paths(), then.paths());
    Ok(StagedTable {
        table: then.table.clone(),
        partition_by: then.partition_columns()?,
        adds: then.files.iter().filter(|file| !before.contains(&file.path)).map(again).collect(),
        removes: before.difference(&after).cloned().collect(),
        base: Some(now),
        schema: then.schema.clone(),
    })
}

/// The version by which the latest release names these rows, where only fences came after it: a rollback
/// that died behind its release says nothing new when it is tried again.
async fn unfenced(context: &RunContext, now: TableSnapshot, latest: &Release) -> Result<u64, RunError> {
    let Some(named) = latest.tables.get(&now.table).filter(|named| named.version < now.version) else {
        return Ok(now.version);
    };
    let before = TableSnapshot::load(&context.lake, &now.table, Some(named.version)).await?;
    Ok(before.filter(|before| before.same_rows(&now)).map_or(now.version, |before| before.version))
}

/// A file that goes back into its table.
fn again(file: &DataFile) -> StagedFile {
    StagedFile {
        path: file.path.clone(),
        size: file.size,
        rows: file.rows.unwrap_or_default(),
        stats: file.stats.clone().unwrap_or_default(),
        partition: file.partition.clone(),
        hands_on: false,
    }
}
