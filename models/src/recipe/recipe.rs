//! A family, its parameters and its calibration: what is fitted, written down.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RecipeError;
use super::error::most_like;
use super::parameters::{self, Parameter};
use crate::calibration::Method;

/// What a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The probability of the label 1.
    Classifier,
    /// A number, with an interval.
    Regressor,
}

impl Kind {
    /// As in `sql/ml/*.yml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Regressor => "regressor",
        }
    }
}

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Logistic regression.
    Logistic,
    /// Ridge regression.
    Ridge,
    /// A random forest.
    Forest,
    /// Gradient boosting.
    Boosting,
    /// Gradient boosting of the median and of the ends of the interval.
    BoostingQuantile,
    /// Linear model, boosting and forest, stacked.
    Ensemble,
}

impl Family {
    const ALL: [Self; 6] =
        [Self::Logistic, Self::Ridge, Self::Forest, Self::Boosting, Self::BoostingQuantile, Self::Ensemble];

    /// As in `sql/ml/*.yml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Ridge => "ridge",
            Self::Forest => "forest",
            Self::Boosting => "boosting",
            Self::BoostingQuantile => "boosting_quantile",
            Self::Ensemble => "ensemble",
        }
    }

    /// The families that answer `kind`.
    pub fn of(kind: Kind) -> Vec<Self> {
        let answers = |family: &Self| match family {
            Self::Logistic => kind == Kind::Classifier,
            Self::Ridge | Self::BoostingQuantile => kind == Kind::Regressor,
            Self::Forest | Self::Boosting | Self::Ensemble => true,
        };
        Self::ALL.into_iter().filter(answers).collect()
    }

    fn named(kind: Kind, name: &str) -> Result<Self, RecipeError> {
        let known = Self::of(kind);
        known.iter().copied().find(|family| family.name() == name).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|family| family.name()).collect();
            unknown("family", name, &names)
        })
    }
}

const METHODS: [(&str, Method); 5] = [
    ("beta", Method::Beta),
    ("blended", Method::Blended),
    ("isotonic", Method::Isotonic),
    ("none", Method::None),
    ("platt", Method::Platt),
];

fn unknown(what: &'static str, found: &str, known: &[&str]) -> RecipeError {
    let nearest = most_like(found, known.iter().copied());
    RecipeError::Unknown { what, found: found.to_owned(), nearest, known: known.join(", ") }
}

/// A family, its parameters and its calibration.
///
/// Its text names the kind, the family and then every parameter with its value, in alphabetical order, those that were
/// not given too: `classifier forest calibration=blended column_share=0 depth=10 folds=0 levels=20 min_rows=1 trees=100`.
/// Two recipes are the same exactly where their texts are, and a default that changes with a version of this program
/// changes no recipe that is written down.
///
/// ```
/// use models::recipe::Recipe;
///
/// let recipe: Recipe = "classifier forest trees=200".parse()?;
/// assert_eq!(recipe.value("depth"), Some(10.0));
/// assert_eq!(recipe.to_string().parse::<Recipe>()?, recipe);
/// let error = "classifier forest tree=200".parse::<Recipe>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `trees`?"));
/// # Ok::<(), models::recipe::RecipeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recipe {
    kind: Kind,
    family: Family,
    values: BTreeMap<&'static str, f64>,
    calibration: Method,
}

impl Recipe {
    /// The family's defaults: blended calibration of classifiers, a forest of 100 trees of depth 10.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`] for a family that does not answer this kind.
    pub fn new(kind: Kind, family: Family) -> Result<Self, RecipeError> {
        let family = Family::named(kind, family.name())?;
        let values = parameters::of(kind, family).iter().map(|known| (known.name, known.default)).collect();
        let calibration = if kind == Kind::Classifier { Method::default() } else { Method::None };
        Ok(Self { kind, family, values, calibration })
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`] with the nearest known, [`RecipeError::Range`].
    pub fn with(mut self, parameter: &str, value: f64) -> Result<Self, RecipeError> {
        let known = self.parameters();
        let Some(found) = known.iter().find(|known| known.name == parameter) else {
            let names: Vec<&str> = known.iter().map(|known| known.name).collect();
            return Err(unknown("parameter", parameter, &names));
        };
        let whole = !found.whole || value.fract() == 0.0;
        if !(found.low..=found.high).contains(&value) || !whole {
            let number = if found.whole { "a whole number " } else { "" };
            let must = format!("{number}from {} to {}", found.low, found.high);
            let (family, parameter) = (self.family.name(), parameter.to_owned());
            return Err(RecipeError::Range { family, parameter, value, must });
        }
        // 0 and -0 are one value, and have one text.
        self.values.insert(found.name, value + 0.0);
        Ok(self)
    }

    /// Sets the calibration of a classifier.
    ///
    /// # Errors
    /// [`RecipeError::Target`] for a regressor, which has none.
    pub fn calibrated(mut self, method: Method) -> Result<Self, RecipeError> {
        if self.kind == Kind::Regressor && method != Method::None {
            return Err(RecipeError::Target { what: "calibration", expected: "classifier", found: "regressor" });
        }
        self.calibration = method;
        Ok(self)
    }

    /// What it answers.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its calibration; none of a regressor.
    pub fn calibration(&self) -> Method {
        self.calibration
    }

    /// The value of a parameter that the family has.
    pub fn value(&self, parameter: &str) -> Option<f64> {
        self.values.get(parameter).copied()
    }

    /// The parameters that its family has.
    pub fn parameters(&self) -> Vec<Parameter> {
        parameters::of(self.kind, self.family)
    }

    /// 64 hexadecimal digits: a hash (BLAKE3) of its text.
    pub fn identity(&self) -> String {
        blake3::hash(self.to_string().as_bytes()).to_hex().to_string()
    }

    pub(super) fn real(&self, parameter: &str) -> f64 {
        self.value(parameter).unwrap_or(0.0)
    }

    pub(super) fn whole(&self, parameter: &str) -> usize {
        self.real(parameter) as usize
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind.name(), self.family.name())?;
        if self.kind == Kind::Classifier {
            let method = METHODS.iter().find(|(_, method)| *method == self.calibration);
            write!(out, " calibration={}", method.map_or("none", |(name, _)| name))?;
        }
        self.values.iter().try_for_each(|(name, value)| write!(out, " {name}={value}"))
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let refused = |problem| RecipeError::Text { text: text.to_owned(), problem };
        let mut words = text.split_whitespace();
        let kind = match words.next() {
            Some("classifier") => Kind::Classifier,
            Some("regressor") => Kind::Regressor,
            _ => return Err(refused("it begins with `classifier` or `regressor`")),
        };
        let family = words.next().ok_or_else(|| refused("it names no family"))?;
        let mut recipe = Self::new(kind, Family::named(kind, family)?)?;
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| refused("a parameter is `name=value`"))?;
            if name == "calibration" {
                let method = METHODS.iter().find(|(known, _)| *known == value);
                let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
                let (_, method) = method.ok_or_else(|| unknown("calibration", value, &names))?;
                recipe = recipe.calibrated(*method)?;
            } else {
                let value = value.parse().map_err(|_| refused("a parameter's value is a number"))?;
                recipe = recipe.with(name, value)?;
            }
        }
        Ok(recipe)
    }
}

impl TryFrom<String> for Recipe {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        text.parse()
    }
}

impl From<Recipe> for String {
    fn from(recipe: Recipe) -> Self {
        recipe.to_string()
    }
}
