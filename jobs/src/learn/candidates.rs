//! Candidates of a node as recipes with ranges.

use models::metrics::Metric;
use models::recipe::{Recipe, RecipeError, Space};
use warehouse::learn::{CandidateFault, LearnError};
use warehouse::project::MlNode;
use warehouse::project::ml::{self, Candidate};

use super::refused;

/// What is wrong with each candidate.
pub(super) fn faults(node: &MlNode) -> Vec<CandidateFault> {
    let found = node.spec.candidates.iter().enumerate();
    found
        .filter_map(|(candidate, spec)| {
            let error = space(node, spec).err()?;
            Some(CandidateFault { candidate, message: error.to_string() })
        })
        .collect()
}

/// A candidate as it is searched.
fn space(node: &MlNode, candidate: &Candidate) -> Result<Space, RecipeError> {
    let mut recipe: Recipe = format!("{} {}", node.spec.kind.word(), candidate.family.as_str()).parse()?;
    for (parameter, value) in &candidate.set {
        recipe = recipe.with(parameter, *value)?;
    }
    let mut ranges = candidate.search.iter();
    ranges.try_fold(Space::new(recipe), |space, (parameter, range)| space.range(parameter, range.from, range.to))
}

/// All candidates as they are searched.
pub(super) fn spaces(node: &MlNode) -> Result<Vec<Space>, LearnError> {
    let found = node.spec.candidates.iter().map(|candidate| space(node, candidate));
    found.collect::<Result<_, _>>().map_err(|error| refused(&error))
}

/// What the node's candidates are compared by.
pub(super) fn metric(node: &MlNode) -> Metric {
    match (node.spec.metric, node.spec.kind) {
        (Some(ml::Metric::Auc), _) => Metric::RocAuc,
        (Some(ml::Metric::Brier), _) => Metric::Brier,
        (Some(ml::Metric::Mae), _) => Metric::Mae,
        (Some(ml::Metric::LogLoss), _) | (None, ml::MlKind::Classifier) => Metric::LogLoss,
        (Some(ml::Metric::Rmse), _) | (None, ml::MlKind::Regressor) => Metric::Rmse,
    }
}

/// Whether a value passes a bound of the gate.
pub(super) fn passes(metric: Metric, value: f64, bound: f64) -> bool {
    if metric.higher_is_better() { value >= bound } else { value <= bound }
}
