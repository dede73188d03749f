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
    Kept {
        low: f64,
        high: f64,
    },
    Filled {
        low: f64,
        high: f64,
        median: f64,
        indicator: bool,
    },
    /// Codes of levels; `ordered` where trees divide them as numbers.
    Codes {
        known: Vec<f64>,
        #[serde(default)]
        ordered: bool,
    },
    OneHot {
        levels: Vec<f64>,
        pooled: Vec<f64>,
        missing: bool,
    },
    Statistic {
        levels: Vec<LevelStatistic>,
        prior: f64,
    },
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
            Self::Codes { known, .. } => among(known),
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

/// Parts of the training rows: a row's own statistic is that of the other parts.
const PARTS: usize = 5;

/// Targets of some rows.
#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    rows: f64,
}

impl Sum {
    fn add(&mut self, target: f64) {
        self.total += target;
        self.rows += 1.0;
    }

    fn without(self, part: Self) -> Self {
        Self { total: self.total - part.total, rows: self.rows - part.rows }
    }

    /// Their mean, as if so many rows with the mean `prior` were among them.
    fn mean(self, prior: f64, prior_rows: f64) -> f64 {
        (self.total + prior_rows * prior) / (self.rows + prior_rows)
    }
}

/// Target statistics of a category: the plan for scoring, and each training row's own, which does not know its part of
/// the rows.
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
    let mut parts: Vec<usize> = (0..keys.len()).map(|row| row % PARTS).collect();
    random.shuffle(&mut parts);
    let mut by_level = vec![(Sum::default(), [Sum::default(); PARTS]); codes.len()];
    let (mut all, mut by_part) = (Sum::default(), [Sum::default(); PARTS]);
    let level_of = |key: &f64| codes.partition_point(|code| code < key);
    for ((key, part), target) in keys.iter().zip(&parts).zip(y) {
        all.add(*target);
        by_part.get_mut(*part).into_iter().for_each(|sum| sum.add(*target));
        if let Some((level, parts)) = by_level.get_mut(level_of(key)) {
            level.add(*target);
            parts.get_mut(*part).into_iter().for_each(|sum| sum.add(*target));
        }
    }
    let own = |(key, part): (&f64, &usize)| {
        let (level, parts) = by_level.get(level_of(key))?;
        let rest = all.without(*by_part.get(*part)?);
        let prior = if rest.rows > 0.0 { rest.total / rest.rows } else { prior };
        Some(level.without(*parts.get(*part)?).mean(prior, prior_rows))
    };
    let own = keys.iter().zip(&parts).map(|row| own(row).unwrap_or(prior)).collect();
    let rows = keys.len().max(1) as f64;
    let statistic = |(code, (sum, _)): (&f64, &(Sum, _))| LevelStatistic {
        code: *code,
        mean: sum.mean(prior, prior_rows),
        share: sum.rows / rows,
    };
    let levels = codes.iter().zip(&by_level).map(statistic).collect();
    (Plan::Statistic { levels, prior }, own)
}
