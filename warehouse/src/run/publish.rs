//! The publish phase: commit each audited table, then write the release that names the versions.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::audits::{Audited, audited_as};
use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::stage;
use super::state::{Candidate, NodeState, StagedTable};
use super::unasked::{UNKNOWN, asked_and_compared};
use crate::failpoint;
use crate::lease::Lease;
use crate::planted::{Bug, planted};
use crate::project::model::Materialized;
use crate::release::{LAKE_FORMAT, Recipe, Release, ReleaseId, ReleasedTable, ReleasedView, TableState};
use crate::table::{Change, TableSnapshot, commit};

/// Application id of the commits of nodes.
const APP_ID: &str = "buho/night";
/// Key of a commit's info: what the rows were made from.
pub(super) const RECIPE: &str = "buhoRecipe";
/// Tables committed beside each other.
const COMMITS_AT_ONCE: usize = 8;

/// Every table of a night at the version that its release will name; made by [`commit_all`] alone.
#[derive(Debug)]
pub(super) struct Committed<'a> {
    audited: Audited<'a>,
    night: NaiveDate,
    run_id: String,
    tables: BTreeMap<String, ReleasedTable>,
    views: BTreeMap<String, ReleasedView>,
    /// The release that is restored by it, and the night that this one shows.
    restores: Option<(ReleaseId, NaiveDate)>,
}

/// Commits what was audited.
///
/// # Errors
/// Where a table was written by somebody else meanwhile, or the lake cannot be written.
pub(super) async fn commit_all<'a>(
    context: &RunContext,
    lease: &Lease,
    audited: Audited<'a>,
    bronze: BTreeMap<String, ReleasedTable>,
    previous: Option<&Release>,
) -> Result<Committed<'a>, RunError> {
    let build = audited.build();
    let created = build.candidates.iter().filter_map(|(name, candidate)| match candidate {
        Candidate::Staged(staged) if staged.base.is_none() => {
            matches!(build.states.get(name), Some(NodeState::Built { .. })).then_some(name.as_str())
        }
        _ => None,
    });
    lease.announce(created).await?;
    failpoint::reached("tables.announced");
    let nodes: BTreeMap<String, ReleasedTable> = stream::iter(context.turns.order(&context.graph.nodes))
        .map(|node| release_node(context, lease, build, &node.name, previous))
        .buffered(context.turns.at_once(COMMITS_AT_ONCE))
        .try_filter_map(|released| async move { Ok(released) })
        .try_collect()
        .await?;
    failpoint::reached("tables.committed");
    Ok(Committed {
        night: build.night(),
        run_id: build.run_id().to_owned(),
        tables: bronze.into_iter().chain(nodes).collect(),
        views: views(context, build, previous),
        restores: None,
        audited,
    })
}

/// The defect [`Bug::ReleasesFirst`]: a release that names versions to come.
#[cfg(test)]
pub(super) async fn released_first(
    context: &RunContext,
    lease: &Lease,
    audited: &Audited<'_>,
    bronze: BTreeMap<String, ReleasedTable>,
    previous: Option<&Release>,
) -> Result<(), RunError> {
    if !planted(Bug::ReleasesFirst) {
        return Ok(());
    }
    let build = audited.build();
    let mut tables: BTreeMap<_, _> = previous.map(|release| release.tables.clone()).unwrap_or_default();
    tables.extend(bronze);
    for (name, candidate) in &build.candidates {
        if let (Candidate::Staged(staged), Some(NodeState::Built { recipe })) = (candidate, build.states.get(name)) {
            let (version, state) = (staged.next_version(), TableState::Fresh);
            let (recipe, audited) = (recipe.clone(), String::new());
            tables.insert(name.clone(), ReleasedTable { version, night: build.night(), state, recipe, audited });
        }
    }
    let release = Release {
        format: LAKE_FORMAT,
        night: build.night(),
        sequence: 0,
        run_id: build.run_id().to_owned(),
        at: context.clock.now(),
        tables,
        views: BTreeMap::new(),
        restores: None,
        shows: None,
    };
    if previous.is_none_or(|previous| !says_the_same(previous, &release)) {
        lease.publish(&context.lake, release).await?;
    }
    Ok(())
}

impl<'a> Committed<'a> {
    /// As a release of an earlier one's tables under the night readers get, and shown as of its own: each table from the
    /// night it was from, bronze as it was then, the views' text too.
    pub(super) fn restoring(mut self, latest: &Release, target: &Release) -> Self {
        for (name, table) in &target.tables {
            let restored = self.tables.entry(name.clone()).or_insert_with(|| table.clone());
            *restored = ReleasedTable { version: restored.version, ..table.clone() };
        }
        let restores = Some((target.id(), target.shown_night()));
        Self { night: latest.night, views: target.views.clone(), restores, ..self }
    }

    /// Publishes the release, under the lease, unless it would tell readers nothing new.
    pub(super) async fn release(
        self,
        context: &RunContext,
        lease: &Lease,
        previous: Option<&Release>,
    ) -> Result<Released<'a>, RunError> {
        let release = Release {
            format: LAKE_FORMAT,
            night: self.night,
            sequence: 0,
            run_id: self.run_id,
            at: context.clock.now(),
            tables: self.tables,
            views: self.views,
            restores: self.restores.map(|(restored, _)| restored.to_string()),
            shows: self.restores.map(|(_, night)| night),
        };
        let says_nothing = previous.is_some_and(|previous| says_the_same(previous, &release));
        let release = if says_nothing { None } else { Some(lease.publish(&context.lake, release).await?) };
        Ok(Released { release, audited: self.audited })
    }
}

