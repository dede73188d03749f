//! Conformalised quantile regression.

use ndarray::{ArrayView1, Zip};
use serde::{Deserialize, Serialize};

use super::quantile::conformal_quantile;
use super::{ConformalError, Intervals};
use crate::input;

/// `[low - q, high + q]` about two predicted quantiles, with `q` the finite-sample quantile of
/// `max(low - y, y - high)` on calibration rows (Romano, Patterson & Candes 2019, eq. 6 to 8).
///
/// Wide where the target is uncertain and narrow where it is not; `q` may be negative, where the predicted quantiles
/// were too wide. Quantiles that cross are put in order first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct ConformalQuantiles {
    coverage: f64,
    margin: f64,
    rows: usize,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    coverage: f64,
    margin: f64,
    rows: usize,
}

impl TryFrom<Stored> for ConformalQuantiles {
    type Error = ConformalError;

    fn try_from(stored: Stored) -> Result<Self, ConformalError> {
        let Stored { coverage, margin, rows } = stored;
        if coverage > 0.0 && coverage < 1.0 && margin.is_finite() && rows > 0 {
            Ok(Self { coverage, margin, rows })
        } else {
            Err(ConformalError::Damaged { what: "the coverage lies outside 0 to 1 or the margin is not finite" })
        }
    }
}

impl ConformalQuantiles {
    /// Calibrates on targets and predicted quantiles of rows that were not learnt from.
    ///
    /// # Errors
    /// [`ConformalError::TooFew`] below `coverage / (1 - coverage)` rows; [`ConformalError::Input`] for other lengths or
    /// a value not finite.
    pub fn fit(
        y: ArrayView1<'_, f64>,
        lower: ArrayView1<'_, f64>,
        upper: ArrayView1<'_, f64>,
        coverage: f64,
    ) -> Result<Self, ConformalError> {
        input::same_rows("the lower quantiles", lower.len(), y.len())?;
        input::same_rows("the upper quantiles", upper.len(), y.len())?;
        input::finite("the target", &y)?;
        input::finite("the lower quantile", &lower)?;
        input::finite("the upper quantile", &upper)?;
        let ends = lower.iter().zip(&upper);
        let scores = y.iter().zip(ends).map(|(y, (a, b))| (a.min(*b) - y).max(y - a.max(*b))).collect();
        Ok(Self { coverage, margin: conformal_quantile(scores, coverage)?, rows: y.len() })
    }

    /// The coverage that was asked for.
    pub fn coverage(&self) -> f64 {
        self.coverage
    }

    /// What is added at both ends.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// An interval for each pair of predicted quantiles; NaN for NaN. Where a negative margin would turn an interval
    /// inside out it is the point halfway: that leaves coverage as it is, for such an interval covers nothing.
    ///
    /// # Errors
    /// [`ConformalError::Input`] for other lengths.
    pub fn intervals(
        &self,
        lower: ArrayView1<'_, f64>,
        upper: ArrayView1<'_, f64>,
    ) -> Result<Intervals, ConformalError> {
        input::same_rows("the upper quantiles", upper.len(), lower.len())?;
        let end = |a: f64, b: f64, sign: f64| {
            let (low, high) = (a.min(b) - self.margin, a.max(b) + self.margin);
            let half = ((high - low) * 0.5).max(0.0);
            if a.is_nan() || b.is_nan() { f64::NAN } else { (low + high) * 0.5 + sign * half }
        };
        Ok(Intervals {
            lower: Zip::from(&lower).and(&upper).map_collect(|a, b| end(*a, *b, -1.0)),
            upper: Zip::from(&lower).and(&upper).map_collect(|a, b| end(*a, *b, 1.0)),
        })
    }
}
