//! Promises of the ensembles.

use linfa::ParamGuard;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::*;
use crate::boosting::BoostingClassifier;
use crate::calibration::{BetaCalibration, Method};
use crate::encode::EncoderParams;
use crate::linear::{LogisticParams, RidgeParams};
use crate::metrics::{calibration_line, log_loss, roc_auc};
use crate::random::Random;
use crate::split::{Fold, rolling_splits, stratified_folds};
use crate::testing::close;
use crate::tree::{Classifier, Regressor};

/// A member that is no linear model: the share of positives on both sides of the median of one column, as a
/// one-split forest would say it, on the scale of probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stump {
    column: usize,
    cut: f64,
    low: f64,
    high: f64,
}

struct StumpLearner(usize);

impl<F: From<Stump>> Learner<F> for StumpLearner {
    fn name(&self) -> &str {
        "stump"
    }

    fn fit(&self, rows: Rows<'_>, _: u64) -> Result<F, EnsembleError> {
        let (values, y) = (rows.x.column(self.0), rows.y);
        let cut = values.mean().unwrap();
        let share = |above: bool| {
            let side: Vec<f64> = values.iter().zip(y).filter(|(v, _)| (**v > cut) == above).map(|(_, y)| *y).collect();
            side.iter().sum::<f64>() / side.len() as f64
        };
        Ok(Stump { column: self.0, cut, low: share(false), high: share(true) }.into())
    }
}

impl Fitted for Stump {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(x.column(self.column).mapv(|value| if value > self.cut { self.high } else { self.low }))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        let baseline = (self.low + self.high) / 2.0;
        let mut values = Array2::zeros(x.raw_dim());
        values.column_mut(self.column).assign(&(self.predict(x)? - baseline));
        Ok(Contributions { baseline, values, scale: Scale::Probability })
    }
}

impl From<Stump> for Box<dyn Fitted> {
    fn from(model: Stump) -> Self {
        Box::new(model)
    }
}

/// What an application does to store ensembles: its own enum of members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Member {
    Logistic(EncodedLogistic),
    Stump(Stump),
}

impl From<EncodedLogistic> for Member {
    fn from(model: EncodedLogistic) -> Self {
        Self::Logistic(model)
    }
}

impl From<Stump> for Member {
    fn from(model: Stump) -> Self {
        Self::Stump(model)
    }
}

impl Fitted for Member {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        match self {
            Self::Logistic(model) => model.predict(x),
            Self::Stump(model) => model.predict(x),
        }
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        match self {
            Self::Logistic(model) => model.contributions(x),
            Self::Stump(model) => model.contributions(x),
        }
    }
}

/// Column 0 works linearly, column 1 as a step, column 2 not at all; some values are missing.
fn data(rows: usize, seed: u64) -> (Array2<f64>, Array1<f64>) {
    let mut random = Random::new(seed);
    let mut x = Array2::from_shape_simple_fn((rows, 3), || random.normal());
    let margin = |row: ArrayView1<'_, f64>| row[0] + if row[1] > 0.0 { 1.0 } else { -1.0 } - 0.5;
    let y = x.rows().into_iter().map(|row| f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-margin(row)).exp()))));
    let y: Array1<f64> = y.collect();
    x.column_mut(2).iter_mut().step_by(7).for_each(|value| *value = f64::NAN);
    (x, y)
}

fn logistic() -> LogisticLearner {
    LogisticLearner::new("logistic", EncoderParams::numeric(3), LogisticParams::new())
}

fn stack<F: Fitted + From<EncodedLogistic> + From<Stump>>(x: &Array2<f64>, y: &Array1<f64>) -> StackedClassifier<F> {
    let (logistic, stump) = (logistic(), StumpLearner(1));
    let params = StackParams::new().seed(4).check().unwrap();
    params.fit::<F>(&[&logistic, &stump], Rows { x: x.view(), y: y.view(), weights: None }).unwrap()
}

