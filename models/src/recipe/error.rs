//! What can be wrong with a recipe, its table, its fit or its artefact.

use crate::calibration::CalibrationError;
use crate::conformal::ConformalError;
use crate::encode::EncodeError;
use crate::ensemble::EnsembleError;
use crate::input::InputError;
use crate::metrics::MetricError;
use crate::split::SplitError;

/// A recipe that cannot be read, fitted, scored, judged or loaded.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A word that no recipe has.
    #[error("{what} `{found}` is not known{}: one of {known}", did_you_mean(.nearest))]
    Unknown { what: &'static str, found: String, nearest: Option<String>, known: String },
    /// A parameter outside its range.
    #[error("parameter `{parameter}` of {family} is {value}: it must be {must}")]
    Range { family: &'static str, parameter: String, value: f64, must: String },
    /// A recipe's text that is not one.
    #[error("the recipe `{text}` cannot be read: {problem}; write `classifier forest depth=8 trees=200`")]
    Text { text: String, problem: &'static str },
    /// Columns of different length, or twice of one name.
    #[error("column {name}: {problem}")]
    Column { name: String, problem: String },
    /// A table without a column that the model was fitted on.
    #[error("the table lacks column {name} that the model was fitted on{}", did_you_mean(.nearest))]
    MissingColumn { name: String, nearest: Option<String> },
    /// A column that holds something else than at the fit.
    #[error("column {name} holds {found} where the model was fitted on {expected}: cast it in the feature query")]
    ColumnKind { name: String, found: &'static str, expected: &'static str },
    /// Fewer rows than a fit needs.
    #[error("{rows} rows are too few to learn from: at least {needed} are needed; widen the period")]
    TooFewRows { rows: usize, needed: usize },
    /// Fewer rows of a class than a fit needs.
    #[error(
        "{found} of {rows} rows have the label {label}: at least {needed} are needed; widen the period or change the label"
    )]
    TooFewOfClass { label: u8, found: usize, rows: usize, needed: usize },
    /// Arrays that do not fit together, one class only, labels that are none.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A column that cannot be prepared, or tells the label.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A member or the ensemble failed.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// The calibration failed.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The intervals failed.
    #[error(transparent)]
    Conformal(#[from] ConformalError),
    /// The rows cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Two models cannot be compared.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A model that gives no finite score.
    #[error("row {row} has the score {value}: the model does not fit its encoder; fit it again or load an intact copy")]
    Score { row: usize, value: f64 },
    /// Something that has no meaning for this kind of target.
    #[error("{what} is for a {expected}, this is a {found}")]
    Target { what: &'static str, expected: &'static str, found: &'static str },
    /// Bytes that are no model.
    #[error("these {bytes} bytes are no stored model: they do not begin as one")]
    Foreign { bytes: usize },
    /// A model of another format.
    #[error(
        "the stored model has format {found}, this program reads {known}: fit it again, or use the program that wrote it"
    )]
    Format { found: u32, known: u32 },
    /// A model that is not what was stored.
    #[error("the stored model is damaged: {what}; load an intact copy or fit it again")]
    Damaged { what: String },
}

fn did_you_mean(found: &Option<String>) -> String {
    found.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The known word that is most like `found`, where one is like it at all.
pub(super) fn most_like<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let scored = known.into_iter().map(|word| (strsim::jaro_winkler(found, word), word));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
    best.filter(|(likeness, _)| *likeness > 0.7).map(|(_, word)| word.to_owned())
}
