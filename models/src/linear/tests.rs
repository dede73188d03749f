//! Promises of the linear family.

use linfa::ParamGuard;
use linfa::traits::{Fit, FitWith, Predict};
use ndarray::{Array1, Array2, array, s};
use serde_json::Value;

use super::{FittedLogistic, FittedRidge, LinearError, LogisticParams, RidgeParams};
use crate::InputError;
use crate::testing::{close, logistic_law, park_miller};

/// The data of `reference/golden.py`.
fn golden_data(rows: usize, columns: usize) -> (Array2<f64>, Array1<f64>, Array1<f64>, Array1<f64>) {
    let u = Array2::from_shape_vec((rows, columns + 2), park_miller(rows * (columns + 2))).unwrap();
    let mut x = u.slice(s![.., ..columns]).to_owned();
    for (column, mut values) in x.columns_mut().into_iter().enumerate() {
        values.mapv_inplace(|value| (value - 0.5) * (1 + column) as f64 + 3.0 * column as f64);
    }
    let first = x.column(0).to_owned();
    x.column_mut(1).zip_mut_with(&first, |value, first| *value += first);
    let score: Array1<f64> = &x.column(0) - 0.7 * (&x.column(1) - 3.0) + 0.2 * (&x.column(2) - 6.0) - 0.4;
    let draws = u.column(columns);
    let y = score.iter().zip(draws).map(|(s, u)| f64::from(u8::from(*u < 1.0 / (1.0 + (-2.0 * s).exp())))).collect();
    let weights = u.column(columns + 1).mapv(|u| 0.5 + u);
    (x, y, weights, score)
}

