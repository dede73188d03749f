//! Faults by seed that do not depend on the order in which tasks happen to run.
//!
//! What happens to an operation follows from the seed, from its path (less the ids of runs) and from how
//! often that path was tried: the same seed does the same to the same work, whatever its threads do.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use object_store::ObjectMeta;
use tokio::sync::Semaphore;

use super::faults::Fault;
use super::journal::{Journal, UnderWay};

/// Changes that a stale listing does not know: of a few writes, or of whole nights.
const BEHIND: [usize; 4] = [3, 10, 30, 100];
/// Writes after which one that got no answer lands at the latest: it may be the next process's by then.
const LATEST: u64 = 40;

/// What befalls a store.
#[derive(Debug)]
pub(crate) struct Storm {
    seed: u64,
    /// Of an operation to go wrong, in a thousand.
    chance: u64,
    /// Of a put to be late, and of a listing to be behind, besides.
    late: u64,
    behind: u64,
    /// The process dies at this write (from 1); whether that write was applied.
    death: Option<(u64, bool)>,
    /// This write (from 1) hangs until it is let go.
    pause: Option<u64>,
    /// The first write of a path that holds this hangs.
    pause_on: Option<&'static str>,
    /// What all processes did to the store.
    journal: Journal,
    state: Mutex<State>,
    /// Told when a write hangs.
    pub(super) paused: Semaphore,
    /// Lets it go.
    pub(super) resumed: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    tries: BTreeMap<String, u64>,
    writes: u64,
    dead: bool,
    paused: bool,
    /// Paths in the order in which they were written.
    written: Vec<String>,
}

/// An operation, as far as faults tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// A put; only if absent, or over what is there.
    Put {
        create: bool,
    },
    Delete,
    Get,
    List,
}

impl Storm {
    pub(crate) fn new(seed: u64, chance: u64) -> Self {
        Self {
            seed,
            chance,
            late: 0,
            behind: 0,
            death: None,
            pause: None,
            pause_on: None,
            journal: Journal::default(),
            state: Mutex::default(),
            paused: Semaphore::new(0),
            resumed: Semaphore::new(0),
        }
    }

    /// Over a store that other processes use, too.
    pub(crate) fn over(self, journal: &Journal) -> Self {
        Self { journal: journal.clone(), ..self }
    }

    /// Of a thousand puts so many are late, and of as many listings so many behind.
    pub(crate) fn often(self, late: u64, behind: u64) -> Self {
        Self { late, behind, ..self }
    }

    pub(crate) fn dies_at(self, write: u64, applied: bool) -> Self {
        Self { death: Some((write, applied)), ..self }
    }

    pub(crate) fn pauses_at(self, write: u64) -> Self {
        Self { pause: Some(write), ..self }
    }

    pub(crate) fn pauses_on(self, part: &'static str) -> Self {
        Self { pause_on: Some(part), ..self }
    }

    /// Waits until a write hangs.
    pub(crate) async fn hangs(&self) {
        if let Ok(permit) = self.paused.acquire().await {
            permit.forget();
        }
    }

    pub(crate) fn let_go(&self) {
        self.resumed.add_permits(1);
    }

    /// What goes wrong with an operation, if anything.
    pub(super) fn fault(&self, operation: Operation, path: &str) -> Option<Fault> {
        let name = without_run_ids(path);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.dead {
            return Some(Fault::Death);
        }
        if matches!(operation, Operation::Put { .. } | Operation::Delete) && !name.contains("bronze/") {
            state.writes += 1;
        }
        if matches!(operation, Operation::Put { .. } | Operation::Delete) {
            state.written.push(path.to_owned());
            // Files of bronze are written by threads of their own: they are not in the count.
            if let Some((write, applied)) = self.death
                && state.writes >= write
            {
                state.dead = true;
                return Some(if applied { Fault::DeathAfterWrite } else { Fault::Death });
            }
            let is_first_of = |part: &str| state.written.iter().filter(|path| path.contains(part)).count() == 1;
            if self.pause_on.is_some_and(|part| path.contains(part) && is_first_of(part)) {
                return Some(Fault::Pause);
            }
            // The Delta library writes checkpoints while it blocks its thread: the other process would wait, too.
            if self.pause.is_some_and(|write| state.writes >= write)
                && !state.paused
                && !name.contains("bronze/")
                && !name.contains("checkpoint")
            {
                state.paused = true;
                return Some(Fault::Pause);
            }
        }
        let mut hasher = DefaultHasher::new();
        let tries = state.tries.entry(format!("{operation:?} {name}")).or_default();
        *tries += 1;
        (self.seed, operation, &name, *tries).hash(&mut hasher);
        let drawn = hasher.finish();
        let often = if matches!(operation, Operation::Get | Operation::List) { self.chance / 4 } else { self.chance };
        let besides = match operation {
            Operation::Put { .. } => (self.late, Fault::Late),
            Operation::List => (self.behind, Fault::StaleListing),
            Operation::Get | Operation::Delete => (0, Fault::Late),
        };
        match drawn % 1000 {
            permille if permille < often => Some(kind(operation, drawn / 1000)),
            permille if permille < often + besides.0 => Some(besides.1),
            _ => None,
        }
    }

