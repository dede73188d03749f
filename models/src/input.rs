//! What every estimator asks of its arrays, and how it says no.

use ndarray::{ArrayView1, ArrayView2};

/// Arrays that cannot be learnt from or judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InputError {
    /// No rows, or no columns where some are needed.
    #[error("{what} is empty: give at least one row")]
    Empty { what: &'static str },
    /// Two arrays that go row by row are of different length.
    #[error("{what} has {found} rows where {expected} are expected: every row needs exactly one")]
    Rows { what: &'static str, found: usize, expected: usize },
    /// A matrix of another width than the model was fitted on.
    #[error(
        "the matrix has {found} columns where the model was fitted on {expected}: prepare it with the same encoder"
    )]
    Columns { found: usize, expected: usize },
    /// A feature that is NaN or infinite.
    #[error("column {column} ({name}) is {value} in row {row}: fill missing and infinite values first, with `encode`")]
    NotFinite { column: usize, name: String, row: usize, value: f64 },
    /// A label that is neither 0 nor 1.
    #[error("the label of row {row} is {value}: a label is 0 or 1; leave rows without a known label out")]
    Label { row: usize, value: f64 },
    /// A target or score that is NaN or infinite.
    #[error("{what} of row {row} is {value}: it must be a finite number")]
    Value { what: &'static str, row: usize, value: f64 },
    /// A probability outside [0, 1].
    #[error("the probability of row {row} is {value}: it must lie in [0, 1]")]
    Probability { row: usize, value: f64 },
    /// A weight that is negative, NaN or infinite.
    #[error("the weight of row {row} is {value}: a weight is finite and not negative")]
    Weight { row: usize, value: f64 },
    /// All weights are zero.
    #[error("every weight is zero: nothing is left to learn from or to judge")]
    NoWeight,
    /// Only one class carries weight.
    #[error("every label with weight is {value}: both classes are needed; widen the period or change the label")]
    OneClass { value: f64 },
}

/// A name for a column: what the caller calls it, else its number.
pub(crate) fn column_name(names: &[String], column: usize) -> String {
    names.get(column).cloned().unwrap_or_else(|| format!("feature-{column}"))
}

/// `found` rows where `expected` are due.
pub(crate) fn same_rows(what: &'static str, found: usize, expected: usize) -> Result<(), InputError> {
    if found == expected { Ok(()) } else { Err(InputError::Rows { what, found, expected }) }
}

/// A matrix of the width that a model was fitted on.
pub(crate) fn same_columns(x: &ArrayView2<'_, f64>, expected: usize) -> Result<(), InputError> {
    let found = x.ncols();
    if found == expected { Ok(()) } else { Err(InputError::Columns { found, expected }) }
}

/// Labels 0 and 1, at least one row.
pub(crate) fn labels(y: &ArrayView1<'_, f64>) -> Result<(), InputError> {
    if y.is_empty() {
        return Err(InputError::Empty { what: "the label" });
    }
    match y.iter().enumerate().find(|(_, value)| **value != 0.0 && **value != 1.0) {
        Some((row, value)) => Err(InputError::Label { row, value: *value }),
        None => Ok(()),
    }
}

/// Labels 0 and 1 of which both carry weight. Gives the weight of all rows and of the positives.
pub(crate) fn two_classes(
    y: &ArrayView1<'_, f64>,
    weights: Option<&ArrayView1<'_, f64>>,
) -> Result<(f64, f64), InputError> {
    labels(y)?;
    let total = weight(y.len(), weights)?;
    let positive = match weights {
        Some(weights) => y.iter().zip(weights).map(|(label, weight)| label * weight).sum(),
        None => y.sum(),
    };
    if positive == 0.0 {
        return Err(InputError::OneClass { value: 0.0 });
    }
    let negative = match weights {
        Some(weights) => y.iter().zip(weights).map(|(label, weight)| (1.0 - label) * weight).sum(),
        None => total - positive,
    };
    if negative == 0.0 { Err(InputError::OneClass { value: 1.0 }) } else { Ok((total, positive)) }
}

/// Finite values, at least one row.
pub(crate) fn finite(what: &'static str, values: &ArrayView1<'_, f64>) -> Result<(), InputError> {
    if values.is_empty() {
        return Err(InputError::Empty { what });
    }
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((row, value)) => Err(InputError::Value { what, row, value: *value }),
        None => Ok(()),
    }
}

/// Values in [0, 1].
pub(crate) fn probabilities(values: &ArrayView1<'_, f64>) -> Result<(), InputError> {
    match values.iter().enumerate().find(|(_, value)| !(0.0..=1.0).contains(*value)) {
        Some((row, value)) => Err(InputError::Probability { row, value: *value }),
        None => Ok(()),
    }
}

/// The sum of the weights, each finite and not negative; the number of rows where there are none.
pub(crate) fn weight(rows: usize, weights: Option<&ArrayView1<'_, f64>>) -> Result<f64, InputError> {
    let Some(weights) = weights else { return Ok(rows as f64) };
    same_rows("the weights", weights.len(), rows)?;
    if let Some((row, value)) = weights.iter().enumerate().find(|(_, value)| !value.is_finite() || **value < 0.0) {
        return Err(InputError::Weight { row, value: *value });
    }
    let total = weights.sum();
    if total > 0.0 { Ok(total) } else { Err(InputError::NoWeight) }
}

/// Weights as f64 from a linfa dataset, which keeps them as f32; `None` where it has none.
pub(crate) fn dataset_weights(weights: &ndarray::Array1<f32>) -> Option<ndarray::Array1<f64>> {
    (!weights.is_empty()).then(|| weights.mapv(f64::from))
}
