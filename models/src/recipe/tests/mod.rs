//! Promises of recipes.

mod choice;

use super::*;
use crate::encode::{Action, Dropped, EncodeError, Warning};
use crate::random::Random;
use crate::testing::close;

/// Customers: two numbers, a flag, a short and a long category, a constant, an id; some values are missing.
struct Shop {
    frame: Frame,
    churned: Vec<f64>,
    spend: Vec<f64>,
    customers: Vec<u64>,
    days: Vec<i64>,
}

fn shop(rows: usize, seed: u64) -> Shop {
    let mut random = Random::new(seed);
    let channels = ["web", "shop", "phone"];
    let cities: Vec<String> = (0..60).map(|city| format!("city {city}")).collect();
    let mut frame = Frame::new(rows);
    let (mut orders, mut days_since, mut promo, mut channel, mut city) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut churned, mut spend) = (vec![], vec![]);
    for _ in 0..rows {
        let (a, b, c) = (random.normal(), random.normal(), random.below(3));
        let (flag, town) = (random.below(2) == 1, random.below(60));
        let signal = a - 0.7 * b + if c == 1 { 0.8 } else { 0.0 } + if town % 7 == 0 { 1.0 } else { 0.0 };
        churned.push(f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (1.0 - signal).exp()))));
        spend.push((3.0 + signal + random.normal()).max(0.0));
        orders.push(if random.below(20) == 0 { f64::NAN } else { a });
        days_since.push(if random.below(400) == 0 { f64::INFINITY } else { b });
        promo.push((random.below(10) > 0).then_some(flag));
        channel.push((random.below(15) > 0).then(|| channels[c]));
        city.push(Some(cities[town].as_str()));
    }
    frame.numbers("orders", orders).unwrap();
    frame.numbers("days_since", days_since).unwrap();
    frame.flags("promo", promo).unwrap();
    frame.text("channel", channel).unwrap();
    frame.text("city", city).unwrap();
    frame.numbers("age", vec![0.0; rows]).unwrap();
    frame.numbers("customer", (0..rows).map(|row| 1000.0 + row as f64).collect()).unwrap();
    let customers = (0..rows as u64).map(|row| row / 3).collect();
    let days = (0..rows as i64).map(|row| 30 * (row % 6)).collect();
    Shop { frame, churned, spend, customers, days }
}

/// Small models, so that a test without optimisation is quick.
const CLASSIFIERS: [&str; 4] = [
    "classifier logistic",
    "classifier forest trees=15 depth=5 folds=3",
    "classifier boosting trees=40 learning_rate=0.2 leaves=6 patience=5 folds=3",
    "classifier ensemble trees=30 learning_rate=0.2 leaves=6 forest_trees=10 forest_depth=5 deep_trees=5 folds=3",
];

const REGRESSORS: [&str; 6] = [
    "regressor ridge",
    "regressor forest trees=15 depth=5 folds=3",
    "regressor boosting trees=40 learning_rate=0.2 leaves=6 patience=5 folds=3",
    "regressor boosting trees=40 learning_rate=0.2 leaves=6 patience=5 folds=3 power=1.5",
    "regressor boosting_quantile trees=40 learning_rate=0.2 leaves=6 patience=5 folds=3",
    "regressor ensemble trees=30 learning_rate=0.2 leaves=6 forest_trees=10 forest_depth=5 deep_trees=5 folds=3",
];

fn fitted(text: &str, shop: &Shop, threads: usize) -> FittedModel {
    let recipe: Recipe = text.parse().unwrap();
    let target = if recipe.kind() == Kind::Classifier { &shop.churned } else { &shop.spend };
    fit(&recipe, &Training::new(&shop.frame, target).seed(3).threads(threads)).unwrap()
}

