//! Which parameters each family has, by name.

use super::{Family, Kind};

/// A parameter that a recipe may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// The value where the recipe does not say.
    pub default: f64,
    /// Whether it counts something.
    pub whole: bool,
    /// What it is.
    pub what: &'static str,
}

const fn real(name: &'static str, low: f64, high: f64, default: f64, what: &'static str) -> Parameter {
    Parameter { name, low, high, default, whole: false, what }
}

const fn count(name: &'static str, low: f64, high: f64, default: f64, what: &'static str) -> Parameter {
    Parameter { name, low, high, default, whole: true, what }
}

const FOLDS: Parameter =
    count("folds", 0.0, 20.0, 0.0, "folds that calibration learns from, at least 2; 0: 5, or 10 under 3,000 rows");
const COVERAGE: Parameter = real("coverage", 0.5, 0.99, 0.9, "share of targets that intervals cover");
const PENALTY: Parameter = real("penalty", 0.0, 1e9, 1.0, "strength of the penalty; 1 / C of scikit-learn");
const L1_RATIO: Parameter = real("l1_ratio", 0.0, 1.0, 0.0, "share of the penalty that is L1");
const LEVELS: Parameter = count("levels", 1.0, 250.0, 20.0, "levels of a category from which it is a target statistic");

const FOREST: [Parameter; 4] = [
    count("trees", 1.0, 10_000.0, 100.0, "trees"),
    count("depth", 1.0, 64.0, 10.0, "splits between the root and a leaf"),
    count("min_rows", 1.0, 1e6, 1.0, "least rows of a leaf"),
    real("column_share", 0.0, 1.0, 0.0, "share of the columns tried for a split; 0: their root, all for a regressor"),
];

const BOOSTING: [Parameter; 9] = [
    count("trees", 1.0, 10_000.0, 1000.0, "most trees; how many is told by rows that are not learnt from"),
    real("learning_rate", 0.001, 1.0, 0.05, "what a tree counts"),
    count("leaves", 2.0, 4096.0, 15.0, "leaves of a tree"),
    count("depth", 1.0, 64.0, 64.0, "splits between the root and a leaf"),
    count("min_rows", 1.0, 1e6, 20.0, "least rows of a leaf"),
    real("l2", 0.0, 1e6, 0.0, "penalty on a leaf's output"),
    real("row_share", 0.01, 1.0, 1.0, "share of the rows that a tree sees"),
    real("column_share", 0.01, 1.0, 1.0, "share of the columns that a tree sees"),
    count("patience", 0.0, 1000.0, 50.0, "trees without gain after which to stop; 0: all trees"),
];

const POWER: Parameter =
    real("power", 0.0, 1.99, 0.0, "of the variance: 0 squared error, 1 Poisson, between 1 and 2 Tweedie");

const ENSEMBLE: [Parameter; 9] = [
    count("trees", 1.0, 10_000.0, 1000.0, "most trees of the boosting; how many is told by rows not learnt from"),
    real("learning_rate", 0.001, 1.0, 0.05, "what a tree of the boosting counts"),
    count("leaves", 2.0, 4096.0, 15.0, "leaves of a tree of the boosting"),
    count("min_rows", 1.0, 1e6, 20.0, "least rows of a leaf of the boosting"),
    count("deep_trees", 0.0, 10_000.0, 100.0, "trees of a second boosting: 31 leaves at .1, not counted; 0: without"),
    count("forest_trees", 1.0, 10_000.0, 100.0, "trees of the forest"),
    count("forest_depth", 1.0, 64.0, 10.0, "depth of the forest's trees"),
    count(
        "mean_of_folds",
        0.0,
        1.0,
        1.0,
        "1: members are means of their folds' models where 5 or more judge every row; 0: fitted on all rows",
    ),
    PENALTY,
];

/// The parameters of a family for a kind of target.
pub(super) fn of(kind: Kind, family: Family) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = match family {
        Family::Logistic => vec![PENALTY, L1_RATIO],
        Family::Ridge => vec![PENALTY],
        Family::Forest => FOREST.to_vec(),
        Family::Boosting if kind == Kind::Regressor => BOOSTING.into_iter().chain([POWER]).collect(),
        Family::Boosting | Family::BoostingQuantile => BOOSTING.to_vec(),
        Family::Ensemble => ENSEMBLE.to_vec(),
    };
    all.extend([LEVELS, FOLDS]);
    if kind == Kind::Regressor {
        all.push(COVERAGE);
    }
    all
}
