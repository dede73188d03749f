//! What `buho` learns with: the recipes of `models`, plugged into the engine.
//!
//! | night | does |
//! |---|---|
//! | first | searches all candidates, backtests the best, ships its fit of all rows |
//! | usual | refits the champion's recipe, and the best few of the last search to see what they come to; the champion's fit ships unless it is worse than the last by more than chance |
//! | every `challenge_every_days` | searches, and judges the best against the champion on later rows |
//! | before that, when tonight drifted | searches; what it finds is heard when challengers are due |
//! | promoted | fits the recipe that was asked for, and ships it |
//!
//! What may be chance on rows that it had not seen never ships, unless it was promoted.
//!
//! All chance is drawn from one seed and work is counted in fits x rows, so a night is the same on any machine.

mod backtest;
mod candidates;
mod columns;
mod drift;
mod night;
mod sample;
mod scorer;
mod table;
#[cfg(test)]
mod tests;

use models::recipe::{FittedModel, RecipeError};
use warehouse::learn::{CandidateFault, LearnError, Learner, Scorer, Training, Verdict};
use warehouse::project::MlNode;

/// What all chance is drawn from.
const SEED: u64 = 20;

/// The recipes of `models`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recipes;

impl Learner for Recipes {
    fn faults(&self, node: &MlNode) -> Vec<CandidateFault> {
        candidates::faults(node)
    }

    fn train(&self, task: Training) -> Result<Verdict, LearnError> {
        night::train(task)
    }

    fn open(&self, artefact: &[u8]) -> Result<Box<dyn Scorer>, LearnError> {
        scorer::open(artefact)
    }
}

/// A stored model as ONNX: the bytes of an `.onnx` file. `models/src/recipe/onnx` has its inputs and outputs.
///
/// # Errors
/// Bytes that are no model.
pub(crate) fn to_onnx(artefact: &[u8]) -> Result<Vec<u8>, LearnError> {
    FittedModel::from_bytes(artefact).and_then(|model| model.to_onnx()).map_err(|error| refused(&error))
}

fn refused(error: &RecipeError) -> LearnError {
    LearnError::new(error.to_string())
}
