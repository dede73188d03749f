//! Promises of the metrics.

use ndarray::{Array1, Array2, array};
use serde_json::Value;

use super::*;
use crate::InputError;
use crate::conformal::Intervals;
use crate::random::Random;
use crate::testing::{close, park_miller};

/// The data of `reference/golden.py`: labels, probabilities with ties, weights, another target.
fn golden_data() -> [Array1<f64>; 4] {
    let u = Array2::from_shape_vec((400, 4), park_miller(1600)).unwrap();
    let p = u.column(0).mapv(|u| (u * 40.0).floor() / 40.0 * 0.98 + 0.01);
    let y = p.iter().zip(u.column(1)).map(|(p, u)| f64::from(u8::from(*u < p.powf(1.3)))).collect();
    [y, p, u.column(2).mapv(|u| 0.5 + u), u.column(3).to_owned()]
}

/// Sums of 400 numbers in another order: 1e-12. The line comes from another solver: 1e-8.
#[test]
fn metrics_equal_scikit_learns_and_scipys() {
    let golden: Value = serde_json::from_str(include_str!("reference/golden.json")).unwrap();
    let [y, p, w, other] = golden_data();
    let check = |metric: Metric, target: &Array1<f64>| {
        for (at, weights) in [None, Some(w.view())].into_iter().enumerate() {
            let expected = golden[metric.name()][at].as_f64().unwrap();
            close(metric.evaluate(target.view(), p.view(), weights).unwrap(), expected, 1e-12, metric.name());
        }
    };
    for metric in [Metric::RocAuc, Metric::AveragePrecision, Metric::KolmogorovSmirnov, Metric::LogLoss, Metric::Brier]
    {
        check(metric, &y);
    }
    for metric in [Metric::Mae, Metric::Rmse, Metric::Wape, Metric::Pinball { quantile: 0.8 }] {
        check(metric, &other);
    }
    let line = calibration_line(y.view(), p.view(), None).unwrap();
    close(line.slope, golden["calibration_line"][0].as_f64().unwrap(), 1e-8, "slope");
    close(line.intercept, golden["calibration_line"][1].as_f64().unwrap(), 1e-8, "intercept");
    let test = two_sample_test(y.view(), p.view()).unwrap();
    let expected = golden["two_sample_p"].as_f64().unwrap();
    assert!((test.p_value / expected - 1.0).abs() < 1e-10, "{}", test.p_value);
}

#[test]
fn auc_counts_ties_half_and_ignores_the_order_of_rows() {
    let auc = |y: Array1<f64>, s: Array1<f64>| roc_auc(y.view(), s.view(), None).unwrap();
    assert_eq!(auc(array![0.0, 1.0, 0.0, 1.0], array![0.5, 0.5, 0.5, 0.5]), 0.5);
    assert_eq!(auc(array![1.0, 0.0], array![-0.0, 0.0]), 0.5);
    assert_eq!(auc(array![0.0, 1.0], array![1.0, 2.0]), 1.0);
    let mut random = Random::new(1);
    for _ in 0..20 {
        let y: Vec<f64> = (0..50).map(|_| random.below(2) as f64).collect();
        let scores: Vec<f64> = (0..50).map(|_| random.below(10) as f64).collect();
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (a, label) in scores.iter().zip(&y).filter(|(_, label)| **label == 1.0) {
            assert_eq!(*label, 1.0);
            for (b, _) in scores.iter().zip(&y).filter(|(_, label)| **label == 0.0) {
                pairs += 1.0;
                wins += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
            }
        }
        close(auc(Array1::from(y), Array1::from(scores)), wins / pairs, 1e-12, "auc by pairs");
    }
}

