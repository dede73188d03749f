//! Where a column comes from and what depends on it, column by column, back to the raw file.

mod api;
#[cfg(test)]
mod tests;
mod trace;

pub use api::{Influence, Lineage, LineageError, Place, Step};
pub use trace::{Origin, Origins, Traced, trace};
