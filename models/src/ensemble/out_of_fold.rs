//! What stacks of classifiers and of regressors share: members over folds, and a meta-model over the same folds.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::{Contributions, EnsembleError, Fitted, Learner, Rows, Settled, StackValidParams};
use crate::input;
use crate::split::{Fold, OutOfFold, out_of_fold};

/// Learners with their rows and folds.
pub(super) struct Members<'a, 'r, F> {
    pub(super) params: &'a StackValidParams,
    pub(super) learners: &'a [&'a dyn Learner<F>],
    pub(super) rows: Rows<'r>,
    pub(super) folds: &'a [Fold],
}

/// Members' predictions of rows that they had not learnt from, and the members to score with: one of all rows for each
/// learner, or in their place the models of its folds.
pub(super) struct Joined<F> {
    pub(super) members: Vec<F>,
    pub(super) judged: Judged,
}

impl<F: Fitted> Members<'_, '_, F> {
    /// Settles each learner in turn, predicts out of fold and makes its member. `check` looks at a prediction.
    pub(super) fn join(&self, check: impl Fn(f64) -> bool) -> Result<Joined<F>, EnsembleError> {
        if self.learners.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let of_folds = self.params.mean_of_folds && self.folds_judge_every_row();
        let (mut members, mut predictions) = (Vec::new(), Vec::new());
        for (number, given) in self.learners.iter().enumerate() {
            let seed = |fold: usize| self.params.member_seed(number, fold);
            let settled = given.settle(self.rows, self.folds, seed(self.folds.len() + 1))?;
            let Settled { learner, of_folds: made } = settled;
            let learner = learner.as_deref().unwrap_or(*given);
            let mut made = made.into_iter();
            predictions.push(out_of_fold(self.folds, |fold_number, fold| {
                let model = match made.next().flatten() {
                    Some(model) => model,
                    None => self.rows.fit(learner, &fold.train, seed(fold_number))?,
                };
                let found = model.predict(&self.rows.x.select(Axis(0), &fold.test).view())?;
                check_answer(learner.name(), &found, fold.test.len(), &check)?;
                if of_folds {
                    members.push(model);
                }
                Ok::<_, EnsembleError>(found)
            })?);
            if !of_folds {
                members.push(learner.fit(self.rows, seed(self.folds.len()))?);
            }
        }
        Ok(Joined { members, judged: Judged::new(self.rows, &predictions) })
    }

    /// Not where folds go by time: their models know less than all rows do.
    fn folds_judge_every_row(&self) -> bool {
        let rows = self.rows.y.len();
        let mut judged: Vec<usize> = self.folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        judged.sort_unstable();
        judged.into_iter().eq(0..rows) && self.folds.iter().all(|fold| fold.train.len() + fold.test.len() == rows)
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

    /// The meta-model whose out-of-fold predictions lose least, by the loss that `judge` gives them, with these
    /// predictions. `fit` takes the penalty; of equal losses the first stands.
    pub(super) fn best_meta<M>(
        &self,
        params: &StackValidParams,
        folds: &[Fold],
        fit: impl Fn(f64, Rows<'_>) -> Result<M, EnsembleError>,
        predict: impl Fn(&M, &Array2<f64>) -> Array1<f64>,
        judge: impl Fn(ArrayView1<'_, f64>) -> Result<f64, EnsembleError>,
    ) -> Result<(M, Array1<f64>), EnsembleError> {
        let mut best: Option<(f64, (M, Array1<f64>))> = None;
        for penalty in &params.penalties {
            let found = self.meta(folds, |rows| fit(*penalty, rows), &predict)?;
            let loss = judge(found.1.view())?;
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, found));
            }
        }
        best.map(|(_, found)| found).ok_or(EnsembleError::NoMembers)
    }

    /// The meta-model on all judged rows, and its predictions out of fold.
    fn meta<M>(
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

/// Whether so many members are of so many learners: as many of each, one after the other.
pub(super) fn pair_up(members: usize, learners: usize) -> bool {
    members > 0 && learners > 0 && members.is_multiple_of(learners)
}

/// Predictions of each learner's members, on the scale that `link` gives those of a learner, and their mean: (rows,
/// learners).
pub(super) fn side_by_side<F: Fitted>(
    members: &[F],
    names: &[&str],
    x: &ArrayView2<'_, f64>,
    check: impl Fn(f64) -> bool,
    link: impl Fn(usize, f64) -> f64,
) -> Result<Array2<f64>, EnsembleError> {
    let mut z = Array2::zeros((x.nrows(), names.len()));
    let each = members.len() / names.len().max(1);
    let learners = z.columns_mut().into_iter().zip(names).zip(members.chunks(each.max(1)));
    for (number, ((mut column, name), members)) in learners.enumerate() {
        for member in members {
            let found = member.predict(x)?;
            check_answer(name, &found, x.nrows(), &check)?;
            column += &found.mapv_into(|value| link(number, value));
        }
        column /= each as f64;
    }
    Ok(z)
}

/// The meta-model's weight of each of so many members: what it gives their learner, shared among them.
pub(super) fn shared(coefficients: &[f64], members: usize) -> Vec<f64> {
    let each = members / coefficients.len().max(1);
    coefficients.iter().flat_map(|weight| std::iter::repeat_n(weight / each as f64, each)).collect()
}

/// What the meta-model gives each learner times its members' contributions, these first brought to the scale that is
/// weighed: the baseline, and (rows, columns).
pub(super) fn weighed<F: Fitted>(
    members: &[F],
    coefficients: &[f64],
    intercept: f64,
    x: &ArrayView2<'_, f64>,
    on_scale: impl Fn(usize, Contributions) -> Contributions,
) -> Result<(f64, Array2<f64>), EnsembleError> {
    let (mut baseline, mut values) = (intercept, Array2::zeros(x.raw_dim()));
    let weights = shared(coefficients, members.len());
    let each = (members.len() / coefficients.len().max(1)).max(1);
    // Reasons are dear: those of a member that counts for nothing are not asked for.
    for (place, (member, weight)) in members.iter().zip(&weights).enumerate().filter(|(_, (_, weight))| **weight != 0.0)
    {
        let part = on_scale(place / each, member.contributions(x)?);
        input::same_columns(&part.values.view(), x.ncols())?;
        baseline += weight * part.baseline;
        values.scaled_add(*weight, &part.values);
    }
    Ok((baseline, values))
}
