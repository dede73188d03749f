//! The models of this crate as members: each prepares the table's columns itself, so that all members share one matrix.

mod boosting;
mod forest;
mod linear;

pub use boosting::{BoostingLearner, EncodedBoosting};
pub use forest::{EncodedForest, ForestLearner};
pub use linear::{EncodedLogistic, EncodedRidge, LogisticLearner, RidgeLearner};

use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, Array2, ArrayView2};

use super::{Contributions, EnsembleError, Rows, Scale};
use crate::encode::{Encoded, Encoder, EncoderParams};
use crate::input;

/// Encodes training rows for a member. The encoder's seed comes from the ensemble.
fn encoded(params: &EncoderParams, rows: Rows<'_>, seed: u64, member: &str) -> Result<Encoded, EnsembleError> {
    let failed = |error| EnsembleError::member(member, error);
    params.clone().seed(seed).check().map_err(failed)?.fit(rows.x, rows.y).map_err(failed)
}

/// Encodes rows to score as those of the training were.
fn prepared(encoder: &Encoder, x: &ArrayView2<'_, f64>, member: &str) -> Result<Array2<f64>, EnsembleError> {
    encoder.apply(*x).map_err(|error| EnsembleError::member(member, error))
}

/// Contributions of prepared columns on the table's own.
fn folded(
    encoder: &Encoder,
    baseline: f64,
    values: ArrayView2<'_, f64>,
    scale: Scale,
) -> Result<Contributions, EnsembleError> {
    Ok(Contributions { baseline, values: encoder.fold(&values)?, scale })
}

/// What the tree models fit on. Weights are f32 there, as linfa keeps them.
fn dataset(x: Array2<f64>, rows: Rows<'_>) -> Result<DatasetBase<Array2<f64>, Array1<f64>>, EnsembleError> {
    input::same_rows("the target", rows.y.len(), x.nrows())?;
    let data = DatasetBase::new(x, rows.y.to_owned());
    Ok(match rows.weights {
        Some(weights) => data.with_weights(weights.mapv(|weight| weight as f32)),
        None => data,
    })
}

/// Contributions of a tree model, whose last column is the expectation.
fn of_trees(encoder: &Encoder, all: Array2<f64>, scale: Scale) -> Result<Contributions, EnsembleError> {
    let width = encoder.width();
    let baseline = all.get((0, width)).copied().unwrap_or(0.0);
    folded(encoder, baseline, all.slice(ndarray::s![.., ..width]), scale)
}

/// The share of gain of prepared columns on the table's own.
fn folded_gain(encoder: &Encoder, gain: Array1<f64>) -> Array1<f64> {
    let mut found = Array1::zeros(encoder.inputs());
    for (source, gain) in encoder.sources().into_iter().zip(gain) {
        if let Some(sum) = found.get_mut(source) {
            *sum += gain;
        }
    }
    found
}
