//! Split conformal intervals about a predicted mean.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::quantile::conformal_quantile;
use super::{ConformalError, Intervals};
use crate::input;

/// `prediction ± q`, with `q` the finite-sample quantile of |residual| on calibration rows (Lei et al. 2018,
/// algorithm 2). With a scale per row, a guess of its difficulty, `prediction ± q scale` (their section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct SplitConformal {
    coverage: f64,
    width: f64,
    scaled: bool,
    rows: usize,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    coverage: f64,
    width: f64,
    scaled: bool,
    rows: usize,
}

impl TryFrom<Stored> for SplitConformal {
    type Error = ConformalError;

    fn try_from(stored: Stored) -> Result<Self, ConformalError> {
        let Stored { coverage, width, scaled, rows } = stored;
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(ConformalError::Damaged { what: "the coverage lies outside 0 to 1" });
        }
        if !(width.is_finite() && width >= 0.0) || rows == 0 {
            return Err(ConformalError::Damaged { what: "the width is negative or not finite" });
        }
        Ok(Self { coverage, width, scaled, rows })
    }
}

impl SplitConformal {
    /// Calibrates on targets and predictions of rows that were not learnt from; `coverage` between 0 and 1.
    ///
    /// # Errors
    /// [`ConformalError::TooFew`] below `coverage / (1 - coverage)` rows; [`ConformalError::Input`] for other lengths or
    /// a value not finite; [`ConformalError::Scale`] for a scale that is not positive.
    pub fn fit(
        y: ArrayView1<'_, f64>,
        predicted: ArrayView1<'_, f64>,
        scales: Option<ArrayView1<'_, f64>>,
        coverage: f64,
    ) -> Result<Self, ConformalError> {
        input::same_rows("the predictions", predicted.len(), y.len())?;
        input::finite("the target", &y)?;
        input::finite("the prediction", &predicted)?;
        let mut scores: Vec<f64> = y.iter().zip(&predicted).map(|(target, value)| (target - value).abs()).collect();
        if let Some(scales) = &scales {
            check_scales(scales, y.len())?;
            scores.iter_mut().zip(scales).for_each(|(score, scale)| *score /= scale);
        }
        let width = conformal_quantile(scores, coverage)?;
        Ok(Self { coverage, width, scaled: scales.is_some(), rows: y.len() })
    }

    /// The coverage that was asked for.
    pub fn coverage(&self) -> f64 {
        self.coverage
    }

    /// Half the width of an interval, before scaling.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// An interval about each prediction; NaN about NaN.
    ///
    /// # Errors
    /// [`ConformalError::Input`] where scales are missing that the calibration had, or given that it had not, or where
    /// lengths differ; [`ConformalError::Scale`] for a scale that is not positive.
    pub fn intervals(
        &self,
        predicted: ArrayView1<'_, f64>,
        scales: Option<ArrayView1<'_, f64>>,
    ) -> Result<Intervals, ConformalError> {
        let expected = if self.scaled { predicted.len() } else { 0 };
        input::same_rows("the scales", scales.as_ref().map_or(0, |scales| scales.len()), expected)?;
        let mut half = ndarray::Array1::from_elem(predicted.len(), self.width);
        if let Some(scales) = &scales {
            check_scales(scales, predicted.len())?;
            half *= scales;
        }
        Ok(Intervals { lower: &predicted - &half, upper: &predicted + &half })
    }
}

fn check_scales(scales: &ArrayView1<'_, f64>, rows: usize) -> Result<(), ConformalError> {
    input::same_rows("the scales", scales.len(), rows)?;
    match scales.iter().enumerate().find(|(_, value)| !(value.is_finite() && **value > 0.0)) {
        Some((row, value)) => Err(ConformalError::Scale { row, value: *value }),
        None => Ok(()),
    }
}
