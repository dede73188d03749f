//! The standard `sql/` of the repository holds what this module promises of any project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;

use super::lint::lint;
use super::{build, parse, resolve};
use crate::project::add_sources;
use crate::project::contract::{Contract, ContractFile};
use crate::project::ml::{MlNode, made_tables};
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
        let layer =
            path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let name = format!("{layer}.{}", stem(&path));
        let spec = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", yml.display()));
        let sql = fs::read_to_string(&path).unwrap();
        let model = Model {
            name: name.clone(),
            layer,
            pack: None,
            sql_file: relative(&path),
            yml_file: relative(&yml),
            sql,
            spec,
            ml: None,
        };
        models.insert(name, model);
    }
    let mut learning = Vec::new();
    files(&root.join("ml"), "yml", &mut learning);
    learning.sort();
    let nodes: Vec<Arc<MlNode>> = learning
        .iter()
        .filter(|path| !path.with_extension("sql").exists())
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let spec = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Arc::new(MlNode { name: stem(path), pack: None, file: relative(path), spec })
        })
        .collect();
    let made = made_tables(&nodes, &models);
    models.extend(made.into_iter().map(|model| (model.name.clone(), model)));
    let mut yml = Vec::new();
    files(&root.join("sources"), "yml", &mut yml);
    let mut contracts = BTreeMap::new();
    for path in yml {
        let spec: ContractFile = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let table = spec.table.as_ref().map_or_else(|| format!("bronze.{}", stem(&path)), |table| table.value.clone());
        contracts.insert(stem(&path), Contract { name: stem(&path), table, file: relative(&path), spec });
    }
    add_sources(&mut models, &contracts);
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

/// Texts near the real ones find what a planner does not expect; a longer search is
/// `BUHO_TEST_ROUNDS=100`.
#[tokio::test]
async fn a_text_with_tokens_missing_or_swapped_is_an_error_and_never_a_panic() {
    let rounds = option_env!("BUHO_TEST_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(1_usize);
    let (models, contracts) = standard();
    let whole = build(&models, &contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let mut state = 7_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let words: Vec<String> =
        models.values().flat_map(|model| model.sql.split_whitespace().map(str::to_owned)).collect();
    for _ in 0..rounds {
        let mut broken = models.clone();
        let mut graph = whole.clone();
        for node in &mut graph.nodes {
            let Some(model) = broken.get_mut(&node.name) else { continue };
            let lines = model.sql.lines().filter(|line| !line.starts_with("--"));
            let mut tokens: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
            for _ in 0..=next(2) {
                let (at, other) = (next(tokens.len()), next(tokens.len()));
                match next(3) {
                    0 => drop(tokens.remove(at)),
                    1 => tokens.swap(at, other),
                    _ => tokens[at] = &words[next(words.len())],
                }
            }
            model.sql = tokens.join(" ");
            if let Ok(parsed) = parse(&model.sql_file, &model.sql) {
                lint(&model.sql_file, &model.layer, &parsed);
                node.parsed = parsed;
            }
        }
        let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        let result = resolve(&graph, &broken, &contracts, &BTreeMap::new(), night).await;
        assert!(models.len() < 10 || result.is_err_and(|errors| !errors.to_string().is_empty()));
    }
}
