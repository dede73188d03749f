//! The models of this crate as members: each prepares the table's columns itself, so that all members share one matrix.

mod boosting;
mod forest;
mod linear;

pub use boosting::{BoostingLearner, CountedRounds, EncodedBoosting};
pub use forest::{EncodedForest, ForestLearner};
pub use linear::{EncodedLogistic, EncodedRidge, LogisticLearner, RidgeLearner};

use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale, Settled};
use crate::encode::{Encoder, EncoderParams};
use crate::input;
use crate::split::Fold;

/// Rows to learn from, their columns prepared.
#[derive(Debug)]
pub struct PreparedRows<'a> {
    /// (n_samples, prepared columns).
    pub x: Array2<f64>,
    /// Labels 0 and 1, or finite targets.
    pub y: ArrayView1<'a, f64>,
    /// 1 each where there are none.
    pub weights: Option<ArrayView1<'a, f64>>,
    /// Prepared columns that hold codes.
    pub categorical: Vec<usize>,
}

impl PreparedRows<'_> {
    /// What the tree models fit on. Weights are f32 there, as linfa keeps them.
    fn dataset(self) -> Result<DatasetBase<Array2<f64>, Array1<f64>>, EnsembleError> {
        input::same_rows("the target", self.y.len(), self.x.nrows())?;
        let data = DatasetBase::new(self.x, self.y.to_owned());
        Ok(match self.weights {
            Some(weights) => data.with_weights(weights.mapv(|weight| weight as f32)),
            None => data,
        })
    }
}

/// Parameters of a kind of model that is fitted on prepared columns.
pub trait OfPrepared: Clone + Send + Sync {
    /// What a fit gives.
    type Model;

    /// Fits the rows. The same seed gives the same model.
    ///
    /// # Errors
    /// [`EnsembleError::Member`] with the model's own error, under `name`.
    fn fit(&self, name: &str, rows: PreparedRows<'_>, seed: u64) -> Result<Self::Model, EnsembleError>;

    /// As [`Learner::settle`]: the parameters to use instead of those of `learner`, and models of folds that were made.
    ///
    /// # Errors
    /// As [`Self::fit`].
    fn settle(
        learner: &EncodingLearner<Self>,
        rows: Rows<'_>,
        folds: &[Fold],
        seed: u64,
    ) -> Result<Option<SettledParams<Self>>, EnsembleError> {
        let _ = (learner, rows, folds, seed);
        Ok(None)
    }
}

/// Parameters, and what they fit on the training rows of the folds where that is made already.
pub type SettledParams<P> = (P, Vec<Option<EncodedModel<<P as OfPrepared>::Model>>>);

/// A kind of model on columns that it encodes itself.
#[derive(Debug, Clone)]
pub struct EncodingLearner<P> {
    name: String,
    encoder: EncoderParams,
    params: P,
}

impl<P: OfPrepared> EncodingLearner<P> {
    /// Under a name, with how to prepare the columns and how to fit them. Seeds come from the ensemble.
    pub fn new(name: impl Into<String>, encoder: EncoderParams, params: impl Into<P>) -> Self {
        Self { name: name.into(), encoder, params: params.into() }
    }

    /// Learns to prepare the columns, and prepares them.
    fn prepare<'a>(&self, rows: Rows<'a>, seed: u64) -> Result<(Encoder, PreparedRows<'a>), EnsembleError> {
        let failed = |error| EnsembleError::member(&self.name, error);
        let known = self.encoder.clone().seed(seed).check().map_err(failed)?.fit(rows.x, rows.y).map_err(failed)?;
        let categorical = known.encoder.categorical();
        Ok((known.encoder, PreparedRows { x: known.x, y: rows.y, weights: rows.weights, categorical }))
    }
}

impl<P: OfPrepared, F: From<EncodedModel<P::Model>>> Learner<F> for EncodingLearner<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn fit(&self, rows: Rows<'_>, seed: u64) -> Result<F, EnsembleError> {
        let (encoder, rows) = self.prepare(rows, seed)?;
        let model = self.params.fit(&self.name, rows, seed)?;
        Ok(EncodedModel { encoder, model }.into())
    }

    fn settle(&self, rows: Rows<'_>, folds: &[Fold], seed: u64) -> Result<Settled<'_, F>, EnsembleError> {
        let Some((params, made)) = P::settle(self, rows, folds, seed)? else { return Ok(Settled::default()) };
        let learner = Self { params, name: self.name.clone(), encoder: self.encoder.clone() };
        let of_folds = made.into_iter().map(|model| model.map(F::from)).collect();
        Ok(Settled { learner: Some(Box::new(learner)), of_folds })
    }
}

/// A fitted model of prepared columns.
pub trait OnPrepared: Send + Sync {
    /// For messages.
    const NAME: &'static str;

    /// The score that contributions add up to.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError>;

    /// Raw scores as probabilities or expected targets.
    fn answer(&self, raw: Array1<f64>) -> Array1<f64> {
        raw
    }

    /// What each prepared column contributed to the raw score.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the model was not fitted for.
    fn explain(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError>;

    /// Share of the gain of all splits that each prepared column has, where there are trees.
    fn gain(&self) -> Option<Array1<f64>> {
        None
    }
}

/// A fitted model with what prepares its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedModel<M> {
    encoder: Encoder,
    model: M,
}

impl<M> EncodedModel<M> {
    /// The model on prepared columns.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// What prepares them.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

impl<M: OnPrepared> EncodedModel<M> {
    /// Share of the gain of all splits that each column of the table has, where there are trees.
    pub fn gain(&self) -> Option<Array1<f64>> {
        let mut found = Array1::zeros(self.encoder.inputs());
        for (source, gain) in self.encoder.sources().into_iter().zip(self.model.gain()?) {
            if let Some(sum) = found.get_mut(source) {
                *sum += gain;
            }
        }
        Some(found)
    }

    /// Rows to score, prepared as those of the training were.
    fn prepared(&self, x: &ArrayView2<'_, f64>) -> Result<Array2<f64>, EnsembleError> {
        self.encoder.apply(*x).map_err(|error| EnsembleError::member(M::NAME, error))
    }
}

impl<M: OnPrepared> Fitted for EncodedModel<M> {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(self.model.answer(self.raw(x)?))
    }

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        self.model.raw(&self.prepared(x)?.view())
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let found = self.model.explain(&self.prepared(x)?.view())?;
        Ok(Contributions { values: self.encoder.fold(&found.values.view())?, ..found })
    }
}

impl<M: OnPrepared + 'static> From<EncodedModel<M>> for Box<dyn Fitted> {
    fn from(model: EncodedModel<M>) -> Self {
        Box::new(model)
    }
}

/// Contributions of a tree model, whose last column is the expectation.
fn of_trees(all: Array2<f64>, scale: Scale) -> Contributions {
    let width = all.ncols().saturating_sub(1);
    let baseline = all.get((0, width)).copied().unwrap_or(0.0);
    Contributions { baseline, values: all.slice_move(s![.., ..width]), scale }
}
