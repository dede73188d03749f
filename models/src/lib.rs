//! Statistics and learning: arrays in, arrays out; no I/O, no tables.

pub mod boosting;
pub mod forest;
pub mod tree;
