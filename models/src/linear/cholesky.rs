//! Small dense positive definite systems.

use ndarray::{Array1, Array2};

/// Solves `A x = b` for a symmetric `A` that is positive definite, or nearly.
///
/// A pivot that is lost to collinear columns is met with a growing ridge, from 1e-12 of the mean diagonal:
/// of the solutions that fit equally well the one near the smallest is taken. `None` if even that fails.
pub(crate) fn solve(a: &Array2<f64>, b: &[f64]) -> Option<Vec<f64>> {
    let size = a.nrows();
    let scale = a.diag().iter().map(|value| value.abs()).sum::<f64>() / size.max(1) as f64;
    if !scale.is_finite() {
        return None;
    }
    let mut ridge = 0.0;
    for _ in 0..14 {
        if let Some(factor) = factor(a, ridge, scale) {
            return Some(substitute(&factor, b));
        }
        ridge = if ridge == 0.0 { 1e-12 * scale.max(f64::MIN_POSITIVE) } else { ridge * 10.0 };
    }
    None
}

/// Lower triangle `L` with `L L' = A + ridge I` (Golub & Van Loan 2013, algorithm 4.2.1).
fn factor(a: &Array2<f64>, ridge: f64, scale: f64) -> Option<Array2<f64>> {
    let size = a.nrows();
    let mut lower = Array2::<f64>::zeros((size, size));
    for row in 0..size {
        for column in 0..=row {
            let dot = lower.row(row).iter().zip(lower.row(column)).take(column).map(|(x, y)| x * y).sum::<f64>();
            let rest = a.get((row, column))? - dot;
            let value = if row == column {
                let pivot = rest + ridge;
                if !pivot.is_finite() || pivot <= 1e-14 * scale {
                    return None;
                }
                pivot.sqrt()
            } else {
                rest / lower.get((column, column))?
            };
            *lower.get_mut((row, column))? = value;
        }
    }
    Some(lower)
}

fn substitute(lower: &Array2<f64>, b: &[f64]) -> Vec<f64> {
    let mut x = Array1::from(b.to_vec());
    let size = x.len();
    let at = |row: usize, column: usize| lower.get((row, column)).copied().unwrap_or(0.0);
    for row in 0..size {
        let known: f64 = (0..row).zip(x.iter()).map(|(column, value)| at(row, column) * value).sum();
        if let Some(value) = x.get_mut(row) {
            *value = (*value - known) / at(row, row);
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).zip(x.iter().skip(row + 1)).map(|(below, value)| at(below, row) * value).sum();
        if let Some(value) = x.get_mut(row) {
            *value = (*value - known) / at(row, row);
        }
    }
    x.to_vec()
}
