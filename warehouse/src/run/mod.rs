//! A run: one attempt at a night.
//!
//! ```text
//! lease ──► ingest ──► build ──► audit ──► commit ──► release ──► record
//!  fence     bronze     nodes     what was   each       one link    ops tables,
//!            committed  staged    staged     table      one file    run object
//!
//!           Build ──► Staged ───► Audited ─► Committed ─► Released
//! ```
//! Each arrow of the lower row consumes the value before it, and nothing else makes one: what was not
//! staged cannot be audited, what was not audited cannot be committed, what was not committed cannot be released.
//!
//! | dies | leaves | the next run of the night |
//! |---|---|---|
//! | while it ingests | files that no log names | reads the same deliveries again |
//! | after a source's held rows, before its bronze commit | held rows of deliveries that no ledger has | reads the same deliveries again, and what it says of them takes their place ([`quarantine`]) |
//! | after a source's ledger, before its bronze commit | a ledger that no log names | as above; the ledger gets the next number |
//! | after bronze | deliveries in bronze, which no release names yet | finds them loaded, builds from them |
//! | after bronze, before the held rows of replaced deliveries are marked | rows that are held for a file that is another by now | marks them, by the ledger |
//! | while it builds | staged files, with a note for each node that was finished | takes the noted files where code, inputs and night are the same ([`stage`]) |
//! | after it announced tables, before it committed them | names of tables that are not there | fences them by name; the first commit goes above the fence |
//! | while it commits | tables ahead of the release, each whole and audited | takes those whose commit names the same recipe as they are, audits them with the rest, and holds them like the rest; those that stay get their released files back ([`above`]) |
//! | a rollback, while it commits | tables that are what the release to go back to has | the same; the rollback, tried again, leaves them |
//! | between the release's link and its file | a release that is valid and not yet listed | its lease puts the file ([`crate::lease`]) |
//! | after that | a lease that nobody gave back, no record of the run | takes the lease over, has nothing to do |
//!
//! What is committed ahead of its release is no release's: where a table does not go out with it, the release names the
//! version of the one before, and one more commit puts that version's files back, for strangers read the newest. Of
//! bronze nothing is put back, for it has what was delivered; a source that is blocked is named as it was before.
//! With its release a night is done: a lease that is lost after it, or a signal, ends its record and its maintenance
//! alone ([`left`]).
//!
//! Wherever it dies, the next holder of the lease records that, by what the lease's links say of it ([`left`]).
//!
//! A table that builds on its rows before ([`crate::materialize`]) notes with what is staged on which files it
//! stands, and beside it what those rows were made of ([`standing`]): the note is used on the same files only, the
//! other is named by the recipe of the commit, so neither can be taken for another's.
//!
//! A commit of another program on top of a table's own ([`crate::table::Strangers`]) fails that node, or that source, with the
//! way out: nothing is built on it, and nothing is overwritten unless a full refresh or a rollback was asked for. A
//! release names versions of ours alone. One on the quarantine fails the sources of which rows have to be held.
//!
//! A table that stays as it was is asked again where its audits changed, or what they compare it with: a release says of
//! each table what was asked of it. A stage that cannot load a source, or make a node, notes why ([`stage`]).
//! The release that a run builds on is the newest that a listing or the lease's chain names, for a listing may be behind.
//! So may that of a table's log. A commit on top of an old version finds the next one taken; but held rows go to
//! quarantine before the commit to bronze that they belong to. So of both tables the version after the newest is asked for
//! by its name ([`crate::table::TableSnapshot::newest`]), and where it is there the run ends, to be tried again.
//!
//! A fence on a table is a version without new rows: it makes no release, for readers have nothing to see. A table
//! that is not there yet is announced in the lease's chain before its first commit, and fenced by an entry without
//! columns, on top of which the table begins: so no version 0 is a stale run's either ([`crate::lease`]).
//! Each step calls `failpoint::reached`, where tests let the process die.
//!
//! What stays of a run that died and is not used again goes with [`maintain()`].

mod above;
mod amend;
mod asked;
mod audits;
mod backfill;
mod bronze;
mod build;
mod changed;
mod changes;
mod chosen;
mod compact;
mod compute;
mod context;
mod decide;
mod diff;
mod digests;
mod earlier;
mod error;
mod evolution;
mod fresh;
mod ground;
mod held;
mod history;
mod hold;
mod keys;
mod leaving;
mod ledgers;
mod left;
mod limit;
mod lost;
mod maintain;
mod method;
mod ml;
mod night;
mod ops;
mod ops_inputs;
mod outcome;
mod pairs;
mod parents;
mod passed_over;
mod phase_clock;
mod plan;
mod proofs;
mod publish;
mod quarantine;
mod reader;
mod readings;
mod reads;
mod records;
mod replaced;
mod replay;
mod report;
mod rewrite;
mod rollback;
mod scene;
mod settle;
mod sink;
mod sound;
mod sources;
mod stage;
mod standing;
mod state;
mod strangers;
mod take_in;
#[cfg(test)]
mod tests;
mod texts;
mod turns;
mod unasked;
pub mod views;
mod waiting;
mod windowed;
mod work;

pub use backfill::backfill;
pub use chosen::Choice;
pub use context::{Begun, RunContext, RunRequest, Stage, Stop, open_lake};
pub use diff::{Comparison, Measure, TableDiff, Total, diff};
pub use error::RunError;
pub use maintain::{Maintained, maintain};
pub use ml::{Decision, decide as decide_on_model, decisions as model_decisions, model_bytes};
pub use night::run_night;
pub use ops::ops_schemas;
pub use plan::{NightPlan, NodePlan, SourcePlan, WindowsPlan, plan_night};
pub use reader::Reader;
pub use records::{has_runs, last_runs, run_by_id};
pub use replay::{Refused, Tried, build_replayed, discard, no_source, replay, replay_with};
pub use report::{AuditReport, Failure, NodeReport, RunReport, RunStatus, SourceReport};
pub use rollback::rollback;
pub use sound::{Unsound, unsound};
pub use turns::Turns;
