//! Whether the rows that are learnt from know what came after: looked at weekly, and whenever their SQL changes.

use std::sync::Arc;

use chrono::NaiveDate;

use super::gather::Gather;
use super::kept::KeptModel;
use super::leak::{Checked, Raw, Snapshot};
use super::rows::Past;
use super::stored::{self, Restated};
use crate::graph::schemas::model_schema;
use crate::identity::word_of;
use crate::run::compute::ComputeError;
use crate::table::{PinnedTable, StagedFile};

/// What looking for leaks came to.
#[derive(Default)]
pub(super) struct Looked {
    /// Entities of the checked snapshot that late deliveries changed.
    pub late: Option<u64>,
    /// Entities whose features of a past night come out otherwise than that night stored them.
    pub restated: Option<u64>,
    /// The night on which leaks were looked for last, and of which code.
    pub checked: Option<(NaiveDate, String)>,
}

/// Looks for leaks in the middle snapshot, unless that was done lately for the same code.
pub(super) async fn look_for_leaks(
    past: &Past<'_>,
    raw: &[Raw],
    before: Option<&KeptModel>,
    nights: &[NaiveDate],
) -> Result<Looked, ComputeError> {
    let gather = past.gather;
    let (work, every) = (gather.work, i64::from(gather.node.spec.gate.challenge_every_days));
    let code = features_code(gather);
    let done = before
        .and_then(|before| before.checked.clone())
        .filter(|(night, of)| *of == code && work.night.signed_duration_since(*night).num_days() < every);
    if done.is_some() {
        return Ok(Looked { checked: done, ..Looked::default() });
    }
    let Some(night) = nights.get(nights.len() / 2) else { return Ok(Looked::default()) };
    let staged = |name: &str, files: &[StagedFile]| -> Result<_, ComputeError> {
        let schema = model_schema(gather.model(name)?);
        Ok(Arc::new(PinnedTable::from_staged(&work.context.lake, &work.name, &schema, files)?))
    };
    let spine = staged(&gather.node.spec.spine, past.spine)?;
    let features = staged(&gather.node.spec.features, past.features)?;
    let snapshot = Snapshot { gather, raw, night: *night, spine, features };
    match snapshot.check().await? {
        Checked::Sound { late } => {
            if late > 0 {
                tracing::warn!(node = %work.name, "{late} of the checked entities changed after night {night} by what was delivered later");
            }
            let restated = match stored::compare(gather, raw).await {
                Ok(found) => told_of_restated(gather, found),
                Err(error) => {
                    let error = error.of(&work.name);
                    tracing::warn!(node = %work.name, "features could not be held against those of a past night: {error}");
                    None
                }
            };
            Ok(Looked { late: Some(late), restated, checked: Some((work.night, code)) })
        }
        Checked::NotChecked { because } => {
            tracing::warn!(node = %work.name, "leaks could not be looked for: {because}");
            Ok(Looked::default())
        }
    }
}

/// How many entities' features of a past night come out otherwise than that night stored them; said with one of them.
fn told_of_restated(gather: Gather<'_>, found: Option<Restated>) -> Option<u64> {
    let Restated { night, entities, example } = found?;
    if let Some(example) = example {
        let features = gather.node.spec.features.as_str();
        tracing::warn!(
            node = %gather.work.name,
            "{features} of night {night} came out otherwise for {entities} of the checked entities than that night stored it: {example} — an export was delivered anew, or a query is no function of its night"
        );
    }
    Some(entities)
}

/// One word for the code of all models behind the features.
fn features_code(gather: Gather<'_>) -> String {
    let graph = &gather.work.context.graph;
    let behind = graph.ancestors([gather.node.spec.features.as_str()]);
    let nodes = graph.nodes.iter().filter(|node| behind.contains(&node.name));
    word_of(nodes.map(|node| format!("{} {}\n", node.name, node.fingerprint)))
}
