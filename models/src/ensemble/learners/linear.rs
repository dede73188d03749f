//! The linear family as members.

use linfa::ParamGuard;
use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{encoded, folded, prepared};
use crate::encode::{Encoder, EncoderParams};
use crate::ensemble::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale};
use crate::linear::{FittedLogistic, FittedRidge, LogisticParams, RidgeParams, sigmoid};

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

impl EncodedLogistic {
    /// The model on prepared columns.
    pub fn model(&self) -> &FittedLogistic {
        &self.model
    }

    /// What prepares them.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

impl<F: From<EncodedLogistic>> Learner<F> for LogisticLearner {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let known = encoded(&self.encoder, rows, seed, &self.name)?;
        let params = self.logistic.check_ref().map_err(failed)?;
        let model = params.fit_arrays(known.x.view(), rows.y, rows.weights, None).map_err(failed)?;
        Ok(EncodedLogistic { encoder: known.encoder, model }.into())
    }
}

impl Fitted for EncodedLogistic {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(self.raw(x)?.mapv_into(sigmoid))
    }

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "logistic")?;
        self.model.check_columns(&x.view())?;
        Ok(self.model.log_odds(&x.view()))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "logistic")?;
        let parts = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("logistic", error))?;
        folded(&self.encoder, parts.baseline, parts.values.view(), Scale::LogOdds)
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

impl EncodedRidge {
    /// The model on prepared columns.
    pub fn model(&self) -> &FittedRidge {
        &self.model
    }

    /// What prepares them.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

impl<F: From<EncodedRidge>> Learner<F> for RidgeLearner {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let known = encoded(&self.encoder, rows, seed, &self.name)?;
        let params = self.ridge.check_ref().map_err(failed)?;
        let model = params.fit_arrays(known.x.view(), rows.y, rows.weights).map_err(failed)?;
        Ok(EncodedRidge { encoder: known.encoder, model }.into())
    }
}

impl Fitted for EncodedRidge {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "ridge")?;
        Ok(self.model.predict_values(&x.view()))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "ridge")?;
        let parts = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("ridge", error))?;
        folded(&self.encoder, parts.baseline, parts.values.view(), Scale::Value)
    }
}

impl From<EncodedRidge> for Box<dyn Fitted> {
    fn from(model: EncodedRidge) -> Self {
        Box::new(model)
    }
}
