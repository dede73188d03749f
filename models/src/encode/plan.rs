//! What is done with one column, learnt once and done ever after.

use ndarray::{ArrayView1, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};

use super::report::{Action, Dropped};
use crate::random::Random;

/// The key of missing values among the levels of a target statistic.
const MISSING: f64 = -1.0;

/// One level of a long category.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct LevelStatistic {
    pub(super) code: f64,
    /// Smoothed mean of the target.
    pub(super) mean: f64,
    /// Share of the rows.
    pub(super) share: f64,
}

/// What is done with one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Plan {
    Dropped(Dropped),
    Kept { low: f64, high: f64 },
    Filled { low: f64, high: f64, median: f64, indicator: bool },
    Codes { known: Vec<f64> },
    OneHot { levels: Vec<f64>, pooled: Vec<f64>, missing: bool },
    Statistic { levels: Vec<LevelStatistic>, prior: f64 },
}

impl Plan {
    /// Columns that it gives.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Dropped(_) => 0,
            Self::Kept { .. } | Self::Codes { .. } => 1,
            Self::Filled { indicator, .. } => 1 + usize::from(*indicator),
            Self::OneHot { levels, pooled, missing } => {
                levels.len() + usize::from(!pooled.is_empty()) + usize::from(*missing)
            }
            Self::Statistic { .. } => 2,
        }
    }

    pub(super) fn names(&self, name: &str) -> Vec<String> {
        match self {
            Self::Dropped(_) => Vec::new(),
            Self::Kept { .. } | Self::Codes { .. } => vec![name.to_owned()],
            Self::Filled { indicator, .. } => {
                [name.to_owned()].into_iter().chain(indicator.then(|| format!("{name} missing"))).collect()
            }
            Self::OneHot { levels, pooled, missing } => levels
                .iter()
                .map(|code| format!("{name}={code}"))
                .chain((!pooled.is_empty()).then(|| format!("{name}=other")))
                .chain(missing.then(|| format!("{name} missing")))
                .collect(),
            Self::Statistic { .. } => vec![format!("{name} target"), format!("{name} share")],
        }
    }

    pub(super) fn action(&self) -> Action {
        match self {
            Self::Dropped(why) => Action::Dropped(*why),
            Self::Kept { .. } | Self::Codes { .. } => Action::Kept,
            Self::Filled { median, indicator, .. } => Action::Filled { median: *median, indicator: *indicator },
            Self::OneHot { levels, pooled, .. } => Action::OneHot { levels: levels.len(), pooled: pooled.len() },
            Self::Statistic { levels, .. } => Action::TargetStatistic { levels: levels.len() },
        }
    }

    /// Whether training saw this level of a category; numbers are always seen.
    pub(super) fn knows(&self, value: f64) -> bool {
        let among = |levels: &[f64]| levels.binary_search_by(|level| level.total_cmp(&value)).is_ok();
        match self {
            Self::Codes { known } => among(known),
            Self::OneHot { levels, pooled, .. } => among(levels) || among(pooled),
            Self::Statistic { levels, .. } => levels.binary_search_by(|level| level.code.total_cmp(&value)).is_ok(),
            _ => true,
        }
    }

    /// Writes the prepared columns of `values` into `out`, which has this plan's width and holds zeros.
    pub(super) fn write(&self, values: &ArrayView1<'_, f64>, out: &mut ArrayViewMut2<'_, f64>) {
        for (value, mut row) in values.iter().zip(out.axis_iter_mut(Axis(0))) {
            let mut put = |at: usize, number: f64| {
                if let Some(cell) = row.get_mut(at) {
                    *cell = number;
                }
            };
            match self {
                Self::Dropped(_) => {}
                Self::Kept { low, high } => put(0, infinite_to(*value, *low, *high)),
                Self::Filled { low, high, median, .. } => {
                    put(0, if value.is_nan() { *median } else { infinite_to(*value, *low, *high) });
                    put(1, f64::from(u8::from(value.is_nan())));
                }
                Self::Codes { .. } => put(0, if self.knows(*value) { *value } else { f64::NAN }),
                Self::OneHot { levels, pooled, .. } => {
                    // Beyond the row's end for a kind of value that training had none of: then all stay 0.
                    let other = levels.len();
                    let place = match levels.binary_search_by(|level| level.total_cmp(value)) {
                        Ok(at) => at,
                        Err(_) if value.is_nan() => other + usize::from(!pooled.is_empty()),
                        Err(_) if pooled.is_empty() => usize::MAX,
                        Err(_) => other,
                    };
                    put(place, 1.0);
                }
                Self::Statistic { levels, prior } => {
                    let key = if value.is_nan() { MISSING } else { *value };
                    let found = levels.binary_search_by(|level| level.code.total_cmp(&key)).ok();
                    let found = found.and_then(|at| levels.get(at));
                    put(0, found.map_or(*prior, |level| level.mean));
                    put(1, found.map_or(0.0, |level| level.share));
                }
            }
        }
    }
}

/// Infinite values at the finite extremes of training; finite ones beyond them stay.
fn infinite_to(value: f64, low: f64, high: f64) -> f64 {
    if value == f64::INFINITY {
        high
    } else if value == f64::NEG_INFINITY {
        low
    } else {
        value
    }
}

/// Target statistics of a category: the plan for scoring, and each training row's own, which knows only rows before it
/// in a random order.
pub(super) fn statistics(
    values: &ArrayView1<'_, f64>,
    y: &ArrayView1<'_, f64>,
    prior_rows: f64,
    random: &mut Random,
) -> (Plan, Vec<f64>) {
    let prior = y.mean().unwrap_or(0.0);
    let keys: Vec<f64> = values.iter().map(|value| if value.is_nan() { MISSING } else { *value }).collect();
    let mut codes = keys.clone();
    codes.sort_unstable_by(f64::total_cmp);
    codes.dedup();
    let mut sums = vec![(0.0, 0.0); codes.len()];
    let mut order: Vec<usize> = (0..keys.len()).collect();
    random.shuffle(&mut order);
    let mean = |(sum, count): (f64, f64)| (sum + prior_rows * prior) / (count + prior_rows);
    let mut own = vec![prior; keys.len()];
    for row in order {
        let (Some(key), Some(target)) = (keys.get(row), y.get(row)) else { continue };
        let level = codes.partition_point(|code| code < key);
        if let (Some(sum), Some(own)) = (sums.get_mut(level), own.get_mut(row)) {
            *own = mean(*sum);
            *sum = (sum.0 + target, sum.1 + 1.0);
        }
    }
    let rows = keys.len().max(1) as f64;
    let levels = codes
        .iter()
        .zip(&sums)
        .map(|(code, sum)| LevelStatistic { code: *code, mean: mean(*sum), share: sum.1 / rows })
        .collect();
    (Plan::Statistic { levels, prior }, own)
}
