//! Boosting as a member.

use linfa::traits::Fit;
use ndarray::{Array1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{dataset, encoded, folded_gain, of_trees, prepared};
use crate::boosting::{Boosting, BoostingParams, Loss};
use crate::encode::{Encoder, EncoderParams};
use crate::ensemble::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale};
use crate::split::Fold;
use crate::tree::{Classifier, Regressor, Task};

/// Rows from which one fold alone tells how many rounds are best.
const ONE_FOLD_ROWS: usize = 50_000;

/// Boosting on columns that it encodes itself, and whose rounds are counted on rows that it has not learnt from.
#[derive(Debug, Clone)]
pub struct BoostingLearner<K> {
    name: String,
    encoder: EncoderParams,
    params: BoostingParams<K>,
    patience: Option<usize>,
}

impl<K: Task> BoostingLearner<K> {
    /// Under a name, with how to prepare the columns (natively) and how to fit them. Seeds come from the ensemble.
    pub fn new(name: impl Into<String>, encoder: EncoderParams, params: BoostingParams<K>) -> Self {
        Self { name: name.into(), encoder, params, patience: None }
    }

    /// Count the rounds on the folds: each is followed until its loss has not fallen for so many rounds, and the mean
    /// of the best is taken. From 50,000 rows on the last fold alone is.
    #[must_use]
    pub fn early_stopping(mut self, patience: usize) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The best number of rounds on the test of a fold.
    fn best_rounds(&self, rows: Rows<'_>, fold: &Fold, patience: usize, seed: u64) -> Result<usize, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let part = |places: &[usize]| {
            let weights = rows.weights.map(|weights| weights.select(Axis(0), places));
            (rows.x.select(Axis(0), places), rows.y.select(Axis(0), places), weights)
        };
        let (x, y, weights) = part(&fold.train);
        let train = Rows { x: x.view(), y: y.view(), weights: weights.as_ref().map(|weights| weights.view()) };
        let known = encoded(&self.encoder, train, seed, &self.name)?;
        let (test_x, test_y, test_weights) = part(&fold.test);
        let test_weights = test_weights.as_ref().map(|weights| weights.view());
        let valid = prepared(&known.encoder, &test_x.view(), &self.name)?;
        let valid = dataset(valid, Rows { x: test_x.view(), y: test_y.view(), weights: test_weights })?;
        let params = self.params.clone().categorical(known.encoder.categorical()).seed(seed).early_stopping(patience);
        let model = params.fit_with_validation(&dataset(known.x, train)?, &valid).map_err(failed)?;
        Ok(model.rounds())
    }
}

/// A boosting model with its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "K: Task")]
pub struct EncodedBoosting<K: Task> {
    encoder: Encoder,
    model: Boosting<K>,
}

impl<K: Task> EncodedBoosting<K> {
    /// The model on prepared columns.
    pub fn model(&self) -> &Boosting<K> {
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

impl<K: Task, F: From<EncodedBoosting<K>>> Learner<F> for BoostingLearner<K> {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let known = encoded(&self.encoder, rows, seed, &self.name)?;
        let params = self.params.clone().categorical(known.encoder.categorical()).seed(seed);
        let model = params.fit(&dataset(known.x, rows)?).map_err(failed)?;
        Ok(EncodedBoosting { encoder: known.encoder, model: model.with_threads(1) }.into())
    }

    fn settle(
        &self,
        rows: Rows<'_>,
        folds: &[Fold],
        seed: u64,
    ) -> Result<Option<Box<dyn Learner<F> + '_>>, EnsembleError> {
        let Some(patience) = self.patience else { return Ok(None) };
        let skip = if rows.y.len() < ONE_FOLD_ROWS { 0 } else { folds.len().saturating_sub(1) };
        let (mut sum, mut count) = (0, 0);
        for fold in folds.iter().skip(skip) {
            sum += self.best_rounds(rows, fold, patience, seed)?;
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        // Rounded to the nearest; a label that nothing tells apart still gets one tree.
        let rounds = ((2 * sum + count) / (2 * count)).max(1);
        Ok(Some(Box::new(Self { params: self.params.clone().rounds(rounds), patience: None, ..self.clone() })))
    }
}

impl<K: Task> Fitted for EncodedBoosting<K> {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let raw = self.raw(x)?;
        Ok(self.model.response(raw))
    }

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let x = prepared(&self.encoder, x, "boosting")?;
        Ok(self.model.predict_raw(&x.view()))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let x = prepared(&self.encoder, x, "boosting")?;
        let all = self.model.contributions(&x.view()).map_err(|error| EnsembleError::member("boosting", error))?;
        let scale = match self.model.loss() {
            Loss::Logistic => Scale::LogOdds,
            Loss::Squared | Loss::Quantile { .. } => Scale::Value,
            Loss::Poisson | Loss::Tweedie { .. } => Scale::Logarithm,
        };
        of_trees(&self.encoder, all, scale)
    }
}

impl From<EncodedBoosting<Classifier>> for Box<dyn Fitted> {
    fn from(model: EncodedBoosting<Classifier>) -> Self {
        Box::new(model)
    }
}

impl From<EncodedBoosting<Regressor>> for Box<dyn Fitted> {
    fn from(model: EncodedBoosting<Regressor>) -> Self {
        Box::new(model)
    }
}
