//! What ingest promises, through its public functions.

mod bad_input;
mod clean;
mod support;
