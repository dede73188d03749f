//! The stacked classifier.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::scale::{NEAREST, on_log_odds};
use super::{Contributions, EnsembleError, Fitted, Learner, Scale};
use crate::calibration::{Calibrator, CalibratorParams, Method};
use crate::input;
use crate::linear::{FittedLogistic, LogisticParams};
use crate::metrics::{log_loss, log_odds, roc_auc};
use crate::split::{Fold, OutOfFold, out_of_fold, stratified_folds};

/// Checked parameters of a stack. Made by [`StackParams::check`](ParamGuard::check).
#[derive(Debug, Clone)]
pub struct StackValidParams {
    pub(super) folds: usize,
    pub(super) seed: u64,
    pub(super) non_negative: bool,
    pub(super) penalty: f64,
    pub(super) calibration: Method,
}

/// How members are joined (Wolpert 1992; Breiman 1996 for weights that are not negative).
///
/// The meta-model is an L2 logistic regression on the members' out-of-fold log-odds; its own out-of-fold probabilities,
/// over the same folds, are what the calibration learns from.
#[derive(Debug, Clone)]
pub struct StackParams(StackValidParams);

impl Default for StackParams {
    fn default() -> Self {
        Self::new()
    }
}

impl StackParams {
    /// Five folds, seed 0, weights not negative, penalty 1, beta calibration.
    pub fn new() -> Self {
        let (folds, seed, non_negative, penalty, calibration) = (5, 0, true, 1.0, Method::Beta);
        Self(StackValidParams { folds, seed, non_negative, penalty, calibration })
    }

    /// Folds of the out-of-fold predictions.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.0.folds = folds;
        self
    }

    /// Seed of folds and members.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Whether a member's weight is held at 0 or above.
    #[must_use]
    pub fn non_negative(mut self, non_negative: bool) -> Self {
        self.0.non_negative = non_negative;
        self
    }

    /// L2 penalty of the meta-model on standardised log-odds.
    #[must_use]
    pub fn penalty(mut self, penalty: f64) -> Self {
        self.0.penalty = penalty;
        self
    }

    /// The last step.
    #[must_use]
    pub fn calibration(mut self, calibration: Method) -> Self {
        self.0.calibration = calibration;
        self
    }
}

impl ParamGuard for StackParams {
    type Checked = StackValidParams;
    type Error = EnsembleError;

    /// # Errors
    /// [`EnsembleError::Parameter`] names the parameter, its value and its range.
    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        let StackValidParams { folds, penalty, .. } = self.0;
        if folds < 2 {
            return Err(EnsembleError::Parameter { parameter: "folds", value: folds as f64, must: "at least 2" });
        }
        if !(penalty >= 0.0 && penalty.is_finite()) {
            let must = "finite and not negative";
            return Err(EnsembleError::Parameter { parameter: "penalty", value: penalty, must });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// What the stack learnt about one member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// What its log-odds are multiplied by.
    pub weight: f64,
    /// Its out-of-fold area under the ROC curve.
    pub roc_auc: f64,
    /// Its out-of-fold log-loss.
    pub log_loss: f64,
}

/// What the stack learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackReport {
    /// Its members.
    pub members: Vec<MemberReport>,
    /// Rows with out-of-fold predictions.
    pub rows: usize,
    /// Out-of-fold area of the calibrated ensemble: the members and the meta-model had not learnt from a row.
    pub roc_auc: f64,
    /// Out-of-fold log-loss of the calibrated ensemble; the calibration had learnt from the rows.
    pub log_loss: f64,
}

/// A fitted stack; serialisable where its members are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "F: Serialize", deserialize = "F: Deserialize<'de>"), try_from = "Stored<F>")]
pub struct StackedClassifier<F = Box<dyn Fitted>> {
    members: Vec<F>,
    meta: FittedLogistic,
    calibrator: Calibrator,
    report: StackReport,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored<F> {
    members: Vec<F>,
    meta: FittedLogistic,
    calibrator: Calibrator,
    report: StackReport,
}

impl<F> TryFrom<Stored<F>> for StackedClassifier<F> {
    type Error = EnsembleError;

    fn try_from(stored: Stored<F>) -> Result<Self, EnsembleError> {
        let Stored { members, meta, calibrator, report } = stored;
        if members.is_empty() || members.len() != meta.coefficients().len() {
            return Err(EnsembleError::Damaged { what: "members and weights do not pair up" });
        }
        Ok(Self { members, meta, calibrator, report })
    }
}

/// Training rows of a stack.
struct Rows<'a> {
    x: ArrayView2<'a, f64>,
    y: ArrayView1<'a, f64>,
    weights: Option<ArrayView1<'a, f64>>,
}

