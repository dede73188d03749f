//! How good a score is: ranking, probabilities, errors, the difference of two models, and drift.
//!
//! Every function takes arrays of n_samples values; weights are optional, finite and not negative. A missing value is
//! an error that names its row: what was not predicted cannot be judged.

mod bootstrap;
mod calibration;
mod drift;
mod error;
mod lift;
mod metric;
mod normal;
mod pointwise;
mod ranking;
#[cfg(test)]
mod tests;

pub use bootstrap::{Comparison, PairedBootstrap};
pub(crate) use calibration::log_odds;
pub use calibration::{
    CalibrationBin, CalibrationLine, PredictionBin, calibration_bins, calibration_line, expected_calibration_error,
    prediction_bins,
};
pub use drift::{PsiBin, StabilityIndex, TwoSampleTest, stability_index, stability_index_of_levels, two_sample_test};
pub use error::MetricError;
pub use lift::{LiftRow, lift_table};
pub use metric::Metric;
pub use pointwise::{brier, log_loss, mae, pinball_loss, rmse, wape};
pub use ranking::{average_precision, kolmogorov_smirnov, roc_auc};