#[test]
fn a_stack_is_better_than_its_members_and_calibrated() {
    let (x, y) = data(6000, 1);
    let (new_x, new_y) = data(6000, 2);
    let model: StackedClassifier = stack(&x, &y);
    let p = model.predict_probabilities(&new_x.view()).unwrap();
    let loss = |p: &Array1<f64>| log_loss(new_y.view(), p.view(), None).unwrap();
    for member in model.members() {
        assert!(loss(&p) < loss(&member.predict(&new_x.view()).unwrap()));
    }
    let line = calibration_line(new_y.view(), p.view(), None).unwrap();
    assert!((line.slope - 1.0).abs() < 0.08 && line.intercept.abs() < 0.08, "{line:?}");
    let auc = roc_auc(new_y.view(), p.view(), None).unwrap();
    close(model.report().roc_auc, auc, 0.02, "the report's area is the one to expect");
}

#[test]
fn linfa_fits_and_asks_the_same_stacks() {
    let (x, y) = data(800, 3);
    let (linear, stump) = (logistic(), StumpLearner(1));
    let learners: [&dyn Learner; 2] = [&linear, &stump];
    let params = StackParams::new().folds(4).seed(9);
    let rows = linfa::Dataset::new(x.clone(), y.clone());
    let stack = Stack::<Classifier>::new(params.clone(), learners.to_vec());
    let found = stack.check().unwrap().fit(&rows).unwrap();
    let given = Rows { x: x.view(), y: y.view(), weights: None };
    let same: StackedClassifier = params.check_ref().unwrap().fit(&learners, given).unwrap();
    let said = same.predict_probabilities(&x.view()).unwrap();
    assert_eq!(found.predict_probabilities(&x.view()).unwrap(), said);
    assert_eq!(found.predict(&x), said.mapv(|p| f64::from(u8::from(p >= 0.5))));
    assert!(found.predict(&x.slice(ndarray::s![.., ..1]).to_owned()).iter().all(|class| class.is_nan()));

    let ridge = RidgeLearner::new("ridge", EncoderParams::numeric(3), RidgeParams::new());
    let learners: [&dyn Learner; 2] = [&ridge, &stump];
    let values = Stack::<Regressor>::new(params.clone(), learners.to_vec()).check().unwrap().fit(&rows).unwrap();
    let (same, _) = params.check_ref().unwrap().fit_regressors(&learners, given).unwrap();
    let same: StackedRegressor = same;
    assert_eq!(values.predict(&x), same.predict_values(&x.view()).unwrap());

    let none = Stack::<Classifier>::new(params.clone(), Vec::new()).check();
    assert!(matches!(none, Err(EnsembleError::NoMembers)));
    let narrow = Stack::<Classifier>::new(params.folds(1), learners.to_vec()).check();
    assert!(narrow.unwrap_err().to_string().contains("folds is 1"));
}

#[test]
fn contributions_of_linear_and_probability_members_add_up_to_the_log_odds() {
    let (x, y) = data(800, 3);
    let model: StackedClassifier = stack(&x, &y);
    let parts = model.contributions(&x.view()).unwrap();
    let scores = model.log_odds(&x.view()).unwrap();
    for (row, score) in parts.values.rows().into_iter().zip(scores) {
        close(parts.baseline + row.sum(), score, 1e-9, "sum of contributions");
    }
    assert_eq!(parts.values.dim(), (800, 3));
}

#[test]
fn a_stack_of_an_applications_enum_survives_its_file_and_a_damaged_one_is_refused() {
    let (x, y) = data(500, 5);
    let model: StackedClassifier<Member> = stack(&x, &y);
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(text, serde_json::to_string(&stack::<Member>(&x, &y)).unwrap(), "the same seed, the same bytes");
    let loaded: StackedClassifier<Member> = serde_json::from_str(&text).unwrap();
    assert_eq!(loaded, model);
    let damaged = text.replace(
        "{\"stump\":{\"column\":1,",
        "{\"stump\":{\"column\":1,\"cut\":0.0,\"low\":0.1,\"high\":0.2}},{\"stump\":{\"column\":1,",
    );
    assert!(serde_json::from_str::<StackedClassifier<Member>>(&damaged).is_err());
}

/// Members that are means over five folds, of the learners of [`stack`].
fn committee(x: &Array2<f64>, y: &Array1<f64>, folds: &[Fold]) -> StackedClassifier<Member> {
    let (logistic, stump) = (logistic(), StumpLearner(1));
    let params = StackParams::new().seed(4).mean_of_folds(true).check().unwrap();
    params.fit_folds(&[&logistic, &stump], Rows { x: x.view(), y: y.view(), weights: None }, folds).unwrap()
}