#[test]
fn every_family_scores_new_rows_and_its_reasons_add_up_on_the_tables_own_columns() {
    let (shop, new) = (shop(900, 1), shop(700, 2));
    for text in CLASSIFIERS.iter().chain(&REGRESSORS) {
        let model = fitted(text, &shop, 2);
        let scores = model.score(&new.frame).unwrap();
        let reasons = model.contributions(&new.frame).unwrap();
        assert_eq!(reasons.values.dim(), (700, 7), "{text}");
        for (row, raw) in reasons.values.rows().into_iter().zip(&scores.raw) {
            close(reasons.baseline + row.sum(), *raw, 1e-6, text);
        }
        let constant = reasons.values.column(5);
        assert!(constant.iter().all(|value| *value == 0.0), "{text}: a constant column has no reason");
        assert!(reasons.values.column(0).iter().any(|value| value.abs() > 0.01), "{text}");
        if model.recipe().kind() == Kind::Classifier {
            let y = ndarray::Array1::from(new.churned.clone());
            let auc = crate::metrics::roc_auc(y.view(), scores.values.view(), None).unwrap();
            assert!(auc > 0.68, "{text}: {auc}");
            assert!(scores.intervals.is_none());
        } else {
            let intervals = scores.intervals.unwrap();
            let ends = intervals.lower.iter().zip(&intervals.upper);
            let inside = new.spend.iter().zip(ends).filter(|(y, (low, high))| *low <= *y && *y <= *high).count();
            let covered = inside as f64 / 700.0;
            assert!((0.85..0.95).contains(&covered), "{text}: {covered}");
        }
    }
}

#[test]
fn members_of_an_ensemble_are_means_of_their_folds_models_only_where_these_know_nearly_all_rows() {
    let shop = shop(500, 4);
    let small = "classifier ensemble trees=5 leaves=4 forest_trees=10 forest_depth=3 deep_trees=0";
    let forest_trees = |rest: &str, training: Training<'_>| {
        let model = fit(&format!("{small} {rest}").parse().unwrap(), &training).unwrap();
        model.report().members.iter().find(|member| member.name == "forest").unwrap().trees
    };
    let training = Training::new(&shop.frame, &shop.churned);
    assert_eq!(forest_trees("folds=5", training), Some(50));
    assert_eq!(forest_trees("folds=5", training.entities(&shop.customers)), Some(50));
    assert_eq!(forest_trees("folds=5 mean_of_folds=0", training), Some(10));
    assert_eq!(forest_trees("folds=3", training), Some(10));
    assert_eq!(forest_trees("folds=5", training.days(&shop.days, 0)), Some(10));
}

#[test]
fn the_bytes_of_a_model_do_not_depend_on_the_number_of_threads() {
    let shop = shop(500, 4);
    for text in CLASSIFIERS.iter().chain(&REGRESSORS) {
        let one = fitted(text, &shop, 1).to_bytes().unwrap();
        assert!(one == fitted(text, &shop, 2).to_bytes().unwrap(), "{text}");
    }
}

#[test]
fn a_stored_model_is_the_model_and_damaged_or_foreign_bytes_are_refused_without_a_panic() {
    let shop = shop(400, 5);
    for text in [CLASSIFIERS[3], REGRESSORS[4]] {
        let model = fitted(text, &shop, 1);
        let bytes = model.to_bytes().unwrap();
        let loaded = FittedModel::from_bytes(&bytes).unwrap();
        assert_eq!(loaded, model);
        assert_eq!(loaded.score(&shop.frame).unwrap(), model.score(&shop.frame).unwrap());
        let mut random = Random::new(6);
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            let at = random.below(damaged.len());
            damaged[at] ^= 1 << random.below(8);
            let error = FittedModel::from_bytes(&damaged).unwrap_err();
            assert!(matches!(
                error,
                RecipeError::Foreign { .. } | RecipeError::Format { .. } | RecipeError::Damaged { .. }
            ));
            assert!(FittedModel::from_bytes(&bytes[..random.below(bytes.len())]).is_err());
        }
    }
    assert!(matches!(FittedModel::from_bytes(b"PAR1 and so on"), Err(RecipeError::Foreign { .. })));
}

