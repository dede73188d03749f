//! What can be wrong with an interval.

use crate::input::InputError;

/// Intervals that cannot be calibrated or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConformalError {
    /// The arrays are not fit to calibrate with.
    #[error(transparent)]
    Input(#[from] InputError),
    /// linfa's own checks.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
    /// A coverage outside (0, 1).
    #[error("coverage is {coverage}: it must lie between 0 and 1, both left out")]
    Coverage { coverage: f64 },
    /// Too few rows for the coverage that is asked for.
    #[error("{rows} calibration rows cannot show a coverage of {coverage}: {needed} are needed; widen the period")]
    TooFew { rows: usize, needed: usize, coverage: f64 },
    /// A scale that is not positive.
    #[error("the scale of row {row} is {value}: it must be positive and finite")]
    Scale { row: usize, value: f64 },
    /// A stored calibration that no fit could have written.
    #[error("the stored intervals are damaged: {what}; fit them again or load an intact copy")]
    Damaged { what: &'static str },
}
