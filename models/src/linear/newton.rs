//! Proximal Newton: a quadratic model of the loss, minimised together with the penalty, then a search along the step.

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::LinearError;
use super::cholesky;
use super::descent::Quadratic;
use super::design::{Design, Layout};
use super::lbfgs;
use super::objective::{Penalty, Point, Slope, curvature, original_scale, slope};

/// Columns up to which a whole Hessian is kept; beyond it L-BFGS or working sets of this size.
pub(crate) const DENSE: usize = 256;

/// Rows below which a start from a sample costs more than it saves.
const SAMPLED: usize = 50_000;

/// A reused Hessian must shrink the expected gain at least this much per step, else it is computed anew.
const CONTRACTION: f64 = 0.1;

/// What is minimised, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    pub(crate) penalty: Penalty,
    pub(crate) non_negative: bool,
    /// Stop when half the expected gain is below this share of the objective.
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
}

/// Where a solver stopped.
#[derive(Debug, Clone)]
pub(crate) struct Solution {
    pub(crate) point: Point,
    pub(crate) objective: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    /// The last Hessian, over all columns, where one was kept.
    pub(crate) hessian: Option<Array2<f64>>,
}

impl Problem {
    pub(crate) fn objective(&self, slope: &Slope, point: &[f64]) -> f64 {
        let coefficients = point.len().saturating_sub(1);
        slope.loss + self.penalty.value(point.get(..coefficients).unwrap_or_default())
    }

    fn smooth(&self) -> bool {
        self.penalty.l1 == 0.0 && !self.non_negative
    }

    /// The minimum, from `start`; from the minimum on a sample of the rows where there are many of them.
    pub(crate) fn solve(&self, design: &Design<'_>, start: Option<Point>) -> Result<Solution, LinearError> {
        let zero = || vec![0.0; design.columns() + 1];
        if let Some(start) = start {
            return self.solve_from(design, start);
        }
        let wanted = (1000 * (design.columns() + 1)).max(SAMPLED / 2);
        let stride = (design.rows() / wanted).min(64);
        if design.rows() < SAMPLED || stride < 2 || design.columns() > DENSE {
            return self.solve_from(design, zero());
        }
        let sample = design.sample(stride);
        let share = sample.total_weight / design.total_weight;
        if share <= 0.0 {
            return self.solve_from(design, zero());
        }
        let penalty = Penalty { l1: self.penalty.l1 * share, l2: self.penalty.l2 * share };
        // Only a start: as exact as the sample deserves, and short where it is separable.
        let rough = Self { penalty, tolerance: 1e-6, max_iterations: 12, ..*self };
        let Ok(found) = rough.solve_from(&sample, zero()) else {
            return self.solve_from(design, zero());
        };
        let slope = slope(design, &found.point);
        let objective = self.objective(&slope, &found.point);
        // A sample with hardly a positive may be separable, and its minimum worse than nothing: ln 2 a row.
        if objective >= design.total_weight * std::f64::consts::LN_2 {
            return self.solve_from(design, zero());
        }
        let model =
            found.hessian.map(|hessian| Model { active: (0..design.columns()).collect(), hessian: hessian / share });
        Search { problem: *self, design, point: found.point, slope, objective, model }.run()
    }

    fn solve_from(&self, design: &Design<'_>, start: Point) -> Result<Solution, LinearError> {
        if self.smooth() && design.columns() > DENSE {
            return lbfgs::minimise(self, design, start);
        }
        let slope = slope(design, &start);
        let objective = self.objective(&slope, &start);
        Search { problem: *self, design, point: start, slope, objective, model: None }.run()
    }
}

/// A Hessian and the columns that it is over; the intercept comes last.
struct Model {
    active: Vec<usize>,
    hessian: Array2<f64>,
}

struct Search<'a, 'b> {
    problem: Problem,
    design: &'a Design<'b>,
    point: Point,
    slope: Slope,
    objective: f64,
    model: Option<Model>,
}

impl Search<'_, '_> {
    fn run(mut self) -> Result<Solution, LinearError> {
        let mut previous = f64::INFINITY;
        for iteration in 0..self.problem.max_iterations {
            if !self.objective.is_finite() {
                return Err(LinearError::Diverged { iterations: iteration });
            }
            let active = self.working_set();
            let kept = self.model.take().filter(|model| model.active == active);
            let mut fresh = kept.is_none();
            let mut model = kept.unwrap_or_else(|| self.new_model(active));
            let (mut step, mut gain) = self.step(&model);
            if !fresh && gain > CONTRACTION * previous {
                model = self.new_model(model.active);
                fresh = true;
                (step, gain) = self.step(&model);
            }
            let enough = gain <= 2.0 * self.problem.tolerance * self.objective.abs().max(f64::MIN_POSITIVE);
            if enough {
                self.model = Some(model);
                return Ok(self.end(iteration, true));
            }
            let moved = self.line_search(&model.active, &step, gain);
            if !moved && fresh {
                // Nothing better along a Newton step: the objective is at the end of its digits.
                self.model = Some(model);
                let converged = gain <= 1e-9 * self.objective.abs();
                return Ok(self.end(iteration, converged));
            }
            previous = gain;
            self.model = moved.then_some(model);
        }
        let iterations = self.problem.max_iterations;
        Ok(self.end(iterations, false))
    }

    fn end(self, iterations: usize, converged: bool) -> Solution {
        let whole = self.design.columns();
        let hessian = self.model.filter(|model| model.active.len() == whole).map(|model| model.hessian);
        Solution { point: self.point, objective: self.objective, iterations, converged, hessian }
    }

