//! The engine of Buho: projects, ingest, the graph of SQL models, tables, audits, runs, releases.

pub mod clock;
pub mod error;
pub mod ingest;
pub mod project;
