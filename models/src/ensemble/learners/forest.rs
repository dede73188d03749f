//! Forests as members.

use linfa::traits::Fit;
use ndarray::{Array1, ArrayView2};

use super::{EncodedModel, EncodingLearner, OfPrepared, OnPrepared, PreparedRows, of_trees};
use crate::ensemble::{Contributions, EnsembleError, Scale};
use crate::forest::{Forest, ForestParams};
use crate::tree::Task;

/// A forest on columns that it encodes itself.
pub type ForestLearner<K> = EncodingLearner<ForestParams<K>>;

/// A forest with its encoder.
pub type EncodedForest<K> = EncodedModel<Forest<K>>;

impl<K: Task> OfPrepared for ForestParams<K> {
    type Model = Forest<K>;

    fn fit(&self, name: &str, rows: PreparedRows<'_>, seed: u64) -> Result<Forest<K>, EnsembleError> {
        let params = self.clone().categorical(rows.categorical.clone()).seed(seed);
        let model = Fit::fit(&params, &rows.dataset()?).map_err(|error| EnsembleError::member(name, error))?;
        Ok(model.with_threads(1))
    }
}

impl<K: Task> OnPrepared for Forest<K> {
    const NAME: &'static str = "forest";

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let mean = self.predict_raw(x);
        // A mean of shares may pass 1 by its last bit.
        Ok(if K::CLASSES { mean.mapv_into(|p| p.clamp(0.0, 1.0)) } else { mean })
    }

    fn explain(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let all = self.contributions(x).map_err(|error| EnsembleError::member(Self::NAME, error))?;
        Ok(of_trees(all, if K::CLASSES { Scale::Probability } else { Scale::Value }))
    }

    fn gain(&self) -> Option<Array1<f64>> {
        Some(self.importance())
    }
}
