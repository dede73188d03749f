//! The stacked regressor.

use linfa::ParamGuard;
use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::out_of_fold::{Judged, Members, pair_up, shared, side_by_side, weighed};
use super::scale::on_values;
use super::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale, StackValidParams};
use crate::input;
use crate::linear::{FittedRidge, RidgeParams};
use crate::split::{Fold, value_folds};

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
pub struct StackedRegressor<F = Box<dyn Fitted>> {
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
        if !pair_up(members.len(), meta.coefficients().len()) {
            return Err(EnsembleError::Damaged { what: "members and weights do not pair up" });
        }
        Ok(Self { members, meta })
    }
}

impl StackValidParams {
    /// Fits regressors on rows with finite targets, over shuffled folds.
    ///
    /// The meta-model is a linear least-squares fit with the parameters' penalty and signs; there is no calibration.
    ///
    /// # Errors
    /// [`EnsembleError`]: a member's own error under its name, or what the arrays lack.
    pub fn fit_regressors<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        rows: Rows<'_>,
    ) -> Result<(StackedRegressor<F>, RegressionStackReport), EnsembleError> {
        let folds = value_folds(rows.y.len(), self.folds, self.seed)?;
        self.fit_regressors_folds(learners, rows, &folds)
    }

    /// The same over folds that are given: by time, or by group.
    ///
    /// # Errors
    /// As [`Self::fit_regressors`].
    pub fn fit_regressors_folds<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        rows: Rows<'_>,
        folds: &[Fold],
    ) -> Result<(StackedRegressor<F>, RegressionStackReport), EnsembleError> {
        input::same_rows("the target", rows.y.len(), rows.x.nrows())?;
        input::finite("the target", &rows.y)?;
        let joined = Members { params: self, learners, rows, folds }.join(f64::is_finite)?;
        let judged = joined.judged;
        let (meta, own) = self.fit_ridge(&judged, folds)?;
        let report = RegressionStackReport {
            members: learners.iter().zip(meta.coefficients()).map(|(l, b)| (l.name().to_owned(), *b)).collect(),
            member_rmse: judged.z.columns().into_iter().map(|found| judged.rmse(found)).collect(),
            rmse: judged.rmse(own.view()),
            rows: judged.rows,
            out_of_fold: own.to_vec(),
        };
        Ok((StackedRegressor { members: joined.members, meta }, report))
    }

    fn fit_ridge(&self, judged: &Judged, folds: &[Fold]) -> Result<(FittedRidge, Array1<f64>), EnsembleError> {
        let failed = |source| EnsembleError::Meta { source };
        let params = RidgeParams::new().non_negative(self.non_negative);
        judged.best_meta(
            self,
            folds,
            |penalty, rows| {
                let params = params.clone().penalty(penalty).check().map_err(failed)?;
                params.fit_arrays(rows.x, rows.y, rows.weights).map_err(failed)
            },
            |meta, z| meta.predict_values(&z.view()),
            |found| Ok(judged.rmse(found)),
        )
    }
}

impl Judged {
    fn rmse(&self, predicted: ArrayView1<'_, f64>) -> f64 {
        let squares = self.y.iter().zip(predicted).map(|(target, value)| (target - value) * (target - value));
        match &self.weights {
            Some(weights) => (squares.zip(weights).map(|(s, w)| s * w).sum::<f64>() / weights.sum()).sqrt(),
            None => (squares.sum::<f64>() / self.y.len() as f64).sqrt(),
        }
    }
}

impl<F> StackedRegressor<F> {
    /// Its members, in the order of the learners: one of each, or one of each fold of each.
    pub fn members(&self) -> &[F] {
        &self.members
    }

    /// What each member's prediction is multiplied by.
    pub fn weights(&self) -> Vec<f64> {
        shared(self.meta.coefficients(), self.members.len())
    }

    /// What weighs their predictions.
    pub fn meta(&self) -> &FittedRidge {
        &self.meta
    }
}

impl<F: Fitted> StackedRegressor<F> {
    /// Expected target of each row.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn predict_values(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let names = vec!["of the stack"; self.meta.coefficients().len()];
        let z = side_by_side(&self.members, &names, x, f64::is_finite, |_, value| value)?;
        Ok(self.meta.predict_values(&z.view()))
    }

    /// Weights times the members' contributions, in units of the target.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let (baseline, values) =
            weighed(&self.members, self.meta.coefficients(), self.meta.intercept(), x, |_, part| on_values(part))?;
        Ok(Contributions { baseline, values, scale: Scale::Value })
    }
}
