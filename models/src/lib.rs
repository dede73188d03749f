//! Statistics and learning: arrays in, arrays out; no I/O, no tables.

pub mod calibration;
pub mod conformal;
pub mod encode;
pub mod ensemble;
mod input;
pub mod linear;
pub mod metrics;
mod parallel;
mod random;
pub mod split;
#[cfg(test)]
mod testing;

pub use input::InputError;