#[test]
fn a_member_that_is_a_mean_of_its_folds_models_speaks_with_their_mean_log_odds() {
    let (x, y) = data(800, 3);
    let model = committee(&x, &y, &stratified_folds(y.view(), 5, 4).unwrap());
    assert_eq!((model.members().len(), model.report().members.len()), (10, 2));
    let bends: Vec<&BetaCalibration> = model.bends().collect();
    assert!(bends[0] == bends[4] && bends[4] != bends[5] && bends[5] == bends[9]);
    let odds = |place: usize| model.members()[place].predict(&x.view()).unwrap().mapv(|p| bends[place].log_odds(p));
    let mean = |places: std::ops::Range<usize>| places.map(odds).reduce(|sum, one| sum + one).unwrap() / 5.0;
    let (one, other) = (mean(0..5), mean(5..10));
    let weights = model.meta().coefficients();
    let parts = model.contributions(&x.view()).unwrap();
    for (row, score) in model.log_odds(&x.view()).unwrap().into_iter().enumerate() {
        close(score, model.meta().intercept() + weights[0] * one[row] + weights[1] * other[row], 1e-9, "mean");
        close(score, parts.baseline + parts.values.row(row).sum(), 1e-9, "sum of contributions");
    }
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<StackedClassifier<Member>>(&text).unwrap(), model);
}

/// Says a power of the probability that column 0 alone would give: right in its order, far too low in its numbers.
struct Bent(f64);

impl Learner<Bent> for Bent {
    fn name(&self) -> &str {
        "bent"
    }

    fn fit(&self, _: Rows<'_>, _: u64) -> Result<Bent, EnsembleError> {
        Ok(Bent(self.0))
    }
}

impl Fitted for Bent {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        Ok(x.column(0).mapv(|value| (1.0 / (1.0 + (0.5 - 3.0 * value).exp())).powf(self.0)))
    }

    fn contributions(&self, _: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        Err(EnsembleError::NoMembers)
    }
}

#[test]
fn a_member_that_is_right_in_its_order_alone_is_straightened_before_it_is_weighed() {
    let mut random = Random::new(11);
    let x = Array2::from_shape_simple_fn((6000, 1), || random.normal());
    let truth = Bent(1.0).predict(&x.view()).unwrap();
    let y = truth.mapv(|p| f64::from(u8::from(random.uniform() < p)));
    let params = StackParams::new().calibration(Method::None).check().unwrap();
    let loss = |power: f64| {
        let rows = Rows { x: x.view(), y: y.view(), weights: None };
        let stack = params.fit(&[&Bent(power) as &dyn Learner<Bent>], rows).unwrap();
        log_loss(y.view(), stack.predict_probabilities(&x.view()).unwrap().view(), None).unwrap()
    };
    close(loss(4.0), loss(1.0), 0.005, "the same order, nearly the same loss");
}

#[test]
fn a_stack_that_was_stored_before_log_odds_were_straightened_weighs_them_as_they_are() {
    let (x, y) = data(500, 5);
    let mut stored = serde_json::to_value(stack::<Member>(&x, &y)).unwrap();
    stored["bends"].as_array_mut().unwrap().pop();
    assert!(serde_json::from_value::<StackedClassifier<Member>>(stored.clone()).is_err());
    stored.as_object_mut().unwrap().remove("bends");
    let model: StackedClassifier<Member> = serde_json::from_value(stored).unwrap();
    let plain = |member: &Member| member.predict(&x.view()).unwrap().mapv(|p| (p / (1.0 - p)).ln());
    let (one, other, weights) = (plain(&model.members()[0]), plain(&model.members()[1]), model.weights());
    for (row, score) in model.log_odds(&x.view()).unwrap().into_iter().enumerate() {
        close(
            score,
            model.meta().intercept() + weights[0] * one[row] + weights[1] * other[row],
            1e-9,
            "plain log-odds",
        );
    }
}

#[test]
fn folds_that_do_not_judge_every_row_leave_the_members_of_all_rows() {
    let (x, y) = data(800, 3);
    let days = Array1::from_shape_fn(800, |row| row as i64 / 200);
    let by_time = rolling_splits(days.view(), 2, 1).unwrap();
    assert_eq!(committee(&x, &y, &by_time).members().len(), 2);
    let mut without_one = stratified_folds(y.view(), 5, 4).unwrap();
    without_one[0].train.pop();
    assert_eq!(committee(&x, &y, &without_one).members().len(), 2);
}

