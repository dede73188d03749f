//! Boosting as a member.

use linfa::ParamGuard;
use linfa::traits::Fit;
use ndarray::{Array1, ArrayView2};

use super::{EncodedModel, EncodingLearner, OfPrepared, OnPrepared, PreparedRows, SettledParams, of_trees};
use crate::boosting::{Boosting, BoostingParams, Loss};
use crate::ensemble::{Contributions, EnsembleError, Rows, Scale};
use crate::split::Fold;
use crate::tree::Task;

/// Rows from which one fold alone tells how many rounds are best.
const ONE_FOLD_ROWS: usize = 50_000;

/// Boosting on columns that it encodes itself, and whose rounds may be counted on rows that it has not learnt from.
pub type BoostingLearner<K> = EncodingLearner<CountedRounds<K>>;

/// A boosting model with its encoder.
pub type EncodedBoosting<K> = EncodedModel<Boosting<K>>;

/// Boosting's parameters, and whether its rounds are still to be counted.
#[derive(Debug, Clone)]
pub struct CountedRounds<K> {
    params: BoostingParams<K>,
    patience: Option<usize>,
}

impl<K: Task> From<BoostingParams<K>> for CountedRounds<K> {
    fn from(params: BoostingParams<K>) -> Self {
        Self { params, patience: None }
    }
}

impl<K: Task> BoostingLearner<K> {
    /// Count the rounds on the folds: each is followed until its loss has not fallen for so many rounds, and the mean
    /// of the best is taken. From 50,000 rows on the last fold alone is.
    #[must_use]
    pub fn early_stopping(mut self, patience: usize) -> Self {
        self.params.patience = Some(patience);
        self
    }

    /// A fit on the training rows of a fold for as long as the loss of its test falls, and how many rounds are best.
    fn follow(
        &self,
        rows: Rows<'_>,
        fold: &Fold,
        patience: usize,
        seed: u64,
    ) -> Result<(EncodedBoosting<K>, usize), EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let (train, test) = (rows.part(&fold.train), rows.part(&fold.test));
        let (encoder, train) = self.prepare(train.rows(), seed)?;
        let categorical = train.categorical.clone();
        let test = test.rows();
        let x = encoder.apply(test.x).map_err(|error| EnsembleError::member(&self.name, error))?;
        let test = PreparedRows { x, y: test.y, weights: test.weights, categorical: categorical.clone() };
        let params = self.params.params.clone().categorical(categorical).seed(seed).early_stopping(patience);
        let params = params.check().map_err(failed)?;
        let (model, best) = params.follow(&train.dataset()?, &test.dataset()?).map_err(failed)?;
        Ok((EncodedModel { encoder, model: model.with_threads(1) }, best))
    }
}

impl<K: Task> OfPrepared for CountedRounds<K> {
    type Model = Boosting<K>;

    fn fit(&self, name: &str, rows: PreparedRows<'_>, seed: u64) -> Result<Boosting<K>, EnsembleError> {
        let params = self.params.clone().categorical(rows.categorical.clone()).seed(seed);
        let model = params.fit(&rows.dataset()?).map_err(|error| EnsembleError::member(name, error))?;
        Ok(model.with_threads(1))
    }

    fn settle(
        learner: &BoostingLearner<K>,
        rows: Rows<'_>,
        folds: &[Fold],
        seed: u64,
    ) -> Result<Option<SettledParams<Self>>, EnsembleError> {
        let Some(patience) = learner.params.patience else { return Ok(None) };
        let skip = if rows.y.len() < ONE_FOLD_ROWS { 0 } else { folds.len().saturating_sub(1) };
        let follow = |fold| learner.follow(rows, fold, patience, seed);
        let followed: Vec<_> = folds.iter().skip(skip).map(follow).collect::<Result<_, _>>()?;
        if followed.is_empty() {
            return Ok(None);
        }
        let (sum, count) = (followed.iter().map(|(_, best)| best).sum::<usize>(), followed.len());
        // Rounded to the nearest; a label that nothing tells apart still gets one tree.
        let rounds = ((2 * sum + count) / (2 * count)).max(1);
        let first = |EncodedModel { encoder, model }: EncodedBoosting<K>| {
            model.first(rounds).map(|model| EncodedModel { encoder, model })
        };
        let unfollowed = std::iter::repeat_with(|| None).take(skip);
        let made = unfollowed.chain(followed.into_iter().map(|(model, _)| first(model))).collect();
        Ok(Some((learner.params.params.clone().rounds(rounds).into(), made)))
    }
}

impl<K: Task> OnPrepared for Boosting<K> {
    const NAME: &'static str = "boosting";

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(self.predict_raw(x))
    }

    fn answer(&self, raw: Array1<f64>) -> Array1<f64> {
        self.response(raw)
    }

    fn explain(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let all = self.contributions(x).map_err(|error| EnsembleError::member(Self::NAME, error))?;
        let scale = match self.loss() {
            Loss::Logistic => Scale::LogOdds,
            Loss::Squared | Loss::Quantile { .. } => Scale::Value,
            Loss::Poisson | Loss::Tweedie { .. } => Scale::Logarithm,
        };
        Ok(of_trees(all, scale))
    }

    fn gain(&self) -> Option<Array1<f64>> {
        Some(self.importance())
    }
}
