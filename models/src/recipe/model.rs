//! A fitted recipe: scores, reasons.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::importance::Importance;
use super::member::Member;
use super::schema::{Bound, Schema};
use super::training::FoldKind;
use super::{Frame, Kind, Recipe, RecipeError};
use crate::calibration::Calibrator;
use crate::conformal::{ConformalQuantiles, Intervals, SplitConformal};
use crate::encode::ColumnReport;
use crate::ensemble::{Contributions, EnsembleError, Fitted, StackedClassifier, StackedRegressor};
use crate::parallel;

/// Rows that are scored at a time: what bounds memory, whatever the number of rows.
const BLOCK: usize = 8192;

/// What was fitted, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Model {
    Classifier { member: Member, calibrator: Calibrator },
    ClassifierEnsemble { stack: StackedClassifier<Member> },
    Regressor { member: Member, interval: SplitConformal },
    RegressorEnsemble { stack: StackedRegressor<Member>, weights: Vec<(String, f64)>, interval: SplitConformal },
    Quantiles { middle: Member, lower: Member, upper: Member, interval: ConformalQuantiles },
}

/// What a fit did and found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitReport {
    /// Rows learnt from.
    pub rows: usize,
    /// Of a classifier, how many of them have the label 1.
    pub positives: Option<usize>,
    /// What was found in each column and done with it.
    pub columns: Vec<ColumnReport>,
    /// What the folds were made of.
    pub folds: FoldKind,
    /// Rows with out-of-fold predictions, which calibration or intervals learnt from.
    pub out_of_fold_rows: usize,
    /// Metrics of those predictions, by name.
    pub metrics: Vec<(String, f64)>,
    /// The models in it.
    pub members: Vec<MemberSummary>,
}

/// One model of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// Its name.
    pub name: String,
    /// What the meta-model multiplies it with; 1 where it is alone.
    pub weight: f64,
    /// Its trees, where it has some.
    pub trees: Option<usize>,
    /// Its own out-of-fold area under the ROC curve, in an ensemble of classifiers.
    pub roc_auc: Option<f64>,
}

/// Scores of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The calibrated probability of the label 1, or the expected target (the median of quantile boosting).
    pub values: Array1<f64>,
    /// The score that contributions add up to: before calibration.
    pub raw: Array1<f64>,
    /// Of a regressor.
    pub intervals: Option<Intervals>,
}

/// A fitted recipe. See the module for what it can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct FittedModel {
    pub(super) recipe: Recipe,
    pub(super) schema: Schema,
    pub(super) model: Model,
    pub(super) importance: Vec<Importance>,
    pub(super) report: FitReport,
    /// How it is computed, not what it is.
    #[serde(skip)]
    pub(super) threads: usize,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    recipe: Recipe,
    schema: Schema,
    model: Model,
    importance: Vec<Importance>,
    report: FitReport,
}

impl TryFrom<Stored> for FittedModel {
    type Error = RecipeError;

    fn try_from(stored: Stored) -> Result<Self, RecipeError> {
        let Stored { recipe, schema, model, importance, report } = stored;
        let damaged = |what: &str| Err(RecipeError::Damaged { what: what.to_owned() });
        if model.kind() != recipe.kind() {
            return damaged("its recipe is of another kind");
        }
        if model.all().iter().any(|member| member.encoder().inputs() != schema.kept_places().len()) {
            return damaged("a member was fitted on other columns");
        }
        if importance.len() != schema.names().len() {
            return damaged("importance and columns do not pair up");
        }
        Ok(Self { recipe, schema, model, importance, report, threads: 1 })
    }
}

impl Model {
    fn kind(&self) -> Kind {
        let of = |members: &[Member], kind| if members.iter().all(|m| m.kind() == kind) { Some(kind) } else { None };
        let found = match self {
            Self::Classifier { member, .. } => of(std::slice::from_ref(member), Kind::Classifier),
            Self::ClassifierEnsemble { stack } => of(stack.members(), Kind::Classifier),
            _ => None,
        };
        found.unwrap_or(Kind::Regressor)
    }

    fn all(&self) -> Vec<&Member> {
        match self {
            Self::Classifier { member, .. } | Self::Regressor { member, .. } => vec![member],
            Self::ClassifierEnsemble { stack } => stack.members().iter().collect(),
            Self::RegressorEnsemble { stack, .. } => stack.members().iter().collect(),
            Self::Quantiles { middle, lower, upper, .. } => vec![middle, lower, upper],
        }
    }

    pub(super) fn members(&self) -> Vec<MemberSummary> {
        let alone = |name: &str, member: &Member| MemberSummary {
            name: name.to_owned(),
            weight: 1.0,
            trees: member.trees(),
            roc_auc: None,
        };
        match self {
            Self::Classifier { member, .. } | Self::Regressor { member, .. } => vec![alone("only", member)],
            Self::Quantiles { middle, lower, upper, .. } => {
                vec![alone("middle", middle), alone("lower", lower), alone("upper", upper)]
            }
            Self::ClassifierEnsemble { stack } => stack
                .members()
                .iter()
                .zip(&stack.report().members)
                .map(|(member, found)| MemberSummary {
                    weight: found.weight,
                    roc_auc: Some(found.roc_auc),
                    ..alone(&found.name, member)
                })
                .collect(),
            Self::RegressorEnsemble { stack, weights, .. } => stack
                .members()
                .iter()
                .zip(weights)
                .map(|(member, (name, weight))| MemberSummary { weight: *weight, ..alone(name, member) })
                .collect(),
        }
    }

    /// Mean share of gain of the members with trees.
    pub(super) fn gain(&self) -> Option<Array1<f64>> {
        let gains: Vec<Array1<f64>> = self.all().into_iter().filter_map(Member::gain).collect();
        let count = gains.len() as f64;
        gains.into_iter().reduce(|sum, gain| sum + gain).map(|sum| sum / count)
    }