/// What a hash cannot see: someone who writes it anew. Whatever the JSON says, loading gives an error or a model that
/// scores or refuses, never a panic.
#[test]
fn a_forged_model_with_a_right_hash_does_not_panic() {
    let shop = shop(300, 7);
    let model = fitted(CLASSIFIERS[3], &shop, 1);
    let json = serde_json::to_vec(&model).unwrap();
    let mut random = Random::new(8);
    let mut refused = 0;
    for _ in 0..600 {
        let mut forged = json.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(forged.len());
            if forged[at].is_ascii_digit() {
                forged[at] = b'0' + random.below(10) as u8;
            } else if random.below(4) == 0 {
                forged[at] = b"[]{},:\"-e0"[random.below(10)];
            }
        }
        match serde_json::from_slice::<FittedModel>(&forged) {
            Ok(model) => {
                let _ = model.score(&shop.frame);
                let _ = model.contributions(&shop.frame);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn what_was_done_to_each_column_can_be_read() {
    let mut shop = shop(400, 9);
    let codes: Vec<String> = (0..400).map(|row| format!("C{row}")).collect();
    shop.frame.text("code", codes.iter().map(|code| Some(code.as_str()))).unwrap();
    shop.frame.numbers("empty", vec![f64::NAN; 400]).unwrap();
    let model = fitted(CLASSIFIERS[0], &shop, 1);
    let columns = &model.report().columns;
    let of = |name: &str| columns.iter().find(|column| column.name == name).unwrap();
    assert_eq!(of("age").action, Action::Dropped(Dropped::Constant));
    assert_eq!(of("empty").action, Action::Dropped(Dropped::AllMissing));
    assert_eq!(of("code").action, Action::Dropped(Dropped::Identifier));
    assert_eq!(of("customer").warning, Some(Warning::LooksLikeIdentifier));
    assert!(of("orders").missing > 0 && of("days_since").infinite > 0);
    assert_eq!(of("city").action, Action::TargetStatistic { levels: 60 });
    assert_eq!(model.columns().len(), 9);
    assert_eq!(model.importance().len(), 9);
    // What was dropped need not be there to score; what was not must be.
    let mut thin = Frame::new(1);
    thin.text("city", [Some("nowhere")]).unwrap();
    let error = model.score(&thin).unwrap_err().to_string();
    assert!(error.contains("lacks column orders"), "{error}");
    thin.text("orders", [Some("many")]).unwrap();
    assert!(matches!(model.score(&thin), Err(RecipeError::ColumnKind { found: "text", expected: "numbers", .. })));
}

#[test]
fn unseen_missing_and_infinite_values_are_scored() {
    let shop = shop(600, 10);
    let mut odd = Frame::new(3);
    odd.numbers("customer", vec![f64::NAN, f64::NEG_INFINITY, 5.0]).unwrap();
    odd.numbers("orders", vec![f64::INFINITY, f64::NAN, 1e300]).unwrap();
    odd.numbers("days_since", vec![f64::NEG_INFINITY, -1e300, f64::NAN]).unwrap();
    odd.flags("promo", [None, Some(true), None]).unwrap();
    odd.text("channel", [Some("pigeon"), None, Some("web")]).unwrap();
    odd.text("city", [Some("city 7"), Some("atlantis"), None]).unwrap();
    for text in CLASSIFIERS {
        let model = fitted(text, &shop, 1);
        let scores = model.score(&odd).unwrap();
        assert!(scores.values.iter().all(|p| *p > 0.0 && *p < 1.0), "{text}");
        assert!(model.contributions(&odd).unwrap().values.iter().all(|value| value.is_finite()), "{text}");
    }
    let none = fitted(CLASSIFIERS[0], &shop, 1);
    let empty = shop.frame.select(&[]);
    assert_eq!(none.score(&empty).unwrap().values.len(), 0);
    assert_eq!(none.contributions(&empty).unwrap().values.dim(), (0, 7));
}

#[test]
fn what_no_model_can_learn_from_is_said_with_the_numbers_needed() {
    let recipe: Recipe = CLASSIFIERS[0].parse().unwrap();
    let shop = shop(400, 11);
    let of = |frame: &Frame, labels: &[f64]| fit(&recipe, &Training::new(frame, labels)).unwrap_err();
    let few: Vec<usize> = (0..30).collect();
    let error = of(&shop.frame.select(&few), &shop.churned[..30]);
    assert!(matches!(error, RecipeError::TooFewRows { rows: 30, needed: 50 }), "{error}");
    assert!(of(&shop.frame, &[0.0; 400]).to_string().contains("both classes are needed"));
    let mut rare = vec![0.0; 400];
    rare[..4].fill(1.0);
    let error = of(&shop.frame, &rare);
    assert!(matches!(error, RecipeError::TooFewOfClass { label: 1, found: 4, rows: 400, needed: 10 }), "{error}");
    let mut leaking = shop.frame.clone();
    leaking.numbers("closed", shop.churned.clone()).unwrap();
    match of(&leaking, &shop.churned) {
        RecipeError::Encode(EncodeError::TellsLabel { name, .. }) => assert_eq!(name, "closed"),
        other => panic!("{other}"),
    }
    let mut nothing = Frame::new(400);
    nothing.numbers("age", vec![0.0; 400]).unwrap();
    assert!(matches!(of(&nothing, &shop.churned), RecipeError::Encode(EncodeError::NothingLeft { columns: 1 })));
    let labels: Vec<f64> = shop.churned.iter().map(|label| label * 2.0).collect();
    assert!(of(&shop.frame, &labels).to_string().contains("a label is 0 or 1"));
    assert!(of(&shop.frame, &shop.churned[..399]).to_string().contains("the target has 399 rows"));
}

/// One positive in a thousand, and five thousand columns: they are fitted like any other.
#[test]
fn rare_labels_and_very_many_columns_are_fitted() {
    let mut random = Random::new(12);
    let mut frame = Frame::new(12_000);
    let x: Vec<f64> = (0..12_000).map(|_| random.normal()).collect();
    let labels: Vec<f64> = (0..12_000).map(|row| f64::from(u8::from(row % 1000 == 7))).collect();
    frame.numbers("x", x.iter().zip(&labels).map(|(x, label)| x + 2.0 * label).collect()).unwrap();
    let recipe: Recipe = "classifier boosting trees=10 patience=0".parse().unwrap();
    let scores = fit(&recipe, &Training::new(&frame, &labels)).unwrap().score(&frame).unwrap();
    close(scores.values.sum(), 12.0, 0.3, "as many are expected as there are");

    let mut wide = Frame::new(60);
    for column in 0..5000 {
        wide.numbers(format!("c{column}"), (0..60).map(|_| random.normal()).collect()).unwrap();
    }
    let labels: Vec<f64> = (0..60).map(|row| f64::from(u8::from(row % 2 == 0))).collect();
    let recipe: Recipe = "classifier forest trees=3 depth=3 folds=2".parse().unwrap();
    let model = fit(&recipe, &Training::new(&wide, &labels)).unwrap();
    assert_eq!(model.contributions(&wide).unwrap().values.dim(), (60, 5000));
}

#[test]
fn folds_follow_time_then_entities_then_rows() {
    let shop = shop(900, 13);
    let recipe: Recipe = CLASSIFIERS[0].parse().unwrap();
    let training = Training::new(&shop.frame, &shop.churned);
    let of = |training: &Training<'_>| fit(&recipe, training).unwrap().report().clone();
    assert_eq!(of(&training).folds, FoldKind::Row);
    assert_eq!(of(&training.entities(&shop.customers)).folds, FoldKind::Entity);
    // Six snapshots, 30 days apart, each looking 60 days ahead: the last four can be judged by what was known before.
    let timed = of(&training.entities(&shop.customers).days(&shop.days, 60));
    assert_eq!((timed.folds, timed.out_of_fold_rows), (FoldKind::Time, 600));
    // One snapshot cannot be: entities are whole.
    let one = vec![0; 900];
    assert_eq!(of(&training.entities(&shop.customers).days(&one, 60)).folds, FoldKind::Entity);
}

#[test]
fn weights_count_as_rows() {
    let mut random = Random::new(14);
    let mut frame = Frame::new(400);
    frame.numbers("a", (0..400).map(|_| random.normal()).collect()).unwrap();
    frame.numbers("b", (0..400).map(|_| random.normal()).collect()).unwrap();
    let labels: Vec<f64> = (0..400).map(|_| random.below(2) as f64).collect();
    let twice: Vec<usize> = (0..400).chain(0..200).collect();
    let weights: Vec<f64> = (0..400).map(|row| if row < 200 { 2.0 } else { 1.0 }).collect();
    let recipe: Recipe = "classifier logistic calibration=none".parse().unwrap();
    let weighted = fit(&recipe, &Training::new(&frame, &labels).weights(&weights)).unwrap();
    let repeated: Vec<f64> = twice.iter().map(|row| labels[*row]).collect();
    let repeated = fit(&recipe, &Training::new(&frame.select(&twice), &repeated)).unwrap();
    for (a, b) in weighted.score(&frame).unwrap().values.iter().zip(repeated.score(&frame).unwrap().values) {
        close(*a, b, 1e-6, "a row of weight 2 is two rows");
    }
}

#[test]
fn a_recipe_is_its_text() {
    let recipe: Recipe = "classifier forest trees=200".parse().unwrap();
    let text = "classifier forest calibration=blended column_share=0 depth=10 folds=0 levels=20 min_rows=1 trees=200";
    assert_eq!(recipe.to_string(), text);
    assert_eq!(recipe.identity().len(), 64);
    assert_eq!(serde_json::from_str::<Recipe>(&serde_json::to_string(&recipe).unwrap()).unwrap(), recipe);
    let other: Recipe = "classifier forest trees=201".parse().unwrap();
    assert_ne!(recipe.identity(), other.identity());
    for (text, said) in [
        ("classifier forrest", "did you mean `forest`?"),
        ("classifier ridge", "one of logistic, forest, boosting, ensemble"),
        ("classifier forest dept=3", "did you mean `depth`?"),
        ("classifier forest depth=0", "must be a whole number from 1 to 64"),
        ("classifier forest depth=2.5", "must be a whole number from 1 to 64"),
        ("classifier logistic penalty=NaN", "must be from 0 to 1000000000"),
        ("classifier logistic calibration=bета", "one of beta, blended, isotonic, none, platt"),
        ("regressor ridge calibration=beta", "calibration is for a classifier"),
        ("model", "it begins with `classifier` or `regressor`"),
        ("classifier forest trees", "a parameter is `name=value`"),
    ] {
        let error = text.parse::<Recipe>().unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn every_family_is_written_as_onnx_and_names_its_columns_and_outputs() {
    let shop = shop(400, 31);
    for text in CLASSIFIERS.iter().chain(&REGRESSORS) {
        let model = fitted(text, &shop, 1);
        let bytes = model.to_onnx().unwrap();
        assert_eq!(bytes, model.to_onnx().unwrap());
        let has = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(["orders", "channel", "city", "city 59", "score"].iter().all(|name| has(name)), "{text}");
        assert_eq!(has("lower"), model.recipe().kind() == Kind::Regressor, "{text}");
        assert!(!has("age"), "{text}: the constant column is no input");
    }
}
