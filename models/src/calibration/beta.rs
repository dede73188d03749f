//! Beta calibration.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use super::{CalibrationError, NEAREST, clipped};
use crate::input;
use crate::linear::{fit_plain, sigmoid};

/// `1 / (1 + 1 / (e^c p^a / (1 - p)^b))` of a probability `p`, with `a, b >= 0` (Kull, Silva Filho & Flach 2017, eq. 5).
///
/// A logistic regression on `ln p` and `-ln(1 - p)` (their algorithm 1) in which neither coefficient may be negative;
/// it contains the identity (a = b = 1, c = 0), so that what is calibrated already stays. Probabilities count as at
/// least 1e-12 off 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct BetaCalibration {
    a: f64,
    b: f64,
    c: f64,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    a: f64,
    b: f64,
    c: f64,
}

impl TryFrom<Stored> for BetaCalibration {
    type Error = CalibrationError;

    fn try_from(stored: Stored) -> Result<Self, CalibrationError> {
        let Stored { a, b, c } = stored;
        if a.is_finite() && b.is_finite() && c.is_finite() && a >= 0.0 && b >= 0.0 {
            Ok(Self { a, b, c })
        } else {
            Err(CalibrationError::Damaged { what: "a or b is negative or a number is not finite" })
        }
    }
}

impl BetaCalibration {
    /// Fits probabilities to labels 0 and 1.
    ///
    /// # Errors
    /// [`CalibrationError::Input`] for other lengths, labels beside 0 and 1, one class only, or a probability outside
    /// [0, 1].
    pub fn fit(
        probabilities: ArrayView1<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<Self, CalibrationError> {
        input::same_rows("the probabilities", probabilities.len(), y.len())?;
        input::two_classes(&y, weights.as_ref())?;
        input::probabilities(&probabilities)?;
        let mut x = Array2::zeros((probabilities.len(), 2));
        for (mut row, p) in x.axis_iter_mut(Axis(0)).zip(&probabilities) {
            row.iter_mut().zip(logarithms(*p)).for_each(|(value, log)| *value = log);
        }
        let (slopes, c) = fit_plain(x.view(), y, weights, true).map_err(CalibrationError::regression)?;
        let at = |column: usize| slopes.get(column).copied().unwrap_or(0.0);
        Ok(Self { a: at(0), b: at(1), c })
    }

    /// What leaves every probability as it is.
    pub fn identity() -> Self {
        Self { a: 1.0, b: 1.0, c: 0.0 }
    }

    /// The log-odds of the calibrated probability: `c + a ln p - b ln(1 - p)`.
    pub fn log_odds(&self, probability: f64) -> f64 {
        let [low, high] = logarithms(probability);
        self.c + self.a * low + self.b * high
    }

    /// a, b and c of the formula.
    pub fn parameters(&self) -> (f64, f64, f64) {
        (self.a, self.b, self.c)
    }

    /// The calibrated probability of each probability; NaN for NaN.
    pub fn calibrate(&self, probabilities: &ArrayView1<'_, f64>) -> Array1<f64> {
        probabilities.mapv(|p| clipped(sigmoid(self.log_odds(p)), NEAREST))
    }
}

/// ln p and -ln(1 - p).
fn logarithms(probability: f64) -> [f64; 2] {
    let p = clipped(probability, NEAREST);
    [p.ln(), -(-p).ln_1p()]
}
