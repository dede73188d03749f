//! Promises of the calibrators.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, array, s};
use serde_json::Value;

use super::*;
use crate::metrics::{calibration_line, expected_calibration_error, log_loss, roc_auc};
use crate::random::Random;
use crate::testing::{close, park_miller};

const METHODS: [Method; 5] = [Method::None, Method::Platt, Method::Beta, Method::Isotonic, Method::Blended];

/// The data of `reference/golden.py`.
fn golden_data() -> [Array1<f64>; 3] {
    let u = Array2::from_shape_vec((500, 3), park_miller(1500)).unwrap();
    let p = u.column(0).mapv(|u| (u * 200.0).floor() / 200.0 * 0.98 + 0.01);
    let y = p.iter().zip(u.column(1)).map(|(p, u)| f64::from(u8::from(*u < p.powf(1.7)))).collect();
    [p, y, u.column(2).mapv(|u| 0.5 + u)]
}

fn fit(method: Method, p: &Array1<f64>, y: &Array1<f64>) -> Calibrator {
    CalibratorParams::new().method(method).check().unwrap().fit_arrays(p.view(), y.view(), None).unwrap()
}

/// Isotonic is a mean of labels, 1e-12; the others are minima that scipy finds to a gradient of 1e-9, 1e-6.
#[test]
fn calibrations_equal_scikit_learns_and_scipys() {
    let golden: Value = serde_json::from_str(include_str!("reference/golden.json")).unwrap();
    let [p, y, w] = golden_data();
    let isotonic = IsotonicCalibration::fit(p.view(), y.view(), Some(w.view())).unwrap();
    let grid = Array1::from_shape_fn(21, |at| at as f64 / 20.0);
    let nearest = 1.0 / (w.sum() + 2.0);
    for (at, found) in isotonic.calibrate(&grid.view()).iter().enumerate() {
        let expected = golden["isotonic"][at].as_f64().unwrap().clamp(nearest, 1.0 - nearest);
        close(*found, expected, 1e-12, "isotonic");
    }
    let scores = p.mapv(|p| (p / (1.0 - p)).ln());
    let (slope, intercept) = PlattCalibration::fit(scores.view(), y.view(), Some(w.view())).unwrap().line();
    close(slope, golden["platt"][0].as_f64().unwrap(), 1e-6, "Platt's slope");
    close(intercept, golden["platt"][1].as_f64().unwrap(), 1e-6, "Platt's intercept");
    let (a, b, c) = BetaCalibration::fit(p.view(), y.view(), Some(w.view())).unwrap().parameters();
    for (at, found) in [a, b, c].into_iter().enumerate() {
        close(found, golden["beta"][at].as_f64().unwrap(), 1e-6, "beta");
    }
}

#[test]
fn every_method_rises_and_stays_within_0_and_1() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let p: Array1<f64> = (0..150).map(|_| (random.uniform() * 20.0).floor() / 19.0).map(|p| p.min(1.0)).collect();
        let y: Array1<f64> = (0..150).map(|row| if row < 2 { row as f64 } else { random.below(2) as f64 }).collect();
        for method in METHODS {
            let grid = Array1::from_shape_fn(501, |at| at as f64 / 500.0);
            let out = fit(method, &p, &y).calibrate(&grid.view());
            assert!(out.iter().all(|p| *p > 0.0 && *p < 1.0), "{method:?}, seed {seed}");
            assert!(out.windows(2).into_iter().all(|pair| pair[0] <= pair[1] + 1e-15), "{method:?}, seed {seed}");
        }
    }
}

#[test]
fn too_extreme_probabilities_are_mended() {
    let mut random = Random::new(3);
    let truth: Vec<f64> = (0..20_000).map(|_| random.normal() * 1.5 - 1.0).collect();
    let y: Array1<f64> =
        truth.iter().map(|m| f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-m).exp())))).collect();
    let extreme: Array1<f64> = truth.iter().map(|m| 1.0 / (1.0 + (-2.0 * m - 0.5).exp())).collect();
    let before = log_loss(y.view(), extreme.view(), None).unwrap();
    for method in [Method::Platt, Method::Beta, Method::Isotonic, Method::Blended] {
        let out = fit(method, &extreme, &y).calibrate(&extreme.view());
        assert!(log_loss(y.view(), out.view(), None).unwrap() < before - 0.02);
        assert!(expected_calibration_error(y.view(), out.view(), None, 10).unwrap() < 0.01);
        let line = calibration_line(y.view(), out.view(), None).unwrap();
        assert!((line.slope - 1.0).abs() < 0.05 && line.intercept.abs() < 0.05, "{method:?} {line:?}");
    }
}

