//! Columns made ready for a model, the same way in training and in scoring.
//!
//! A table's column is numeric (f64, NaN = missing) or categorical (codes 0, 1, 2 … from [`Levels`], NaN = missing). An
//! [`Encoder`] learns once what to do with each, says it in a report, and does the same ever after.

mod encoder;
mod error;
mod levels;
mod params;
mod plan;
mod profile;
mod report;
#[cfg(test)]
mod tests;

pub use encoder::{Encoded, Encoder, Transformed};
pub use error::EncodeError;
pub use levels::Levels;
pub use params::{ColumnKind, EncoderParams, EncoderValidParams, Style};
pub use report::{Action, ColumnReport, Dropped, EncodeReport, Warning};
