use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, Axis};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::*;
use crate::input::InputError;
use crate::random::{Chance, Purpose};
use crate::tree::TreeError;

type Data = DatasetBase<Array2<f64>, Array1<f64>>;

fn table(rows: usize) -> Data {
    let chance = Chance::new(5, Purpose::Bootstrap, 5);
    let x = Array2::from_shape_fn((rows, 5), |(row, column)| {
        let u = chance.unit((row * 5 + column) as u64);
        match column {
            3 if u < 0.2 => f64::NAN,
            4 => (u * 9.0).floor(),
            _ => u * 10.0,
        }
    });
    let y = Array1::from_shape_fn(rows, |row| {
        let odd = x[[row, 4]] % 3.0;
        x[[row, 0]] + odd + f64::from(x[[row, 3]].is_nan()) * 3.0 + 2.0 * chance.unit(1_000_000 + row as u64)
    });
    DatasetBase::new(x, y)
}

fn classes(rows: usize) -> Data {
    let data = table(rows);
    let y = data.targets().mapv(|y| f64::from(y > 7.5));
    DatasetBase::new(data.records, y)
}

fn far(one: &Array1<f64>, other: &Array1<f64>) -> f64 {
    one.iter().zip(other).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

#[test]
fn the_forest_is_the_same_bytes_for_any_number_of_threads() {
    let data = classes(3_000).with_weights(Array1::from_shape_fn(3_000, |row| (row % 4) as f32));
    let bytes = |seed, threads| {
        let params = ForestClassifier::params().trees(7).out_of_bag(true).categorical([4]).seed(seed).threads(threads);
        let forest = params.fit(&data).unwrap();
        (serde_json::to_vec(&forest).unwrap(), forest.out_of_bag.unwrap())
    };
    let one = bytes(1, 1);
    for threads in [2, 3] {
        let other = bytes(1, threads);
        assert!(one.0 == other.0);
        assert_eq!(one.1.squared_error, other.1.squared_error);
        assert!(one.1.predictions.iter().zip(&other.1.predictions).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    assert!(one.0 != bytes(2, 1).0);
}

#[test]
fn the_named_defaults_are_a_hundred_trees_of_depth_ten() {
    use linfa::ParamGuard;
    let params = ForestClassifier::params().check().unwrap();
    assert_eq!((params.trees, params.shape.depth, params.mtry), (100, 10, Mtry::Sqrt));
    assert_eq!((TREES, DEPTH), (100, 10));
}

#[test]
fn reasons_add_up_to_the_probability() {
    let data = classes(2_000);
    let forest = ForestClassifier::params().trees(20).categorical([4]).fit(&data).unwrap();
    let p = forest.predict_probabilities(&data.records().view());
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
    let reasons = forest.contributions(&data.records().view()).unwrap();
    assert!(far(&reasons.sum_axis(Axis(1)), &p) < 1e-9);
    let two = forest.clone().with_threads(2);
    assert_eq!(two.predict_probabilities(&data.records().view()), p);
    let few = forest.contributions(&data.records().slice(ndarray::s![..2, ..])).unwrap();
    assert!((&few - &reasons.slice(ndarray::s![..2, ..])).iter().all(|gap| gap.abs() < 1e-9));
}

#[test]
fn one_full_tree_repeats_its_training_rows() {
    let data = table(250);
    let params = ForestRegressor::params().trees(1).bootstrap(false).depth(64).mtry(Mtry::All);
    let found = params.fit(&data).unwrap().predict(data.records());
    assert!(far(&found, data.targets()) < 1e-6);
}

#[test]
fn the_out_of_bag_estimate_is_near_the_error_on_new_rows() {
    let (train, test) = (table(3_000), table(6_000));
    let forest = ForestRegressor::params().out_of_bag(true).mtry(Mtry::Share(0.5)).fit(&train).unwrap();
    let estimate = forest.out_of_bag().unwrap();
    assert_eq!(estimate.rows, 3_000);
    let found = forest.predict(test.records());
    let new = 3_000..6_000;
    let error = new.clone().map(|row| (found[row] - test.targets()[row]).powi(2)).sum::<f64>() / new.len() as f64;
    assert!((estimate.squared_error / error - 1.0).abs() < 0.1, "{} {error}", estimate.squared_error);
    let seen = forest.predict(train.records());
    let seen = (&seen - train.targets()).mapv(|gap| gap * gap).mean().unwrap();
    assert!(seen < 0.8 * estimate.squared_error, "rows that were seen are easier");
}

#[test]
fn the_error_is_that_of_smartcores_forest() {
    let (train, test) = (table(1_500), table(3_000));
    let filled = |data: &Data| data.records().mapv(|x| if x.is_nan() { -1.0 } else { x });
    let dense =
        |x: &Array2<f64>| DenseMatrix::from_2d_vec(&x.rows().into_iter().map(|row| row.to_vec()).collect()).unwrap();
    let settings =
        RandomForestRegressorParameters::default().with_n_trees(60).with_max_depth(10).with_m(2).with_seed(3);
    let theirs = RandomForestRegressor::fit(&dense(&filled(&train)), &train.targets().to_vec(), settings).unwrap();
    let theirs = theirs.predict(&dense(&filled(&test))).unwrap();
    let params = ForestRegressor::params().trees(60).mtry(Mtry::Count(2)).seed(3);
    let ours = params.fit(&train).unwrap().predict(test.records());
    let error = |found: &dyn Fn(usize) -> f64| {
        (1_500..3_000).map(|row| (found(row) - test.targets()[row]).powi(2)).sum::<f64>() / 1_500.0
    };
    let (ours, theirs) = (error(&|row| ours[row]), error(&|row| theirs[row]));
    assert!(ours < theirs * 1.05, "{ours} {theirs}");
}

#[test]
fn whole_weights_count_as_repeated_rows() {
    let mut data = classes(500);
    // So few values that every one has a bin: bins are made of rows, not of weights.
    data.records.mapv_inplace(|x| (x * 8.0).floor());
    let repeated: Vec<usize> = (0..500).flat_map(|row| std::iter::repeat_n(row, 1 + row % 3)).collect();
    let (x, y) = (data.records().select(Axis(0), &repeated), data.targets().select(Axis(0), &repeated));
    let weighted = data.clone().with_weights(Array1::from_shape_fn(500, |row| (1 + row % 3) as f32));
    let params = ForestClassifier::params().trees(1).bootstrap(false).mtry(Mtry::All).depth(6);
    let one = params.fit(&weighted).unwrap().predict_probabilities(&data.records().view());
    let other = params.fit(&DatasetBase::new(x, y)).unwrap().predict_probabilities(&data.records().view());
    assert!(far(&one, &other) < 1e-9);
}

#[test]
fn wrong_settings_and_targets_are_refused() {
    use linfa::ParamGuard;
    for (given, name) in [
        (ForestClassifier::params().trees(0), "trees"),
        (ForestClassifier::params().mtry(Mtry::Share(0.0)), "mtry"),
        (ForestClassifier::params().mtry(Mtry::Count(0)), "mtry"),
        (ForestClassifier::params().bootstrap(false).out_of_bag(true), "out_of_bag"),
        (ForestClassifier::params().min_gain(-1.0), "min_gain"),
        (ForestClassifier::params().depth(0), "depth"),
    ] {
        let error = given.check_ref().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let one = DatasetBase::new(Array2::zeros((4, 1)), Array1::zeros(4));
    assert!(matches!(ForestClassifier::params().fit(&one), Err(TreeError::Input(InputError::OneClass { .. }))));
    let infinite = DatasetBase::new(Array2::zeros((2, 1)), Array1::from(vec![0.0, f64::INFINITY]));
    assert!(matches!(
        ForestRegressor::params().fit(&infinite),
        Err(TreeError::Input(InputError::Value { row: 1, .. }))
    ));
}

#[test]
fn a_stored_forest_is_the_forest_and_a_spoiled_one_is_refused() {
    let data = classes(500);
    let forest = ForestClassifier::params().trees(3).out_of_bag(true).fit(&data).unwrap();
    let text = serde_json::to_string(&forest).unwrap();
    let loaded: ForestClassifier = serde_json::from_str(&text).unwrap();
    assert!(loaded.trees == forest.trees);
    assert_eq!(serde_json::to_string(&loaded).unwrap(), text);
    assert!(serde_json::from_str::<ForestRegressor>(&text).is_err());
    let mut spoiled: serde_json::Value = serde_json::from_str(&text).unwrap();
    spoiled["trees"][0]["leaves"][0]["value"] = 1.5.into();
    let error = serde_json::from_value::<ForestClassifier>(spoiled).unwrap_err().to_string();
    assert!(error.contains("no probability"), "{error}");
}