/// What a night came to, its release published; made by [`Committed::release`] alone.
#[derive(Debug)]
pub(super) struct Released<'a> {
    /// `None` where it would have told readers nothing new.
    release: Option<Release>,
    audited: Audited<'a>,
}

impl<'a> Released<'a> {
    pub fn build(&self) -> &Build<'a> {
        self.audited.build()
    }

    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    pub fn into_release(self) -> Option<Release> {
        self.release
    }
}

/// What the rows of a table's newest version were made from, as its commit says.
pub(super) async fn committed_recipe(table: &TableSnapshot) -> Result<Option<Recipe>, RunError> {
    let note = table.note(RECIPE).await?;
    Ok(note.and_then(|recipe| serde_json::from_value(recipe).ok()))
}

/// Whether a release would tell readers nothing new.
fn says_the_same(previous: &Release, next: &Release) -> bool {
    let rows = |release: &Release| -> BTreeMap<String, (u64, TableState, String)> {
        let says = |table: &ReleasedTable| (table.version, table.state, table.audited.clone());
        release.tables.iter().map(|(name, table)| (name.clone(), says(table))).collect()
    };
    let nights = |release: &Release| (release.night, release.shown_night());
    nights(previous) == nights(next) && rows(previous) == rows(next) && previous.views == next.views
}

async fn release_node(
    context: &RunContext,
    lease: &Lease,
    build: &Build<'_>,
    name: &str,
    previous: Option<&Release>,
) -> Result<Option<(String, ReleasedTable)>, RunError> {
    let night = build.night();
    let before = previous.and_then(|release| release.tables.get(name));
    let kept = |state: TableState| before.map(|table| ReleasedTable { state, ..table.clone() });
    let model = context.project.models.get(name);
    let audited = model.map(|model| asked_and_compared(build, model)).unwrap_or_default();
    let fresh = if build.behind.contains(name) { TableState::Held } else { TableState::Fresh };
    let table = match build.states.get(name) {
        Some(NodeState::Built { recipe }) => match build.candidates.get(name) {
            Some(Candidate::Staged(staged)) => {
                let version = commit_made(context, lease, staged, recipe, build.run_id()).await?;
                stage::forget(&context.lake, name).await;
                Some(ReleasedTable { version, night, state: fresh, recipe: recipe.clone(), audited })
            }
            _ => None,
        },
        Some(NodeState::Committed { version, recipe }) => {
            Some(ReleasedTable { version: *version, night, state: fresh, recipe: recipe.clone(), audited })
        }
        Some(NodeState::Current { released }) => {
            let audited = if build.in_doubt.contains(name) { UNKNOWN.to_owned() } else { audited };
            let (night, state) = match build.behind.contains(name) {
                true if released.state == TableState::Fresh => (released.night, TableState::Held),
                true => (released.night, released.state),
                false => (night, TableState::Fresh),
            };
            Some(ReleasedTable { night, state, audited, ..released.clone() })
        }
        Some(NodeState::Held(_)) if planted(Bug::HeldAsFresh) => kept(TableState::Fresh),
        Some(NodeState::Held(_)) => kept(TableState::Held),
        Some(NodeState::Failed { .. }) => kept(TableState::Failed),
        None => None,
    };
    Ok(table.map(|table| (name.to_owned(), table)))
}

/// Commits a staged table, saying what its rows are made from; its version.
pub(super) async fn commit_made(
    context: &RunContext,
    lease: &Lease,
    staged: &StagedTable,
    recipe: &Recipe,
    run_id: &str,
) -> Result<u64, RunError> {
    let sequence = context.clock.now().timestamp_millis();
    let change = Change {
        notes: HashMap::from([(RECIPE.to_owned(), json!(recipe))]),
        ..change(context, lease, staged, APP_ID, sequence, run_id)
    };
    Ok(commit_under(context, lease, staged, &change).await?.version)
}

/// Commits under the lease; that a table is created is said in its chain before.
pub(super) async fn commit_under(
    context: &RunContext,
    lease: &Lease,
    staged: &StagedTable,
    change: &Change,
) -> Result<TableSnapshot, RunError> {
    if staged.base.is_none() {
        lease.announce([change.table.as_str()]).await?;
    }
    Ok(commit(&context.lake, staged.base.as_ref(), change).await?)
}

/// The commit that makes a staged table the table.
pub(super) fn change(
    context: &RunContext,
    lease: &Lease,
    staged: &StagedTable,
    app_id: &str,
    sequence: i64,
    run_id: &str,
) -> Change {
    Change {
        table: staged.table.clone(),
        schema: staged.schema.clone(),
        partition_by: staged.partition_by.clone(),
        adds: staged.adds.clone(),
        removes: staged.removes.clone(),
        rearranges: false,
        app_id: app_id.to_owned(),
        sequence,
        token: Some(lease.token()),
        run_id: run_id.to_owned(),
        notes: HashMap::new(),
        at: context.clock.now(),
    }
}

/// Views go out with the text that this run reads them by; one that is held keeps what it had.
fn views(context: &RunContext, build: &Build<'_>, previous: Option<&Release>) -> BTreeMap<String, ReleasedView> {
    let night = build.night();
    let mut views = BTreeMap::new();
    for node in context.graph.nodes.iter().filter(|node| node.materialized == Materialized::View) {
        let view = match (build.states.get(&node.name), context.project.models.get(&node.name)) {
            (Some(NodeState::Built { .. }), Some(model)) => Some(ReleasedView {
                sql: build.texts.get(&node.name).map_or(&model.sql, |text| &text.sql).clone(),
                night,
                audited: audited_as(build, model).unwrap_or_default(),
            }),
            _ => previous.and_then(|release| release.views.get(&node.name)).cloned(),
        };
        views.extend(view.map(|view| (node.name.clone(), view)));
    }
    views
}
