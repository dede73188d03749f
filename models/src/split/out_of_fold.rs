//! Predictions of rows by models that had not learnt from them.

use ndarray::Array1;

use super::Fold;

/// Predictions of the rows that some fold judges.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFold {
    /// Rows with a prediction, rising. With time splits not every row has one.
    pub rows: Vec<usize>,
    /// Their predictions; the mean where several folds judge a row.
    pub values: Array1<f64>,
}

/// Calls `predict` with the number of each fold and the fold: it fits on `train` and predicts `test`, row by row.
///
/// # Errors
/// The first error of `predict`.
pub fn out_of_fold<E>(
    folds: &[Fold],
    mut predict: impl FnMut(usize, &Fold) -> Result<Array1<f64>, E>,
) -> Result<OutOfFold, E> {
    let mut found: Vec<(usize, f64)> = Vec::new();
    for (number, fold) in folds.iter().enumerate() {
        let values = predict(number, fold)?;
        found.extend(fold.test.iter().copied().zip(values));
    }
    // Stable: predictions of one row are added in the order of the folds.
    found.sort_by_key(|(row, _)| *row);
    let mut result = OutOfFold { rows: Vec::new(), values: Array1::default(0) };
    let mut values = Vec::new();
    for run in found.chunk_by(|a, b| a.0 == b.0) {
        result.rows.extend(run.first().map(|(row, _)| *row));
        values.push(run.iter().map(|(_, value)| value).sum::<f64>() / run.len() as f64);
    }
    result.values = Array1::from(values);
    Ok(result)
}
