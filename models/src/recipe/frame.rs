//! A table of named columns: what a feature query gives.

use std::collections::HashMap;

use super::RecipeError;

/// The code of a missing text.
const MISSING: u32 = u32::MAX;

/// A table of named columns of equal length: numbers, text categories and booleans, each with missing values.
///
/// ```
/// use models::recipe::Frame;
///
/// let mut frame = Frame::new(3);
/// frame.numbers("orders", vec![1.0, 2.0, f64::NAN])?;
/// frame.text("channel", [Some("web"), None, Some("shop")])?;
/// frame.flags("newsletter", [Some(true), Some(false), None])?;
/// assert_eq!(frame.names(), ["orders", "channel", "newsletter"]);
/// # Ok::<(), models::recipe::RecipeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    rows: usize,
    columns: Vec<(String, Values)>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// NaN is missing.
    Numbers(Vec<f64>),
    /// 0, 1, NaN.
    Flags(Vec<f64>),
    /// Each row's place in `levels`, or [`MISSING`].
    Text { levels: Vec<String>, codes: Vec<u32> },
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) | Self::Flags(values) => values.len(),
            Self::Text { codes, .. } => codes.len(),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Numbers(_) => "numbers",
            Self::Flags(_) => "booleans",
            Self::Text { .. } => "text",
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let some = |values: &[f64]| rows.iter().map(|row| values.get(*row).copied().unwrap_or(f64::NAN)).collect();
        match self {
            Self::Numbers(values) => Self::Numbers(some(values)),
            Self::Flags(values) => Self::Flags(some(values)),
            Self::Text { levels, codes } => Self::Text {
                levels: levels.clone(),
                codes: rows.iter().map(|row| codes.get(*row).copied().unwrap_or(MISSING)).collect(),
            },
        }
    }
}

impl Frame {
    /// A table of so many rows, without columns yet.
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// Adds a column of numbers; NaN is missing.
    ///
    /// # Errors
    /// [`RecipeError::Column`] for another length than the table's, or a name that is there.
    pub fn numbers(&mut self, name: impl Into<String>, values: Vec<f64>) -> Result<(), RecipeError> {
        self.add(name.into(), Values::Numbers(values))
    }

    /// Adds a column of booleans.
    ///
    /// # Errors
    /// As [`Self::numbers`].
    pub fn flags(
        &mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = Option<bool>>,
    ) -> Result<(), RecipeError> {
        let number = |value: Option<bool>| value.map_or(f64::NAN, |value| f64::from(u8::from(value)));
        self.add(name.into(), Values::Flags(values.into_iter().map(number).collect()))
    }

    /// Adds a category given as text.
    ///
    /// # Errors
    /// As [`Self::numbers`].
    pub fn text<'a>(
        &mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Result<(), RecipeError> {
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut levels = Vec::new();
        let code = |value: Option<&'a str>| {
            let Some(value) = value else { return MISSING };
            *known.entry(value).or_insert_with(|| {
                levels.push(value.to_owned());
                (levels.len() - 1) as u32
            })
        };
        let codes = values.into_iter().map(code).collect();
        self.add(name.into(), Values::Text { levels, codes })
    }

    fn add(&mut self, name: String, values: Values) -> Result<(), RecipeError> {
        if values.len() != self.rows {
            let problem = format!("{} values where the table has {} rows", values.len(), self.rows);
            return Err(RecipeError::Column { name, problem });
        }
        if self.column(&name).is_some() {
            return Err(RecipeError::Column { name, problem: "is there twice: name it otherwise".to_owned() });
        }
        self.columns.push((name, values));
        Ok(())
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns' names, in their order.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Some of its rows, in the order given.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|(name, values)| (name.clone(), values.select(rows))).collect();
        Self { rows: rows.len(), columns }
    }

    pub(super) fn columns(&self) -> &[(String, Values)] {
        &self.columns
    }

    pub(super) fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }
}