fn golden() -> Value {
    serde_json::from_str(include_str!("reference/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Objective to 1e-9: both sides solve to more. Coefficients to 1e-5: near the minimum the objective is flat, and saga
/// stops by steps, not by gradient.
#[test]
fn objective_and_coefficients_equal_scikit_learns_for_l2_l1_and_elastic_net() {
    let (x, y, weights, _) = golden_data(600, 6);
    for case in golden()["logistic"].as_array().unwrap() {
        let [penalty, ratio] = ["penalty", "l1_ratio"].map(|name| case[name].as_f64().unwrap());
        let params = LogisticParams::new().penalty(penalty).l1_ratio(ratio).tolerance(1e-14).check().unwrap();
        let model = params.fit_arrays(x.view(), y.view(), Some(weights.view()), None).unwrap();
        let what = format!("penalty {penalty}, l1_ratio {ratio}");
        assert!(model.converged(), "{what}");
        close(model.objective(), case["objective"].as_f64().unwrap(), 1e-9, &what);
        close(model.intercept(), case["intercept"].as_f64().unwrap(), 1e-5, &what);
        for (found, expected) in model.coefficients().iter().zip(numbers(&case["coefficients"])) {
            close(*found, expected, 1e-5, &what);
            assert_eq!(*found == 0.0, expected == 0.0, "{what}: the same columns are left out");
        }
    }
}

/// Both solve normal equations of well-conditioned columns: 1e-10.
#[test]
fn ridge_and_least_squares_equal_scikit_learns() {
    let (x, _, weights, score) = golden_data(600, 6);
    let target = &score * 10.0 + &weights * 5.0;
    for case in golden()["ridge"].as_array().unwrap() {
        let params = RidgeParams::new().penalty(case["penalty"].as_f64().unwrap()).check().unwrap();
        let model = params.fit_arrays(x.view(), target.view(), Some(weights.view())).unwrap();
        close(model.intercept(), case["intercept"].as_f64().unwrap(), 1e-10, "intercept");
        for (found, expected) in model.coefficients().iter().zip(numbers(&case["coefficients"])) {
            close(*found, expected, 1e-10, "coefficient");
        }
    }
}

/// linfa minimises sum of losses + alpha/2 |b|^2 on the columns as they come, by L-BFGS to a gradient of 1e-4: 1e-4.
#[test]
fn unstandardised_l2_equals_linfas() {
    let (x, y, _) = logistic_law(500, 4, 3);
    let ours = LogisticParams::new().penalty(2.0).standardize(false).fit(&linfa::Dataset::new(x.clone(), y.clone()));
    let labels = y.mapv(|label| label == 1.0);
    let theirs = linfa_logistic::LogisticRegression::default().alpha(2.0).gradient_tolerance(1e-8);
    let theirs = theirs.fit(&linfa::Dataset::new(x.clone(), labels)).unwrap();
    let ours = ours.unwrap().predict_probabilities(&x.view());
    let flipped = !theirs.labels().pos.class;
    for (ours, theirs) in ours.iter().zip(theirs.predict_probabilities(&x)) {
        // linfa chooses which class is its positive one.
        close(*ours, if flipped { 1.0 - theirs } else { theirs }, 1e-4, "probability");
    }
}

#[test]
fn threads_and_layout_do_not_change_a_byte() {
    let (x, y, weights) = logistic_law(60_000, 5, 11);
    for ratio in [0.0, 0.5] {
        let fit = |threads: usize, x: &Array2<f64>| {
            let params = LogisticParams::new().penalty(3.0).l1_ratio(ratio).threads(threads).check().unwrap();
            let model = params.fit_arrays(x.view(), y.view(), Some(weights.view()), None).unwrap();
            serde_json::to_string(&model).unwrap()
        };
        let columns_first = x.t().as_standard_layout().reversed_axes().to_owned();
        assert_eq!(fit(1, &x), fit(2, &x));
        assert_eq!(fit(1, &x), fit(2, &columns_first));
    }
    let ridge = |threads: usize| {
        let params = RidgeParams::new().penalty(1.0).threads(threads).check().unwrap();
        serde_json::to_string(&params.fit_arrays(x.view(), weights.view(), None).unwrap()).unwrap()
    };
    assert_eq!(ridge(1), ridge(2));
}

/// Every label, then one positive in 400 of them: then a sample holds a handful.
#[test]
fn a_start_from_a_sample_ends_at_the_same_minimum() {
    let (x, y, _) = logistic_law(60_000, 4, 12);
    let mut seen = 0;
    let rare = y.mapv(|label| {
        seen += usize::from(label == 1.0);
        if seen % 400 == 0 { label } else { 0.0 }
    });
    for (y, ratio) in [(&y, 0.0), (&rare, 0.0), (&rare, 0.5)] {
        let params = LogisticParams::new().penalty(1.0).l1_ratio(ratio).tolerance(1e-17).check().unwrap();
        let sampled = params.fit_arrays(x.view(), y.view(), None, None).unwrap();
        let zero = FittedLogistic::try_from_parts(vec![0.0; 4], 0.0);
        let plain = params.fit_arrays(x.view(), y.view(), None, Some(&zero)).unwrap();
        close(sampled.objective(), plain.objective(), 1e-12, "objective");
        for (a, b) in sampled.coefficients().iter().zip(plain.coefficients()) {
            close(*a, *b, 1e-6, "coefficient");
        }
    }
}

#[test]
fn a_warm_start_needs_fewer_steps_and_ends_at_the_same_minimum() {
    let (x, y, _) = logistic_law(3000, 6, 5);
    let data = linfa::Dataset::new(x, y);
    let params = LogisticParams::new().penalty(2.0).l1_ratio(0.3);
    let cold = params.fit(&data).unwrap();
    let warm = params.fit_with(Some(&cold), &data).unwrap();
    assert!(warm.iterations() < cold.iterations());
    close(warm.objective(), cold.objective(), 1e-9, "objective");
}

/// The optimality conditions of the penalised minimum, beyond the width of one Hessian: L-BFGS and working sets.
#[test]
fn many_columns_meet_the_optimality_conditions() {
    let (x, y, _) = logistic_law(400, 300, 8);
    for (ratio, penalty) in [(0.0, 20.0), (1.0, 12.0), (0.5, 12.0)] {
        let params = LogisticParams::new().penalty(penalty).l1_ratio(ratio).standardize(false).tolerance(1e-13);
        let model = params.fit(&linfa::Dataset::new(x.clone(), y.clone())).unwrap();
        assert!(model.converged());
        let residual = model.predict_probabilities(&x.view()) - &y;
        let gradient = x.t().dot(&residual);
        close(residual.sum(), 0.0, 1e-3, "the intercept's gradient");
        let (l1, l2) = (penalty * ratio, penalty * (1.0 - ratio));
        for (slope, b) in gradient.iter().zip(model.coefficients()) {
            let smooth = slope + l2 * b;
            let violation = if *b == 0.0 { (smooth.abs() - l1).max(0.0) } else { (smooth + l1 * b.signum()).abs() };
            assert!(violation < 1e-3, "ratio {ratio}: {violation}");
        }
    }
}

#[test]
fn non_negative_coefficients_are_the_best_of_those() {
    let (x, y, _) = logistic_law(2000, 4, 21);
    let model = LogisticParams::new().non_negative(true).fit(&linfa::Dataset::new(x.clone(), y.clone())).unwrap();
    let [first, second, third, fourth] = model.coefficients() else { panic!("four columns") };
    assert!(*first > 0.0 && *second == 0.0 && *third > 0.0 && *fourth == 0.0);
    let without = LogisticParams::new().fit(&linfa::Dataset::new(x.select(ndarray::Axis(1), &[0, 2]), y)).unwrap();
    close(model.objective(), without.objective(), 1e-9, "objective");
}

#[test]
fn contributions_add_up_to_the_log_odds() {
    let (x, y, _) = logistic_law(300, 5, 2);
    let model = LogisticParams::new().fit(&linfa::Dataset::new(x.clone(), y)).unwrap();
    let parts = model.contributions(&x.view()).unwrap();
    for (row, score) in parts.values.rows().into_iter().zip(model.log_odds(&x.view())) {
        close(parts.baseline + row.sum(), score, 1e-12, "sum of contributions");
    }
    close(parts.values.mean_axis(ndarray::Axis(0)).unwrap().sum(), 0.0, 1e-12, "mean contribution");
}

#[test]
fn weights_count_as_repeated_rows() {
    let (x, y, _) = logistic_law(200, 3, 4);
    let weights: Array1<f64> = (0..200).map(|row| f64::from(row % 3)).collect();
    let rows: Vec<usize> = (0..200).flat_map(|row| std::iter::repeat_n(row, row % 3)).collect();
    let params = LogisticParams::new().tolerance(1e-14).check().unwrap();
    let weighted = params.fit_arrays(x.view(), y.view(), Some(weights.view()), None).unwrap();
    let (x, y) = (x.select(ndarray::Axis(0), &rows), y.select(ndarray::Axis(0), &rows));
    let repeated = params.fit_arrays(x.view(), y.view(), None, None).unwrap();
    close(weighted.objective(), repeated.objective(), 1e-12, "objective");
}

#[test]
fn a_missing_value_is_refused_with_the_columns_name() {
    let data = linfa::Dataset::new(array![[1.0, 2.0], [3.0, f64::NAN]], array![0.0, 1.0])
        .with_feature_names(vec!["orders", "days_since_order"]);
    let error = LogisticParams::new().fit(&data).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("days_since_order") && text.contains("row 1") && text.contains("encode"), "{text}");
}

#[test]
fn labels_beside_0_and_1_and_one_class_are_refused() {
    let x = array![[1.0], [2.0], [3.0]];
    let fit = |y: Array1<f64>| LogisticParams::new().fit(&linfa::Dataset::new(x.clone(), y)).unwrap_err();
    assert!(matches!(fit(array![0.0, 1.0, 2.0]), LinearError::Input(InputError::Label { row: 2, .. })));
    assert!(matches!(fit(array![1.0, 1.0, 1.0]), LinearError::Input(InputError::OneClass { .. })));
    assert!(matches!(LogisticParams::new().penalty(-1.0).check(), Err(LinearError::Parameter { .. })));
}

#[test]
fn constant_collinear_and_shifted_columns_do_no_harm() {
    let (x, y, _) = logistic_law(500, 2, 9);
    let plain = LogisticParams::new().fit(&linfa::Dataset::new(x.clone(), y.clone())).unwrap();
    let shifted = x.mapv(|value| value * 1e-3 + 1.7e6);
    let shifted = LogisticParams::new().fit(&linfa::Dataset::new(shifted, y.clone())).unwrap();
    // The values themselves keep only ten digits of their spread.
    close(shifted.objective(), plain.objective(), 1e-7, "objective of shifted columns");
    let mut wide = Array2::from_elem((500, 4), 0.1);
    wide.slice_mut(s![.., ..2]).assign(&x);
    wide.column_mut(3).assign(&x.column(0));
    let model = LogisticParams::new().penalty(0.0).fit(&linfa::Dataset::new(wide, y.clone())).unwrap();
    assert_eq!(model.coefficients()[2], 0.0);
    let free = LogisticParams::new().penalty(0.0).fit(&linfa::Dataset::new(x, y)).unwrap();
    close(model.objective(), free.objective(), 1e-8, "objective of collinear columns");
}

#[test]
fn separable_labels_end_and_say_whether_they_converged() {
    let x = Array2::from_shape_fn((40, 1), |(row, _)| row as f64);
    let y = Array1::from_shape_fn(40, |row| f64::from(u8::from(row >= 20)));
    let model = LogisticParams::new().penalty(0.0).fit(&linfa::Dataset::new(x.clone(), y.clone())).unwrap();
    assert!(model.predict_probabilities(&x.view()).iter().all(|p| p.is_finite()));
    assert!(model.objective() < 1e-3);
}

#[test]
fn a_model_survives_its_file_and_a_damaged_one_is_refused() {
    let (x, y, _) = logistic_law(200, 3, 4);
    let model = LogisticParams::new().fit(&linfa::Dataset::new(x.clone(), y.clone())).unwrap();
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<FittedLogistic>(&text).unwrap(), model);
    let damaged = text.replace("\"means\":[", "\"means\":[1.0,");
    assert!(serde_json::from_str::<FittedLogistic>(&damaged).unwrap_err().to_string().contains("damaged"));
    let ridge = RidgeParams::new().fit(&linfa::Dataset::new(x.clone(), y)).unwrap();
    let text = serde_json::to_string(&ridge).unwrap();
    assert_eq!(serde_json::from_str::<FittedRidge>(&text).unwrap(), ridge);
    let probabilities: Array1<f64> = model.predict(&x);
    assert_eq!(probabilities, model.predict_probabilities(&x.view()));
}
