//! JSON Schemas of a project's file kinds, for editors.

use serde_json::Value;

use super::contract::ContractFile;
use super::ml::MlFile;
use super::model::ModelFile;
use super::settings_file::ProjectSchema;

/// A kind of file a project has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `buho.toml`
    Project,
    /// `sql/sources/<name>.yml`
    Source,
    /// `sql/<layer>/<pack>/<name>.yml`
    Model,
    /// `sql/ml/<name>.yml`
    Ml,
}

impl FileKind {
    /// Every kind, in the order they are listed.
    pub const ALL: &[Self] = &[Self::Project, Self::Source, Self::Model, Self::Ml];

    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Source => "source",
            Self::Model => "model",
            Self::Ml => "ml",
        }
    }

    /// Where files of the kind lie.
    pub fn place(self) -> &'static str {
        match self {
            Self::Project => "buho.toml",
            Self::Source => "sql/sources/<name>.yml",
            Self::Model => "sql/<layer>/<pack>/<name>.yml",
            Self::Ml => "sql/ml/<name>.yml",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Its JSON Schema, draft 2020-12.
    pub fn json_schema(self) -> Value {
        let schema = match self {
            Self::Project => schemars::schema_for!(ProjectSchema),
            Self::Source => schemars::schema_for!(ContractFile),
            Self::Model => schemars::schema_for!(ModelFile),
            Self::Ml => schemars::schema_for!(MlFile),
        };
        schema.to_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_of_draft_2020_12_and_closed() {
        for kind in FileKind::ALL {
            let schema = kind.json_schema();
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!(schema["additionalProperties"], false, "{kind:?}");
            assert!(schema["description"].is_string() || schema["title"].is_string());
        }
    }

    #[test]
    fn every_key_of_every_kind_is_described() {
        fn check(value: &Value, path: &str, missing: &mut Vec<String>) {
            let Some(object) = value.as_object() else { return };
            for (key, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if property.get("description").is_none() {
                    missing.push(format!("{path}.{key}"));
                }
            }
            for (name, definition) in object.get("$defs").and_then(Value::as_object).into_iter().flatten() {
                check(definition, name, missing);
            }
        }
        let mut missing = Vec::new();
        for kind in FileKind::ALL {
            check(&kind.json_schema(), kind.name(), &mut missing);
        }
        assert!(missing.is_empty(), "{missing:?}");
    }
}
