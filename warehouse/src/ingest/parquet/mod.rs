//! Parquet exports: row groups side by side, columns by name, values cast or refused.

mod cast;
mod feed;
mod file;
mod guard;
mod paged;
mod reader;
mod views;
mod wide;

pub(crate) use feed::ParquetFeed;
pub(crate) use file::{ParquetFile, ParquetLimits};
