//! Linear least squares and ridge regression.

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};
use serde::{Deserialize, Serialize};

use super::LinearError;
use super::cholesky;
use super::descent::Quadratic;
use super::design::{Design, Layout};
use super::logistic::{check_linear, linear_score};
use super::objective::{Penalty, add_curvature, original_scale};
use super::shap::{LinearContributions, contributions};
use crate::input;
use crate::parameters::{ParameterError, guarded, range, setters};

/// Checked parameters of a ridge regression. Made by [`RidgeParams::check`](linfa::ParamGuard::check).
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeValidParams {
    penalty: f64,
    standardize: bool,
    non_negative: bool,
    threads: usize,
}

/// Linear least squares with an L2 penalty, which may be 0.
///
/// Minimises over intercept `b0` and coefficients `b` of the standardised columns `z`
///
/// ```text
/// 1/2 sum_i w_i (y_i - b0 - z_i b)^2 + penalty/2 |b|_2^2
/// ```
///
/// which is scikit-learn's `Ridge(alpha = penalty)` on the output of its `StandardScaler` (Hoerl & Kennard 1970,
/// eq. 2.1). Solved by the normal equations of the standardised columns: collinear ones share the smallest solution,
/// nearly. Units: coefficients are target units per column unit.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeParams(RidgeValidParams);

impl Default for RidgeParams {
    fn default() -> Self {
        Self::new()
    }
}

impl RidgeParams {
    /// Plain least squares, standardised, on one thread.
    pub fn new() -> Self {
        Self(RidgeValidParams { penalty: 0.0, standardize: true, non_negative: false, threads: 1 })
    }
}

setters! {
    RidgeParams {
        /// Strength of the penalty: `alpha` of scikit-learn. Not negative.
        penalty: f64,
        /// Whether the penalty sees standardised columns.
        standardize: bool,
        /// Holds every coefficient at 0 or above; the intercept is free.
        non_negative: bool,
        /// Threads that share the rows; they do not change the result.
        threads: usize,
    }
}

guarded!(RidgeParams => RidgeValidParams, LinearError);

/// A fitted ridge regression, told in terms of the columns as they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct FittedRidge {
    coefficients: Vec<f64>,
    intercept: f64,
    means: Vec<f64>,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    coefficients: Vec<f64>,
    intercept: f64,
    means: Vec<f64>,
}

impl TryFrom<Stored> for FittedRidge {
    type Error = LinearError;

    fn try_from(stored: Stored) -> Result<Self, LinearError> {
        let Stored { coefficients, intercept, means } = stored;
        check_linear(&coefficients, intercept, &means)?;
        Ok(Self { coefficients, intercept, means })
    }
}

impl RidgeValidParams {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        let Self { penalty, threads, .. } = *self;
        range("penalty", penalty, "finite and not negative", penalty >= 0.0 && penalty.is_finite())?;
        range("threads", threads, "at least 1", threads > 0)
    }

    /// Fits `x` (n_samples, n_features) to finite targets, with weights in f64.
    ///
    /// # Errors
    /// [`InputError`](crate::InputError) for a missing or infinite value (it names the row and column), a bad weight or
    /// other lengths.
    pub fn fit_arrays(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<FittedRidge, LinearError> {
        self.fit_named(x, y, weights, &[])
    }

    fn fit_named(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        names: &[String],
    ) -> Result<FittedRidge, LinearError> {
        input::finite("the target", &y)?;
        let layout = Layout { standardize: self.standardize, intercept: true, threads: self.threads };
        let mut design = Design::new(x, y, weights, names, layout)?;
        // Centred whatever is penalised: the normal equations stay exact for columns far from 0.
        design.shifts.clone_from(&design.means);
        let (gram, right) = normal_equations(&design);
        let point = self.solve(gram, &right).ok_or(LinearError::Diverged { iterations: 1 })?;
        let (coefficients, intercept) = original_scale(&design, &point);
        Ok(FittedRidge { coefficients, intercept, means: design.means })
    }

    fn solve(&self, mut gram: Array2<f64>, right: &[f64]) -> Option<Vec<f64>> {
        let last = right.len() - 1;
        if self.non_negative {
            let zero = vec![0.0; right.len()];
            let gradient: Vec<f64> = right.iter().map(|value| -value).collect();
            let quadratic = Quadratic {
                hessian: &gram,
                gradient: &gradient,
                point: &zero,
                penalty: Penalty { l1: 0.0, l2: self.penalty },
                non_negative: true,
            };
            return Some(quadratic.minimise(0.0));
        }
        gram.diag_mut().iter_mut().take(last).for_each(|value| *value += self.penalty);
        gram.diag_mut().iter_mut().filter(|value| **value <= 0.0).for_each(|value| *value = 1.0);
        cholesky::solve(&gram, right)
    }
}

/// `Z' W Z` and `Z' W y`, the column of ones last.
fn normal_equations(design: &Design<'_>) -> (Array2<f64>, Vec<f64>) {
    let columns = design.columns();
    let active: Vec<usize> = (0..columns).collect();
    let start = || (Array2::zeros((columns + 1, columns + 1)), vec![0.0; columns + 1]);
    let parts = design.accumulate(start, |(gram, right), chunk| {
        let weights = design.weights.as_ref().and_then(|weights| weights.get(chunk.range()));
        let weights: Vec<f64> = weights.map_or_else(|| vec![1.0; chunk.range().len()], <[f64]>::to_vec);
        let roots: Vec<f64> = weights.iter().map(|weight| weight.sqrt()).collect();
        add_curvature(gram, design, chunk, &roots, &active);
        let targets = design.targets.get(chunk.range()).unwrap_or_default();
        let (inner, last) = right.split_at_mut(columns);
        for ((row, weight), target) in chunk.rows().zip(&weights).zip(targets) {
            let scaled = row.iter().zip(&design.shifts).zip(&design.factors);
            for (sum, ((value, shift), factor)) in inner.iter_mut().zip(scaled) {
                *sum += weight * target * (value - shift) * factor;
            }
        }
        let sum: f64 = weights.iter().zip(targets).map(|(weight, target)| weight * target).sum();
        last.iter_mut().for_each(|value| *value += sum);
    });
    let mut all = start();
    for (gram, right) in parts {
        all.0 += &gram;
        all.1.iter_mut().zip(right).for_each(|(sum, value)| *sum += value);
    }
    all
}

impl<D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>> Fit<ArrayBase<D, Ix2>, T, LinearError> for RidgeValidParams {
    type Object = FittedRidge;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<FittedRidge, LinearError> {
        let weights = input::dataset_weights(&dataset.weights);
        let weights = weights.as_ref().map(|weights| weights.view());
        self.fit_named(dataset.records.view(), dataset.targets.as_single_targets(), weights, dataset.feature_names())
    }
}

impl FittedRidge {
    /// Change of the target for one unit of each column.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The target where every column is 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// Expected target of each row: NaN where a value is missing, or everywhere for a matrix of another width.
    pub fn predict_values(&self, x: &ArrayView2<'_, f64>) -> Array1<f64> {
        linear_score(x, &self.coefficients, self.intercept)
    }

    /// Exact interventional Shapley values of the prediction about the training mean.
    ///
    /// # Errors
    /// [`InputError::Columns`](crate::InputError::Columns) for a matrix of another width.
    pub fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<LinearContributions, LinearError> {
        input::same_columns(x, self.coefficients.len())?;
        Ok(contributions(x, &self.coefficients, self.intercept, &self.means))
    }
}

impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for FittedRidge {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        *y = self.predict_values(&x.view());
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