/// Labels that know three steps of a score: what trees say of customers who fall into few kinds.
fn steps(rows: usize, seed: u64) -> (Array1<f64>, Array1<f64>) {
    let mut random = Random::new(seed);
    let p: Array1<f64> = (0..rows).map(|_| 1.0 / (1.0 + (1.5 - 1.8 * random.normal()).exp())).collect();
    let truth = |p: f64| {
        if p < 0.25 {
            0.04
        } else if p < 0.8 {
            0.25
        } else {
            0.85
        }
    };
    let y = p.iter().map(|p| f64::from(u8::from(random.uniform() < truth(*p)))).collect();
    (p, y)
}

#[test]
fn a_blend_bends_where_beta_cannot_and_ties_nothing_that_the_score_tells_apart() {
    let ((p, y), (new_p, new_y)) = (steps(3000, 7), steps(20_000, 8));
    let out = |method| fit(method, &p, &y).calibrate(&new_p.view());
    let loss = |method| log_loss(new_y.view(), out(method).view(), None).unwrap();
    assert!(loss(Method::Blended) < loss(Method::Beta) - 0.005);
    let auc = |scores: &Array1<f64>| roc_auc(new_y.view(), scores.view(), None).unwrap();
    close(auc(&out(Method::Blended)), auc(&new_p), 1e-12, "area");
    assert!(auc(&out(Method::Isotonic)) != auc(&new_p));
}

#[test]
fn a_blend_of_few_rows_of_a_label_is_beta_alone() {
    let (p, y) = steps(3000, 7);
    let first = |rows: usize| p.slice(s![..rows]).to_owned();
    for (rows, blended) in [(300, false), (3000, true)] {
        let y = y.slice(s![..rows]).to_owned();
        assert_eq!(matches!(fit(Method::Blended, &first(rows), &y), Calibrator::Blended(..)), blended);
        let turned = y.mapv(|label| 1.0 - label);
        assert_eq!(matches!(fit(Method::Blended, &first(rows), &turned), Calibrator::Blended(..)), blended);
    }
}

#[test]
fn a_score_that_falls_with_the_label_becomes_the_base_rate() {
    let p = Array1::from_shape_fn(100, |row| 0.01 * row as f64);
    let y = Array1::from_shape_fn(100, |row| f64::from(u8::from(row < 30)));
    for method in [Method::Platt, Method::Beta, Method::Isotonic] {
        let out = fit(method, &p, &y).calibrate(&p.view());
        assert!(out.iter().all(|value| (value - 0.3).abs() < 0.02), "{method:?}: {out}");
    }
}

#[test]
fn separated_labels_leave_finite_parameters() {
    let p = array![0.0, 0.1, 0.9, 1.0];
    let y = array![0.0, 0.0, 1.0, 1.0];
    for method in METHODS {
        assert!(fit(method, &p, &y).calibrate(&p.view()).iter().all(|p| *p > 0.0 && *p < 1.0), "{method:?}");
    }
}

#[test]
fn a_calibration_survives_its_file_and_a_damaged_one_is_refused() {
    let [p, y, _] = golden_data();
    for method in METHODS {
        let calibrator = fit(method, &p, &y);
        let text = serde_json::to_string(&calibrator).unwrap();
        assert_eq!(serde_json::from_str::<Calibrator>(&text).unwrap(), calibrator);
    }
    for damaged in [
        r#"{"platt":{"slope":-1.0,"intercept":0.0}}"#,
        r#"{"beta":{"a":1.0,"b":-0.5,"c":0.0}}"#,
        r#"{"isotonic":{"scores":[0.1,0.2],"probabilities":[0.5,0.4],"nearest":0.01}}"#,
        r#"{"isotonic":{"scores":[],"probabilities":[],"nearest":0.01}}"#,
        r#"{"blended":[{"a":-1.0,"b":1.0,"c":0.0},{"scores":[0.1],"probabilities":[0.5],"nearest":0.01}]}"#,
    ] {
        assert!(serde_json::from_str::<Calibrator>(damaged).unwrap_err().to_string().contains("damaged"), "{damaged}");
    }
}

#[test]
fn a_probability_outside_0_to_1_is_refused() {
    let params = CalibratorParams::new().check().unwrap();
    let error = params.fit_arrays(array![0.1, 1.5].view(), array![0.0, 1.0].view(), None).unwrap_err();
    assert!(error.to_string().contains("row 1"));
}
