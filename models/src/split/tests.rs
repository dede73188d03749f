//! Promises of the splits.

use ndarray::{Array1, array};

use super::*;
use crate::random::Random;

fn assert_partition(folds: &[Fold], rows: usize) {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..rows).collect::<Vec<_>>());
    for fold in folds {
        let mut all: Vec<usize> = fold.train.iter().chain(&fold.test).copied().collect();
        all.sort_unstable();
        assert_eq!(all.len(), rows);
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

/// Counts of `StratifiedKFold(5, shuffle=True)` of scikit-learn 1.9.1 for 103 labels of which the first 22 are 1:
/// rows 21 21 21 20 20, positives 5 5 4 4 4.
#[test]
fn stratified_folds_have_scikit_learns_counts() {
    let y = Array1::from_shape_fn(103, |row| f64::from(u8::from(row < 22)));
    let folds = stratified_folds(y.view(), 5, 1).unwrap();
    assert_partition(&folds, 103);
    let positives = |fold: &Fold| fold.test.iter().filter(|row| **row < 22).count();
    assert_eq!(folds.iter().map(|fold| fold.test.len()).collect::<Vec<_>>(), [21, 21, 21, 20, 20]);
    assert_eq!(folds.iter().map(positives).collect::<Vec<_>>(), STRATIFIED_POSITIVES);
    assert_eq!(folds, stratified_folds(y.view(), 5, 1).unwrap());
    assert_ne!(folds, stratified_folds(y.view(), 5, 2).unwrap());
}

/// From `models/src/split/reference/golden.py`.
const STRATIFIED_POSITIVES: [usize; 5] = [5, 5, 4, 4, 4];

/// Over seeds a row is tested in each fold equally often: 2,000 seeds, 5 folds, chi-squared at 99.9 % with 4 degrees.
#[test]
fn every_row_meets_every_fold() {
    let y = Array1::from_shape_fn(30, |row| f64::from(u8::from(row % 3 == 0)));
    let mut counts = [0.0; 5];
    for seed in 0..2000 {
        let folds = stratified_folds(y.view(), 5, seed).unwrap();
        counts[folds.iter().position(|fold| fold.test.contains(&7)).unwrap()] += 1.0;
    }
    let chi: f64 = counts.iter().map(|count: &f64| (count - 400.0).powi(2) / 400.0).sum();
    assert!(chi < 18.5, "{counts:?}");
}

#[test]
fn no_group_is_on_both_sides_and_positives_stay_even() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let groups = Array1::from_shape_simple_fn(400, || random.below(60) as u64);
        let y = groups.mapv(|group| f64::from(u8::from(group % 4 == 0)));
        let folds = grouped_folds(groups.view(), Some(y.view()), 5, seed).unwrap();
        assert_partition(&folds, 400);
        let positives: Vec<f64> = folds.iter().map(|fold| fold.test.iter().map(|row| y[*row]).sum()).collect();
        assert!(positives.iter().all(|count| (count - y.sum() / 5.0).abs() < 15.0), "{positives:?}");
        assert!(folds.iter().all(|fold| (60..=100).contains(&fold.test.len())));
        for fold in &folds {
            let train: Vec<u64> = fold.train.iter().map(|row| groups[*row]).collect();
            assert!(fold.test.iter().all(|row| !train.contains(&groups[*row])));
        }
    }
}

#[test]
fn rows_whose_label_overlaps_the_test_are_purged() {
    let days = array![0_i64, 30, 60, 90, 120, 150];
    let fold = time_split(days.view(), 120, 60).unwrap();
    assert_eq!((fold.train, fold.test), (vec![0, 1, 2], vec![4, 5]));
    let none = time_split(days.view(), 30, 60).unwrap_err();
    assert_eq!(none, SplitError::NoRows { test_from: 30, horizon_days: 60, train: 0, test: 5 });
    let rolling = rolling_splits(days.view(), 2, 60).unwrap();
    assert_eq!(rolling[0], Fold { train: vec![0, 1, 2], test: vec![4] });
    assert_eq!(rolling[1], Fold { train: vec![0, 1, 2, 3], test: vec![5] });
    assert!(matches!(rolling_splits(days.view(), 6, 60), Err(SplitError::TooFew { .. })));
}

#[test]
fn a_horizon_of_0_days_still_keeps_the_tests_own_day_out_of_training() {
    let fold = time_split(array![1_i64, 2, 3].view(), 2, 0).unwrap();
    assert_eq!((fold.train, fold.test), (vec![0], vec![1, 2]));
}

#[test]
fn too_few_rows_of_a_class_are_said() {
    let y = Array1::from_shape_fn(50, |row| f64::from(u8::from(row < 3)));
    let error = stratified_folds(y.view(), 5, 0).unwrap_err();
    assert_eq!(error, SplitError::TooFew { what: "rows of label 1", found: 3, folds: 5 });
}

#[test]
fn out_of_fold_predictions_come_in_the_order_of_the_rows() {
    let folds = value_folds(11, 3, 4).unwrap();
    assert_partition(&folds, 11);
    let done = out_of_fold(&folds, |_, fold| Ok::<_, SplitError>(fold.test.iter().map(|row| *row as f64).collect()));
    let done = done.unwrap();
    assert_eq!(done.rows, (0..11).collect::<Vec<_>>());
    assert_eq!(done.values, Array1::from_shape_fn(11, |row| row as f64));
}
