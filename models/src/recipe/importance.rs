//! Which columns a model listens to.

use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use super::RecipeError;
use super::model::Model;
use super::schema::Schema;

/// Rows that importance is the mean over.
const ROWS: usize = 1000;

/// How much a column matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Its name.
    pub column: String,
    /// Mean of |contribution| over at most 1,000 training rows, evenly spaced, on the scale of contributions.
    pub contribution: f64,
    /// Share of the gain of all splits, 0 to 1: of trees, and of an ensemble's trees the mean.
    pub gain: Option<f64>,
}

/// One entry a column of the table, in its order; columns that were dropped have 0.
pub(super) fn importance(model: &Model, schema: &Schema, x: &Array2<f64>) -> Result<Vec<Importance>, RecipeError> {
    let rows = x.nrows().min(ROWS);
    let places: Vec<usize> = (0..rows).map(|row| row * x.nrows() / rows.max(1)).collect();
    let contributions = model.contributions(&x.select(Axis(0), &places).view())?;
    let means = contributions.values.mapv(f64::abs).mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
    let gain = model.gain();
    let mut found: Vec<Importance> = schema
        .names()
        .into_iter()
        .map(|name| Importance { column: name.to_owned(), contribution: 0.0, gain: gain.as_ref().map(|_| 0.0) })
        .collect();
    for (kept, place) in schema.kept_places().into_iter().enumerate() {
        if let Some(entry) = found.get_mut(place) {
            entry.contribution = means.get(kept).copied().unwrap_or(0.0);
            entry.gain = gain.as_ref().and_then(|gain| gain.get(kept)).copied();
        }
    }
    Ok(found)
}
