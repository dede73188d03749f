//! Parameters of an encoder.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use super::EncodeError;

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

/// How columns are prepared.
///
/// | column | dense | native |
/// |---|---|---|
/// | numeric | median for missing, and a column that says so | as it is |
/// | infinite | the largest or smallest finite value of training | the same |
/// | category up to the limit | one column a level; levels under `rare_rows` rows, and unseen ones, share `other` | codes; unseen ones are missing |
/// | category beyond the limit | ordered target statistic and the level's share of rows | the same |
/// | constant, all missing, a category with nearly a level a row | left out | left out |
///
/// The target statistic of a training row uses only rows before it in a random order (from the seed), so that its own
/// label is not in it: `(sum of y + a p) / (count + a)` with `p` the mean of y and `a` = `prior_rows`
/// (Prokhorenkova et al. 2018, eq. 5). Scoring uses all training rows. Weights of rows play no part.
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

    /// Names for the report, one a column.
    #[must_use]
    pub fn names(mut self, names: Vec<String>) -> Self {
        self.0.names = names;
        self
    }

    /// For linear models or for trees.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.0.style = style;
        self
    }

    /// Most levels that a category is spread out for.
    #[must_use]
    pub fn level_limit(mut self, level_limit: usize) -> Self {
        self.0.level_limit = level_limit;
        self
    }

    /// A level under so many rows shares a column with the others such.
    #[must_use]
    pub fn rare_rows(mut self, rare_rows: usize) -> Self {
        self.0.rare_rows = rare_rows;
        self
    }

    /// How many rows of the mean a target statistic starts from.
    #[must_use]
    pub fn prior_rows(mut self, prior_rows: f64) -> Self {
        self.0.prior_rows = prior_rows;
        self
    }

    /// Seed of the order of the target statistics.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Threads that share the columns; they do not change the result.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.0.threads = threads;
        self
    }
}

impl ParamGuard for EncoderParams {
    type Checked = EncoderValidParams;
    type Error = EncodeError;

    /// # Errors
    /// [`EncodeError::Parameter`] names the parameter, its value and its range.
    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        let range = |parameter: &'static str, value: f64, must: &'static str, holds: bool| {
            if holds { Ok(()) } else { Err(EncodeError::Parameter { parameter, value, must }) }
        };
        let params = &self.0;
        range(
            "prior_rows",
            params.prior_rows,
            "positive and finite",
            params.prior_rows > 0.0 && params.prior_rows.is_finite(),
        )?;
        range("level_limit", params.level_limit as f64, "at least 1", params.level_limit > 0)?;
        range("threads", params.threads as f64, "at least 1", params.threads > 0)?;
        let named = params.names.is_empty() || params.names.len() == params.kinds.len();
        range("names", params.names.len() as f64, "one a column, or none", named)?;
        Ok(params)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}
