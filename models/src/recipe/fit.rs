//! From a recipe and rows to a model.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::importance::importance;
use super::member::{Bench, Boxed, Member};
use super::model::{FitReport, FittedModel, Model};
use super::schema::Schema;
use super::training::Training;
use super::{Family, Kind, Recipe, RecipeError};
use crate::calibration::CalibratorParams;
use crate::conformal::{ConformalQuantiles, SplitConformal};
use crate::encode::{Action, EncodeReport, EncoderParams, Style};
use crate::ensemble::{Fitted, Learner, Rows, Settled, StackParams};
use crate::metrics::Metric;
use crate::split::{Fold, OutOfFold, out_of_fold};

/// Fits a recipe: prepares the columns, counts the rounds and calibrates on rows that were not learnt from, and fits
/// on all rows.
///
/// # Errors
/// [`RecipeError::TooFewRows`], [`RecipeError::TooFewOfClass`] and [`RecipeError::Input`] for rows that no model can be
/// learnt from; [`RecipeError::Encode`] for a column that tells the label, or where none is left;
/// [`RecipeError::Ensemble`] with a member's own error.
pub fn fit(recipe: &Recipe, training: &Training<'_>) -> Result<FittedModel, RecipeError> {
    let table = Table::new(recipe, training)?;
    let (folds, fold_kind) = training.folds(recipe.kind(), training.folds_for(recipe))?;
    let fitting = Fitting { table: &table, folds: &folds };
    let (model, judged) = match (recipe.kind(), recipe.family()) {
        (Kind::Classifier, Family::Ensemble) => fitting.classifier_ensemble()?,
        (Kind::Classifier, _) => fitting.classifier()?,
        (Kind::Regressor, Family::Ensemble) => fitting.regressor_ensemble()?,
        (Kind::Regressor, Family::BoostingQuantile) => fitting.quantiles()?,
        (Kind::Regressor, _) => fitting.regressor()?,
    };
    let importance = importance(&model, &table.schema, &table.x)?;
    let report = FitReport {
        rows: table.y.len(),
        positives: (recipe.kind() == Kind::Classifier).then(|| table.y.sum() as usize),
        columns: table.report.columns.clone(),
        folds: fold_kind,
        out_of_fold_rows: judged.rows,
        metrics: judged.metrics,
        members: model.members(),
    };
    Ok(FittedModel {
        recipe: recipe.clone(),
        schema: table.schema,
        model,
        importance,
        report,
        threads: training.threads,
    })
}

/// Folds from which on a fold's model knows nearly what all rows know.
const FEWEST_FOLDS: usize = 5;

/// Rows from which on a mean of the folds' models is not worth scoring with as many models as there are folds.
const MANY_ROWS: usize = 50_000;

/// How the columns of a family are prepared; those of an ensemble as its linear member sees them.
fn style_of(family: Family) -> Style {
    match family {
        Family::Logistic | Family::Ridge | Family::Ensemble => Style::Dense,
        Family::Forest | Family::Boosting | Family::BoostingQuantile => Style::Native,
    }
}

/// The rows of a fit as the members see them.
pub(super) struct Table<'a> {
    recipe: &'a Recipe,
    schema: Schema,
    x: Array2<f64>,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
    report: EncodeReport,
    seed: u64,
    threads: usize,
}

impl<'a> Table<'a> {
    /// Checks the rows, and drops the columns that no model has a use for.
    pub(super) fn new(recipe: &'a Recipe, training: &Training<'_>) -> Result<Self, RecipeError> {
        training.check(recipe.kind(), training.folds_for(recipe))?;
        let schema = Schema::of(training.frame);
        let bound = schema.bind(training.frame)?;
        let x = match training.places {
            Some(places) => bound.matrix_of(places),
            None => bound.matrix(0..training.frame.rows()),
        };
        let y = training.targets();
        let params = EncoderParams::new(schema.kinds()).names(schema.kept_names()).threads(training.threads);
        let params = params.style(style_of(recipe.family())).level_limit(recipe.whole("levels"));
        let report = params.check()?.inspect(x.view(), y.view())?;
        let kept: Vec<bool> =
            report.columns.iter().map(|column| !matches!(column.action, Action::Dropped(_))).collect();
        let schema = schema.keeping(&kept);
        let x = if kept.iter().all(|kept| *kept) { x } else { x.select(Axis(1), &schema.kept_places()) };
        let weights = training.weights.map(|weights| Array1::from(weights.to_vec()));
        Ok(Self { recipe, schema, x, y, weights, report, seed: training.seed, threads: training.threads })
    }

    fn rows(&self) -> Rows<'_> {
        Rows { x: self.x.view(), y: self.y.view(), weights: self.weights.as_ref().map(|weights| weights.view()) }
    }

    fn bench(&self) -> Bench<'_> {
        Bench {
            recipe: self.recipe,
            kinds: self.schema.kinds(),
            names: self.schema.kept_names(),
            rows: self.y.len(),
            threads: self.threads,
        }
    }
}

/// How good out-of-fold predictions are.
struct Judged {
    rows: usize,
    metrics: Vec<(String, f64)>,
}

struct Fitting<'a> {
    table: &'a Table<'a>,
    folds: &'a [Fold],
}

