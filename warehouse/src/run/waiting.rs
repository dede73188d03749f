//! Deliveries that a stage finds and may not load: no stage has loaded them yet, or the one that was to could not, and
//! has noted why.

use std::collections::BTreeMap;

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::outcome::{Blocked, SourceOutcome};
use super::sources::Wanted;
use super::stage;
use crate::error::ErrorKind;
use crate::identity::word_of;
use crate::ingest::IngestPlan;
use crate::project::contract::Contract;
use crate::release::ReleasedTable;

/// What follows from a delivery that waits.
pub(super) enum Waits {
    /// What reads the source would be built without it.
    Blocks,
    /// What is built was built without it: it is for the next run, and told of.
    IsTold,
    /// Nothing that was asked for reads the source.
    IsNothing,
}

impl Wanted {
    /// Whether nothing that was asked for reads a source.
    pub fn leaves_out(&self, contract: &Contract) -> bool {
        self.read.as_ref().is_some_and(|read| !read.contains(&contract.table))
    }

    /// What follows from a delivery of a source that is not loaded.
    pub fn where_one_waits(&self, contract: &Contract) -> Waits {
        if self.leaves_out(contract) {
            Waits::IsNothing
        } else if self.publishes {
            Waits::IsTold
        } else {
            Waits::Blocks
        }
    }
}

/// One word for deliveries that are to be loaded under a contract: where it is the same, so is what comes of them.
fn word(contract: &Contract, plan: &IngestPlan) -> String {
    let file = |path: &str, etag: Option<&str>, more: String| format!("{path}\n{}\n{more}\n", etag.unwrap_or_default());
    let new = plan.deliveries.iter().map(|delivery| &delivery.file);
    let files = new.map(|found| file(&found.path, found.etag.as_deref(), format!("{} {}", found.size, found.modified)));
    let left_out = plan.left_out().map(|path| file(path, None, String::new()));
    let read_as = serde_json::to_string(&contract.spec).unwrap_or_default();
    word_of(files.chain(left_out).chain([read_as]))
}

/// Notes why deliveries could not be loaded, for the stages that build and publish without them.
pub(super) async fn note_failure(context: &RunContext, contract: &Contract, plan: &IngestPlan, blocked: &Blocked) {
    // What another try may load is not loaded yet.
    if let Some(kind @ (ErrorKind::Data | ErrorKind::User)) = blocked.failed {
        let said = format!("{}{AND}{}", kind.name(), blocked.because);
        stage::note_failure(&context.lake, &contract.table, &word(contract, plan), &said).await;
    }
}

/// Between the kind of a failure and its message.
const AND: char = ' ';

/// Why an earlier stage could not load the very same deliveries.
pub(super) async fn failure(
    context: &RunContext,
    contract: &Contract,
    plan: &IngestPlan,
) -> Result<Option<Blocked>, RunError> {
    let noted = stage::failure(&context.lake, &contract.table, &word(contract, plan)).await?;
    Ok(noted.and_then(|noted| {
        let (name, because) = noted.split_once(AND)?;
        let kind = [ErrorKind::Data, ErrorKind::User].into_iter().find(|kind| kind.name() == name)?;
        Some(Blocked { because: because.to_owned(), failed: Some(kind) })
    }))
}

/// The first of the deliveries, how many more there are, and what to do.
pub(super) fn told(path: &str, others: usize, wanted: &Wanted, source: &str) -> String {
    format!(
        "`{path}`{} not loaded — run `buho ingest --night {}` first, and see what it says of {source}",
        if others == 0 { " is".to_owned() } else { format!(" and {others} more deliveries are") },
        wanted.night
    )
}

/// Why a publish releases nothing: a delivery of the night waits, no stage has loaded or built anything of the night, and
/// readers would get the night before under its name.
pub(super) fn refused(
    build: &Build<'_>,
    sources: &[SourceOutcome],
    bronze: &BTreeMap<String, ReleasedTable>,
) -> Option<String> {
    let because = waits(sources)?;
    let previous = build.previous();
    let is_night_new = previous.is_none_or(|release| release.night < build.night());
    let before = |table: &String| Some(previous?.tables.get(table)?.version);
    let is_loaded = bronze.iter().any(|(table, now)| before(table) != Some(now.version));
    let is_built = build.reports.values().any(|node| node.status == "built");
    (is_night_new && !is_loaded && !is_built).then_some(because)
}

/// The first of the deliveries that wait, for a publish that had nothing to publish: they were meant to be loaded and
/// built before.
pub(super) fn waits(sources: &[SourceOutcome]) -> Option<String> {
    sources.iter().find_map(|source| source.waits.clone())
}
