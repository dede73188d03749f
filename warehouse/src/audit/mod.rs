//! Audits: what must hold of a table before a reader sees it.
//!
//! ```text
//! yml ──checks──▶ Check: name, severity, SQL ──run──▶ AuditOutcome: passed, failing rows, examples
//! ```
//! An audit reads the tables a session holds under their own names; the engine puts the staged
//! version of the audited table there first, so that nothing is published unseen.

mod asked;
mod by_plan;
mod checks;
mod distinct;
mod run;
#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use by_plan::Inputs;
pub use checks::{Check, Reads, checks, checks_at, compared_with, fingerprint, parents, tables_read};
pub(crate) use distinct::all_differ;
pub use run::{AuditError, AuditOutcome, differ, passed, run};
