//! Calibration: a score made into a probability that means what it says.
//!
//! Each calibrator is fitted on scores of rows that the model had not learnt from, rises (not strictly) with the score,
//! gives values strictly within (0, 1), and is safe to load.

mod beta;
mod calibrator;
mod error;
mod isotonic;
mod platt;
#[cfg(test)]
mod tests;

pub use beta::BetaCalibration;
pub use calibrator::{Calibrator, CalibratorParams, CalibratorValidParams, Method};
pub use error::CalibrationError;
pub use isotonic::IsotonicCalibration;
pub use platt::PlattCalibration;

/// No probability comes nearer to 0 or 1, whatever the method.
const NEAREST: f64 = 1e-12;

/// A probability within (0, 1); NaN stays NaN.
fn clipped(probability: f64, nearest: f64) -> f64 {
    probability.clamp(nearest, 1.0 - nearest)
}
