//! The penalised negative log-likelihood, its gradient and its curvature, each in one pass over the rows.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};

use super::design::{Chunk, Design};

/// Penalty on the coefficients of standardised columns; the intercept is free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Penalty {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

impl Penalty {
    /// `l1 |b|_1 + l2/2 |b|_2^2`.
    pub(crate) fn value(self, coefficients: &[f64]) -> f64 {
        coefficients.iter().map(|value| self.l1 * value.abs() + 0.5 * self.l2 * value * value).sum()
    }
}

/// Coefficients of standardised columns, then the intercept: one vector of `columns + 1` numbers.
pub(crate) type Point = Vec<f64>;

/// Loss without penalty at a point, and its gradient with respect to the point.
#[derive(Debug, Clone)]
pub(crate) struct Slope {
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<f64>,
}

/// 1 / (1 + e^-m).
pub(crate) fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

/// Coefficients and intercept of the columns as they came, for a point on the standardised ones.
pub(crate) fn original_scale(design: &Design<'_>, point: &[f64]) -> (Vec<f64>, f64) {
    let coefficients: Vec<f64> = point.iter().zip(&design.factors).map(|(value, factor)| value * factor).collect();
    let shift: f64 = coefficients.iter().zip(&design.shifts).map(|(value, shift)| value * shift).sum();
    (coefficients, point.last().copied().unwrap_or(0.0) - shift)
}

/// Loss and gradient: sum over rows of w (log(1 + e^m) - t m) with m the margin; t may lie anywhere in [0, 1].
pub(crate) fn slope(design: &Design<'_>, point: &[f64]) -> Slope {
    let columns = design.columns();
    let scaled: Vec<f64> = point.iter().zip(&design.factors).map(|(value, factor)| value * factor).collect();
    let intercept = point.last().copied().unwrap_or(0.0);
    let parts = design.accumulate(
        || Slope { loss: 0.0, gradient: vec![0.0; columns + 1] },
        |part, chunk| add_slope(part, design, chunk, &scaled, intercept),
    );
    let mut all = Slope { loss: 0.0, gradient: vec![0.0; columns + 1] };
    for part in parts {
        all.loss += part.loss;
        all.gradient.iter_mut().zip(part.gradient).for_each(|(sum, value)| *sum += value);
    }
    // Chunks add residual times centred value; the scale comes last, once.
    all.gradient.iter_mut().zip(&design.factors).for_each(|(value, factor)| *value *= factor);
    if !design.intercept
        && let Some(last) = all.gradient.last_mut()
    {
        *last = 0.0;
    }
    all
}

fn add_slope(part: &mut Slope, design: &Design<'_>, chunk: &Chunk<'_>, scaled: &[f64], intercept: f64) {
    let mut residuals = margins(design, chunk, scaled, intercept);
    let targets = design.targets.get(chunk.range()).unwrap_or_default();
    let weights = design.weights.as_ref().and_then(|weights| weights.get(chunk.range()));
    let mut weight = weights.unwrap_or_default().iter();
    for (margin, target) in residuals.iter_mut().zip(targets) {
        let weight = weight.next().copied().unwrap_or(1.0);
        // One exponential serves loss and probability: log(1 + e^m) = max(m, 0) + log(1 + e^-|m|).
        let small = (-margin.abs()).exp();
        let probability = if *margin >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        part.loss += weight * (margin.max(0.0) + (1.0 + small).ln() - target * *margin);
        *margin = weight * (probability - target);
    }
    let (gradient, last) = part.gradient.split_at_mut(design.columns());
    for (row, residual) in chunk.rows().zip(&residuals) {
        for ((sum, value), shift) in gradient.iter_mut().zip(row).zip(&design.shifts) {
            *sum += residual * (value - shift);
        }
    }
    last.iter_mut().for_each(|sum| *sum += residuals.iter().sum::<f64>());
}

/// Margins of the rows of a chunk.
fn margins(design: &Design<'_>, chunk: &Chunk<'_>, scaled: &[f64], intercept: f64) -> Vec<f64> {
    if design.columns() == 0 {
        return vec![intercept; chunk.range().len()];
    }
    chunk.rows().map(|row| intercept + centred_dot(row, &design.shifts, scaled)).collect()
}

/// Sum of (x - shift) c in eight lanes, which the compiler keeps in registers; the order of the sum is fixed.
fn centred_dot(row: &[f64], shifts: &[f64], scaled: &[f64]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (rows, shift_lanes, scaled_lanes) = (row.chunks_exact(8), shifts.chunks_exact(8), scaled.chunks_exact(8));
    let rest: f64 = rows
        .remainder()
        .iter()
        .zip(shift_lanes.remainder())
        .zip(scaled_lanes.remainder())
        .map(|((value, shift), factor)| (value - shift) * factor)
        .sum();
    for ((values, shifts), factors) in rows.zip(shift_lanes).zip(scaled_lanes) {
        for (((lane, value), shift), factor) in lanes.iter_mut().zip(values).zip(shifts).zip(factors) {
            *lane += (value - shift) * factor;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Hessian of the loss with respect to some columns and the intercept (last): `Z' diag(w p (1 - p)) Z`.
pub(crate) fn curvature(design: &Design<'_>, point: &[f64], active: &[usize]) -> Array2<f64> {
    let scaled: Vec<f64> = point.iter().zip(&design.factors).map(|(value, factor)| value * factor).collect();
    let intercept = point.last().copied().unwrap_or(0.0);
    let size = active.len() + 1;
    let parts = design.accumulate(
        || Array2::zeros((size, size)),
        |hessian: &mut Array2<f64>, chunk| {
            let mut roots = margins(design, chunk, &scaled, intercept);
            let weights = design.weights.as_ref().and_then(|weights| weights.get(chunk.range()));
            let mut weight = weights.unwrap_or_default().iter();
            for margin in &mut roots {
                let probability = sigmoid(*margin);
                *margin = (weight.next().copied().unwrap_or(1.0) * probability * (1.0 - probability)).sqrt();
            }
            add_curvature(hessian, design, chunk, &roots, active);
        },
    );
    let mut all = Array2::zeros((size, size));
    for part in parts {
        all += &part;
    }
    all
}

/// Adds `Z' Z` of a chunk whose rows are standardised and multiplied by `roots`.
pub(crate) fn add_curvature(
    hessian: &mut Array2<f64>,
    design: &Design<'_>,
    chunk: &Chunk<'_>,
    roots: &[f64],
    active: &[usize],
) {
    let size = active.len() + 1;
    let last = if design.intercept { 1.0 } else { 0.0 };
    let whole = active.len() == design.columns();
    let mut rows = Vec::with_capacity(roots.len() * size);
    for (row, root) in chunk.rows().zip(roots) {
        if whole {
            rows.extend(
                row.iter()
                    .zip(&design.shifts)
                    .zip(&design.factors)
                    .map(|((value, shift), factor)| (value - shift) * factor * root),
            );
        } else {
            rows.extend(active.iter().map(|column| {
                let at = |values: &[f64]| values.get(*column).copied().unwrap_or(0.0);
                (at(row) - at(&design.shifts)) * at(&design.factors) * root
            }));
        }
        rows.push(last * root);
    }
    if let Ok(rows) = ArrayView2::from_shape((roots.len(), size), &rows) {
        general_mat_mul(1.0, &rows.t(), &rows, 1.0, hessian);
    }
}
