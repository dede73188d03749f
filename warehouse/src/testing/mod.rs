//! Unit tests of SQL models: given rows, the table's own before, and a night, the table that must come out.
//!
//! A model is tested against its direct inputs, each a table with the columns its contract or yml
//! declares and the rows the test gives (none, where it gives none). Views above it are such tables
//! too: a test fails for its own model's logic, not for another's. Everything is in memory.

mod after;
mod compare;
mod fixture;
mod run;
#[cfg(test)]
mod tests;

pub use fixture::{FixtureError, rows};
pub use run::{TestOutcome, run_unit_tests};
