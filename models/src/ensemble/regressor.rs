//! The stacked regressor.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{Contributions, EnsembleError, FittedRegressor, RegressionLearner, Scale, StackValidParams};
use crate::input;
use crate::linear::{FittedRidge, RidgeParams};
use crate::split::{Fold, OutOfFold, out_of_fold, value_folds};

/// What the stack learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionStackReport {
    /// Members' names and what their predictions are multiplied by.
    pub members: Vec<(String, f64)>,
    /// Members' out-of-fold root mean squared errors, in units of the target.
    pub member_rmse: Vec<f64>,
    /// The stack's own over the same folds: neither members nor meta-model had learnt from a row.
    pub rmse: f64,
    /// Rows with out-of-fold predictions, rising.
    pub rows: Vec<usize>,
    /// Their predictions by the stack: what conformal intervals are calibrated on.
    pub out_of_fold: Vec<f64>,
}

/// A fitted stack; serialisable where its members are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "F: Serialize", deserialize = "F: Deserialize<'de>"), try_from = "Stored<F>")]
pub struct StackedRegressor<F = Box<dyn FittedRegressor>> {
    members: Vec<F>,
    meta: FittedRidge,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored<F> {
    members: Vec<F>,
    meta: FittedRidge,
}

impl<F> TryFrom<Stored<F>> for StackedRegressor<F> {
    type Error = EnsembleError;

    fn try_from(stored: Stored<F>) -> Result<Self, EnsembleError> {
        let Stored { members, meta } = stored;
        if members.is_empty() || members.len() != meta.coefficients().len() {
            return Err(EnsembleError::Damaged { what: "members and weights do not pair up" });
        }
        Ok(Self { members, meta })
    }
}

/// Training rows of a stack.
struct Rows<'a> {
    x: ArrayView2<'a, f64>,
    y: ArrayView1<'a, f64>,
    weights: Option<ArrayView1<'a, f64>>,
}

impl Rows<'_> {
    fn fit<F>(&self, learner: &dyn RegressionLearner<F>, rows: &[usize], seed: u64) -> Result<F, EnsembleError> {
        let weights = self.weights.map(|weights| weights.select(Axis(0), rows));
        let (x, y) = (self.x.select(Axis(0), rows), self.y.select(Axis(0), rows));
        learner.fit(x.view(), y.view(), weights.as_ref().map(|weights| weights.view()), seed)
    }

    fn out_of_fold<F: FittedRegressor>(
        &self,
        learner: &dyn RegressionLearner<F>,
        folds: &[Fold],
        seed: impl Fn(usize) -> u64,
    ) -> Result<OutOfFold, EnsembleError> {
        out_of_fold(folds, |number, fold| {
            let model = self.fit(learner, &fold.train, seed(number))?;
            let found = model.values(&self.x.select(Axis(0), &fold.test).view())?;
            check_answer(learner.name(), &found, fold.test.len())?;
            Ok(found)
        })
    }
}

