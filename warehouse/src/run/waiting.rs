//! Deliveries that a stage finds and may not load.

use super::outcome::SourceOutcome;
use super::sources::Wanted;
use crate::project::contract::Contract;

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
    /// What follows from a delivery of a source that is not loaded.
    pub fn where_one_waits(&self, contract: &Contract) -> Waits {
        if self.read.as_ref().is_some_and(|read| !read.contains(&contract.table)) {
            Waits::IsNothing
        } else if self.publishes {
            Waits::IsTold
        } else {
            Waits::Blocks
        }
    }
}

/// The first of the deliveries, how many more there are, and what to do.
pub(super) fn told(path: &str, others: usize, wanted: &Wanted, source: &str) -> String {
    format!(
        "`{path}`{} not loaded — run `buho ingest --night {}` first, and see what it says of {source}",
        if others == 0 { " is".to_owned() } else { format!(" and {others} more deliveries are") },
        wanted.night
    )
}

/// The first of the deliveries that wait, for a publish that had nothing to publish: they were meant to be loaded and
/// built before.
pub(super) fn waits(sources: &[SourceOutcome]) -> Option<String> {
    sources.iter().find_map(|source| source.waits.clone())
}
