//! Statistics and learning: arrays in, arrays out; no I/O, no tables.

pub mod boosting;
pub mod calibration;
pub mod conformal;
pub mod encode;
pub mod ensemble;
pub mod forest;
mod input;
pub mod linear;
pub mod metrics;
mod parallel;
mod parameters;
mod random;
pub mod recipe;
pub mod split;
#[cfg(test)]
mod testing;
pub mod tree;

pub use input::InputError;
pub use parameters::ParameterError;