impl Fitting<'_> {
    /// A learner's out-of-fold predictions, and its model of all rows.
    fn member(&self, learner: &Boxed) -> Result<(Member, OutOfFold), RecipeError> {
        let (rows, seed) = (self.table.rows(), self.table.seed);
        let Settled { learner: settled, of_folds } = learner.settle(rows, self.folds, seed)?;
        let learner: &dyn Learner<Member> = settled.as_deref().unwrap_or(learner.as_ref());
        let mut made = of_folds.into_iter();
        let predictions = out_of_fold(self.folds, |number, fold| {
            let model = match made.next().flatten() {
                Some(model) => model,
                None => rows.fit(learner, &fold.train, seed.wrapping_add(number as u64 + 1))?,
            };
            model.predict(&rows.x.select(Axis(0), &fold.test).view())
        })?;
        Ok((learner.fit(rows, seed)?, predictions))
    }

    fn only(&self) -> Result<(Member, OutOfFold), RecipeError> {
        let learners = self.table.bench().learners()?;
        let learner = learners.first().ok_or(crate::ensemble::EnsembleError::NoMembers)?;
        self.member(learner)
    }

    fn weights(&self, rows: &[usize]) -> Option<Array1<f64>> {
        self.table.weights.as_ref().map(|weights| weights.select(Axis(0), rows))
    }

    fn classifier(&self) -> Result<(Model, Judged), RecipeError> {
        let (member, found) = self.only()?;
        let y = self.table.y.select(Axis(0), &found.rows);
        let weights = self.weights(&found.rows);
        let weights = weights.as_ref().map(|weights| weights.view());
        let params = CalibratorParams::new().method(self.table.recipe.calibration()).check()?;
        let calibrator = params.fit_arrays(found.values.view(), y.view(), weights)?;
        let calibrated = calibrator.calibrate(&found.values.view());
        let judged = self.judged(&found.rows, calibrated.view(), &[Metric::RocAuc, Metric::LogLoss])?;
        Ok((Model::Classifier { member, calibrator }, judged))
    }

    fn classifier_ensemble(&self) -> Result<(Model, Judged), RecipeError> {
        let learners = self.table.bench().learners()?;
        let learners: Vec<&dyn Learner<Member>> = learners.iter().map(AsRef::as_ref).collect();
        let params = self.stack().calibration(self.table.recipe.calibration()).check()?;
        let stack = params.fit_folds(&learners, self.table.rows(), self.folds)?;
        let report = stack.report();
        let metrics = [(Metric::RocAuc, report.roc_auc), (Metric::LogLoss, report.log_loss)];
        let metrics = metrics.map(|(metric, value)| (metric.name().to_owned(), value)).to_vec();
        let judged = Judged { rows: report.rows, metrics };
        Ok((Model::ClassifierEnsemble { stack }, judged))
    }

    fn stack(&self) -> StackParams {
        let wanted = self.table.recipe.whole("mean_of_folds") == 1;
        let worth_it = self.folds.len() >= FEWEST_FOLDS && self.table.y.len() < MANY_ROWS;
        StackParams::new().seed(self.table.seed).mean_of_folds(wanted && worth_it)
    }

    fn coverage(&self) -> f64 {
        self.table.recipe.real("coverage")
    }

    fn regressor(&self) -> Result<(Model, Judged), RecipeError> {
        let (member, found) = self.only()?;
        let y = self.table.y.select(Axis(0), &found.rows);
        let interval = SplitConformal::fit(y.view(), found.values.view(), None, self.coverage())?;
        let judged = self.judged(&found.rows, found.values.view(), &[Metric::Rmse, Metric::Mae])?;
        Ok((Model::Regressor { member, interval }, judged))
    }

    fn regressor_ensemble(&self) -> Result<(Model, Judged), RecipeError> {
        let learners = self.table.bench().learners()?;
        let learners: Vec<&dyn Learner<Member>> = learners.iter().map(AsRef::as_ref).collect();
        let params = self.stack().check()?;
        let (stack, report) = params.fit_regressors_folds(&learners, self.table.rows(), self.folds)?;
        let y = self.table.y.select(Axis(0), &report.rows);
        let found = ArrayView1::from(&report.out_of_fold);
        let interval = SplitConformal::fit(y.view(), found, None, self.coverage())?;
        let judged = self.judged(&report.rows, found, &[Metric::Rmse, Metric::Mae])?;
        Ok((Model::RegressorEnsemble { stack, weights: report.members, interval }, judged))
    }

    fn quantiles(&self) -> Result<(Model, Judged), RecipeError> {
        let (middle, found) = self.only()?;
        let tail = (1.0 - self.coverage()) / 2.0;
        let bench = self.table.bench();
        let (lower, low) = self.member(&bench.quantile(tail)?)?;
        let (upper, high) = self.member(&bench.quantile(1.0 - tail)?)?;
        let y = self.table.y.select(Axis(0), &found.rows);
        let interval = ConformalQuantiles::fit(y.view(), low.values.view(), high.values.view(), self.coverage())?;
        let metrics = [Metric::Mae, Metric::Pinball { quantile: 0.5 }];
        let judged = self.judged(&found.rows, found.values.view(), &metrics)?;
        Ok((Model::Quantiles { middle, lower, upper, interval }, judged))
    }

    fn judged(&self, rows: &[usize], found: ArrayView1<'_, f64>, metrics: &[Metric]) -> Result<Judged, RecipeError> {
        let y = self.table.y.select(Axis(0), rows);
        let weights = self.weights(rows);
        let weights = || weights.as_ref().map(|weights| weights.view());
        let value = |metric: &Metric| {
            let value = metric.evaluate(y.view(), found.view(), weights())?;
            Ok::<_, RecipeError>((metric.name().to_owned(), value))
        };
        Ok(Judged { rows: rows.len(), metrics: metrics.iter().map(value).collect::<Result<_, _>>()? })
    }
}
