//! The standard `sql/` of the repository holds what this module promises of any project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::{build, resolve};
use crate::project::contract::{Contract, ContractFile};
use crate::project::model::Model;

/// The folder `sql/`: the repository's, or the one under test.
fn folder() -> PathBuf {
    match option_env!("BUHO_TEST_SQL") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"),
    }
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, extension, found);
        } else if entry.extension().is_some_and(|own| own == extension) {
            found.push(entry);
        }
    }
}

/// The models and contracts of a folder, read as a project would.
pub fn standard() -> (BTreeMap<String, Model>, BTreeMap<String, Contract>) {
    let root = folder();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let relative = |path: &Path| format!("sql/{}", path.strip_prefix(&root).unwrap().display());
    let mut sql = Vec::new();
    files(&root, "sql", &mut sql);
    let mut models = BTreeMap::new();
    for path in sql {
        let yml = path.with_extension("yml");
        let Ok(text) = fs::read_to_string(&yml) else { continue };
        let layer = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let name = format!("{layer}.{}", stem(&path));
        let spec = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", yml.display()));
        let sql = fs::read_to_string(&path).unwrap();
        let model = Model { name: name.clone(), layer, pack: None, sql_file: relative(&path), yml_file: relative(&yml), sql, spec };
        models.insert(name, model);
    }
    let mut yml = Vec::new();
    files(&root.join("sources"), "yml", &mut yml);
    let mut contracts = BTreeMap::new();
    for path in yml {
        let spec: ContractFile = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let table = spec.table.as_ref().map_or_else(|| format!("bronze.{}", stem(&path)), |table| table.value.clone());
        contracts.insert(stem(&path), Contract { name: stem(&path), table, file: relative(&path), spec });
    }
    (models, contracts)
}

#[tokio::test]
async fn every_standard_model_is_portable_and_gives_what_its_yml_declares() {
    let (models, contracts) = standard();
    let graph = build(&models, &contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await;
    let resolved = resolved.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(resolved.plans.len(), models.len());
}
