//! What happened to the objects of a store, in order and whoever did it, and what is still to happen to them.
//!
//! The processes of a simulation share it: a listing may be behind what another process wrote, and a write that got no
//! answer may come when its process is long gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;
use object_store::{ObjectMeta, PutOptions, PutPayload};

/// A change that was applied.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Created(Path),
    /// What was there before.
    Overwritten(ObjectMeta),
    Deleted(ObjectMeta),
}

/// A put that got no answer.
#[derive(Debug, Clone)]
pub(crate) struct UnderWay {
    pub location: Path,
    pub payload: PutPayload,
    pub options: PutOptions,
}

/// Shared by all who use a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    changes: Vec<Change>,
    /// Writes that were begun.
    begun: u64,
    /// What is under way, and at which write it lands.
    under_way: Vec<(u64, UnderWay)>,
}

/// Files of bronze are written by threads of their own: they are in no order, and count for nothing.
fn counts(location: &str) -> bool {
    !(location.contains("bronze/") && location.ends_with(".parquet"))
}

impl Journal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, change: Change) {
        let (Change::Created(location)
        | Change::Overwritten(ObjectMeta { location, .. })
        | Change::Deleted(ObjectMeta { location, .. })) = &change;
        if counts(location.as_ref()) {
            self.state().changes.push(change);
        }
    }

    /// What was created after as many changes, and how many there are by now.
    pub(crate) fn created_after(&self, changes: usize) -> (Vec<Path>, usize) {
        let state = self.state();
        let created = |change: &Change| match change {
            Change::Created(location) => Some(location.clone()),
            Change::Overwritten(_) | Change::Deleted(_) => None,
        };
        (state.changes.iter().skip(changes).filter_map(created).collect(), state.changes.len())
    }

    /// A listing of a folder as it would have been some changes ago.
    pub(super) fn as_of(&self, changes: usize, folder: &str, now: Vec<ObjectMeta>) -> Vec<ObjectMeta> {
        let mut then: BTreeMap<Path, ObjectMeta> =
            now.into_iter().map(|entry| (entry.location.clone(), entry)).collect();
        let is_in = |location: &Path| folder.is_empty() || location.as_ref().starts_with(&format!("{folder}/"));
        for change in self.state().changes.iter().rev().take(changes) {
            match change {
                Change::Created(location) => drop(then.remove(location)),
                Change::Overwritten(before) | Change::Deleted(before) if is_in(&before.location) => {
                    then.insert(before.location.clone(), before.clone());
                }
                Change::Overwritten(_) | Change::Deleted(_) => {}
            }
        }
        then.into_values().collect()
    }

    /// A put gets no answer: it lands once as many further writes were begun. One that counts for nothing never does.
    pub(super) fn send(&self, put: UnderWay, after: u64) {
        if counts(put.location.as_ref()) {
            let mut state = self.state();
            let at = state.begun + after;
            state.under_way.push((at, put));
        }
    }

    /// A write begins: what lands before it.
    pub(super) fn begin(&self, location: &str) -> Vec<UnderWay> {
        let mut state = self.state();
        if counts(location) {
            state.begun += 1;
        }
        let begun = state.begun;
        state.under_way.extract_if(.., |(at, _)| *at <= begun).map(|(_, put)| put).collect()
    }

    /// All that is under way.
    pub(crate) fn rest(&self) -> Vec<UnderWay> {
        self.state().under_way.drain(..).map(|(_, put)| put).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn entry(location: &str) -> ObjectMeta {
        let last_modified = DateTime::UNIX_EPOCH;
        ObjectMeta { location: Path::from(location), last_modified, size: 1, e_tag: None, version: None }
    }

    #[test]
    fn a_listing_that_is_behind_shows_what_was_deleted_since_and_not_what_was_written() {
        let journal = Journal::default();
        journal.note(Change::Created(Path::from("a/old")));
        journal.note(Change::Created(Path::from("a/new")));
        journal.note(Change::Deleted(entry("a/gone")));
        journal.note(Change::Deleted(entry("b/elsewhere")));
        let shown = |changes| -> Vec<String> {
            let now = vec![entry("a/new"), entry("a/old")];
            journal.as_of(changes, "a", now).into_iter().map(|entry| entry.location.to_string()).collect()
        };
        assert_eq!(shown(0), ["a/new", "a/old"]);
        assert_eq!(shown(2), ["a/gone", "a/new", "a/old"]);
        assert_eq!(shown(3), ["a/gone", "a/old"]);
    }

    #[test]
    fn a_put_without_an_answer_lands_once_as_many_writes_were_begun_by_whomever() {
        let journal = Journal::default();
        let (payload, options) = (PutPayload::new(), PutOptions::default());
        journal.send(UnderWay { location: Path::from("a"), payload, options }, 2);
        assert!(journal.begin("b").is_empty());
        assert!(journal.begin("bronze/orders/1.parquet").is_empty());
        assert_eq!(journal.clone().begin("c").len(), 1);
        assert!(journal.rest().is_empty());
    }
}
