//! The graph of a project's SQL models: parsed, linted, ordered, planned, traced.
//!
//! ```text
//! models + contracts ──build──▶ Graph ──resolve──▶ Resolved ──▶ lineage
//!                      parse,           plans against            column to column,
//!                      inputs,          the ymls' columns        back to the raw file
//!                      lint, order      and types
//! ```
//! Nothing here reads data or storage; every mistake found is the user's, with its file and line.

mod any_night;
mod audits;
mod build;
mod error;
mod fingerprint;
#[cfg(test)]
pub(crate) mod fixtures;
mod history;
#[cfg(test)]
mod history_tests;
pub mod lineage;
pub mod lint;
mod lists;
#[cfg(test)]
mod lists_tests;
mod ml;
mod parse;
mod plan;
mod plan_error;
mod resolve;
#[cfg(test)]
mod resolve_tests;
pub mod schemas;
mod select;
#[cfg(test)]
mod select_tests;
#[cfg(test)]
pub(crate) mod standard_tests;
#[cfg(test)]
mod tests;
mod window_bounds;
mod windowed;

pub use build::{Graph, Node, build};
pub use error::{At, GraphError, GraphErrors, Rule};
pub use fingerprint::{Fingerprint, fingerprint};
pub use lists::plan_statement;
pub use ml::path as spine_path;
pub use parse::{Moment, NIGHT, Parsed, bind, canonical, parse};
pub use plan::{plan_model, plan_query};
pub use resolve::{Resolved, resolve};
pub use select::{SelectError, select};
pub use windowed::{Cut, WindowedRead, Windowing};
