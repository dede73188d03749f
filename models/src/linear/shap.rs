//! Exact Shapley values of a linear score.

use ndarray::{Array2, ArrayView2};

/// What each column adds to a linear score, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearContributions {
    /// The score at the training mean: what the contributions of a row start from.
    pub baseline: f64,
    /// (n_samples, n_features), in units of the score. A row sums to its score minus the baseline.
    pub values: Array2<f64>,
}

/// Interventional Shapley values of `b0 + x b` about the training mean: `b_j (x_j - mean_j)`.
///
/// Exact for a linear score (Lundberg & Lee 2017, corollary 1). A missing value gives NaN.
pub(super) fn contributions(
    x: &ArrayView2<'_, f64>,
    coefficients: &[f64],
    intercept: f64,
    means: &[f64],
) -> LinearContributions {
    let baseline = intercept + coefficients.iter().zip(means).map(|(b, mean)| b * mean).sum::<f64>();
    let mut values = x.to_owned();
    for mut row in values.rows_mut() {
        for ((value, b), mean) in row.iter_mut().zip(coefficients).zip(means) {
            *value = b * (*value - mean);
        }
    }
    LinearContributions { baseline, values }
}