impl StackValidParams {
    /// Fits regressors on `x` (n_samples, n_features; NaN is missing) and finite targets, over shuffled folds.
    ///
    /// The meta-model is a linear least-squares fit with the parameters' penalty and signs; there is no calibration.
    ///
    /// # Errors
    /// [`EnsembleError`]: a member's own error under its name, or what the arrays lack.
    pub fn fit_regressors<F: FittedRegressor>(
        &self,
        learners: &[&dyn RegressionLearner<F>],
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<(StackedRegressor<F>, RegressionStackReport), EnsembleError> {
        let folds = value_folds(y.len(), self.folds, self.seed)?;
        self.fit_regressors_folds(learners, x, y, weights, &folds)
    }

    /// The same over folds that are given: by time, or by group.
    ///
    /// # Errors
    /// As [`Self::fit_regressors`].
    pub fn fit_regressors_folds<F: FittedRegressor>(
        &self,
        learners: &[&dyn RegressionLearner<F>],
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        folds: &[Fold],
    ) -> Result<(StackedRegressor<F>, RegressionStackReport), EnsembleError> {
        input::same_rows("the target", y.len(), x.nrows())?;
        input::finite("the target", &y)?;
        if learners.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let rows = Rows { x: x.view(), y: y.view(), weights: weights.as_ref().map(|weights| weights.view()) };
        let mut predictions = Vec::with_capacity(learners.len());
        for (number, learner) in learners.iter().enumerate() {
            predictions.push(rows.out_of_fold(*learner, folds, |fold| self.member_seed(number, fold))?);
        }
        let judged = Judged::new(&rows, &predictions);
        let (meta, own) = self.fit_ridge(&judged, folds)?;
        let report = RegressionStackReport {
            members: learners.iter().zip(meta.coefficients()).map(|(l, b)| (l.name().to_owned(), *b)).collect(),
            member_rmse: predictions.iter().map(|member| judged.rmse(&member.values)).collect(),
            rmse: judged.rmse(&own),
            rows: judged.rows,
            out_of_fold: own.to_vec(),
        };
        let all: Vec<usize> = (0..rows.y.len()).collect();
        let members = learners.iter().enumerate();
        let members = members.map(|(number, learner)| rows.fit(*learner, &all, self.member_seed(number, folds.len())));
        Ok((StackedRegressor { members: members.collect::<Result<_, _>>()?, meta }, report))
    }

    /// The meta-model on all judged rows, and its predictions out of fold.
    fn fit_ridge(&self, judged: &Judged, folds: &[Fold]) -> Result<(FittedRidge, Array1<f64>), EnsembleError> {
        let failed = |source| EnsembleError::Meta { source };
        let params =
            RidgeParams::new().penalty(self.penalty).non_negative(self.non_negative).check().map_err(failed)?;
        let fit = |places: &[usize]| {
            let weights = judged.weights.as_ref().map(|weights| weights.select(Axis(0), places));
            let (z, y) = (judged.z.select(Axis(0), places), judged.y.select(Axis(0), places));
            params.fit_arrays(z.view(), y.view(), weights.as_ref().map(|weights| weights.view())).map_err(failed)
        };
        let all: Vec<usize> = (0..judged.rows.len()).collect();
        let meta = fit(&all)?;
        let mut own = meta.predict_values(&judged.z.view());
        for fold in folds {
            let test: Vec<usize> = fold.test.iter().filter_map(|row| judged.rows.binary_search(row).ok()).collect();
            let mut rest = all.clone();
            rest.retain(|place| test.binary_search(place).is_err());
            // One fold alone leaves nothing to fit on: then the meta-model of all rows must do.
            if rest.is_empty() {
                continue;
            }
            let found = fit(&rest)?.predict_values(&judged.z.select(Axis(0), &test).view());
            for (place, value) in test.iter().zip(found) {
                if let Some(slot) = own.get_mut(*place) {
                    *slot = value;
                }
            }
        }
        Ok((meta, own))
    }
}

/// Rows with out-of-fold predictions of every member.
struct Judged {
    rows: Vec<usize>,
    /// Predictions, (rows, members).
    z: Array2<f64>,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
}

impl Judged {
    fn new(rows: &Rows<'_>, predictions: &[OutOfFold]) -> Self {
        let judged = predictions.first().map(|first| first.rows.clone()).unwrap_or_default();
        let mut z = Array2::zeros((judged.len(), predictions.len()));
        for (mut column, prediction) in z.columns_mut().into_iter().zip(predictions) {
            column.assign(&prediction.values);
        }
        let weights = rows.weights.map(|weights| weights.select(Axis(0), &judged));
        Self { z, y: rows.y.select(Axis(0), &judged), weights, rows: judged }
    }

    fn rmse(&self, predicted: &Array1<f64>) -> f64 {
        let squares = self.y.iter().zip(predicted).map(|(target, value)| (target - value) * (target - value));
        match &self.weights {
            Some(weights) => (squares.zip(weights).map(|(s, w)| s * w).sum::<f64>() / weights.sum()).sqrt(),
            None => (squares.sum::<f64>() / self.y.len() as f64).sqrt(),
        }
    }
}

fn check_answer(member: &str, found: &Array1<f64>, rows: usize) -> Result<(), EnsembleError> {
    let what = match found.iter().find(|value| !value.is_finite()) {
        Some(value) => format!("the value {value}"),
        None if found.len() != rows => format!("{} values for {rows} rows", found.len()),
        None => return Ok(()),
    };
    Err(EnsembleError::Answer { member: member.to_owned(), what })
}

impl<F: FittedRegressor> StackedRegressor<F> {
    /// Its members, in the order of the learners.
    pub fn members(&self) -> &[F] {
        &self.members
    }

    /// Expected target of each row.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn predict_values(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let mut z = Array2::zeros((x.nrows(), self.members.len()));
        for (mut column, member) in z.columns_mut().into_iter().zip(&self.members) {
            let found = member.values(x)?;
            check_answer("of the stack", &found, x.nrows())?;
            column.assign(&found);
        }
        Ok(self.meta.predict_values(&z.view()))
    }

    /// Weights times the members' contributions, in units of the target.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let mut baseline = self.meta.intercept();
        let mut values = Array2::zeros(x.raw_dim());
        for (member, weight) in self.members.iter().zip(self.meta.coefficients()) {
            let part = member.contributions(x)?;
            input::same_columns(&part.values.view(), x.ncols())?;
            baseline += weight * part.baseline;
            values.scaled_add(*weight, &part.values);
        }
        Ok(Contributions { baseline, values, scale: Scale::Value })
    }
}
