//! Parameters of logistic regression.

use super::LinearError;
use super::newton::Problem;
use super::objective::Penalty;
use crate::parameters::{ParameterError, guarded, range, setters};

/// Checked parameters of a logistic regression. Made by [`LogisticParams::check`](linfa::ParamGuard::check).
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticValidParams {
    pub(super) penalty: f64,
    pub(super) l1_ratio: f64,
    pub(super) standardize: bool,
    pub(super) intercept: bool,
    pub(super) non_negative: bool,
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
    pub(super) threads: usize,
}

impl LogisticValidParams {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        let Self { penalty, l1_ratio, tolerance, max_iterations, threads, .. } = *self;
        range("penalty", penalty, "finite and not negative", penalty >= 0.0 && penalty.is_finite())?;
        range("l1_ratio", l1_ratio, "between 0 and 1", (0.0..=1.0).contains(&l1_ratio))?;
        range("tolerance", tolerance, "positive and below 1", tolerance > 0.0 && tolerance < 1.0)?;
        range("max_iterations", max_iterations, "at least 1", max_iterations > 0)?;
        range("threads", threads, "at least 1", threads > 0)
    }

    pub(super) fn problem(&self) -> Problem {
        Problem {
            penalty: Penalty { l1: self.penalty * self.l1_ratio, l2: self.penalty * (1.0 - self.l1_ratio) },
            non_negative: self.non_negative,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
        }
    }
}

/// Logistic regression with L2, L1 or elastic-net penalty, on columns that it standardises itself.
///
/// Minimises over intercept `b0` and coefficients `b` of the standardised columns `z`
/// (weighted mean 0 and population variance 1; the intercept is not penalised)
///
/// ```text
/// sum_i w_i [ log(1 + exp(m_i)) - y_i m_i ] + penalty * ( l1_ratio |b|_1 + (1 - l1_ratio)/2 |b|_2^2 ),   m_i = b0 + z_i b
/// ```
///
/// which is scikit-learn's objective with `C = 1 / penalty` on the output of its `StandardScaler`, and that of
/// Friedman, Hastie & Tibshirani (2010), eq. 13, times the sum of weights. The model it gives speaks of the columns as they came.
///
/// Up to 256 columns Newton steps by Cholesky, or by coordinate descent where the penalty has a corner; beyond them
/// L-BFGS, or coordinate descent on working sets of columns. The result is the same bytes for any number of threads.
///
/// ```
/// use linfa::traits::Fit;
/// use models::linear::LogisticParams;
/// use ndarray::array;
///
/// let data = linfa::Dataset::new(array![[1.0], [2.0], [3.0], [4.0]], array![0.0, 1.0, 0.0, 1.0]);
/// let model = LogisticParams::new().penalty(0.1).fit(&data)?;
/// assert!(model.coefficients()[0] > 0.0);
/// # Ok::<(), models::linear::LinearError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticParams(LogisticValidParams);

impl Default for LogisticParams {
    fn default() -> Self {
        Self::new()
    }
}

impl LogisticParams {
    /// L2 with penalty 1, standardised, with intercept, on one thread.
    pub fn new() -> Self {
        Self(LogisticValidParams {
            penalty: 1.0,
            l1_ratio: 0.0,
            standardize: true,
            intercept: true,
            non_negative: false,
            tolerance: 1e-10,
            max_iterations: 100,
            threads: 1,
        })
    }
}

setters! {
    LogisticParams {
        /// Strength of the penalty on the sum of losses: 1 / C of scikit-learn. Not negative.
        penalty: f64,
        /// Share of the penalty that is L1: 0 is ridge, 1 is lasso.
        l1_ratio: f64,
        /// Whether the penalty sees standardised columns. `false` penalises the columns as they come.
        standardize: bool,
        /// Whether an intercept is fitted.
        intercept: bool,
        /// Holds every coefficient at 0 or above; the intercept is free.
        non_negative: bool,
        /// Share of the objective that the next step must be expected to gain, else the fit ends. Positive.
        tolerance: f64,
        /// Newton steps at most; twenty times as many of L-BFGS. A fit that reaches it says so in `converged`.
        max_iterations: usize,
        /// Threads that share the rows; they do not change the result.
        threads: usize,
    }
}

guarded!(LogisticParams => LogisticValidParams, LinearError);