    /// What was written and deleted, in order, without what differs from run to run.
    pub(crate) fn trace(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written.iter().map(|path| without_run_ids(path)).collect()
    }

    /// A number that follows from the seed and a path.
    fn drawn_of(&self, what: &str, path: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, what, without_run_ids(path)).hash(&mut hasher);
        hasher.finish()
    }

    /// What a stale listing of a folder shows.
    pub(super) fn stale(&self, folder: &str, now: Vec<ObjectMeta>) -> Vec<ObjectMeta> {
        let drawn = self.drawn_of("behind", folder) % BEHIND.len() as u64;
        let changes = usize::try_from(drawn).ok().and_then(|drawn| BEHIND.get(drawn)).copied().unwrap_or(0);
        self.journal.as_of(changes, folder, now)
    }

    /// A put that gets no answer is under way from now on.
    pub(super) fn send(&self, put: UnderWay) {
        let after = 1 + self.drawn_of("late", put.location.as_ref()) % LATEST;
        self.journal.send(put, after);
    }

    /// A write begins: what lands before it.
    pub(super) fn begin(&self, path: &str) -> Vec<UnderWay> {
        let is_dead = self.state.lock().unwrap_or_else(PoisonError::into_inner).dead;
        if is_dead { Vec::new() } else { self.journal.begin(path) }
    }
}

fn kind(operation: Operation, drawn: u64) -> Fault {
    let kinds: &[Fault] = match operation {
        Operation::Put { create: true } => &[
            Fault::BeforeWrite,
            Fault::AfterWrite,
            Fault::Timeout,
            Fault::Unavailable,
            Fault::Conflict,
            Fault::AppliedAndRefused,
            Fault::Late,
            Fault::Slow,
        ],
        Operation::Put { create: false } => &[
            Fault::BeforeWrite,
            Fault::AfterWrite,
            Fault::Timeout,
            Fault::Unavailable,
            Fault::Conflict,
            Fault::Late,
            Fault::Slow,
        ],
        Operation::Delete => &[Fault::BeforeWrite, Fault::AfterWrite, Fault::Unavailable],
        Operation::Get => &[Fault::Read, Fault::TornRead, Fault::Timeout, Fault::Unavailable, Fault::Slow],
        Operation::List => &[Fault::Listing, Fault::ShortListing, Fault::StaleListing, Fault::Unavailable],
    };
    let index = usize::try_from(drawn % kinds.len() as u64).unwrap_or(0);
    kinds.get(index).copied().unwrap_or(Fault::Read)
}

/// A path without what differs from run to run: `20260210T030000000Z-0123abcd`.
fn without_run_ids(path: &str) -> String {
    const LENGTH: usize = 28;
    let bytes = path.as_bytes();
    let starts = |at: usize| {
        let is = |offset: usize, wanted: u8| bytes.get(at + offset) == Some(&wanted);
        is(8, b'T') && is(18, b'Z') && is(19, b'-') && bytes.get(at).is_some_and(u8::is_ascii_digit)
    };
    let mut name = String::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if starts(at) {
            at += LENGTH;
        } else {
            name.push(char::from(*byte));
            at += 1;
        }
    }
    name
}
