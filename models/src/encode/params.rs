//! Parameters of an encoder.

use serde::{Deserialize, Serialize};

use super::EncodeError;
use crate::parameters::{ParameterError, guarded, range, setters};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Numbers; NaN is missing.
    Numeric,
    /// Codes 0, 1, 2 …; NaN is missing.
    Categorical,
}

/// Whom the columns are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Linear models: no missing value is left, a category becomes one column a level.
    Dense,
    /// Trees: missing values and the codes of short categories stay as they are.
    Native,
    /// Trees that divide categories of any length by the order of their codes, as if these were numbers: there are fewer
    /// ways to divide one, so that less is learnt of one that says nothing.
    Ordered,
}

/// Checked parameters of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderValidParams {
    pub(super) kinds: Vec<ColumnKind>,
    pub(super) names: Vec<String>,
    pub(super) style: Style,
    pub(super) level_limit: usize,
    pub(super) rare_rows: usize,
    pub(super) prior_rows: f64,
    pub(super) seed: u64,
    pub(super) threads: usize,
}

impl EncoderValidParams {
    fn check_ranges(&self) -> Result<(), ParameterError> {
        let Self { kinds, names, level_limit, prior_rows, threads, .. } = self;
        range("prior_rows", prior_rows, "positive and finite", *prior_rows > 0.0 && prior_rows.is_finite())?;
        range("level_limit", level_limit, "at least 1", *level_limit > 0)?;
        range("threads", threads, "at least 1", *threads > 0)?;
        range("names", names.len(), "one a column, or none", names.is_empty() || names.len() == kinds.len())
    }
}

/// How columns are prepared.
///
/// | column | dense | native | ordered |
/// |---|---|---|---|
/// | numeric | median for missing, and a column that says so | as it is | as it is |
/// | infinite | the largest or smallest finite value of training | the same | the same |
/// | category up to the limit | one column a level; levels under `rare_rows` rows, and unseen ones, share `other` | codes; unseen ones are missing | the same, as numbers |
/// | category beyond the limit | target statistic and the level's share of rows | the same | codes, as numbers |
/// | constant, all missing, a category with nearly a level a row | left out | left out | left out |
///
/// The target statistic is `(sum of y + a p) / (count + a)` with `p` the mean of y and `a` = `prior_rows` (Micci-Barreca
/// 2001). The rows are in five parts at random (from the seed), and a training row's own statistic is that of the other
/// four: its own label is not in it (cross-fitting, the best for long categories in Pargent et al. 2022).
/// Scoring uses all training rows. Weights of rows play no part.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderParams(EncoderValidParams);

impl EncoderParams {
    /// For columns of these kinds, for linear models: limit 20 levels, rare under 10 rows, prior of 10 rows, seed 0.
    pub fn new(kinds: Vec<ColumnKind>) -> Self {
        Self(EncoderValidParams {
            kinds,
            names: Vec::new(),
            style: Style::Dense,
            level_limit: 20,
            rare_rows: 10,
            prior_rows: 10.0,
            seed: 0,
            threads: 1,
        })
    }

    /// All columns numeric.
    pub fn numeric(columns: usize) -> Self {
        Self::new(vec![ColumnKind::Numeric; columns])
    }
}

setters! {
    EncoderParams {
        /// Names for the report, one a column.
        names: Vec<String>,
        /// For linear models or for trees.
        style: Style,
        /// Most levels that a category is spread out for.
        level_limit: usize,
        /// A level under so many rows shares a column with the others such.
        rare_rows: usize,
        /// How many rows of the mean a target statistic starts from.
        prior_rows: f64,
        /// Seed of the order of the target statistics.
        seed: u64,
        /// Threads that share the columns; they do not change the result.
        threads: usize,
    }
}

guarded!(EncoderParams => EncoderValidParams, EncodeError);
