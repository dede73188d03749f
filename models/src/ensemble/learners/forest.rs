//! Forests as members.

use linfa::traits::Fit;
use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{dataset, encoded, folded_gain, of_trees, prepared};
use crate::encode::{Encoder, EncoderParams};
use crate::ensemble::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale};
use crate::forest::{Forest, ForestParams};
use crate::tree::{Classifier, Regressor, Task};

/// A forest on columns that it encodes itself.
#[derive(Debug, Clone)]
pub struct ForestLearner<K> {
    name: String,
    encoder: EncoderParams,
    params: ForestParams<K>,
}

impl<K: Task> ForestLearner<K> {
    /// Under a name, with how to prepare the columns (natively) and how to fit them. Seeds come from the ensemble.
    pub fn new(name: impl Into<String>, encoder: EncoderParams, params: ForestParams<K>) -> Self {
        Self { name: name.into(), encoder, params }
    }
}

/// A forest with its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "K: Task")]
pub struct EncodedForest<K: Task> {
    encoder: Encoder,
    model: Forest<K>,
}

impl<K: Task> EncodedForest<K> {
    /// The model on prepared columns.
    pub fn model(&self) -> &Forest<K> {
        &self.model
    }

    /// What prepares them.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Share of the gain of all splits that each column of the table has.
    pub fn gain(&self) -> Array1<f64> {
        folded_gain(&self.encoder, self.model.importance())
    }
}

impl<K: Task, F: From<EncodedForest<K>>> Learner<F> for ForestLearner<K> {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let known = encoded(&self.encoder, rows, seed, &self.name)?;
        let params = self.params.clone().categorical(known.encoder.categorical()).seed(seed);
        let model = params.fit(&dataset(known.x, rows)?).map_err(failed)?;
        Ok(EncodedForest { encoder: known.encoder, model: model.with_threads(1) }.into())
    }
}

impl<K: Task> Fitted for EncodedForest<K> {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "forest")?;
        let mean = self.model.predict_raw(&x.view());
        // A mean of shares may pass 1 by its last bit.
        Ok(if K::CLASSES { mean.mapv_into(|p| p.clamp(0.0, 1.0)) } else { mean })
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "forest")?;
        let all = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("forest", error))?;
        of_trees(&self.encoder, all, if K::CLASSES { Scale::Probability } else { Scale::Value })
    }
}

impl From<EncodedForest<Classifier>> for Box<dyn Fitted> {
    fn from(model: EncodedForest<Classifier>) -> Self {
        Box::new(model)
    }
}

impl From<EncodedForest<Regressor>> for Box<dyn Fitted> {
    fn from(model: EncodedForest<Regressor>) -> Self {
        Box::new(model)
    }
}
