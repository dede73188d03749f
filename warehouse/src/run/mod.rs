//! A run: one attempt at a night.
//!
//! ```text
//! open ──► ingest ──► build ──► audit ──► publish ──► record
//!          bronze     nodes     what was   commit each  ops tables,
//!          staged     staged    staged     table, then  run object
//!                                          the release
//! ```
//! Until publish no log refers to anything a run wrote: a run that dies leaves files, not rows.

mod audits;
mod bronze;
mod build;
mod compute;
mod context;
mod decide;
mod diff;
mod error;
mod hold;
mod ledgers;
mod maintain;
mod night;
mod ops;
mod plan;
mod publish;
mod quarantine;
mod reader;
mod records;
mod replay;
mod report;
mod rollback;
mod sink;
mod sources;
mod stage;
mod state;
#[cfg(test)]
mod tests;
pub mod views;

pub use context::{RunContext, RunRequest, Stop, open_lake};
pub use diff::{TableDiff, Total, diff};
pub use error::RunError;
pub use maintain::{Maintained, maintain};
pub use night::run_night;
pub use ops::ops_schemas;
pub use plan::{NightPlan, NodePlan, SourcePlan, plan_night};
pub use reader::Reader;
pub use records::{last_runs, run_by_id};
pub use replay::{Choice, Tried, discard, replay};
pub use report::{AuditReport, NodeReport, RunReport, RunStatus, SourceReport};
pub use rollback::rollback;
