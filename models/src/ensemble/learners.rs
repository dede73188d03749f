//! The linear family as members: each prepares the table's columns itself, so that all members share one matrix.

use linfa::ParamGuard;
use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Contributions, EnsembleError, Fitted, FittedRegressor, Learner, RegressionLearner, Scale};
use crate::encode::{Encoder, EncoderParams};
use crate::linear::{FittedLogistic, FittedRidge, LinearContributions, LogisticParams, RidgeParams};

/// Logistic regression on columns that it encodes itself.
#[derive(Debug, Clone)]
pub struct LogisticLearner {
    name: String,
    encoder: EncoderParams,
    logistic: LogisticParams,
}

impl LogisticLearner {
    /// Under a name, with how to prepare the columns and how to fit them. The encoder's seed comes from the ensemble.
    pub fn new(name: impl Into<String>, encoder: EncoderParams, logistic: LogisticParams) -> Self {
        Self { name: name.into(), encoder, logistic }
    }
}

/// A logistic regression with its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedLogistic {
    encoder: Encoder,
    model: FittedLogistic,
}

impl<F: From<EncodedLogistic>> Learner<F> for LogisticLearner {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        seed: u64,
    ) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let params = self.encoder.clone().seed(seed).check().map_err(failed)?;
        let encoded = params.fit(x, y).map_err(failed)?;
        let failed = |error| EnsembleError::member(&self.name, error);
        let params = self.logistic.check_ref().map_err(failed)?;
        let model = params.fit_arrays(encoded.x.view(), y, weights, None).map_err(failed)?;
        Ok(EncodedLogistic { encoder: encoded.encoder, model }.into())
    }
}

impl Fitted for EncodedLogistic {
    fn probabilities(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "logistic")?;
        self.model.check_columns(&x.view())?;
        Ok(self.model.predict_probabilities(&x.view()))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "logistic")?;
        let parts = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("logistic", error))?;
        folded(&self.encoder, parts, Scale::LogOdds)
    }
}

impl From<EncodedLogistic> for Box<dyn Fitted> {
    fn from(model: EncodedLogistic) -> Self {
        Box::new(model)
    }
}

/// Ridge regression on columns that it encodes itself.
#[derive(Debug, Clone)]
pub struct RidgeLearner {
    name: String,
    encoder: EncoderParams,
    ridge: RidgeParams,
}

impl RidgeLearner {
    /// Under a name, with how to prepare the columns and how to fit them. The encoder's seed comes from the ensemble.
    pub fn new(name: impl Into<String>, encoder: EncoderParams, ridge: RidgeParams) -> Self {
        Self { name: name.into(), encoder, ridge }
    }
}

/// A ridge regression with its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedRidge {
    encoder: Encoder,
    model: FittedRidge,
}

impl<F: From<EncodedRidge>> RegressionLearner<F> for RidgeLearner {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        seed: u64,
    ) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let params = self.encoder.clone().seed(seed).check().map_err(failed)?;
        let encoded = params.fit(x, y).map_err(failed)?;
        let failed = |error| EnsembleError::member(&self.name, error);
        let params = self.ridge.check_ref().map_err(failed)?;
        let model = params.fit_arrays(encoded.x.view(), y, weights).map_err(failed)?;
        Ok(EncodedRidge { encoder: encoded.encoder, model }.into())
    }
}

impl FittedRegressor for EncodedRidge {
    fn values(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "ridge")?;
        Ok(self.model.predict_values(&x.view()))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "ridge")?;
        let parts = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("ridge", error))?;
        folded(&self.encoder, parts, Scale::Value)
    }
}

impl From<EncodedRidge> for Box<dyn FittedRegressor> {
    fn from(model: EncodedRidge) -> Self {
        Box::new(model)
    }
}

fn prepared(encoder: &Encoder, x: &ArrayView2<'_, f64>, member: &str) -> Result<ndarray::Array2<f64>, EnsembleError> {
    Ok(encoder.transform(*x).map_err(|error| EnsembleError::member(member, error))?.x)
}

fn folded(encoder: &Encoder, parts: LinearContributions, scale: Scale) -> Result<Contributions, EnsembleError> {
    Ok(Contributions { baseline: parts.baseline, values: encoder.fold(&parts.values)?, scale })
}