#[test]
fn ece_is_zero_for_the_observed_shares_and_the_gap_otherwise() {
    let y = array![0.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    let p = array![0.5, 0.5, 0.5, 0.5, 1.0, 1.0];
    assert_eq!(expected_calibration_error(y.view(), p.view(), None, 3).unwrap(), 0.0);
    let low = p.mapv(|p| p - 0.1);
    close(expected_calibration_error(y.view(), low.view(), None, 3).unwrap(), 0.1, 1e-12, "gap");
}

#[test]
fn bins_of_predictions_have_their_means_and_the_share_of_targets_within_the_intervals() {
    let predicted = array![4.0, 1.0, 3.0, 2.0, 2.0];
    let y = array![5.0, 0.0, 3.0, 2.0, 4.0];
    let intervals = Intervals { lower: &predicted - 1.0, upper: &predicted + 1.0 };
    let bins = prediction_bins(y.view(), predicted.view(), Some(&intervals), 2).unwrap();
    // 1, 2, 2 below the middle (equal predictions stay together), 3, 4 above it.
    let bin = |rows, predicted, observed, coverage| PredictionBin { rows, predicted, observed, coverage };
    assert_eq!(bins, [bin(3, 5.0 / 3.0, 2.0, Some(2.0 / 3.0)), bin(2, 3.5, 4.0, Some(1.0))]);
    let without = prediction_bins(y.view(), predicted.view(), None, 2).unwrap();
    assert!(without.iter().all(|bin| bin.coverage.is_none()));
    let all_equal = Array1::from_elem(5, 7.0);
    assert_eq!(prediction_bins(y.view(), all_equal.view(), None, 10).unwrap(), [bin(5, 7.0, 14.0 / 5.0, None)]);
    let missing = array![1.0, f64::NAN, 1.0, 1.0, 1.0];
    assert!(prediction_bins(y.view(), missing.view(), None, 2).is_err());
    assert!(prediction_bins(y.view(), predicted.view(), None, 0).is_err());
}

#[test]
fn lift_table_adds_up_and_divides_ties_evenly() {
    let mut random = Random::new(5);
    let y: Array1<f64> = (0..997).map(|_| f64::from(u8::from(random.uniform() < 0.2))).collect();
    let scores: Array1<f64> = y.iter().map(|y| y * 2.0 + random.below(8) as f64).collect();
    let table = lift_table(y.view(), scores.view(), None, 10).unwrap();
    close(table.iter().map(|row| row.positives).sum(), y.sum(), 1e-12, "positives");
    close(table[9].gain, 1.0, 1e-12, "gain at the end");
    close(table[9].cumulative_lift, 1.0, 1e-12, "lift of all");
    assert!(table[0].lift > table[9].lift);
    let flat = lift_table(y.view(), Array1::zeros(997).view(), None, 10).unwrap();
    assert!(flat.iter().all(|row| (row.lift - 1.0).abs() < 1e-9));
}

#[test]
fn a_better_model_is_told_from_an_equal_one() {
    let mut random = Random::new(9);
    let rows = 600;
    let truth: Vec<f64> = (0..rows).map(|_| random.normal()).collect();
    let y: Array1<f64> = truth.iter().map(|t| f64::from(u8::from(random.normal() < *t))).collect();
    let mut noisy = |noise: f64| -> Array1<f64> { truth.iter().map(|t| t + noise * random.normal()).collect() };
    let (weak, strong, equal) = (noisy(1.5), noisy(0.2), noisy(1.5));
    let entities: Array1<u64> = (0..rows as u64).map(|row| row / 3).collect();
    let compare = |challenger: &Array1<f64>, threads: usize| {
        let bootstrap = PairedBootstrap::new(400, 3).threads(threads);
        bootstrap.compare(Metric::RocAuc, y.view(), weak.view(), challenger.view(), entities.view()).unwrap()
    };
    let better = compare(&strong, 1);
    assert!(better.p_better < 0.01 && better.gain > 0.0 && better.lower > 0.0 && better.entities == 200, "{better:?}");
    assert!(compare(&equal, 1).p_better > 0.01);
    assert_eq!(better, compare(&strong, 2));
    let same = compare(&weak, 1);
    assert_eq!((same.gain, same.p_better, same.p_worse), (0.0, 1.0, 1.0));
}

/// Under no difference a p-value below 10 % comes in 10 % of samples: 200 samples, three standard errors.
#[test]
fn p_values_are_even_where_neither_model_is_better() {
    let mut small = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let y: Array1<f64> = (0..80).map(|row| f64::from(row % 2)).collect();
        let mut model = || -> Array1<f64> { y.iter().map(|y| y + 1.5 * random.normal()).collect() };
        let (a, b) = (model(), model());
        let entities: Array1<u64> = (0..80).collect();
        let comparison =
            PairedBootstrap::new(100, seed).compare(Metric::RocAuc, y.view(), a.view(), b.view(), entities.view());
        small += usize::from(comparison.unwrap().p_better <= 0.1);
    }
    assert!((7..=33).contains(&small), "{small}");
}

