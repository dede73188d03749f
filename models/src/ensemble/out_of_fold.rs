//! What stacks of classifiers and of regressors share: members over folds, and a meta-model over the same folds.

use ndarray::{Array1, Array2, Axis};

use super::{EnsembleError, Fitted, Learner, Rows, StackValidParams};
use crate::split::{Fold, OutOfFold, out_of_fold};

/// Learners with their rows and folds.
pub(super) struct Members<'a, 'r, F> {
    pub(super) params: &'a StackValidParams,
    pub(super) learners: &'a [&'a dyn Learner<F>],
    pub(super) rows: Rows<'r>,
    pub(super) folds: &'a [Fold],
}

/// Members' predictions of rows that they had not learnt from, and members fitted on all rows.
pub(super) struct Joined<F> {
    pub(super) members: Vec<F>,
    pub(super) judged: Judged,
}

impl<F: Fitted> Members<'_, '_, F> {
    /// Settles, predicts out of fold and fits on all rows each learner in turn. `check` looks at a prediction.
    pub(super) fn join(&self, check: impl Fn(f64) -> bool) -> Result<Joined<F>, EnsembleError> {
        if self.learners.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let (mut members, mut predictions) = (Vec::new(), Vec::new());
        for (number, given) in self.learners.iter().enumerate() {
            let seed = |fold: usize| self.params.member_seed(number, fold);
            let settled = given.settle(self.rows, self.folds, seed(self.folds.len() + 1))?;
            let learner = settled.as_deref().unwrap_or(*given);
            predictions.push(out_of_fold(self.folds, |fold_number, fold| {
                let model = self.rows.fit(learner, &fold.train, seed(fold_number))?;
                let found = model.predict(&self.rows.x.select(Axis(0), &fold.test).view())?;
                check_answer(learner.name(), &found, fold.test.len(), &check)?;
                Ok::<_, EnsembleError>(found)
            })?);
            members.push(learner.fit(self.rows, seed(self.folds.len()))?);
        }
        Ok(Joined { members, judged: Judged::new(self.rows, &predictions) })
    }
}

/// That a model gave one sound value a row.
pub(super) fn check_answer(
    member: &str,
    found: &Array1<f64>,
    rows: usize,
    check: impl Fn(f64) -> bool,
) -> Result<(), EnsembleError> {
    let what = match found.iter().find(|value| !check(**value)) {
        Some(value) => format!("the value {value}"),
        None if found.len() != rows => format!("{} values for {rows} rows", found.len()),
        None => return Ok(()),
    };
    Err(EnsembleError::Answer { member: member.to_owned(), what })
}

/// What a classifier may answer.
pub(super) fn is_probability(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// Rows with out-of-fold predictions of every member.
pub(super) struct Judged {
    pub(super) rows: Vec<usize>,
    /// Predictions, (rows, members).
    pub(super) z: Array2<f64>,
    pub(super) y: Array1<f64>,
    pub(super) weights: Option<Array1<f64>>,
}

impl Judged {
    fn new(rows: Rows<'_>, predictions: &[OutOfFold]) -> Self {
        let judged = predictions.first().map(|first| first.rows.clone()).unwrap_or_default();
        let mut z = Array2::zeros((judged.len(), predictions.len()));
        for (mut column, prediction) in z.columns_mut().into_iter().zip(predictions) {
            column.assign(&prediction.values);
        }
        let weights = rows.weights.map(|weights| weights.select(Axis(0), &judged));
        Self { z, y: rows.y.select(Axis(0), &judged), weights, rows: judged }
    }

    /// The meta-model on all judged rows, and its predictions out of fold.
    pub(super) fn meta<M>(
        &self,
        folds: &[Fold],
        fit: impl Fn(Rows<'_>) -> Result<M, EnsembleError>,
        predict: impl Fn(&M, &Array2<f64>) -> Array1<f64>,
    ) -> Result<(M, Array1<f64>), EnsembleError> {
        let weights = self.weights.as_ref().map(|weights| weights.view());
        let judged = Rows { x: self.z.view(), y: self.y.view(), weights };
        let fit = |places: &[usize]| fit(judged.part(places).rows());
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let meta = fit(&all)?;
        let mut own = predict(&meta, &self.z);
        for fold in folds {
            let test: Vec<usize> = fold.test.iter().filter_map(|row| self.rows.binary_search(row).ok()).collect();
            let mut rest = all.clone();
            rest.retain(|place| test.binary_search(place).is_err());
            // One fold alone leaves no row, one by time perhaps one class: then the meta-model of all rows must do.
            let Ok(model) = fit(&rest) else { continue };
            for (place, value) in test.iter().zip(predict(&model, &self.z.select(Axis(0), &test))) {
                if let Some(slot) = own.get_mut(*place) {
                    *slot = value;
                }
            }
        }
        Ok((meta, own))
    }
}

/// Predictions of fitted members side by side, (rows, members).
pub(super) fn side_by_side<'a, F: Fitted + 'a>(
    members: impl ExactSizeIterator<Item = (&'a F, &'a str)>,
    x: &ndarray::ArrayView2<'_, f64>,
    check: impl Fn(f64) -> bool,
) -> Result<Array2<f64>, EnsembleError> {
    let mut z = Array2::zeros((x.nrows(), members.len()));
    for (mut column, (member, name)) in z.columns_mut().into_iter().zip(members) {
        let found = member.predict(x)?;
        check_answer(name, &found, x.nrows(), &check)?;
        column.assign(&found);
    }
    Ok(z)
}
