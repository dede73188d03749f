//! From a folder to a [`Project`]: read, overlay, parse, check; every problem, not only the first.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::contract::{Contract, ContractFile};
use super::declared::add_sources;
use super::load_ml::ML_LAYER;
use super::ml::MlNode;
use super::model::{Model, ModelFile};
use super::nearest::Advice;
use super::place::{Half, Place, StandardFile, classify};
use super::problem::{Fault, Problem, ProjectErrors};
use super::settings::{Origin, Overrides, STANDARD_PACKS, Settings, Sources, resolve};
use super::settings_file;
use super::shape::Shape;
use super::yaml::{self, LARGEST_FILE, Node};
use super::{Project, contract_check, model_check};
use crate::store::Environment;

impl Project {
    /// Reads the project in a folder: settings from flags, environment and `buho.toml`, files from
    /// `sql/` over the standard ones.
    ///
    /// A project's file replaces the standard one of the same layer and name, whatever its pack; a
    /// standard pack that is not among the settings' is left out.
    ///
    /// # Errors
    /// Everything wrong with every file, each with file, line and what to do.
    pub fn load(
        root: &Path,
        overrides: &Overrides,
        env: &Environment,
        standard: &[StandardFile],
    ) -> Result<Self, ProjectErrors> {
        let project = Self::load_to_look(root, overrides, env, standard)?;
        if project.left_out.is_empty() {
            return Ok(project);
        }
        Err(ProjectErrors { root: project.root, problems: project.left_out })
    }

    /// As [`Self::load`], for what runs nothing and only looks into the lake: its settings must be right; other files
    /// that are not are left out, and [`Self::left_out`] says why.
    ///
    /// # Errors
    /// Everything wrong with the project, where its settings cannot be read.
    pub fn load_to_look(
        root: &Path,
        overrides: &Overrides,
        env: &Environment,
        standard: &[StandardFile],
    ) -> Result<Self, ProjectErrors> {
        let mut loader = Loader::new(root);
        let settings = loader.settings(overrides, env);
        if !loader.problems.iter().any(|problem| problem.fault == Fault::NoProject) {
            loader.standard(standard);
            loader.folder();
        }
        let packs = settings.as_ref().map(|settings| settings.packs.clone());
        loader.packs(settings.as_ref());
        let (contracts, mut models) = loader.parse(packs.as_deref());
        add_sources(&mut models, &contracts);
        loader.add_ml_tables(&mut models);
        loader.cross_check(&contracts, &models);
        let Loader { problems: mut left_out, ml, .. } = loader;
        left_out.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let root = root.to_owned();
        match settings {
            Some(settings) => Ok(Self { root, settings, contracts, models, ml, left_out }),
            None => Err(ProjectErrors { root, problems: left_out }),
        }
    }
}

/// A file's text and its path below the project's folder.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) path: String,
    contents: Cow<'static, str>,
}

/// The one or two files of a name.
#[derive(Debug, Clone, Default)]
struct Slot {
    pack: Option<String>,
    sql: Option<Text>,
    yml: Option<Text>,
    is_standard: bool,
}

#[derive(Debug)]
pub(super) struct Loader<'a> {
    root: &'a Path,
    pub(super) problems: Vec<Problem>,
    contracts: BTreeMap<String, Slot>,
    /// By layer and name.
    models: BTreeMap<(String, String), Slot>,
    standard_packs: BTreeSet<String>,
    pub(super) ml: Vec<Arc<MlNode>>,
}

