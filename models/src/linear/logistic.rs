//! Logistic regression: fit and predict.

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::{Fit, FitWith, PredictInplace};
use ndarray::{Array1, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};
use serde::{Deserialize, Serialize};

use super::design::{Design, Layout};
use super::objective::{original_scale, sigmoid};
use super::shap::{LinearContributions, contributions};
use super::{LinearError, LogisticValidParams};
use crate::input::{self, InputError};

/// A fitted logistic regression, told in terms of the columns as they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct FittedLogistic {
    coefficients: Vec<f64>,
    intercept: f64,
    means: Vec<f64>,
    objective: f64,
    iterations: usize,
    converged: bool,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    coefficients: Vec<f64>,
    intercept: f64,
    means: Vec<f64>,
    objective: f64,
    iterations: usize,
    converged: bool,
}

impl TryFrom<Stored> for FittedLogistic {
    type Error = LinearError;

    fn try_from(stored: Stored) -> Result<Self, LinearError> {
        let Stored { coefficients, intercept, means, objective, iterations, converged } = stored;
        check_linear(&coefficients, intercept, &means)?;
        if !objective.is_finite() {
            return Err(LinearError::damaged("the objective is not finite"));
        }
        Ok(Self { coefficients, intercept, means, objective, iterations, converged })
    }
}

/// Coefficients, intercept and means that a fit can have written.
pub(super) fn check_linear(coefficients: &[f64], intercept: f64, means: &[f64]) -> Result<(), LinearError> {
    if coefficients.len() != means.len() {
        let what = format!("{} coefficients for {} means", coefficients.len(), means.len());
        return Err(LinearError::Damaged { what });
    }
    if coefficients.iter().chain(means).chain(&[intercept]).any(|value| !value.is_finite()) {
        return Err(LinearError::damaged("a coefficient, a mean or the intercept is not finite"));
    }
    Ok(())
}

impl LogisticValidParams {
    /// Fits `x` (n_samples, n_features) to labels 0 and 1, with weights in f64 and, for a warm start, a model of the
    /// same columns.
    ///
    /// # Errors
    /// [`InputError`] for a missing or infinite value (it names the row and column), a label that is not 0 or 1, one
    /// class only, a bad weight or other lengths; [`LinearError::Diverged`] where the loss overflows.
    pub fn fit_arrays(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        start: Option<&FittedLogistic>,
    ) -> Result<FittedLogistic, LinearError> {
        self.fit_named(x, y, weights, start, &[])
    }

    fn fit_named(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        start: Option<&FittedLogistic>,
        names: &[String],
    ) -> Result<FittedLogistic, LinearError> {
        input::two_classes(&y, weights.as_ref())?;
        let layout = Layout { standardize: self.standardize, intercept: self.intercept, threads: self.threads };
        let design = Design::new(x, y, weights, names, layout)?;
        let start = match start {
            Some(model) => Some(model.standardized(&design)?),
            None => None,
        };
        let solution = self.problem().solve(&design, start)?;
        let (coefficients, intercept) = original_scale(&design, &solution.point);
        Ok(FittedLogistic {
            coefficients,
            intercept,
            means: design.means,
            objective: solution.objective,
            iterations: solution.iterations,
            converged: solution.converged,
        })
    }
}

impl<D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>> Fit<ArrayBase<D, Ix2>, T, LinearError>
    for LogisticValidParams
{
    type Object = FittedLogistic;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<FittedLogistic, LinearError> {
        self.fit_with(None, dataset)
    }
}

/// Warm start: from the last model, or from nothing.
impl<'a, D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64> + 'a> FitWith<'a, ArrayBase<D, Ix2>, T, LinearError>
    for LogisticValidParams
{
    type ObjectIn = Option<&'a FittedLogistic>;
    type ObjectOut = FittedLogistic;

    fn fit_with(
        &self,
        start: Option<&'a FittedLogistic>,
        dataset: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<FittedLogistic, LinearError> {
        let weights = input::dataset_weights(&dataset.weights);
        self.fit_named(
            dataset.records.view(),
            dataset.targets.as_single_targets(),
            weights.as_ref().map(|weights| weights.view()),
            start,
            dataset.feature_names(),
        )
    }
}

impl FittedLogistic {
    /// Change of the log-odds for one unit of each column.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Log-odds where every column is 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// Weighted mean of each column in training.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The minimised objective, penalty included.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// Steps on all rows.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Whether the fit ended by its tolerance.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Log-odds of each row: NaN where a value is missing, or everywhere for a matrix of another width.
    pub fn log_odds(&self, x: &ArrayView2<'_, f64>) -> Array1<f64> {
        linear_score(x, &self.coefficients, self.intercept)
    }

    /// Probability of the label 1, `1 / (1 + exp(-log-odds))`: NaN where a value is missing, or everywhere for a matrix
    /// of another width. [`Self::check_columns`] tells the latter apart.
    pub fn predict_probabilities(&self, x: &ArrayView2<'_, f64>) -> Array1<f64> {
        self.log_odds(x).mapv_into(sigmoid)
    }

    /// Exact interventional Shapley values of the log-odds about the training mean.
    ///
    /// # Errors
    /// [`InputError::Columns`] for a matrix of another width.
    pub fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<LinearContributions, LinearError> {
        self.check_columns(x)?;
        Ok(contributions(x, &self.coefficients, self.intercept, &self.means))
    }

    /// That a matrix has the columns of the fit.
    ///
    /// # Errors
    /// [`InputError::Columns`] where it has not.
    pub fn check_columns(&self, x: &ArrayView2<'_, f64>) -> Result<(), InputError> {
        input::same_columns(x, self.coefficients.len())
    }

    /// This model as a point on the standardised columns of a design.
    fn standardized(&self, design: &Design<'_>) -> Result<Vec<f64>, LinearError> {
        let (found, expected) = (design.columns(), self.coefficients.len());
        if found != expected {
            return Err(InputError::Columns { found, expected }.into());
        }
        let shift: f64 = self.coefficients.iter().zip(&design.shifts).map(|(b, shift)| b * shift).sum();
        let scaled = self.coefficients.iter().zip(&design.factors).map(|(b, f)| if *f > 0.0 { b / f } else { 0.0 });
        Ok(scaled.chain([if design.intercept { self.intercept + shift } else { 0.0 }]).collect())
    }
}

/// `b0 + x b`, NaN everywhere for a matrix of another width.
pub(super) fn linear_score(x: &ArrayView2<'_, f64>, coefficients: &[f64], intercept: f64) -> Array1<f64> {
    if x.ncols() != coefficients.len() {
        return Array1::from_elem(x.nrows(), f64::NAN);
    }
    x.map_axis(Axis(1), |row| intercept + row.iter().zip(coefficients).map(|(value, b)| value * b).sum::<f64>())
}

/// Probabilities, as linfa's other classifiers of this crate give them.
impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for FittedLogistic {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        *y = self.predict_probabilities(&x.view());
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

#[cfg(test)]
impl FittedLogistic {
    /// A model that no fit made, to start from.
    pub(super) fn try_from_parts(coefficients: Vec<f64>, intercept: f64) -> Self {
        let means = vec![0.0; coefficients.len()];
        Self { coefficients, intercept, means, objective: 0.0, iterations: 0, converged: false }
    }
}
