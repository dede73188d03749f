//! What ingest promises, through its public functions.

mod bad_input;
mod clean;
mod deliveries;
mod dropped;
mod freshness;
mod fuzz;
mod parquet;
mod parquet_limits;
mod properties;
mod readings;
mod storage;
pub(crate) mod support;
mod times;