impl<'a> Loader<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            problems: Vec::new(),
            contracts: BTreeMap::new(),
            models: BTreeMap::new(),
            standard_packs: STANDARD_PACKS.iter().map(|&pack| pack.to_owned()).collect(),
            ml: Vec::new(),
        }
    }

    fn report(&mut self, file: &str, line: u64, fault: Fault) {
        self.problems.push(Problem::new(file, line, fault));
    }

    fn settings(&mut self, overrides: &Overrides, env: &Environment) -> Option<Settings> {
        let path = self.root.join(settings_file::NAME);
        if !path.exists() {
            self.report(settings_file::NAME, 0, Fault::NoProject);
            return None;
        }
        let text = self.read(settings_file::NAME)?;
        let file = settings_file::parse(&text, &mut self.problems);
        let broken = !self.problems.is_empty();
        let settings = resolve(&Sources { root: self.root, overrides, env, file }, &mut self.problems);
        settings.filter(|_| !broken)
    }

    /// Reads a file of the project; what keeps it from being read is a problem.
    fn read(&mut self, path: &str) -> Option<String> {
        let full = self.root.join(path);
        let unreadable = |error: &std::io::Error| Fault::Unreadable {
            reason: error.to_string(),
            retry: !matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::InvalidData),
        };
        let bytes = match std::fs::metadata(&full) {
            Ok(meta) if meta.len() > LARGEST_FILE => {
                let fault = Fault::TooLarge { bytes: meta.len(), limit: LARGEST_FILE };
                self.report(path, 0, fault);
                return None;
            }
            Ok(_) => std::fs::read(&full),
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                self.report(path, 0, unreadable(&error));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() as u64;
                let message = "a byte that is not UTF-8; save the file as UTF-8".to_owned();
                self.report(path, line, Fault::Syntax { message });
                None
            }
        }
    }

    fn standard(&mut self, files: &[StandardFile]) {
        for file in files {
            match classify(&file.path) {
                Ok(Some(place)) => {
                    let text = Text { path: file.path.clone(), contents: file.contents.clone() };
                    self.standard_packs.extend(pack_of(&place));
                    self.add(place, text, true);
                }
                Ok(None) => {}
                Err(fault) => self.report(&file.path, 0, fault),
            }
        }
    }

    /// Reads `sql/` of the project; its files take the place of the standard ones.
    fn folder(&mut self) {
        let mut paths = Vec::new();
        self.list("sql", 0, &mut paths);
        paths.sort();
        for path in paths {
            match classify(&path) {
                Ok(Some(place)) => {
                    if let Some(contents) = self.read(&path) {
                        self.add(place, Text { path, contents: contents.into() }, false);
                    }
                }
                Ok(None) => {}
                Err(fault) => self.report(&path, 0, fault),
            }
        }
    }

    fn list(&mut self, folder: &str, depth: usize, paths: &mut Vec<String>) {
        // One level more than files may lie at, so that a file too deep is reported; and an end to
        // links that form a circle.
        if depth > 4 {
            return;
        }
        let entries = match std::fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let retry = error.kind() != std::io::ErrorKind::PermissionDenied;
                return self.report(folder, 0, Fault::Unreadable { reason: error.to_string(), retry });
            }
        };
        for entry in entries.flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.list(&path, depth + 1, paths);
            } else {
                paths.push(path);
            }
        }
    }

    fn add(&mut self, place: Place, text: Text, is_standard: bool) {
        let (slot, pack, half, shown) = match place {
            Place::Contract { name } => {
                (self.contracts.entry(name.clone()).or_default(), None, Half::Yml, format!("bronze.{name}"))
            }
            Place::Model { layer, pack, name, half } => {
                let shown = format!("{layer}.{name}");
                (self.models.entry((layer, name)).or_default(), pack, half, shown)
            }
        };
        if slot.is_standard && !is_standard {
            *slot = Slot::default();
        }
        let own = if half == Half::Sql { &mut slot.sql } else { &mut slot.yml };
        if let Some(other) = own {
            let fault = Fault::TwoFiles { name: shown, other: other.path.clone() };
            return self.problems.push(Problem::new(text.path, 0, fault));
        }
        // Both halves lie in one folder: halves of two packs are two files for one name.
        let other_half = if half == Half::Sql { &slot.yml } else { &slot.sql };
        if let Some(other) = other_half.as_ref().filter(|_| slot.pack != pack) {
            let fault = Fault::TwoFiles { name: shown, other: other.path.clone() };
            return self.problems.push(Problem::new(text.path, 0, fault));
        }
        let own = if half == Half::Sql { &mut slot.sql } else { &mut slot.yml };
        *own = Some(text);
        slot.pack = pack;
        slot.is_standard = is_standard;
    }

    /// Every pack that is on is known: standard, or a folder of the project.
    fn packs(&mut self, settings: Option<&Settings>) {
        let Some(settings) = settings else { return };
        let mut known: BTreeSet<&str> = self.standard_packs.iter().map(String::as_str).collect();
        known.extend(self.models.values().filter_map(|slot| slot.pack.as_deref()));
        let unknown: Vec<Fault> = settings
            .packs
            .iter()
            .filter(|pack| !known.contains(pack.as_str()))
            .map(|pack| Fault::UnknownPack { pack: pack.clone(), advice: Advice::new(pack, known.iter().copied()) })
            .collect();
        let (file, line) = match settings.origin("packs") {
            Origin::Flag(name) | Origin::Environment(name) => (name.clone(), 0),
            Origin::File { line } => (settings_file::NAME.to_owned(), *line),
            Origin::Default => (settings_file::NAME.to_owned(), 0),
        };
        for fault in unknown {
            self.report(&file, line, fault);
        }
    }

    /// Whether a pack is on: standard packs when named in the settings, a project's own always.
    fn is_on(&self, pack: Option<&str>, packs: Option<&[String]>) -> bool {
        match (pack, packs) {
            (Some(pack), Some(packs)) => !self.standard_packs.contains(pack) || packs.iter().any(|on| on == pack),
            _ => true,
        }
    }

    fn parse(&mut self, packs: Option<&[String]>) -> (BTreeMap<String, Contract>, BTreeMap<String, Model>) {
        let shapes = (Shape::of::<ContractFile>("the contract"), Shape::of::<ModelFile>("the model"));
        let mut contracts = BTreeMap::new();
        for (name, slot) in std::mem::take(&mut self.contracts) {
            if let Some(contract) = self.contract(&shapes.0, &name, slot)
                && self.is_on(contract.spec.pack.as_deref(), packs)
            {
                contracts.insert(name, contract);
            }
        }
        let mut models = BTreeMap::new();
        for ((layer, name), slot) in std::mem::take(&mut self.models) {
            if self.is_on(slot.pack.as_deref(), packs)
                && let Some(model) = self.model(&shapes.1, &layer, &name, slot)
            {
                models.insert(model.name.clone(), model);
            }
        }
        (contracts, models)
    }

    /// Reads YAML into its type, or says everything that is wrong with it.
    pub(super) fn yaml<T: DeserializeOwned>(&mut self, shape: &Shape, text: &Text) -> Option<(T, Node)> {
        let tree = match yaml::parse_tree(&text.contents) {
            Ok(tree) => tree,
            Err(place) => {
                self.problems.push(yaml::problem(&text.path, place));
                return None;
            }
        };
        let wrong = shape.check(&text.path, &tree);
        if !wrong.is_empty() {
            self.problems.extend(wrong);
            return None;
        }
        match yaml::parse_typed(&text.contents) {
            Ok(typed) => Some((typed, tree)),
            Err(place) => {
                self.problems.push(yaml::problem(&text.path, place));
                None
            }
        }
    }

    fn contract(&mut self, shape: &Shape, name: &str, slot: Slot) -> Option<Contract> {
        let text = slot.yml?;
        let (spec, tree) = self.yaml::<ContractFile>(shape, &text)?;
        self.problems.extend(contract_check::check(&text.path, &tree, &spec));
        let table = spec.table.as_ref().map_or_else(|| format!("bronze.{name}"), |table| table.value.clone());
        Some(Contract { name: name.to_owned(), table, file: text.path, spec })
    }

    fn model(&mut self, shape: &Shape, layer: &str, name: &str, slot: Slot) -> Option<Model> {
        let (sql, yml) = match (slot.sql, slot.yml) {
            (Some(sql), Some(yml)) => (sql, yml),
            (Some(sql), None) => {
                let advice = "write what its columns mean there; `buho schema model` prints the form";
                self.report(&sql.path, 0, Fault::Alone { missing: format!("{name}.yml"), advice });
                return None;
            }
            (None, Some(yml)) if layer == ML_LAYER => {
                self.ml(name, slot.pack, &yml);
                return None;
            }
            (None, Some(yml)) => {
                let advice = "write its SELECT there";
                self.report(&yml.path, 0, Fault::Alone { missing: format!("{name}.sql"), advice });
                return None;
            }
            (None, None) => return None,
        };
        if sql.contents.trim().is_empty() {
            self.report(&sql.path, 1, Fault::EmptyQuery);
        }
        let (spec, tree) = self.yaml::<ModelFile>(shape, &yml)?;
        self.problems.extend(model_check::check(&yml.path, layer, &tree, &spec));
        Some(Model {
            name: format!("{layer}.{name}"),
            layer: layer.to_owned(),
            pack: slot.pack,
            sql_file: sql.path,
            yml_file: yml.path,
            sql: sql.contents.into_owned(),
            spec,
            ml: None,
        })
    }

    /// What no file shows alone: two contracts for one table, audits of tables that are not there.
    fn cross_check(&mut self, contracts: &BTreeMap<String, Contract>, models: &BTreeMap<String, Model>) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for contract in contracts.values() {
            match owners.get(contract.table.as_str()) {
                Some(other) => {
                    let line = contract.spec.table.as_ref().map_or(0, |table| table.line);
                    let fault = Fault::TwoFiles { name: contract.table.clone(), other: (*other).to_owned() };
                    self.report(&contract.file, line, fault);
                }
                None => drop(owners.insert(&contract.table, &contract.file)),
            }
        }
        // With a file that could not be read, its table is missing for that reason alone.
        if !self.problems.is_empty() {
            return;
        }
        let tables: Vec<&str> = owners.keys().copied().chain(models.keys().map(String::as_str)).collect();
        for model in models.values() {
            for audit in &model.spec.audits {
                let named = [
                    ("relationships", audit.relationships.as_ref().map(|rule| &rule.to)),
                    ("reconcile", audit.reconcile.as_ref().map(|rule| &rule.to)),
                ];
                for (used_by, table) in named.into_iter().filter_map(|(rule, table)| Some((rule, table?))) {
                    if tables.contains(&table.as_str()) {
                        continue;
                    }
                    let advice = Advice::new(table, tables.iter().copied());
                    let (used_by, name) = (used_by.to_owned(), table.value.clone());
                    let fault = Fault::NoSuchTable { used_by, table: name, advice };
                    self.problems.push(Problem::new(&model.yml_file, table.line, fault));
                }
            }
        }
    }
}

fn pack_of(place: &Place) -> Option<String> {
    match place {
        Place::Model { pack, .. } => pack.clone(),
        Place::Contract { .. } => None,
    }
}
