//! Parquet exports: row groups side by side, columns by name, values cast or refused.

mod cast;
mod chunk;
mod delta;
mod feed;
mod file;
mod footer;
mod header;
mod paged;
mod pages;
mod reader;
mod room;
mod thrift;
mod views;
mod wide;

pub(crate) use feed::ParquetFeed;
pub(crate) use file::{ParquetFile, ParquetLimits};
