//! Statistics and learning: arrays in, arrays out; no I/O, no tables.

mod input;
pub mod linear;
mod parallel;
mod random;

pub use input::InputError;
