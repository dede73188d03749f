//! The stacked classifier.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::out_of_fold::{Judged, Members, is_probability, pair_up, shared, side_by_side, weighed};
use super::scale::{NEAREST, on_log_odds, straightened};
use super::{Contributions, EnsembleError, Fitted, Learner, Rows, Scale, StackValidParams};
use crate::calibration::{BetaCalibration, Calibrator, CalibratorParams};
use crate::input;
use crate::linear::{FittedLogistic, LogisticParams};
use crate::metrics::{log_loss, roc_auc};
use crate::split::{Fold, stratified_folds};

/// What the stack learnt about one member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// What its calibrated log-odds are multiplied by.
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
    /// What straightens each learner's log-odds before they are weighed.
    bends: Vec<BetaCalibration>,
    meta: FittedLogistic,
    calibrator: Calibrator,
    report: StackReport,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored<F> {
    members: Vec<F>,
    /// Stacks of before have none: their log-odds were weighed as they are.
    #[serde(default)]
    bends: Vec<BetaCalibration>,
    meta: FittedLogistic,
    calibrator: Calibrator,
    report: StackReport,
}

impl<F> TryFrom<Stored<F>> for StackedClassifier<F> {
    type Error = EnsembleError;

    fn try_from(stored: Stored<F>) -> Result<Self, EnsembleError> {
        let Stored { members, mut bends, meta, calibrator, report } = stored;
        let learners = meta.coefficients().len();
        if bends.is_empty() {
            bends.resize(learners, BetaCalibration::identity());
        }
        if !pair_up(members.len(), learners) || learners != report.members.len() || learners != bends.len() {
            return Err(EnsembleError::Damaged { what: "members and weights do not pair up" });
        }
        Ok(Self { members, bends, meta, calibrator, report })
    }
}

impl StackValidParams {
    /// Fits `learners` on rows with labels 0 and 1, over stratified folds.
    ///
    /// # Errors
    /// [`EnsembleError`]: a member's own error under its name, or what the arrays lack.
    pub fn fit<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        rows: Rows<'_>,
    ) -> Result<StackedClassifier<F>, EnsembleError> {
        let folds = stratified_folds(rows.y, self.folds, self.seed)?;
        self.fit_folds(learners, rows, &folds)
    }

    /// The same over folds that are given: by time, or by group.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn fit_folds<F: Fitted>(
        &self,
        learners: &[&dyn Learner<F>],
        rows: Rows<'_>,
        folds: &[Fold],
    ) -> Result<StackedClassifier<F>, EnsembleError> {
        input::same_rows("the label", rows.y.len(), rows.x.nrows())?;
        input::two_classes(&rows.y, rows.weights.as_ref())?;
        let members = Members { params: self, learners, rows, folds };
        let joined = members.join(is_probability)?;
        let said = joined.judged.z.clone();
        let mut judged = joined.judged;
        let bends = judged.straighten()?;
        let (meta, probabilities) = self.fit_meta(&judged, folds)?;
        let weights = judged.weights.as_ref().map(|weights| weights.view());
        let calibrator = CalibratorParams::new()
            .method(self.calibration)
            .check()
            .and_then(|params| params.fit_arrays(probabilities.view(), judged.y.view(), weights))
            .map_err(|source| EnsembleError::Calibration { source })?;
        let names: Vec<&str> = learners.iter().map(|learner| learner.name()).collect();
        let report = report(&judged, &names, &said, &meta, &calibrator.calibrate(&probabilities.view()))?;
        Ok(StackedClassifier { members: joined.members, bends, meta, calibrator, report })
    }

    fn fit_meta(&self, judged: &Judged, folds: &[Fold]) -> Result<(FittedLogistic, Array1<f64>), EnsembleError> {
        let failed = |source| EnsembleError::Meta { source };
        let params = LogisticParams::new().non_negative(self.non_negative).tolerance(1e-13);
        let weights = || judged.weights.as_ref().map(|weights| weights.view());
        judged.best_meta(
            self,
            folds,
            |penalty, rows| {
                let params = params.clone().penalty(penalty).check().map_err(failed)?;
                params.fit_arrays(rows.x, rows.y, rows.weights, None).map_err(failed)
            },
            |meta, z| meta.predict_probabilities(&z.view()),
            |p| log_loss(judged.y.view(), p, weights()).map_err(|error| EnsembleError::member("ensemble", error)),
        )
    }
}

