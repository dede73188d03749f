//! Coordinate descent on the quadratic approximation of the loss.

use ndarray::Array2;

use super::objective::Penalty;

/// A quadratic model around a point of some coordinates, the last of which is the intercept.
pub(crate) struct Quadratic<'a> {
    /// Hessian of the loss.
    pub(crate) hessian: &'a Array2<f64>,
    /// Gradient of the loss.
    pub(crate) gradient: &'a [f64],
    /// The point: coefficients, then the intercept.
    pub(crate) point: &'a [f64],
    pub(crate) penalty: Penalty,
    /// Coefficients may not be negative; the intercept may.
    pub(crate) non_negative: bool,
}

/// Sweeps before the model is taken as solved well enough for this step.
const SWEEPS: usize = 1000;

impl Quadratic<'_> {
    /// The step that minimises model plus penalty.
    ///
    /// Covariance updates with active sets (Friedman, Hastie & Tibshirani 2010, eq. 10 and sections 2.2 and 2.6): full
    /// sweeps alternate with sweeps over the coordinates that are not zero, until a full sweep changes nothing more
    /// than `tolerance` (in units of the objective).
    pub(crate) fn minimise(&self, tolerance: f64) -> Vec<f64> {
        let size = self.point.len();
        let mut state = State { step: vec![0.0; size], moved: vec![0.0; size] };
        let everything: Vec<usize> = (0..size).collect();
        let mut sweeps = 0;
        while sweeps < SWEEPS {
            sweeps += 1;
            if self.sweep(&mut state, &everything) <= tolerance {
                break;
            }
            let active: Vec<usize> = everything
                .iter()
                .zip(self.point.iter().zip(&state.step))
                .filter(|(at, (value, step))| **at + 1 == size || *value + *step != 0.0)
                .map(|(at, _)| *at)
                .collect();
            while sweeps < SWEEPS {
                sweeps += 1;
                if self.sweep(&mut state, &active) <= tolerance {
                    break;
                }
            }
        }
        state.step
    }

    /// One pass over the coordinates; the largest gain that one of them brought.
    fn sweep(&self, state: &mut State, coordinates: &[usize]) -> f64 {
        coordinates.iter().map(|at| self.update(state, *at).unwrap_or(0.0)).fold(0.0, f64::max)
    }

    fn update(&self, state: &mut State, at: usize) -> Option<f64> {
        let free = at + 1 == self.point.len();
        let penalty = if free { Penalty { l1: 0.0, l2: 0.0 } } else { self.penalty };
        let current = self.point.get(at)? + state.step.get(at)?;
        let curvature = self.hessian.get((at, at))? + penalty.l2;
        if curvature <= 0.0 {
            return None;
        }
        let slope = self.gradient.get(at)? + state.moved.get(at)? + penalty.l2 * current;
        let target = curvature * current - slope;
        let value = if self.non_negative && !free {
            (target - penalty.l1).max(0.0) / curvature
        } else {
            target.signum() * (target.abs() - penalty.l1).max(0.0) / curvature
        };
        let change = value - current;
        if change == 0.0 {
            return Some(0.0);
        }
        *state.step.get_mut(at)? += change;
        state.moved.iter_mut().zip(self.hessian.row(at)).for_each(|(sum, entry)| *sum += change * entry);
        Some(curvature * change * change)
    }
}

struct State {
    step: Vec<f64>,
    /// Hessian times step.
    moved: Vec<f64>,
}