#[test]
fn rows_of_an_entity_go_together() {
    let mut random = Random::new(4);
    let y: Array1<f64> = (0..200).map(|row| f64::from(row % 2)).collect();
    let (a, b): (Array1<f64>, Array1<f64>) =
        ((0..200).map(|_| random.normal()).collect(), y.iter().map(|y| y + random.normal()).collect());
    let four = |values: &Array1<f64>| -> Array1<f64> { values.iter().flat_map(|v| [*v; 4]).collect() };
    let entities: Array1<u64> = (0..800).map(|row| row / 4).collect();
    let once = PairedBootstrap::new(300, 1);
    let single: Array1<u64> = (0..200).collect();
    let plain = once.compare(Metric::RocAuc, y.view(), a.view(), b.view(), single.view()).unwrap();
    let repeated =
        once.compare(Metric::RocAuc, four(&y).view(), four(&a).view(), four(&b).view(), entities.view()).unwrap();
    close(repeated.standard_error, plain.standard_error, 1e-9, "copies of a row carry no news");
}

#[test]
fn stability_index_is_zero_for_the_same_and_large_for_the_shifted() {
    let mut random = Random::new(2);
    let mut sample = |shift: f64| -> Array1<f64> { (0..5000).map(|_| random.normal() + shift).collect() };
    let (before, same, shifted) = (sample(0.0), sample(0.0), sample(1.0));
    assert_eq!(stability_index(before.view(), before.view(), 10).unwrap().value, 0.0);
    assert!(stability_index(before.view(), same.view(), 10).unwrap().value < 0.02);
    assert!(stability_index(before.view(), shifted.view(), 10).unwrap().value > 0.5);
    // By hand: shares .5 .5 become .25 .25 and .5 missing, which the reference has none of (1e-4).
    let index = stability_index(array![1.0, 2.0].view(), array![1.0, 2.0, f64::NAN, f64::NAN].view(), 2).unwrap();
    let expected = 2.0 * (0.25 - 0.5) * 0.5_f64.ln() + (0.5 - 1e-4) * (0.5_f64 / 1e-4).ln();
    close(index.value, expected, 1e-12, "index with missing values");
    let levels = stability_index_of_levels(array![0.0, 1.0, 1.0, 1.0].view(), array![0.0, 0.0, 1.0, 1.0].view());
    close(levels.unwrap().value, 0.25 * 2.0_f64.ln() - 0.25 * (0.5_f64 / 0.75).ln(), 1e-12, "levels");
}

#[test]
fn what_cannot_be_judged_is_an_error_that_says_where() {
    let y = array![0.0, 1.0, 1.0];
    let error = roc_auc(y.view(), array![0.1, f64::NAN, 0.2].view(), None).unwrap_err();
    assert!(error.to_string().contains("row 1"));
    assert!(matches!(log_loss(y.view(), array![0.1, 1.2, 0.2].view(), None), Err(MetricError::Input(_))));
    let one = roc_auc(array![1.0, 1.0].view(), array![0.1, 0.2].view(), None);
    assert_eq!(one, Err(InputError::OneClass { value: 1.0 }.into()));
    assert!(matches!(wape(array![0.0].view(), array![1.0].view(), None), Err(MetricError::Undefined { .. })));
}
