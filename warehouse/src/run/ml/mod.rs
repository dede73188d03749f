//! Tables of ML nodes: what a learner makes of past nights, and of this one.
//!
//! ```text
//! spine SQL at each past night ─► spine of past nights ─► features SQL, once ─┐
//!                                          └────────────► label SQL, once ────┴─► rows ─► learner ─► training row
//! features of tonight ─► model of the training row ─► scores ─► percentile, tier, reasons, value ─► tonight's rows
//! ```
//! Both tables are kept by night: a run replaces the rows of its night and leaves the others. All else, staging, audits,
//! commits, releases and resumption, is that of any node.

mod blocks;
mod checks;
mod decisions;
mod differ;
mod gather;
mod judged;
mod kept;
mod leak;
mod night;
mod outcomes;
mod report;
mod rows;
mod scores;
mod snapshots;
mod stored;
mod tiers;
mod training;
mod words;

use std::sync::Arc;

pub(super) use self::decisions::{DECISION, Decisions, identities, of_training, standing};
pub use self::decisions::{Decision, decide, decisions};
pub use self::kept::model_bytes;
pub(super) use self::leak::Raw;

use super::compute::ComputeError;
use super::work::{Attempt, Made, Work};
use crate::project::ml::MlRole;
use crate::project::model::Model;

/// What a table of an ML node has to know beyond its inputs.
pub(super) struct LearntInputs {
    pub role: MlRole,
    /// Identity of the features' rows.
    pub features_read: String,
    pub asked: Arc<Decisions>,
    /// Raw tables behind the features.
    pub raw: Vec<Raw>,
}

/// Makes the night's rows.
pub(super) async fn make(
    work: &Work,
    model: &Model,
    inputs: &LearntInputs,
    identity: &str,
    attempt: Attempt,
) -> Result<Option<Made>, ComputeError> {
    match &inputs.role {
        MlRole::Training(node) => {
            let decided = inputs.asked.get(&node.name);
            training::make(work, model, node, training::Asked { identity, decided, raw: &inputs.raw }, attempt)
                .await
                .map(Some)
        }
        MlRole::Scores(node) => scores::make(work, model, node, &inputs.features_read, attempt).await.map(Some),
        MlRole::Report(section) => report::make(work, model, *section, attempt).await.map(Some),
        MlRole::Outcomes(nodes) => outcomes::make(work, model, nodes, attempt).await,
    }
}
