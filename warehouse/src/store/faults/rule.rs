//! What goes wrong with a store, and when.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::UploadFault;
use crate::store::storm::Storm;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The write did not happen, and its error says so.
    BeforeWrite,
    /// The write happened; its answer was lost.
    AfterWrite,
    /// A read that gives an error.
    Read,
    /// A listing that breaks off with an error.
    Listing,
    /// No answer in time: a write was applied or not, by chance of its path's length.
    Timeout,
    /// No answer in time, and a write that is applied much later, when another process may be at work.
    Late,
    /// Such a write was applied.
    Landed,
    /// 503: nothing happened, try again later.
    Unavailable,
    /// 409: another request was at work on the same object; nothing happened.
    Conflict,
    /// 412 after a retry inside the client: the object is there because this very put made it.
    AppliedAndRefused,
    /// A body that breaks off in the middle.
    TornRead,
    /// A listing of which the end is missing, without an error.
    ShortListing,
    /// A listing as it was some time ago: without what was written since, with what was deleted.
    StaleListing,
    /// The process died, before a write or after it.
    Death,
    DeathAfterWrite,
    /// A write that hangs while others go on.
    Pause,
    /// An answer that comes late: what was asked after it is answered before.
    Slow,
}

/// When something goes wrong.
#[derive(Debug)]
pub(crate) enum Rule {
    Never,
    /// The process dies at the n-th write (from 1): before it, or after it was applied. From then on
    /// nothing works.
    DiesAt {
        write: u64,
        applied: bool,
    },
    /// The first listings fail, as many as this.
    Listings(AtomicU64),
    /// Listings do not show what has this in its path: what was written shows only much later.
    Unlisted(&'static str),
    /// Nor what has `hidden` in its path, until something with `until` in its path was written.
    UnlistedUntil {
        hidden: &'static str,
        until: &'static str,
        shows: AtomicBool,
    },
    /// Something of each upload in parts goes wrong.
    Uploads(UploadFault),
    /// A range of more bytes than this cannot be read, but from the start of an object.
    LongReads(u64),
    /// Each operation fails with this chance, by seed.
    BySeed {
        chance: f64,
        random: Box<Mutex<StdRng>>,
    },
    /// All kinds of faults, by seed and path.
    Storm(Box<Storm>),
}

impl Rule {
    pub(crate) fn by_seed(seed: u64, chance: f64) -> Self {
        Self::BySeed { chance, random: Box::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }
}
