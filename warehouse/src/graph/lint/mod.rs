//! The lint that keeps one text of SQL meaning one thing, in DataFusion and in DuckDB.
//!
//! What it can tell from the text alone is in [`syntax`]; what needs types is in [`typed`], and
//! totals of DOUBLE, which need to know the column they end in, are in [`totals`].

mod functions;
mod guard;
pub mod portable;
mod syntax;
mod totals;
mod typed;

pub use syntax::lint;
pub use totals::lint_totals;
pub use typed::{lint_types, probe};

#[cfg(test)]
mod tests;
