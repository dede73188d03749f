//! A metric by name: what a gate compares two models by.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::pointwise::{check_probabilities, check_values, log_loss_of, pinball_of};
use super::ranking::{Ranking, ranked};
use super::{average_precision, brier, kolmogorov_smirnov, log_loss, mae, pinball_loss, rmse, roc_auc, wape};
use crate::parameters::range;

/// What two models are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve.
    RocAuc,
    /// Average precision.
    AveragePrecision,
    /// Kolmogorov-Smirnov distance.
    KolmogorovSmirnov,
    /// Log-loss in nats.
    LogLoss,
    /// Brier score.
    Brier,
    /// Mean absolute error.
    Mae,
    /// Root mean squared error.
    Rmse,
    /// Weighted absolute percentage error.
    Wape,
    /// Pinball loss at a quantile.
    Pinball {
        /// Between 0 and 1.
        quantile: f64,
    },
}

impl Metric {
    /// As in `sql/ml/*.yml` and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::KolmogorovSmirnov => "kolmogorov_smirnov",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::Wape => "wape",
            Self::Pinball { .. } => "pinball",
        }
    }

    /// Whether more is better; errors and losses are better small.
    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::RocAuc | Self::AveragePrecision | Self::KolmogorovSmirnov)
    }

    /// The metric of `predicted` (a score, a probability or a value) against `y`.
    ///
    /// # Errors
    /// Those of the metric's own function.
    pub fn evaluate(
        self,
        y: ArrayView1<'_, f64>,
        predicted: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<f64, MetricError> {
        match self {
            Self::RocAuc => roc_auc(y, predicted, weights),
            Self::AveragePrecision => average_precision(y, predicted, weights),
            Self::KolmogorovSmirnov => kolmogorov_smirnov(y, predicted, weights),
            Self::LogLoss => log_loss(y, predicted, weights),
            Self::Brier => brier(y, predicted, weights),
            Self::Mae => mae(y, predicted, weights),
            Self::Rmse => rmse(y, predicted, weights),
            Self::Wape => wape(y, predicted, weights),
            Self::Pinball { quantile } => pinball_loss(y, predicted, weights, quantile),
        }
    }

    /// Checks and does once what does not depend on weights, for many evaluations with other weights.
    pub(super) fn prepare(
        self,
        y: &ArrayView1<'_, f64>,
        predicted: &ArrayView1<'_, f64>,
        weights: Option<&ArrayView1<'_, f64>>,
    ) -> Result<Prepared, MetricError> {
        let losses = |loss: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            y.iter().zip(predicted).map(|(target, value)| loss(*target, *value)).collect()
        };
        let rows = match self {
            Self::RocAuc | Self::AveragePrecision | Self::KolmogorovSmirnov => {
                return Ok(Prepared::Ranked(self, ranked(y, predicted, weights)?.0));
            }
            Self::LogLoss | Self::Brier => {
                check_probabilities(y, predicted, weights)?;
                if self == Self::LogLoss { losses(&log_loss_of) } else { losses(&|y, p| (p - y) * (p - y)) }
            }
            Self::Rmse => {
                check_values(y, predicted, weights)?;
                losses(&|y, value| (y - value) * (y - value))
            }
            Self::Mae | Self::Wape => {
                check_values(y, predicted, weights)?;
                losses(&|y, value| (y - value).abs())
            }
            Self::Pinball { quantile } => {
                range("quantile", quantile, "between 0 and 1, both left out", quantile > 0.0 && quantile < 1.0)?;
                check_values(y, predicted, weights)?;
                losses(&|y, value| pinball_of(y, value, quantile))
            }
        };
        let sizes = if self == Self::Wape { losses(&|y, _| y.abs()) } else { vec![1.0; rows.len()] };
        Ok(Prepared::Rows { root: self == Self::Rmse, losses: rows, sizes })
    }
}

/// A metric of one model, waiting for weights.
pub(super) enum Prepared {
    Ranked(Metric, Ranking),
    /// Sum of losses over sum of sizes, and its root where asked.
    Rows {
        root: bool,
        losses: Vec<f64>,
        sizes: Vec<f64>,
    },
}

impl Prepared {
    /// NaN where the weights leave nothing to judge by.
    pub(super) fn evaluate(&self, weights: &[f64]) -> f64 {
        match self {
            Self::Ranked(Metric::AveragePrecision, ranking) => ranking.average_precision(Some(weights)),
            Self::Ranked(Metric::KolmogorovSmirnov, ranking) => ranking.kolmogorov_smirnov(Some(weights)),
            Self::Ranked(_, ranking) => ranking.auc(Some(weights)),
            Self::Rows { root, losses, sizes } => {
                let weighted = |values: &[f64]| values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>();
                let ratio = weighted(losses) / weighted(sizes);
                if *root { ratio.sqrt() } else { ratio }
            }
        }
    }
}