    fn score(&self, x: &ArrayView2<'_, f64>) -> Result<Scores, RecipeError> {
        Ok(match self {
            Self::Classifier { member, calibrator } => {
                let (raw, said) = (member.raw(x)?, member.predict(x)?);
                Scores { values: calibrator.calibrate(&said.view()), raw, intervals: None }
            }
            Self::ClassifierEnsemble { stack } => {
                let raw = stack.log_odds(x)?;
                let said = raw.mapv(crate::linear::sigmoid);
                Scores { values: stack.calibrator().calibrate(&said.view()), raw, intervals: None }
            }
            Self::Regressor { member, interval } => {
                let (raw, values) = (member.raw(x)?, member.predict(x)?);
                let intervals = Some(interval.intervals(values.view(), None)?);
                Scores { values, raw, intervals }
            }
            Self::RegressorEnsemble { stack, interval, .. } => {
                let values = stack.predict_values(x)?;
                let intervals = Some(interval.intervals(values.view(), None)?);
                Scores { raw: values.clone(), values, intervals }
            }
            Self::Quantiles { middle, lower, upper, interval } => {
                let (values, low, high) = (middle.predict(x)?, lower.predict(x)?, upper.predict(x)?);
                let intervals = Some(interval.intervals(low.view(), high.view())?);
                Scores { raw: values.clone(), values, intervals }
            }
        })
    }

    pub(super) fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        match self {
            Self::Classifier { member, .. } | Self::Regressor { member, .. } => member.contributions(x),
            Self::Quantiles { middle, .. } => middle.contributions(x),
            Self::ClassifierEnsemble { stack } => stack.contributions(x),
            Self::RegressorEnsemble { stack, .. } => stack.contributions(x),
        }
    }
}

impl FittedModel {
    /// The same model, computed on so many threads. A loaded model uses one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// What it was fitted by.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Columns of the table that it was fitted on, in the order of contributions. A table to score needs those that
    /// were not dropped, in any order; others are of no matter.
    pub fn columns(&self) -> Vec<&str> {
        self.schema.names()
    }

    /// What the fit did and found.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// How much each column matters, in the order of [`Self::columns`].
    pub fn importance(&self) -> &[Importance] {
        &self.importance
    }

    /// Scores the rows of a table.
    ///
    /// # Errors
    /// [`RecipeError::MissingColumn`] and [`RecipeError::ColumnKind`] for another table than that of the fit;
    /// [`RecipeError::Score`] where the model gives no finite score.
    pub fn score(&self, frame: &Frame) -> Result<Scores, RecipeError> {
        let parts = self.in_blocks(frame, |x| self.model.score(&x.view()))?;
        let joined = |part: &dyn Fn(&Scores) -> Array1<f64>| join(parts.iter().map(part));
        let values = joined(&|scores| scores.values.clone());
        if let Some((row, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(RecipeError::Score { row, value: *value });
        }
        let end = |take: &dyn Fn(&Intervals) -> Array1<f64>| {
            join(parts.iter().map(|scores| scores.intervals.as_ref().map_or_else(|| Array1::zeros(0), take)))
        };
        let intervals = (self.recipe.kind() == Kind::Regressor)
            .then(|| Intervals { lower: end(&|found| found.lower.clone()), upper: end(&|found| found.upper.clone()) });
        Ok(Scores { values, raw: joined(&|scores| scores.raw.clone()), intervals })
    }

    /// What each column of the table contributed to the raw score of each row: exact, a row sums to its raw score minus
    /// the baseline within 1e-6 (Shapley values of trees and linear models; of an ensemble on the meta-model's linear
    /// scale). Columns that were dropped have 0.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn contributions(&self, frame: &Frame) -> Result<Contributions, RecipeError> {
        let mut parts = self.in_blocks(frame, |x| Ok(self.model.contributions(&x.view())?))?;
        if parts.is_empty() {
            // No rows: the baseline and the scale are still told, by a row of missing values.
            let x = Array2::from_elem((1, self.schema.kept_places().len()), f64::NAN);
            let mut one = self.model.contributions(&x.view())?;
            one.values = one.values.slice(s![..0, ..]).to_owned();
            parts.push(one);
        }
        let first = parts.first().map(|part| (part.baseline, part.scale));
        let (baseline, scale) = first.ok_or(EnsembleError::NoMembers)?;
        let places = self.schema.kept_places();
        let mut values = Array2::zeros((frame.rows(), self.schema.names().len()));
        let mut start = 0;
        for part in parts {
            let end = start + part.values.nrows();
            let mut rows = values.slice_mut(s![start..end, ..]);
            for (place, column) in places.iter().zip(part.values.columns()) {
                rows.column_mut(*place).assign(&column);
            }
            start = end;
        }
        Ok(Contributions { baseline, values, scale })
    }

    /// `work` of each block of rows, in their order.
    fn in_blocks<T: Send>(
        &self,
        frame: &Frame,
        work: impl Fn(Array2<f64>) -> Result<T, RecipeError> + Sync,
    ) -> Result<Vec<T>, RecipeError> {
        let bound: Bound<'_> = self.schema.bind(frame)?;
        let rows = frame.rows();
        let blocks: Vec<Range<usize>> =
            (0..rows).step_by(BLOCK).map(|start| start..(start + BLOCK).min(rows)).collect();
        parallel::map(&blocks, self.threads, |rows| work(bound.matrix(rows.clone()))).into_iter().collect()
    }
}

fn join(parts: impl Iterator<Item = Array1<f64>>) -> Array1<f64> {
    parts.flat_map(IntoIterator::into_iter).collect()
}
