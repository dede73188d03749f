//! The columns of a model: how a table becomes a matrix, at the fit and ever after.

use std::collections::HashMap;
use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::RecipeError;
use super::error::most_like;
use super::frame::{Frame, Values};
use crate::encode::{ColumnKind, Levels};

/// Columns of the table that a model was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Schema {
    columns: Vec<Known>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    name: String,
    holds: Holds,
    /// Whether the model looks at it.
    kept: bool,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Holds {
    Numbers,
    Flags,
    Text(Levels),
}

impl Holds {
    fn of(values: &Values) -> Self {
        match values {
            Values::Numbers(_) => Self::Numbers,
            Values::Flags(_) => Self::Flags,
            Values::Text { levels, .. } => Self::Text(Levels::of(levels.iter().map(|level| Some(level.as_str())))),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Flags => "booleans",
            Self::Text(_) => "text",
        }
    }
}

/// A table's columns, in the model's order.
pub(super) struct Bound<'a>(Vec<Source<'a>>);

enum Source<'a> {
    Numbers(&'a [f64]),
    /// The model's code of each of the table's levels.
    Text {
        codes: &'a [u32],
        of_level: Vec<f64>,
    },
}

impl Schema {
    /// All columns of the table of a fit.
    pub(super) fn of(frame: &Frame) -> Self {
        let known =
            |(name, values): &(String, Values)| Known { name: name.clone(), holds: Holds::of(values), kept: true };
        Self { columns: frame.columns().iter().map(known).collect() }
    }

    /// The same, where the model looks at those columns alone; levels of others are forgotten.
    pub(super) fn keeping(mut self, kept: &[bool]) -> Self {
        for (column, kept) in self.columns.iter_mut().zip(kept) {
            column.kept = *kept;
            if let (false, Holds::Text(levels)) = (kept, &mut column.holds) {
                *levels = Levels::of([]);
            }
        }
        self
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// Names of the columns that the model looks at.
    pub(super) fn kept_names(&self) -> Vec<String> {
        self.kept().map(|column| column.name.clone()).collect()
    }

    /// Their places among all.
    pub(super) fn kept_places(&self) -> Vec<usize> {
        let places = self.columns.iter().enumerate();
        places.filter(|(_, column)| column.kept).map(|(place, _)| place).collect()
    }

    pub(super) fn kinds(&self) -> Vec<ColumnKind> {
        let kind = |column: &Known| match column.holds {
            Holds::Text(_) => ColumnKind::Categorical,
            Holds::Numbers | Holds::Flags => ColumnKind::Numeric,
        };
        self.kept().map(kind).collect()
    }

    /// Names of the columns that the model looks at, and the levels of text, by code.
    pub(super) fn kept_levels(&self) -> Vec<(&str, Option<&[String]>)> {
        fn levels(column: &Known) -> Option<&[String]> {
            match &column.holds {
                Holds::Text(levels) => Some(levels.texts()),
                Holds::Numbers | Holds::Flags => None,
            }
        }
        self.kept().map(|column| (column.name.as_str(), levels(column))).collect()
    }

    fn kept(&self) -> impl Iterator<Item = &Known> {
        self.columns.iter().filter(|column| column.kept)
    }

    /// Finds the columns that the model looks at in a table; those it does not know are of no matter.
    ///
    /// # Errors
    /// [`RecipeError::MissingColumn`], [`RecipeError::ColumnKind`].
    pub(super) fn bind<'a>(&self, frame: &'a Frame) -> Result<Bound<'a>, RecipeError> {
        let named: HashMap<&str, &Values> =
            frame.columns().iter().map(|(name, values)| (name.as_str(), values)).collect();
        let bind = |column: &Known| {
            let Some(values) = named.get(column.name.as_str()) else {
                let nearest = most_like(&column.name, named.keys().copied());
                return Err(RecipeError::MissingColumn { name: column.name.clone(), nearest });
            };
            match (&column.holds, values) {
                (Holds::Numbers, Values::Numbers(values)) | (Holds::Flags, Values::Flags(values)) => {
                    Ok(Source::Numbers(values))
                }
                (Holds::Text(known), Values::Text { levels, codes }) => {
                    let of_level = levels.iter().map(|level| known.code(Some(level.as_str()))).collect();
                    Ok(Source::Text { codes, of_level })
                }
                (holds, values) => Err(RecipeError::ColumnKind {
                    name: column.name.clone(),
                    found: values.kind(),
                    expected: holds.name(),
                }),
            }
        };
        Ok(Bound(self.kept().map(bind).collect::<Result<_, _>>()?))
    }
}

impl Bound<'_> {
    /// Some rows of the table as a matrix, in the order given.
    pub(super) fn matrix_of(&self, places: &[usize]) -> Array2<f64> {
        let mut out = Array2::from_elem((places.len(), self.0.len()), f64::NAN);
        for (mut cells, source) in out.columns_mut().into_iter().zip(&self.0) {
            let value = |place: &usize| match source {
                Source::Numbers(values) => values.get(*place).copied(),
                Source::Text { codes, of_level } => of_level.get(*codes.get(*place)? as usize).copied(),
            };
            cells.iter_mut().zip(places).for_each(|(cell, place)| *cell = value(place).unwrap_or(f64::NAN));
        }
        out
    }

    /// Rows of the table as a matrix (rows, kept columns); NaN is missing.
    pub(super) fn matrix(&self, rows: Range<usize>) -> Array2<f64> {
        let mut out = Array2::from_elem((rows.len(), self.0.len()), f64::NAN);
        for (mut cells, source) in out.columns_mut().into_iter().zip(&self.0) {
            match source {
                Source::Numbers(values) => {
                    let values = values.get(rows.clone()).unwrap_or_default();
                    cells.iter_mut().zip(values).for_each(|(cell, value)| *cell = *value);
                }
                Source::Text { codes, of_level } => {
                    let codes = codes.get(rows.clone()).unwrap_or_default();
                    let code = |code: &u32| of_level.get(*code as usize).copied().unwrap_or(f64::NAN);
                    cells.iter_mut().zip(codes).for_each(|(cell, at)| *cell = code(at));
                }
            }
        }
        out
    }
}