#[test]
fn what_settling_has_made_of_a_fold_is_what_its_learner_fits_there() {
    let (x, y) = data(900, 7);
    let rows = Rows { x: x.view(), y: y.view(), weights: None };
    let folds = stratified_folds(y.view(), 5, 4).unwrap();
    let params = BoostingClassifier::params().rounds(300).leaves(4).shrinkage(0.2);
    let given = BoostingLearner::new("boosting", EncoderParams::numeric(3), params).early_stopping(20);
    let settled: Settled<'_, EncodedBoosting<Classifier>> = given.settle(rows, &folds, 3).unwrap();
    let learner = settled.learner.unwrap();
    let mut made = 0;
    for (model, fold) in settled.of_folds.iter().zip(&folds) {
        if let Some(model) = model {
            assert_eq!(*model, rows.fit(learner.as_ref(), &fold.train, 3).unwrap());
            made += 1;
        }
    }
    assert!(made >= 3, "{made}");
}

#[test]
fn a_useless_member_gets_no_weight_below_0() {
    let (x, y) = data(2000, 6);
    let (logistic, stump, noise) = (logistic(), StumpLearner(1), StumpLearner(0));
    let params = StackParams::new().check().unwrap();
    let learners: [&dyn Learner<Box<dyn Fitted>>; 3] = [&logistic, &stump, &noise];
    let model = params.fit(&learners, Rows { x: x.view(), y: y.view(), weights: None }).unwrap();
    assert!(model.report().members.iter().all(|member| member.weight >= 0.0));
}

#[test]
fn a_member_that_answers_badly_is_named() {
    struct Broken;
    struct Wrong;
    impl Learner for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        fn fit(&self, _: Rows<'_>, _: u64) -> Result<Box<dyn Fitted>, EnsembleError> {
            Ok(Box::new(Wrong))
        }
    }
    impl Fitted for Wrong {
        fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
            Ok(Array1::from_elem(x.nrows(), 1.5))
        }
        fn contributions(&self, _: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
            Err(EnsembleError::NoMembers)
        }
    }
    let (x, y) = data(100, 1);
    let params = StackParams::new().calibration(Method::None).check().unwrap();
    let error = params.fit(&[&Broken as &dyn Learner], Rows { x: x.view(), y: y.view(), weights: None }).err().unwrap();
    assert!(error.to_string().contains("broken gave the value 1.5"), "{error}");
    let none: [&dyn Learner; 0] = [];
    assert!(matches!(
        params.fit(&none, Rows { x: x.view(), y: y.view(), weights: None }),
        Err(EnsembleError::NoMembers)
    ));
}

#[test]
fn regressors_stack_and_their_contributions_add_up() {
    let mut random = Random::new(9);
    let x = Array2::from_shape_simple_fn((900, 3), || random.normal());
    let y: Array1<f64> = x.rows().into_iter().map(|row| 3.0 * row[0] - row[1] + random.normal()).collect();
    let ridge = |name: &str, penalty: f64| {
        RidgeLearner::new(name, EncoderParams::numeric(3), RidgeParams::new().penalty(penalty))
    };
    let (plain, heavy) = (ridge("plain", 1.0), ridge("heavy", 1e5));
    let params = StackParams::new().check().unwrap();
    let fit = || {
        let learners: [&dyn Learner<EncodedRidge>; 2] = [&plain, &heavy];
        params.fit_regressors(&learners, Rows { x: x.view(), y: y.view(), weights: None }).unwrap()
    };
    let (model, report) = fit();
    assert!(report.rmse <= report.member_rmse[0] + 0.01 && report.rmse < 1.1, "{report:?}");
    let parts = model.contributions(&x.view()).unwrap();
    for (row, value) in parts.values.rows().into_iter().zip(model.predict_values(&x.view()).unwrap()) {
        close(parts.baseline + row.sum(), value, 1e-9, "sum of contributions");
    }
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<StackedRegressor<EncodedRidge>>(&text).unwrap(), model);
    assert_eq!(text, serde_json::to_string(&fit().0).unwrap());
}
