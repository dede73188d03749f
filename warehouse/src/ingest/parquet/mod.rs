//! Parquet exports: row groups side by side, columns by name, values cast or refused.

mod cast;
mod feed;
mod paged;
mod reader;

pub(crate) use feed::ParquetFeed;
pub(crate) use paged::PagedFile;
pub(crate) use reader::ObjectReader;
