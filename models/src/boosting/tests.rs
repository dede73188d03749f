use std::collections::HashMap;

use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, Array2, Axis};

use super::*;
use crate::input::InputError;
use crate::tree::TreeError;

type Data = DatasetBase<Array2<f64>, Array1<f64>>;

/// A number in [0, 1) for a row and a column.
fn noise(row: usize, column: usize) -> f64 {
    let z = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(column as u64 * 0x1234_5678_9abc_def1);
    let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ (z >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Columns: three numbers, one of them with missing values; a code of 12; a constant.
fn table(rows: usize) -> (Array2<f64>, Array1<f64>) {
    let x = Array2::from_shape_fn((rows, 5), |(row, column)| match column {
        1 if noise(row, 7) < 0.15 => f64::NAN,
        3 => (noise(row, 3) * 12.0).floor(),
        4 => 1.0,
        _ => noise(row, column) * 10.0,
    });
    let y = Array1::from_shape_fn(rows, |row| {
        let known = if x[[row, 1]].is_nan() { 8.0 } else { x[[row, 1]] };
        let by_code = if [1.0, 4.0, 9.0].contains(&x[[row, 3]]) { 3.0 } else { 0.0 };
        x[[row, 0]] / 2.0 + (known > 5.0) as u8 as f64 * 2.0 + by_code + noise(row, 9) * 2.0
    });
    (x, y)
}

fn classes(rows: usize) -> Data {
    let (x, y) = table(rows);
    let y = y.mapv(|y| f64::from(y > 4.5));
    DatasetBase::new(x, y)
}

fn regression(rows: usize) -> Data {
    let (x, y) = table(rows);
    DatasetBase::new(x, y)
}

/// The table of `reference/small_tables.py`.
fn small_table() -> (Array2<f64>, Array1<f64>) {
    let of = |row: usize, times: usize, modulus: usize| (row * times % modulus) as f64;
    let x = Array2::from_shape_fn((500, 3), |(row, column)| match column {
        0 => of(row, 7_919, 37),
        1 => of(row, 104_729, 29),
        _ => of(row, 1_299_709, 11),
    });
    let y = Array1::from_shape_fn(500, |row| {
        let [a, b, c] = [x[[row, 0]], x[[row, 1]], x[[row, 2]]];
        let steps = f64::from(b > 17.0) * 1.5;
        a / 12.0 - steps + c * f64::from(a > 20.0) / 8.0 + 2.0 * of(row, 15_485_863, 1_009) / 1_009.0
    });
    (x, y)
}

fn reference(name: &str) -> Array1<f64> {
    let all: HashMap<String, Vec<f64>> = serde_json::from_str(include_str!("reference/small_tables.json")).unwrap();
    Array1::from(all[name].clone())
}

fn far(one: &Array1<f64>, other: &Array1<f64>) -> f64 {
    one.iter().zip(other).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

fn median(y: &Array1<f64>) -> f64 {
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[249] + sorted[250]) / 2.0
}

#[test]
fn scores_are_those_of_lightgbm_where_every_value_has_a_bin() {
    let (x, y) = small_table();
    let classes = y.mapv(|value| f64::from(value > median(&y)));
    let model = BoostingClassifier::params().rounds(12).leaves(7).min_samples(1).min_hessian(5.0).shrinkage(0.2);
    let model = model.fit(&DatasetBase::new(x.clone(), classes)).unwrap();
    let gap = far(&model.predict_raw(&x.view()), &reference("logistic"));
    assert!(gap < 1e-4, "{gap}");
    let model =
        BoostingRegressor::params(Loss::Squared).rounds(12).leaves(7).min_samples(1).min_hessian(5.0).shrinkage(0.2);
    let model = model.fit(&DatasetBase::new(x.clone(), y)).unwrap();
    let gap = far(&model.predict_raw(&x.view()), &reference("squared"));
    assert!(gap < 1e-4, "{gap}");
}

#[test]
fn scores_of_counts_and_claims_are_those_of_xgboost() {
    let (x, y) = small_table();
    let counts = y.mapv(|y| y.max(0.0).floor());
    let claims = y.mapv(|y| y.max(0.0));
    for (name, loss, y) in [("poisson", Loss::Poisson, counts), ("tweedie", Loss::Tweedie { power: 1.4 }, claims)] {
        let model = BoostingRegressor::params(loss).rounds(12).leaves(7).min_samples(1).min_hessian(5.0).shrinkage(0.2);
        let model = model.fit(&DatasetBase::new(x.clone(), y)).unwrap();
        let gap = far(&model.predict_raw(&x.view()), &reference(name));
        assert!(gap < 1e-4, "{name}: {gap}");
    }
}

#[test]
fn the_model_is_the_same_bytes_for_any_number_of_threads_and_another_for_another_seed() {
    let weights = Array1::from_shape_fn(20_000, |row| if row % 9 == 0 { 0.0 } else { 0.5 + (row % 3) as f32 });
    let data = classes(20_000).with_weights(weights);
    let params = BoostingClassifier::params().rounds(8).categorical([3]).row_share(0.7).column_share(0.6);
    let bytes =
        |seed, threads| serde_json::to_vec(&params.clone().seed(seed).threads(threads).fit(&data).unwrap()).unwrap();
    let one = bytes(1, 1);
    assert!(one == bytes(1, 2) && one == bytes(1, 3));
    assert!(one != bytes(2, 1));
    let plain = regression(20_000);
    for loss in [Loss::Squared, Loss::Quantile { level: 0.8 }, Loss::Poisson] {
        let params = BoostingRegressor::params(loss).rounds(5);
        let bytes = |threads| serde_json::to_vec(&params.clone().threads(threads).fit(&plain).unwrap()).unwrap();
        assert!(bytes(1) == bytes(2), "{loss:?}");
    }
}

#[test]
fn histograms_that_may_not_be_held_are_made_again_to_the_same_model() {
    let data = classes(3_000);
    let params = BoostingClassifier::params().rounds(4);
    let held = params.fit(&data).unwrap();
    for bytes in [0, 50_000] {
        assert!(params.clone().histogram_bytes(bytes).threads(2).fit(&data).unwrap().with_threads(1) == held);
    }
}

#[test]
fn scores_and_reasons_do_not_depend_on_threads_and_reasons_add_up() {
    let data = classes(3_000);
    let model = BoostingClassifier::params().rounds(30).categorical([3]).fit(&data).unwrap();
    let mut x = data.records().clone();
    x[[5, 3]] = 77.0;
    x[[6, 0]] = f64::INFINITY;
    x[[7, 0]] = f64::NEG_INFINITY;
    x[[8, 2]] = f64::NAN;
    let two = model.clone().with_threads(2);
    let raw = model.predict_raw(&x.view());
    assert_eq!(raw, two.predict_raw(&x.view()));
    let reasons = model.contributions(&x.view()).unwrap();
    assert_eq!(reasons, two.contributions(&x.view()).unwrap());
    assert!(far(&reasons.sum_axis(Axis(1)), &raw) < 1e-9);
    let few = model.contributions(&x.slice(ndarray::s![..3, ..])).unwrap();
    assert!((&few - &reasons.slice(ndarray::s![..3, ..])).iter().all(|gap| gap.abs() < 1e-9));
    assert!(reasons.column(4).iter().all(|share| *share == 0.0), "a constant column has no share");
    assert_eq!(model.columns().unseen(&x.view()).unwrap(), [0, 0, 0, 1, 0]);
}

#[test]
fn rows_in_columns_first_order_are_scored_alike() {
    let data = regression(1_000);
    let model = BoostingRegressor::params(Loss::Squared).rounds(10).fit(&data).unwrap();
    let turned = data.records().t().as_standard_layout().into_owned().reversed_axes();
    assert!(turned.as_slice().is_none());
    assert_eq!(model.predict_raw(&turned.view()), model.predict_raw(&data.records().view()));
    let again = BoostingRegressor::params(Loss::Squared).rounds(10);
    assert_eq!(again.fit(&DatasetBase::new(turned, data.targets().clone())).unwrap(), model);
}

#[test]
fn whole_weights_count_as_repeated_rows() {
    let mut data = regression(600);
    // So few values that every one has a bin: bins are made of rows, not of weights.
    data.records.mapv_inplace(|x| (x * 8.0).floor());
    let weight = |row: usize| 1 + row % 3;
    let repeated: Vec<usize> = (0..600).flat_map(|row| std::iter::repeat_n(row, weight(row))).collect();
    let (x, y) = (data.records().select(Axis(0), &repeated), data.targets().select(Axis(0), &repeated));
    let weighted = data.clone().with_weights(Array1::from_shape_fn(600, |row| weight(row) as f32));
    for loss in [Loss::Squared, Loss::Quantile { level: 0.5 }] {
        let params = BoostingRegressor::params(loss).rounds(10).min_samples(1).min_hessian(20.0);
        let one = params.fit(&weighted).unwrap().predict_raw(&data.records().view());
        let other = params.fit(&DatasetBase::new(x.clone(), y.clone())).unwrap().predict_raw(&data.records().view());
        let gap = far(&one, &other);
        assert!(gap < 1e-6, "{loss:?}: {gap}");
    }
}

#[test]
fn rows_of_no_weight_do_not_matter() {
    let data = classes(800);
    let mut spoiled = data.clone();
    for row in (0..800).step_by(4) {
        spoiled.targets[row] = 1.0 - spoiled.targets[row];
    }
    let weights = Array1::from_shape_fn(800, |row| f32::from(row % 4 != 0));
    let params = BoostingClassifier::params().rounds(10);
    let one = params.fit(&data.with_weights(weights.clone())).unwrap();
    assert_eq!(one, params.fit(&spoiled.with_weights(weights)).unwrap());
}

#[test]
fn a_quantile_covers_its_share_of_the_rows() {
    let (train, test) = (regression(6_000), regression(9_000));
    for level in [0.1, 0.5, 0.9] {
        let model =
            BoostingRegressor::params(Loss::Quantile { level }).rounds(60).categorical([3]).fit(&train).unwrap();
        let found = model.predict(test.records());
        let rows = 6_000..9_000;
        let below = rows.clone().filter(|&row| test.targets()[row] <= found[row]).count() as f64 / rows.len() as f64;
        assert!((below - level).abs() < 0.03, "{level}: {below}");
    }
}

#[test]
fn a_monotone_column_never_turns_the_answer() {
    let data = regression(4_000);
    let turned = DatasetBase::new(
        data.records().clone(),
        data.targets() + &data.records().column(2).mapv(|x| (x * 2.0).sin() * 2.0),
    );
    for (direction, loss) in [(1, Loss::Squared), (-1, Loss::Squared), (1, Loss::Quantile { level: 0.5 })] {
        let params = BoostingRegressor::params(loss).rounds(40).monotone([(2, direction), (0, 1)]);
        let model = params.fit(&turned).unwrap();
        for row in (0..4_000).step_by(97) {
            let grid = Array2::from_shape_fn((60, 5), |(step, column)| {
                if column == 2 { step as f64 / 6.0 } else { data.records()[[row, column]] }
            });
            let found = model.predict_raw(&grid.view());
            let falls = |pair: ndarray::ArrayView1<f64>| (pair[1] - pair[0]) * f64::from(direction) < -1e-12;
            assert!(!found.windows(2).into_iter().any(falls), "{loss:?} {direction}");
        }
    }
}

#[test]
fn codes_may_be_renamed() {
    let data = classes(5_000);
    let params = BoostingClassifier::params().rounds(20).categorical([3]);
    let one = params.fit(&data).unwrap().predict_raw(&data.records().view());
    let mut renamed = data.clone();
    renamed.records.column_mut(3).mapv_inplace(|code| 500.0 - 7.0 * code);
    let other = params.fit(&renamed).unwrap().predict_raw(&renamed.records().view());
    assert!(far(&one, &other) < 1e-9);
}

#[test]
fn early_stopping_keeps_the_round_of_least_loss() {
    let (train, test) = (classes(1_500), classes(4_000));
    let rows: Vec<usize> = (1_500..4_000).collect();
    let valid = DatasetBase::new(test.records().select(Axis(0), &rows), test.targets().select(Axis(0), &rows));
    let params = BoostingClassifier::params().rounds(400).shrinkage(0.3);
    let loss = |model: &BoostingClassifier| {
        let raw = model.predict_raw(&valid.records().view());
        raw.iter().zip(valid.targets()).map(|(&s, &y)| Loss::Logistic.of(y, s)).sum::<f64>()
    };
    let best = params.clone().early_stopping(25).fit_with_validation(&train, &valid).unwrap();
    assert!(best.rounds() < 375);
    let at = |rounds| loss(&params.clone().rounds(rounds).fit(&train).unwrap());
    let least = loss(&best);
    assert!(
        [1, best.rounds() / 2, best.rounds() + 1, best.rounds() + 20].into_iter().all(|rounds| at(rounds) >= least)
    );
    assert!((at(best.rounds()) - least).abs() < 1e-9);
    let error = params.early_stopping(25).fit(&train).unwrap_err().to_string();
    assert!(error.contains("fit_with_validation"), "{error}");
}

#[test]
fn a_fit_that_was_followed_holds_every_shorter_one() {
    let (train, all) = (classes(1_500), classes(4_000));
    let rows: Vec<usize> = (1_500..4_000).collect();
    let valid = DatasetBase::new(all.records().select(Axis(0), &rows), all.targets().select(Axis(0), &rows));
    let params = BoostingClassifier::params().rounds(400).shrinkage(0.3).row_share(0.7).column_share(0.6).seed(5);
    let (model, best) = params.clone().early_stopping(10).check().unwrap().follow(&train, &valid).unwrap();
    assert_eq!(model.rounds(), best + 10);
    for rounds in [1, best, model.rounds()] {
        assert_eq!(model.clone().first(rounds), Some(params.clone().rounds(rounds).fit(&train).unwrap()));
    }
    assert_eq!(model.clone().first(model.rounds() + 1), None);
}

#[test]
fn one_huge_target_does_not_blind_the_fit_to_the_rest() {
    let mut data = regression(2_000);
    data.targets[17] = 1e7;
    let model = BoostingRegressor::params(Loss::Quantile { level: 0.5 }).rounds(40).fit(&data).unwrap();
    let found = model.predict(data.records());
    let typical: f64 = (0..17).map(|row| (found[row] - data.targets()[row]).abs()).sum::<f64>() / 17.0;
    assert!(typical < 1.0, "{typical}");
}

#[test]
fn columns_without_a_word_give_the_prior() {
    let x = Array2::from_elem((100, 2), 3.0);
    let y = Array1::from_shape_fn(100, |row| f64::from(row < 25));
    let model = BoostingClassifier::params().fit(&DatasetBase::new(x.clone(), y)).unwrap();
    assert_eq!(model.rounds(), 0);
    assert!(model.predict_probabilities(&x.view()).iter().all(|p| (p - 0.25).abs() < 1e-12));
    assert_eq!(model.predict(&x), Array1::<f64>::zeros(100));
}

#[test]
fn a_leaf_has_the_rows_that_were_asked_for() {
    let data = classes(2_000);
    let model = BoostingClassifier::params().rounds(20).min_samples(90).fit(&data).unwrap();
    for tree in &model.trees {
        assert!(tree.leaves.iter().all(|leaf| leaf.cover >= 90.0));
        assert_eq!(tree.leaves.iter().map(|leaf| leaf.cover).sum::<f64>(), 2_000.0);
    }
}

#[test]
fn wrong_input_is_refused_with_its_place() {
    let fit = |x: Array2<f64>, y: Vec<f64>| {
        BoostingClassifier::params().fit(&DatasetBase::new(x, Array1::from(y))).unwrap_err()
    };
    let x = Array2::zeros((3, 1));
    assert!(matches!(fit(x.clone(), vec![1.0; 3]), TreeError::Input(InputError::OneClass { value: 1.0 })));
    assert!(matches!(fit(x.clone(), vec![1.0, 2.0, 0.0]), TreeError::Input(InputError::Label { row: 1, .. })));
    assert!(matches!(fit(x.clone(), vec![1.0, f64::NAN, 0.0]), TreeError::Input(InputError::Label { row: 1, .. })));
    assert!(matches!(fit(x.clone(), vec![1.0, 0.0]), TreeError::Input(InputError::Rows { found: 2, expected: 3, .. })));
    assert!(matches!(fit(Array2::zeros((0, 1)), vec![]), TreeError::TooFewRows { .. }));
    assert!(matches!(fit(Array2::zeros((3, 0)), vec![1.0, 0.0, 0.0]), TreeError::TooFewRows { .. }));
    let data = DatasetBase::new(x, Array1::from(vec![1.0, 0.0, 0.0]));
    let weighted = data.clone().with_weights(Array1::from(vec![1.0, -1.0, 1.0]));
    let error = BoostingClassifier::params().fit(&weighted).unwrap_err();
    assert!(matches!(error, TreeError::Input(InputError::Weight { row: 1, .. })));
    let error = BoostingClassifier::params().categorical([4]).fit(&data).unwrap_err();
    assert!(matches!(error, TreeError::NoSuchColumn { column: 4, columns: 1, .. }));
    let error = BoostingRegressor::params(Loss::Poisson)
        .fit(&DatasetBase::new(Array2::zeros((2, 1)), Array1::from(vec![-1.0, 1.0])));
    assert!(matches!(error.unwrap_err(), TreeError::Target { row: 0, .. }));
}

#[test]
fn wrong_settings_are_named() {
    use linfa::ParamGuard;
    let params = BoostingClassifier::params;
    for (given, name) in [
        (params().rounds(0), "rounds"),
        (params().leaves(1), "leaves"),
        (params().bins(256), "bins"),
        (params().shrinkage(0.0), "shrinkage"),
        (params().row_share(1.5), "row_share"),
        (params().column_share(f64::NAN), "column_share"),
        (params().l2(-1.0), "l2"),
        (params().threads(0), "threads"),
        (params().depth(65), "depth"),
        (params().monotone([(0, 2)]), "monotone"),
        (params().categorical([0]).monotone([(0, 1)]), "monotone"),
        (params().early_stopping(0), "early_stopping"),
    ] {
        let error = given.check_ref().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(BoostingRegressor::params(Loss::Quantile { level: 1.0 }).check().is_err());
    assert!(BoostingRegressor::params(Loss::Tweedie { power: 2.0 }).check().is_err());
    assert!(BoostingRegressor::params(Loss::Logistic).check().is_err());
}

#[test]
fn a_table_of_another_width_is_no_score() {
    let model = BoostingClassifier::params().rounds(2).fit(&classes(200)).unwrap();
    let narrow = Array2::zeros((3, 4));
    assert!(model.predict_probabilities(&narrow.view()).iter().all(|p| p.is_nan()));
    assert!(matches!(
        model.contributions(&narrow.view()),
        Err(TreeError::Input(InputError::Columns { found: 4, expected: 5 }))
    ));
}

#[test]
fn a_stored_model_is_the_model_and_a_spoiled_one_is_refused() {
    let data = classes(1_000);
    let model = BoostingClassifier::params().rounds(5).categorical([3]).fit(&data).unwrap();
    let text = serde_json::to_string(&model).unwrap();
    let loaded: BoostingClassifier = serde_json::from_str(&text).unwrap();
    assert_eq!(loaded.predict_raw(&data.records().view()), model.predict_raw(&data.records().view()));
    assert_eq!(serde_json::to_string(&loaded).unwrap(), text);
    assert!(serde_json::from_str::<BoostingRegressor>(&text).is_err(), "a classifier is no regressor");
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let spoil = |change: fn(&mut serde_json::Value)| {
        let mut spoiled = whole.clone();
        change(&mut spoiled);
        assert_ne!(spoiled, whole);
        serde_json::from_value::<BoostingClassifier>(spoiled).unwrap_err().to_string()
    };
    let leads_back = spoil(|model| model["trees"][0]["nodes"][1]["left"] = 0.into());
    assert!(leads_back.contains("tree 0") && leads_back.contains("leads back"), "{leads_back}");
    assert!(spoil(|model| model["trees"][1]["nodes"][0]["right"] = 900.into()).contains("out of range"));
    assert!(spoil(|model| model["trees"][1]["nodes"][0]["column"] = 5.into()).contains("has not"));
    assert!(
        spoil(|model| model["trees"][0]["nodes"][2]["left"] = model["trees"][0]["nodes"][2]["right"].clone())
            .contains("two parents")
    );
    assert!(spoil(|model| model["trees"][0]["leaves"][0]["cover"] = (-1.0).into()).contains("cover"));
    assert!(spoil(|model| drop(model["trees"][0]["leaves"].as_array_mut().unwrap().pop())).contains("one leaf more"));
    assert!(spoil(|model| model["columns"][0]["numeric"]["cuts"][0] = 1e9.into()).contains("ascending"));
    assert!(!spoil(|model| model["start"] = serde_json::Value::Null).is_empty());
    assert!(!spoil(|model| model["extra"] = 1.into()).is_empty());
}
