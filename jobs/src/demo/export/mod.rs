//! Exports as files: what each source looks like, how rows become bytes, and how bytes become files.

pub mod cell;
mod csv;
pub mod dirt;
mod gzip;
mod jsonl;
mod packed;
mod parquet;
mod shapes;
pub mod sink;
pub mod source;
pub mod spool;
pub mod tables;
