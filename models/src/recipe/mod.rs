//! Recipes: what a night fits, judges, stores and scores by.
//!
//! A [`Recipe`] is a family of models, its parameters by name and its calibration, written down as one line of text. A
//! champion is a recipe, not a fit. [`fit`] makes a [`FittedModel`] of a recipe and a [`Training`]: a [`Frame`] of named
//! columns (numbers, text, booleans; NaN and `None` are missing) with its target, and where they are known weights,
//! entities and snapshots' days.
//!
//! | step | what |
//! |---|---|
//! | columns | each is prepared the same way at the fit and ever after; constant ones and text with a level a row are dropped, numbers that look like ids warned of, one that tells the label is an error: [`FitReport::columns`] |
//! | folds | the last snapshots, each predicted from what was known before it; without days whole entities; without entities rows of each class in proportion |
//! | on rows not learnt from | boosting's trees are counted, members weighed, probabilities calibrated, intervals widened |
//! | [`judge`] | champion and challengers fitted before a cut, compared after it by entity |
//! | [`Search`] | successive halving over ranges, its budget in fits x rows, remembered in a [`SearchRecord`] |
//! | [`FittedModel`] | `score` gives probabilities or values with intervals, `contributions` what each column of the table added, `importance` and `report` what was found, `to_bytes` and `from_bytes` store it, `to_onnx` exports it |
//!
//! ```
//! use models::recipe::{Frame, FittedModel, Recipe, Training, fit};
//!
//! let mut frame = Frame::new(400);
//! frame.numbers("days_since_order", (0..400).map(|row| f64::from(row * 37 % 101)).collect())?;
//! frame.text("channel", (0..400).map(|row| Some(if row % 3 == 0 { "shop" } else { "web" })))?;
//! let churned: Vec<f64> = (0..400).map(|row| f64::from(u8::from(row * 37 % 101 + row % 40 > 70))).collect();
//!
//! let recipe: Recipe = "classifier logistic".parse()?;
//! let model = fit(&recipe, &Training::new(&frame, &churned).seed(7))?;
//! let model = FittedModel::from_bytes(&model.to_bytes()?)?;
//! let scores = model.score(&frame)?;
//! let reasons = model.contributions(&frame)?;
//! let sum = reasons.baseline + reasons.values.row(0).sum();
//! assert!((sum - scores.raw[0]).abs() < 1e-6 && scores.values[0] < 0.5);
//! # Ok::<(), models::recipe::RecipeError>(())
//! ```

mod error;
mod fit;
mod frame;
mod importance;
mod judge;
mod member;
mod model;
mod onnx;
mod parameters;
mod part;
#[expect(clippy::module_inception, reason = "the noun of the module")]
mod recipe;
mod schema;
mod search;
mod store;
#[cfg(test)]
mod tests;
mod training;

pub use crate::calibration::Method;
pub use crate::conformal::Intervals;
pub use crate::ensemble::{Contributions, Scale};
pub use error::RecipeError;
pub use fit::fit;
pub use frame::Frame;
pub use importance::Importance;
pub use judge::{Judgement, Judging, Standing, Trust, Verdict, default_metric, judge, refit_ships};
pub use model::{FitReport, FittedModel, MemberSummary, Scores};
pub use parameters::Parameter;
pub use part::Part;
pub use recipe::{Family, Kind, Recipe};
pub use search::{Search, SearchRecord, Space, Tried};
pub use store::FORMAT;
pub use training::{FoldKind, LEAST_ROWS, Training};
