//! One calibrator of any method, as the last step of a classifier.

use linfa::dataset::AsSingleTargets;
use linfa::traits::{Fit, PredictInplace};
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, ArrayBase, ArrayView1, Axis, Data, Ix2};
use serde::{Deserialize, Serialize};

use super::{BetaCalibration, CalibrationError, IsotonicCalibration, NEAREST, PlattCalibration, clipped};
use crate::input::{self, InputError};
use crate::metrics::log_odds;

/// How probabilities are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Left as they are, within (0, 1).
    None,
    /// A sigmoid of the log-odds: two numbers, for few rows.
    Platt,
    /// Three numbers; keeps what is right already.
    Beta,
    /// Any rising function, for thousands of positives.
    Isotonic,
    /// The mean of beta and isotonic from 200 rows of the rarer label on; beta alone of fewer.
    #[default]
    Blended,
}

/// Rows of the rarer label under which a rising function of any shape is mostly chance, weighted rows by their weight.
const FEW_OF_LABEL: f64 = 200.0;

/// Checked parameters of a calibrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CalibratorValidParams {
    method: Method,
}

/// Calibrates the probabilities of a classifier, out of fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CalibratorParams(CalibratorValidParams);

impl CalibratorParams {
    /// Blended calibration.
    pub fn new() -> Self {
        Self::default()
    }

    /// The method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.0.method = method;
        self
    }
}

impl ParamGuard for CalibratorParams {
    type Checked = CalibratorValidParams;
    type Error = CalibrationError;

    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        Ok(self.0)
    }
}

/// A fitted calibration of probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibrator {
    /// Within (0, 1), else unchanged.
    Identity,
    /// Of the log-odds.
    Platt(PlattCalibration),
    /// Of the probability.
    Beta(BetaCalibration),
    /// Of the probability.
    Isotonic(IsotonicCalibration),
    /// The mean of both: bends as far as the labels ask for it, and rises strictly, so that it has no ties of its own.
    Blended(BetaCalibration, IsotonicCalibration),
}

impl CalibratorValidParams {
    /// Fits probabilities to labels 0 and 1, with weights in f64.
    ///
    /// # Errors
    /// [`CalibrationError::Input`] for other lengths, labels beside 0 and 1, one class only, or a probability outside
    /// [0, 1].
    pub fn fit_arrays(
        &self,
        probabilities: ArrayView1<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<Calibrator, CalibrationError> {
        input::probabilities(&probabilities)?;
        Ok(match self.method {
            Method::None => Calibrator::Identity,
            Method::Platt => {
                let scores = probabilities.mapv(|p| log_odds(p, NEAREST));
                Calibrator::Platt(PlattCalibration::fit(scores.view(), y, weights)?)
            }
            Method::Beta => Calibrator::Beta(BetaCalibration::fit(probabilities, y, weights)?),
            Method::Isotonic => Calibrator::Isotonic(IsotonicCalibration::fit(probabilities, y, weights)?),
            Method::Blended => {
                let (total, positive) = input::two_classes(&y, weights.as_ref())?;
                let beta = BetaCalibration::fit(probabilities, y, weights)?;
                if positive.min(total - positive) < FEW_OF_LABEL {
                    return Ok(Calibrator::Beta(beta));
                }
                Calibrator::Blended(beta, IsotonicCalibration::fit(probabilities, y, weights)?)
            }
        })
    }
}

/// Records are one column of probabilities.
impl<D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>> Fit<ArrayBase<D, Ix2>, T, CalibrationError>
    for CalibratorValidParams
{
    type Object = Calibrator;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Calibrator, CalibrationError> {
        if dataset.records.ncols() != 1 {
            return Err(InputError::Columns { found: dataset.records.ncols(), expected: 1 }.into());
        }
        let weights = input::dataset_weights(&dataset.weights);
        let weights = weights.as_ref().map(|weights| weights.view());
        self.fit_arrays(dataset.records.index_axis(Axis(1), 0), dataset.targets.as_single_targets(), weights)
    }
}

impl Calibrator {
    /// The calibrated probability of each probability, within (0, 1); NaN for NaN.
    pub fn calibrate(&self, probabilities: &ArrayView1<'_, f64>) -> Array1<f64> {
        match self {
            Self::Identity => probabilities.mapv(|p| clipped(p, NEAREST)),
            Self::Platt(platt) => platt.calibrate(&probabilities.mapv(|p| log_odds(p, NEAREST)).view()),
            Self::Beta(beta) => beta.calibrate(probabilities),
            Self::Isotonic(isotonic) => isotonic.calibrate(probabilities),
            Self::Blended(beta, isotonic) => (beta.calibrate(probabilities) + isotonic.calibrate(probabilities)) / 2.0,
        }
    }
}

impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for Calibrator {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        *y = match x.ncols() {
            1 => self.calibrate(&x.index_axis(Axis(1), 0)),
            _ => Array1::from_elem(x.nrows(), f64::NAN),
        };
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
