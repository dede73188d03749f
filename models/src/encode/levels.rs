//! Text of a category as codes.

use serde::{Deserialize, Serialize};

use super::EncodeError;

/// The levels of one category, in the order of their text: level `k` has code `k`.
///
/// A level that training did not see has the code after the last; missing is NaN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Levels(Vec<String>);

impl TryFrom<Vec<String>> for Levels {
    type Error = EncodeError;

    fn try_from(levels: Vec<String>) -> Result<Self, EncodeError> {
        if levels.is_sorted_by(|a, b| a < b) {
            Ok(Self(levels))
        } else {
            Err(EncodeError::Damaged { what: "levels are not in order, or twice".to_owned() })
        }
    }
}

impl From<Levels> for Vec<String> {
    fn from(levels: Levels) -> Self {
        levels.0
    }
}

impl Levels {
    /// The distinct texts; missing ones are no level.
    pub fn of<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let distinct: std::collections::BTreeSet<&str> = values.into_iter().flatten().collect();
        Self(distinct.into_iter().map(str::to_owned).collect())
    }

    /// The code of a text.
    pub fn code(&self, value: Option<&str>) -> f64 {
        match value {
            Some(value) => self.0.binary_search_by(|level| level.as_str().cmp(value)).unwrap_or(self.0.len()) as f64,
            None => f64::NAN,
        }
    }

    /// The text of a code, `None` for missing and for levels that were not seen.
    pub fn text(&self, code: f64) -> Option<&str> {
        if code >= 0.0 && code.fract() == 0.0 { self.0.get(code as usize).map(String::as_str) } else { None }
    }

    /// The texts, by code.
    pub fn texts(&self) -> &[String] {
        &self.0
    }

    /// How many levels were seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every value was missing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
