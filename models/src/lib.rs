//! Statistics and learning: arrays in, arrays out; no I/O, no tables.

mod input;
pub mod linear;
pub mod metrics;
mod parallel;
mod random;
#[cfg(test)]
mod testing;

pub use input::InputError;
