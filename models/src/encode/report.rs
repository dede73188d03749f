//! What an encoder found and did, for people to read.

use serde::{Deserialize, Serialize};

use super::ColumnKind;

/// Why a column is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// One value in every row.
    Constant,
    /// No value in any row.
    AllMissing,
    /// A category with nearly as many levels as rows.
    Identifier,
}

/// What is done with a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Left out.
    Dropped(Dropped),
    /// Given on as it is, infinite values at the finite extremes.
    Kept,
    /// Missing values filled.
    Filled { median: f64, indicator: bool },
    /// One column a level.
    OneHot { levels: usize, pooled: usize },
    /// Target statistic and share of rows.
    TargetStatistic { levels: usize },
}

/// What a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Looks like an identifier: it can only be learnt by heart.
    LooksLikeIdentifier,
    /// Over 95 % missing.
    MostlyMissing,
}

/// One column of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Its place in the table.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// What is done with it.
    pub action: Action,
    /// Rows without a value.
    pub missing: usize,
    /// Rows with an infinite value.
    pub infinite: usize,
    /// Rows with a level that training did not see; 0 in training.
    pub unseen: usize,
    /// What to look at.
    pub warning: Option<Warning>,
}

/// All columns of one fit or one scoring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodeReport {
    /// Rows that were prepared.
    pub rows: usize,
    /// One entry a column of the table.
    pub columns: Vec<ColumnReport>,
}
