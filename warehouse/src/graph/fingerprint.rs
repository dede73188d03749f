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

/// What of the engine itself decides values: how SQL is read, and how a table is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Engine {
    registry: u32,
    learn: u32,
}

impl Engine {
    const NOW: Self = Self { registry: REGISTRY_VERSION, learn: LEARN_VERSION };
}

/// The first versions whose fingerprints are made as today.
const FIRST: Engine = Engine { registry: 1, learn: 3 };
/// What each version of the registry after the first changed, for people: which values may be others.
const READ: [&str; (REGISTRY_VERSION - FIRST.registry) as usize] = [];
/// What each version of learning after the first changed.
const LEARNT: [&str; (LEARN_VERSION - FIRST.learn) as usize] = [];

/// The fingerprint of a model.
///
/// Comments, layout, the case of words, descriptions, audits and tests do not count: they change no
/// stored row. (Audits have a fingerprint of their own: [`crate::audit::fingerprint`].)
pub fn fingerprint(model: &Model, parsed: &Parsed) -> Fingerprint {
    made_by(Engine::NOW, model, parsed)
}

/// The fingerprints that an older engine gave the very same model, each with what has changed since. A table that has one
/// was not changed by the project: this engine makes it otherwise.
pub(super) fn former(model: &Model, parsed: &Parsed) -> Vec<(String, String)> {
    older(model, parsed, &READ, &LEARNT)
}

fn older(model: &Model, parsed: &Parsed, read: &[&str], learnt: &[&str]) -> Vec<(String, String)> {
    let learnt = if model.ml.is_some() { learnt } else { &[] };
    let behind = (0..=read.len()).flat_map(|read| (0..=learnt.len()).map(move |learnt| (read, learnt)));
    let older = behind.filter(|(read, learnt)| read + learnt > 0);
    let fingerprint = |(reads, learns): (usize, usize)| {
        let (reads_then, learns_then) = (read.len() - reads, learnt.len() - learns);
        let engine = Engine { registry: FIRST.registry + reads_then as u32, learn: FIRST.learn + learns_then as u32 };
        let since = read.iter().skip(reads_then).chain(learnt.iter().skip(learns_then));
        (made_by(engine, model, parsed).to_string(), since.copied().collect::<Vec<_>>().join("; "))
    };
    older.map(fingerprint).collect()
}

fn made_by(engine: Engine, model: &Model, parsed: &Parsed) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    field(&engine.registry.to_string());
    field(&model.name);
    field(model.spec.materialized.word());
    // Columns of what is learnt are the engine's, and no SQL of it is ever run.
    if let Some(role) = &model.ml {
        field(&engine.learn.to_string());
        learns(role).iter().for_each(|setting| field(setting));
        return Fingerprint(hasher.finalize());
    }
    for setting in stored_as(&model.spec) {
        field(&setting);
    }
    for column in &model.spec.columns {
        field(&column.name);
        field(&column.kind.to_string());
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
                json!([spec.spine, spec.features, spec.population, spec.exclude]),
                json!([spec.horizon, spec.snapshots, spec.sample]),
                json!([spec.candidates, spec.split, spec.metric, spec.gate]),
            ]
        }
        MlRole::Scores(node) => {
            let spec = &node.spec;
            vec![
                json!([node.name, spec.kind, spec.entity, spec.spine, spec.features, spec.population, spec.exclude]),
                json!([spec.tiers, spec.value, spec.reasons]),
            ]
        }
        MlRole::Outcomes(nodes) => nodes.iter().map(|node| json!([labels(node), node.spec.output])).collect(),
        MlRole::Report(section) => vec![json!(section.key())],
    };
    settings.iter().map(ToString::to_string).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fixtures::model;
    use crate::graph::parse;

    #[test]
    fn the_fingerprint_of_an_older_engine_is_known_with_what_has_changed_since() {
        let model =
            model("staging.z", "select order_id from bronze.orders", "columns: [{ name: order_id, type: VARCHAR }]");
        let parsed = parse("z.sql", &model.sql).unwrap();
        assert!(older(&model, &parsed, &READ, &LEARNT).is_empty());
        let found = older(&model, &parsed, &["days of weeks", "sums of shares"], &["seeds"]);
        let said: Vec<&str> = found.iter().map(|(_, said)| said.as_str()).collect();
        assert_eq!(said, ["sums of shares", "days of weeks; sums of shares"]);
        // The first of all is this very engine's.
        assert_eq!(found[1].0, fingerprint(&model, &parsed).to_string());
        assert_ne!(found[0].0, found[1].0);
    }
}
