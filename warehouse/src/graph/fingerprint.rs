//! Whether a model still means what it meant: the part of "unchanged work costs nothing" that is code.

use std::fmt;

use super::parse::{Parsed, canonical};
use crate::functions::REGISTRY_VERSION;
use crate::project::model::{Materialized, Model};

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
    field(match model.spec.materialized {
        Materialized::View => "view",
        Materialized::Table => "table",
    });
    for column in &model.spec.columns {
        field(&column.name);
        field(&column.kind.to_string());
    }
    field(&canonical(&parsed.statement));
    Fingerprint(hasher.finalize())
}
