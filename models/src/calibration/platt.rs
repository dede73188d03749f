//! Platt's sigmoid.

use ndarray::{Array1, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use super::{CalibrationError, NEAREST, clipped};
use crate::input;
use crate::linear::{fit_plain, sigmoid};

/// `1 / (1 + exp(-(a s + b)))` of a score `s`, with `a >= 0`.
///
/// Maximum likelihood for the targets `(N+ + 1) / (N+ + 2)` of positives and `1 / (N- + 2)` of negatives, which keep the
/// slope finite where the score separates the labels (Platt 1999, eq. 4; the stable Newton form of Lin, Lin & Weng 2007,
/// algorithm 1). With weights `N+` and `N-` are weights. Give it log-odds where the score is a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct PlattCalibration {
    slope: f64,
    intercept: f64,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    slope: f64,
    intercept: f64,
}

impl TryFrom<Stored> for PlattCalibration {
    type Error = CalibrationError;

    fn try_from(stored: Stored) -> Result<Self, CalibrationError> {
        let Stored { slope, intercept } = stored;
        if slope.is_finite() && slope >= 0.0 && intercept.is_finite() {
            Ok(Self { slope, intercept })
        } else {
            Err(CalibrationError::Damaged { what: "the slope is negative or a number is not finite" })
        }
    }
}

impl PlattCalibration {
    /// Fits scores (any scale) to labels 0 and 1. A score that falls with the label gets slope 0: the base rate.
    ///
    /// # Errors
    /// [`CalibrationError::Input`] for other lengths, labels beside 0 and 1, one class only, a score not finite.
    pub fn fit(
        scores: ArrayView1<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<Self, CalibrationError> {
        input::same_rows("the scores", scores.len(), y.len())?;
        let (total, positive) = input::two_classes(&y, weights.as_ref())?;
        input::finite("the score", &scores)?;
        let high = (positive + 1.0) / (positive + 2.0);
        let low = 1.0 / (total - positive + 2.0);
        let targets = y.mapv(|label| if label == 1.0 { high } else { low });
        let x = scores.insert_axis(Axis(1));
        let (slopes, intercept) = fit_plain(x, targets.view(), weights, true).map_err(CalibrationError::regression)?;
        Ok(Self { slope: slopes.first().copied().unwrap_or(0.0), intercept })
    }

    /// Slope and intercept of the log-odds.
    pub fn line(&self) -> (f64, f64) {
        (self.slope, self.intercept)
    }

    /// The probability of each score; NaN for NaN.
    pub fn calibrate(&self, scores: &ArrayView1<'_, f64>) -> Array1<f64> {
        scores.mapv(|score| clipped(sigmoid(self.slope * score + self.intercept), NEAREST))
    }
}
