//! What tests of several families share.

use ndarray::{Array1, Array2};

use crate::random::Random;

/// The generator of Park and Miller, which the reference scripts repeat: exact in f64 on both sides.
pub(crate) fn park_miller(count: usize) -> Vec<f64> {
    let mut state: u64 = 20_261_121;
    let next = || {
        state = state * 16_807 % 2_147_483_647;
        state as f64 / 2_147_483_647.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Normal columns, labels by a logistic law of all of them, weights in 0.5 to 1.5.
pub(crate) fn logistic_law(rows: usize, columns: usize, seed: u64) -> (Array2<f64>, Array1<f64>, Array1<f64>) {
    let mut random = Random::new(seed);
    let x = Array2::from_shape_simple_fn((rows, columns), || random.normal());
    let truth: Vec<f64> =
        (0..columns).map(|column| if column % 2 == 0 { 1.0 } else { -0.5 } / (1 + column) as f64).collect();
    let y = x
        .rows()
        .into_iter()
        .map(|row| {
            let margin: f64 = row.iter().zip(&truth).map(|(value, b)| value * b).sum::<f64>() - 0.5;
            f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-margin).exp())))
        })
        .collect();
    let weights = Array1::from_shape_simple_fn(rows, || 0.5 + random.uniform());
    (x, y, weights)
}

/// That two numbers agree, relative to the larger of the second and 1.
#[track_caller]
pub(crate) fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance, "{what}: {found} is not {expected} within {tolerance}");
}
