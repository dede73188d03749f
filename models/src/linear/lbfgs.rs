//! Limited-memory BFGS for smooth objectives of many columns.

use std::collections::VecDeque;

use super::LinearError;
use super::design::Design;
use super::newton::{Problem, Solution};
use super::objective::{Point, Slope, slope};

/// Pairs of step and gradient change that are remembered.
const MEMORY: usize = 10;

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// 1 / (step . change).
    inverse: f64,
}

/// Minimises a smooth problem (Nocedal & Wright 2006, algorithms 7.4 and 7.5, with backtracking).
///
/// # Errors
/// [`LinearError::Diverged`] where the objective overflows.
pub(crate) fn minimise(problem: &Problem, design: &Design<'_>, start: Point) -> Result<Solution, LinearError> {
    let mut point = start;
    let mut here = penalised(problem, slope(design, &point), &point);
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let mut quiet = 0;
    // A Newton step is worth several of these.
    let limit = problem.max_iterations.saturating_mul(20);
    for iteration in 0..limit {
        if !here.loss.is_finite() {
            return Err(LinearError::Diverged { iterations: iteration });
        }
        let mut direction = direction(&pairs, &here.gradient, design.total_weight);
        let mut gain = -dot(&direction, &here.gradient);
        if gain <= 0.0 {
            pairs.clear();
            direction = here.gradient.iter().map(|value| -value / design.total_weight).collect();
            gain = -dot(&direction, &here.gradient);
        }
        // An estimate of curvature may flatter once: two quiet steps in a row end it.
        quiet = if gain <= 2.0 * problem.tolerance * here.loss.abs() { quiet + 1 } else { 0 };
        let moved = if gain > 0.0 { search(problem, design, &point, &here, &direction, gain) } else { None };
        let Some((next, there)) = moved.filter(|_| quiet < 2) else {
            let converged = gain <= 1e-9 * here.loss.abs();
            return Ok(Solution { point, objective: here.loss, iterations: iteration, converged, hessian: None });
        };
        let step: Vec<f64> = next.iter().zip(&point).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = there.gradient.iter().zip(&here.gradient).map(|(new, old)| new - old).collect();
        let product = dot(&step, &change);
        if product > 1e-12 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            pairs.push_back(Pair { step, change, inverse: 1.0 / product });
        }
        if pairs.len() > MEMORY {
            pairs.pop_front();
        }
        (point, here) = (next, there);
    }
    Ok(Solution { point, objective: here.loss, iterations: limit, converged: false, hessian: None })
}

/// Adds the ridge to loss and gradient: here `loss` is the whole objective.
fn penalised(problem: &Problem, mut slope: Slope, point: &[f64]) -> Slope {
    slope.loss = problem.objective(&slope, point);
    let last = point.len().saturating_sub(1);
    for (gradient, value) in slope.gradient.iter_mut().zip(point).take(last) {
        *gradient += problem.penalty.l2 * value;
    }
    slope
}

fn search(
    problem: &Problem,
    design: &Design<'_>,
    point: &[f64],
    here: &Slope,
    direction: &[f64],
    gain: f64,
) -> Option<(Point, Slope)> {
    let mut length = 1.0;
    for _ in 0..40 {
        let next: Point = point.iter().zip(direction).map(|(value, step)| value + length * step).collect();
        let there = penalised(problem, slope(design, &next), &next);
        if there.loss <= here.loss - 1e-4 * length * gain {
            return Some((next, there));
        }
        length *= 0.5;
    }
    None
}

/// The two-loop recursion. Before any pair is known the curvature of standardised columns, 1/4 a row, scales the step.
fn direction(pairs: &VecDeque<Pair>, gradient: &[f64], weight: f64) -> Vec<f64> {
    let mut result: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let share = pair.inverse * dot(&pair.step, &result);
        add(&mut result, -share, &pair.change);
        shares.push(share);
    }
    let scale = match pairs.back() {
        Some(pair) => 1.0 / (pair.inverse * dot(&pair.change, &pair.change)),
        None => 4.0 / weight,
    };
    result.iter_mut().for_each(|value| *value *= scale);
    for (pair, share) in pairs.iter().zip(shares.iter().rev()) {
        let correction = pair.inverse * dot(&pair.change, &result);
        add(&mut result, share - correction, &pair.step);
    }
    result
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], factor: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}
