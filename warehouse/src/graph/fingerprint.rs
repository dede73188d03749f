//! Whether a model still means what it meant: the part of "unchanged work costs nothing" that is code.

use std::fmt;

use serde_json::json;

use super::parse::{Parsed, canonical};
use crate::functions::REGISTRY_VERSION;
use crate::learn::LEARN_VERSION;
use crate::project::ml::{MlNode, MlRole};
use crate::project::model::{Materialized, Model, ModelFile};

/// A hash of a model's SQL by meaning and of the settings that decide what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(blake3::Hash);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// The fingerprint of a model.
///
/// Comments, layout, the case of words, descriptions, audits and tests do not count: they change no
/// stored row. (Audits have a fingerprint of their own: [`crate::audit::fingerprint`].)
pub fn fingerprint(model: &Model, parsed: &Parsed) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    field(&REGISTRY_VERSION.to_string());
    field(&model.name);
    field(model.spec.materialized.word());
    for setting in stored_as(&model.spec) {
        field(&setting);
    }
    for column in &model.spec.columns {
        field(&column.name);
        field(&column.kind.to_string());
    }
    for setting in model.ml.iter().flat_map(learns) {
        field(&setting);
    }
    field(&canonical(&parsed.statement));
    Fingerprint(hasher.finalize())
}

/// What a table that the engine makes is made by.
fn learns(role: &MlRole) -> Vec<String> {
    let labels = |node: &MlNode| json!([node.name, node.spec.kind, node.spec.entity, node.spec.label]);
    let settings = match role {
        MlRole::Training(node) => {
            let spec = &node.spec;
            vec![
                labels(node),
                json!([spec.spine, spec.features, spec.exclude, spec.horizon, spec.snapshots, spec.sample]),
                json!([spec.candidates, spec.split, spec.metric, spec.gate]),
            ]
        }
        MlRole::Scores(node) => {
            let spec = &node.spec;
            vec![json!([node.name, spec.kind, spec.entity, spec.exclude, spec.tiers, spec.value, spec.reasons])]
        }
        MlRole::Outcomes(nodes) => nodes.iter().map(|node| labels(node)).collect(),
        MlRole::Report(section) => vec![json!(section.key())],
    };
    [json!(LEARN_VERSION)].into_iter().chain(settings).map(|setting| setting.to_string()).collect()
}

/// How rows are stored: nothing for a table or view without partitions or order.
fn stored_as(spec: &ModelFile) -> Vec<String> {
    let mut settings = Vec::new();
    if let Some(incremental) = &spec.incremental {
        settings.push(json!([incremental.time, incremental.window]).to_string());
    }
    if let Some(merge) = &spec.merge {
        settings.push(json!([merge.time, merge.newest, merge.deleted]).to_string());
    }
    if matches!(spec.materialized, Materialized::Merge | Materialized::Scd2) {
        settings.push(json!(spec.key).to_string());
    }
    if !(spec.partition_by.is_empty() && spec.sort.is_empty()) {
        settings.push(json!([spec.partition_by, spec.sort]).to_string());
    }
    settings
}
