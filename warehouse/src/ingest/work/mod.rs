//! The workers of a load: each takes the next block of whichever file is open, parses it into
//! columns and writes it to its own sink. No rows pass from thread to thread.
//!
//! ```text
//!  pending files ── open ──► open files ──(lock: read, unpack, cut)──► block ──► columns ──► sink
//!                             ▲      every worker, each its own block, columns and sink
//!                             └── a worker opens the next file; when there is none it helps
//! ```

mod emit;
mod job;
mod open;
mod probe;
mod schedule;
mod text;

pub(crate) use emit::{Typed, Worker};
pub(crate) use job::{Job, lock};
pub(crate) use probe::probe;
pub(crate) use schedule::{Outcome, run};
