//! The linear family as members.

use linfa::ParamGuard;
use ndarray::{Array1, ArrayView2};

use super::{EncodedModel, EncodingLearner, OfPrepared, OnPrepared, PreparedRows};
use crate::ensemble::{Contributions, EnsembleError, Scale};
use crate::linear::{
    FittedLogistic, FittedRidge, LinearContributions, LinearError, LogisticParams, RidgeParams, sigmoid,
};

/// Logistic regression on columns that it encodes itself.
pub type LogisticLearner = EncodingLearner<LogisticParams>;

/// Ridge regression on columns that it encodes itself.
pub type RidgeLearner = EncodingLearner<RidgeParams>;

/// A logistic regression with its encoder.
pub type EncodedLogistic = EncodedModel<FittedLogistic>;

/// A ridge regression with its encoder.
pub type EncodedRidge = EncodedModel<FittedRidge>;

impl OfPrepared for LogisticParams {
    type Model = FittedLogistic;

    fn fit(&self, name: &str, rows: PreparedRows<'_>, _seed: u64) -> Result<FittedLogistic, EnsembleError> {
        let fitted = self.check_ref().and_then(|params| params.fit_arrays(rows.x.view(), rows.y, rows.weights, None));
        fitted.map_err(|error| EnsembleError::member(name, error))
    }
}

impl OfPrepared for RidgeParams {
    type Model = FittedRidge;

    fn fit(&self, name: &str, rows: PreparedRows<'_>, _seed: u64) -> Result<FittedRidge, EnsembleError> {
        let fitted = self.check_ref().and_then(|params| params.fit_arrays(rows.x.view(), rows.y, rows.weights));
        fitted.map_err(|error| EnsembleError::member(name, error))
    }
}

impl OnPrepared for FittedLogistic {
    const NAME: &'static str = "logistic";

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.check_columns(x)?;
        Ok(self.log_odds(x))
    }

    fn answer(&self, raw: Array1<f64>) -> Array1<f64> {
        raw.mapv_into(sigmoid)
    }

    fn explain(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        of_linear(Self::NAME, self.contributions(x), Scale::LogOdds)
    }
}

impl OnPrepared for FittedRidge {
    const NAME: &'static str = "ridge";

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(self.predict_values(x))
    }

    fn explain(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        of_linear(Self::NAME, self.contributions(x), Scale::Value)
    }
}

fn of_linear(
    name: &str,
    found: Result<LinearContributions, LinearError>,
    scale: Scale,
) -> Result<Contributions, EnsembleError> {
    let LinearContributions { baseline, values } = found.map_err(|error| EnsembleError::member(name, error))?;
    Ok(Contributions { baseline, values, scale })
}
