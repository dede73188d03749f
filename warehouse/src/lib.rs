//! The engine of Buho: projects, ingest, the graph of SQL models, tables, audits, runs, releases.

pub mod audit;
pub mod clock;
#[cfg(test)]
mod counted;
pub mod error;
mod failpoint;
pub mod functions;
pub mod graph;
pub(crate) mod identity;
pub mod ingest;
pub mod learn;
pub mod lease;
pub(crate) mod materialize;
pub mod nearest;
pub mod plain;
pub(crate) mod planted;
pub mod project;
pub mod release;
pub mod run;
pub mod session;
pub mod sql_text;
pub mod store;
pub mod table;
pub mod testing;