    fn new_model(&self, active: Vec<usize>) -> Model {
        Model { hessian: curvature(self.design, &self.point, &active), active }
    }

    /// All columns where they are few, else those furthest from their optimality condition.
    ///
    /// For |b| > 0 the gradient must be -l1 sign(b), at 0 within [-l1, l1] (not below -l1 where b may not be negative).
    fn working_set(&self) -> Vec<usize> {
        let columns = self.design.columns();
        if columns <= DENSE {
            return (0..columns).collect();
        }
        let Penalty { l1, l2 } = self.problem.penalty;
        let mut violations: Vec<(f64, usize)> = self
            .point
            .iter()
            .zip(&self.slope.gradient)
            .take(columns)
            .enumerate()
            .map(|(column, (value, gradient))| {
                let smooth = gradient + l2 * value;
                let violation = if *value != 0.0 {
                    (smooth + l1 * value.signum()).abs()
                } else if self.problem.non_negative {
                    (-smooth - l1).max(0.0)
                } else {
                    (smooth.abs() - l1).max(0.0)
                };
                (violation, column)
            })
            .filter(|(violation, _)| *violation > 0.0)
            .collect();
        violations.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut chosen: Vec<usize> = violations.into_iter().take(DENSE).map(|(_, column)| column).collect();
        chosen.sort_unstable();
        chosen
    }

    /// The step over the model's columns and the intercept, and the gain that the model expects of it.
    fn step(&self, model: &Model) -> (Vec<f64>, f64) {
        let columns = self.design.columns();
        let gather = |values: &[f64]| -> Vec<f64> {
            model.active.iter().chain(&[columns]).filter_map(|at| values.get(*at)).copied().collect()
        };
        let (point, gradient) = (gather(&self.point), gather(&self.slope.gradient));
        let Penalty { l2, .. } = self.problem.penalty;
        let direct = if self.problem.smooth() { self.cholesky_step(model, &point, &gradient) } else { None };
        let step = direct.unwrap_or_else(|| {
            let quadratic = Quadratic {
                hessian: &model.hessian,
                gradient: &gradient,
                point: &point,
                penalty: self.problem.penalty,
                non_negative: self.problem.non_negative,
            };
            quadratic.minimise(1e-3 * self.problem.tolerance * self.objective.abs())
        });
        let inner = point.len() - 1;
        let linear: f64 = step.iter().zip(&gradient).map(|(step, slope)| step * slope).sum();
        let moved: Vec<f64> = point.iter().zip(&step).map(|(value, step)| value + step).take(inner).collect();
        let curved: f64 = step.iter().take(inner).map(|step| step * step).sum();
        let before = self.problem.penalty.value(point.get(..inner).unwrap_or_default());
        // The ridge's own curvature is counted on the model's side, as the Newton decrement does.
        let gain = before - self.problem.penalty.value(&moved) - linear + 0.5 * l2 * curved;
        (step, gain.max(0.0))
    }

    fn cholesky_step(&self, model: &Model, point: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
        let l2 = self.problem.penalty.l2;
        let mut system = model.hessian.clone();
        let last = point.len() - 1;
        system.diag_mut().iter_mut().take(last).for_each(|value| *value += l2);
        // A constant column, or the intercept of a model without one, keeps its 0.
        let still: Vec<bool> = system.diag().iter().map(|value| *value <= 0.0).collect();
        system.diag_mut().iter_mut().zip(&still).filter(|(_, still)| **still).for_each(|(value, _)| *value = 1.0);
        let right: Vec<f64> = gradient
            .iter()
            .zip(point)
            .enumerate()
            .map(|(at, (slope, value))| -slope - if at < last { l2 * value } else { 0.0 })
            .collect();
        cholesky::solve(&system, &right)
    }

    /// Halves the step until the objective falls by a share of the gain (Tseng & Yun 2009, eq. 8); moves there.
    fn line_search(&mut self, active: &[usize], step: &[f64], gain: f64) -> bool {
        let columns = self.design.columns();
        let mut length = 1.0;
        for _ in 0..30 {
            let mut point = self.point.clone();
            for (at, step) in active.iter().chain(&[columns]).zip(step) {
                if let Some(value) = point.get_mut(*at) {
                    *value += length * step;
                }
            }
            let slope = slope(self.design, &point);
            let objective = self.problem.objective(&slope, &point);
            // Near the end the gain is below what the digits of a sum can show; its gradient still knows the way.
            let rounding = 4.0 * f64::EPSILON * self.objective.abs();
            if objective <= self.objective - 1e-4 * length * gain + rounding {
                (self.point, self.slope, self.objective) = (point, slope, objective);
                return true;
            }
            length *= 0.5;
        }
        false
    }
}

/// Unpenalised logistic regression of targets in [0, 1] on few columns: coefficients and intercept.
///
/// # Errors
/// [`LinearError`] for arrays that do not fit together or are not finite.
pub(crate) fn fit_plain(
    x: ArrayView2<'_, f64>,
    targets: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    non_negative: bool,
) -> Result<(Vec<f64>, f64), LinearError> {
    let layout = Layout { standardize: true, intercept: true, threads: 1 };
    let design = Design::new(x, targets, weights, &[], layout)?;
    let problem = Problem { penalty: Penalty { l1: 0.0, l2: 0.0 }, non_negative, tolerance: 1e-20, max_iterations: 50 };
    let solution = problem.solve(&design, None)?;
    Ok(original_scale(&design, &solution.point))
}