impl Rows<'_> {
    fn fit<F>(&self, learner: &dyn Learner<F>, rows: &[usize], seed: u64) -> Result<F, EnsembleError> {
        let weights = self.weights.map(|weights| weights.select(Axis(0), rows));
        let (x, y) = (self.x.select(Axis(0), rows), self.y.select(Axis(0), rows));
        learner.fit(x.view(), y.view(), weights.as_ref().map(|weights| weights.view()), seed)
    }
}

impl StackValidParams {
    /// Fits `learners` on `x` (n_samples, n_features; NaN is missing) and labels 0 and 1, over stratified folds.
    ///
    /// # Errors
    /// [`EnsembleError`]: a member's own error under its name, or what the arrays lack.
    pub fn fit<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<StackedClassifier<F>, EnsembleError> {
        let folds = stratified_folds(y, self.folds, self.seed)?;
        self.fit_folds(learners, x, y, weights, &folds)
    }

    /// The same over folds that are given: by time, or by group.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn fit_folds<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        folds: &[Fold],
    ) -> Result<StackedClassifier<F>, EnsembleError> {
        input::same_rows("the label", y.len(), x.nrows())?;
        input::two_classes(&y, weights.as_ref())?;
        if learners.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let rows = Rows { x: x.view(), y: y.view(), weights: weights.as_ref().map(|weights| weights.view()) };
        let mut predictions = Vec::with_capacity(learners.len());
        for (number, learner) in learners.iter().enumerate() {
            predictions.push(self.member_out_of_fold(&rows, *learner, number, folds)?);
        }
        let judged = predictions.first().map(|first| first.rows.clone()).unwrap_or_default();
        let y = rows.y.select(Axis(0), &judged);
        let weights = rows.weights.map(|weights| weights.select(Axis(0), &judged));
        let judged = Judged { rows: judged, z: stacked(&predictions), y, weights };
        let (meta, probabilities) = self.fit_meta(&judged, folds)?;
        let weights = judged.weights.as_ref().map(|weights| weights.view());
        let calibration = CalibratorParams::new().method(self.calibration).check();
        let calibrator = calibration
            .and_then(|params| params.fit_arrays(probabilities.view(), judged.y.view(), weights))
            .map_err(|source| EnsembleError::Calibration { source })?;
        let calibrated = calibrator.calibrate(&probabilities.view());
        let report = judged.report(learners, &predictions, &meta, &calibrated)?;
        let all: Vec<usize> = (0..rows.y.len()).collect();
        let members = learners.iter().enumerate();
        let members = members.map(|(number, learner)| rows.fit(*learner, &all, self.member_seed(number, folds.len())));
        Ok(StackedClassifier { members: members.collect::<Result<_, _>>()?, meta, calibrator, report })
    }

    /// One seed for each member and fold; the refit on all rows counts as one more fold.
    pub(super) fn member_seed(&self, member: usize, fold: usize) -> u64 {
        self.seed.wrapping_add((member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(fold as u64)
    }

    fn member_out_of_fold<F: Fitted>(
        &self,
        rows: &Rows<'_>,
        learner: &dyn Learner<F>,
        number: usize,
        folds: &[Fold],
    ) -> Result<OutOfFold, EnsembleError> {
        out_of_fold(folds, |fold_number, fold| {
            let model = rows.fit(learner, &fold.train, self.member_seed(number, fold_number))?;
            let found = model.probabilities(&rows.x.select(Axis(0), &fold.test).view())?;
            check_answer(learner.name(), &found, fold.test.len())?;
            Ok(found)
        })
    }

    /// The meta-model on all judged rows, and its probabilities out of fold.
    fn fit_meta(&self, judged: &Judged, folds: &[Fold]) -> Result<(FittedLogistic, Array1<f64>), EnsembleError> {
        let failed = |source| EnsembleError::Meta { source };
        let params = LogisticParams::new().penalty(self.penalty).non_negative(self.non_negative).tolerance(1e-13);
        let params = params.check().map_err(failed)?;
        let fit = |places: &[usize]| {
            let weights = judged.weights.as_ref().map(|weights| weights.select(Axis(0), places));
            let (z, y) = (judged.z.select(Axis(0), places), judged.y.select(Axis(0), places));
            params.fit_arrays(z.view(), y.view(), weights.as_ref().map(|weights| weights.view()), None)
        };
        let all: Vec<usize> = (0..judged.rows.len()).collect();
        let meta = fit(&all).map_err(failed)?;
        let mut probabilities = meta.predict_probabilities(&judged.z.view());
        for fold in folds {
            let place = |row: &usize| judged.rows.binary_search(row).ok();
            let test: Vec<usize> = fold.test.iter().filter_map(place).collect();
            let mut rest = all.clone();
            rest.retain(|place| test.binary_search(place).is_err());
            // With time folds the first may leave one class or none: then the meta-model of all rows must do.
            let Ok(model) = fit(&rest) else { continue };
            let found = model.predict_probabilities(&judged.z.select(Axis(0), &test).view());
            for (place, value) in test.iter().zip(found) {
                if let Some(slot) = probabilities.get_mut(*place) {
                    *slot = value;
                }
            }
        }
        Ok((meta, probabilities))
    }
}

/// Rows with out-of-fold predictions of every member.
struct Judged {
    rows: Vec<usize>,
    /// Log-odds, (rows, members).
    z: Array2<f64>,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
}

impl Judged {
    fn report<F>(
        &self,
        learners: &[&dyn Learner<F>],
        predictions: &[OutOfFold],
        meta: &FittedLogistic,
        calibrated: &Array1<f64>,
    ) -> Result<StackReport, EnsembleError> {
        let weights = || self.weights.as_ref().map(|weights| weights.view());
        let judge = |name: &str, p: &Array1<f64>| -> Result<(f64, f64), EnsembleError> {
            let failed = |error| EnsembleError::member(name, error);
            let auc = roc_auc(self.y.view(), p.view(), weights()).map_err(failed)?;
            let failed = |error| EnsembleError::member(name, error);
            Ok((auc, log_loss(self.y.view(), p.view(), weights()).map_err(failed)?))
        };
        let mut members = Vec::with_capacity(learners.len());
        for ((learner, prediction), weight) in learners.iter().zip(predictions).zip(meta.coefficients()) {
            let (roc_auc, log_loss) = judge(learner.name(), &prediction.values)?;
            members.push(MemberReport { name: learner.name().to_owned(), weight: *weight, roc_auc, log_loss });
        }
        let (roc_auc, log_loss) = judge("ensemble", calibrated)?;
        Ok(StackReport { members, rows: self.rows.len(), roc_auc, log_loss })
    }
}

/// Members' log-odds side by side.
fn stacked(predictions: &[OutOfFold]) -> Array2<f64> {
    let rows = predictions.first().map_or(0, |first| first.values.len());
    let mut z = Array2::zeros((rows, predictions.len()));
    for (mut column, prediction) in z.columns_mut().into_iter().zip(predictions) {
        column.iter_mut().zip(&prediction.values).for_each(|(cell, p)| *cell = log_odds(*p, NEAREST));
    }
    z
}

fn check_answer(member: &str, found: &Array1<f64>, rows: usize) -> Result<(), EnsembleError> {
    let bad = found.iter().find(|p| !(0.0..=1.0).contains(*p));
    let what = match bad {
        Some(value) => format!("the probability {value}"),
        None if found.len() != rows => format!("{} values for {rows} rows", found.len()),
        None => return Ok(()),
    };
    Err(EnsembleError::Answer { member: member.to_owned(), what })
}

impl<F: Fitted> StackedClassifier<F> {
    /// Its members, in the order of the learners.
    pub fn members(&self) -> &[F] {
        &self.members
    }

    /// What it learnt.
    pub fn report(&self) -> &StackReport {
        &self.report
    }

    /// The meta-model's log-odds, before calibration: what [`Self::contributions`] adds up to.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn log_odds(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let mut z = Array2::zeros((x.nrows(), self.members.len()));
        for ((mut column, member), report) in z.columns_mut().into_iter().zip(&self.members).zip(&self.report.members) {
            let found = member.probabilities(x)?;
            check_answer(&report.name, &found, x.nrows())?;
            column.iter_mut().zip(found).for_each(|(cell, p)| *cell = log_odds(p, NEAREST));
        }
        Ok(self.meta.log_odds(&z.view()))
    }

    /// Calibrated probability of the label 1 of each row, within (0, 1).
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn predict_probabilities(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let probabilities = self.log_odds(x)?.mapv(crate::linear::sigmoid);
        Ok(self.calibrator.calibrate(&probabilities.view()))
    }

    /// Weights times the members' contributions, on the meta-model's log-odds: before calibration, which only bends them.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let mut baseline = self.meta.intercept();
        let mut values = Array2::zeros(x.raw_dim());
        for (member, weight) in self.members.iter().zip(self.meta.coefficients()) {
            let part = on_log_odds(member.contributions(x)?);
            input::same_columns(&part.values.view(), x.ncols())?;
            baseline += weight * part.baseline;
            values.scaled_add(*weight, &part.values);
        }
        Ok(Contributions { baseline, values, scale: Scale::LogOdds })
    }
}