impl Judged {
    /// Makes log-odds of the members' probabilities, each by a calibration of its own: a sum of log-odds cannot mend one
    /// that is bent, and would give a member that is too sure of itself too little.
    fn straighten(&mut self) -> Result<Vec<BetaCalibration>, EnsembleError> {
        let weights = self.weights.as_ref().map(|weights| weights.view());
        let mut bends = Vec::with_capacity(self.z.ncols());
        for mut column in self.z.columns_mut() {
            column.mapv_inplace(|p| p.clamp(NEAREST, 1.0 - NEAREST));
            let bend = BetaCalibration::fit(column.view(), self.y.view(), weights)
                .map_err(|source| EnsembleError::Calibration { source })?;
            column.mapv_inplace(|p| straightened(p, &bend));
            bends.push(bend);
        }
        Ok(bends)
    }
}

/// Areas and losses of the members, whose probabilities are `said`, and of the whole.
fn report(
    judged: &Judged,
    names: &[&str],
    said: &Array2<f64>,
    meta: &FittedLogistic,
    calibrated: &Array1<f64>,
) -> Result<StackReport, EnsembleError> {
    let weights = || judged.weights.as_ref().map(|weights| weights.view());
    let judge = |name: &str, p: ArrayView1<'_, f64>| -> Result<(f64, f64), EnsembleError> {
        let failed = |error| EnsembleError::member(name, error);
        let auc = roc_auc(judged.y.view(), p, weights()).map_err(failed)?;
        let failed = |error| EnsembleError::member(name, error);
        Ok((auc, log_loss(judged.y.view(), p, weights()).map_err(failed)?))
    };
    let mut members = Vec::with_capacity(names.len());
    for ((name, p), weight) in names.iter().zip(said.columns()).zip(meta.coefficients()) {
        let (roc_auc, log_loss) = judge(name, p)?;
        members.push(MemberReport { name: (*name).to_owned(), weight: *weight, roc_auc, log_loss });
    }
    let (roc_auc, log_loss) = judge("ensemble", calibrated.view())?;
    Ok(StackReport { members, rows: judged.rows.len(), roc_auc, log_loss })
}

impl<F> StackedClassifier<F> {
    /// Its members, in the order of the learners: one of each, or one of each fold of each.
    pub fn members(&self) -> &[F] {
        &self.members
    }

    /// What each member's straightened log-odds are multiplied by.
    pub fn weights(&self) -> Vec<f64> {
        shared(self.meta.coefficients(), self.members.len())
    }

    /// What straightens each member's log-odds.
    pub fn bends(&self) -> impl Iterator<Item = &BetaCalibration> {
        let each = self.members.len() / self.bends.len().max(1);
        self.bends.iter().flat_map(move |bend| std::iter::repeat_n(bend, each))
    }

    /// What it learnt.
    pub fn report(&self) -> &StackReport {
        &self.report
    }

    /// What weighs the members' log-odds.
    pub fn meta(&self) -> &FittedLogistic {
        &self.meta
    }

    /// Its last step.
    pub fn calibrator(&self) -> &Calibrator {
        &self.calibrator
    }
}

impl<F: Fitted> StackedClassifier<F> {
    /// The meta-model's log-odds, before calibration: what [`Self::contributions`] adds up to.
    ///
    /// # Errors
    /// [`EnsembleError`] for a matrix that the members were not fitted for.
    pub fn log_odds(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        let names: Vec<&str> = self.report.members.iter().map(|member| member.name.as_str()).collect();
        let bend = |number: usize, p| self.bends.get(number).map_or(f64::NAN, |bend| straightened(p, bend));
        let z = side_by_side(&self.members, &names, x, is_probability, bend)?;
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
        let on_scale = |number: usize, part| match self.bends.get(number) {
            Some(bend) => on_log_odds(part, bend),
            None => part,
        };
        let (weights, start) = (self.meta.coefficients(), self.meta.intercept());
        let (baseline, values) = weighed(&self.members, weights, start, x, on_scale)?;
        Ok(Contributions { baseline, values, scale: Scale::LogOdds })
    }
}
