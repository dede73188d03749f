//! From the files of a project to the order in which its tables can be made.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::tokenizer::Span;

use super::any_night::any_night;
use super::error::{At, GraphError, GraphErrors};
use super::fingerprint::{Fingerprint, fingerprint, former};
use super::lint::lint;
use super::ml::connect;
use super::parse::{NIGHT, Parsed, WINDOW_END, WINDOW_START, parse};
use crate::nearest::nearest;
use crate::project::contract::Contract;
use crate::project::ml::MlRole;
use crate::project::model::{Materialized, Model};

/// The layers from the export to the reader. A model reads its own layer and those before it.
const LAYERS: [&str; 6] = ["bronze", "staging", "core", "features", "ml", "marts"];

/// One model in the graph.
#[derive(Debug, Clone)]
pub struct Node {
    /// `layer.name`.
    pub name: String,
    pub layer: String,
    pub pack: Option<String>,
    pub tags: Vec<String>,
    pub materialized: Materialized,
    /// Tables its SQL reads: models, `bronze.*` and `ops.*`.
    pub inputs: BTreeSet<String>,
    pub parsed: Parsed,
    pub fingerprint: Fingerprint,
    /// Those that older engines gave the same model, each with what has changed since.
    pub(crate) former: Vec<(String, String)>,
    /// The word by which a run's report calls it.
    pub kind: &'static str,
}

/// All models, each after those it reads.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// In topological order; of several orders the one by name.
    pub nodes: Vec<Node>,
    /// Bronze tables, and the source each comes from.
    pub sources: BTreeMap<String, String>,
    positions: BTreeMap<String, usize>,
}

impl Graph {
    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.positions.get(name).and_then(|position| self.nodes.get(*position))
    }

    /// Models that read the table directly, in topological order.
    pub fn readers<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.inputs.contains(table))
    }

    /// The named tables and all that they are made from: models, bronze and ops tables.
    pub fn ancestors<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        for node in self.nodes.iter().rev() {
            if found.contains(&node.name) {
                found.extend(node.inputs.iter().cloned());
            }
        }
        found
    }

    /// The named tables and all that is made from them.
    pub fn descendants<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        for node in &self.nodes {
            if !node.inputs.is_disjoint(&found) {
                found.insert(node.name.clone());
            }
        }
        found
    }

    /// Every table one can name: models and bronze tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.positions.keys().chain(self.sources.keys()).map(String::as_str)
    }
}

/// Parses every model, finds its inputs, and puts them in order.
///
/// # Errors
/// All mistakes of all models at once, each with its file and line.
pub fn build(models: &BTreeMap<String, Model>, contracts: &BTreeMap<String, Contract>) -> Result<Graph, GraphErrors> {
    let sources: BTreeMap<String, String> =
        contracts.values().map(|contract| (contract.table.clone(), contract.name.clone())).collect();
    let mut errors = Vec::new();
    let mut nodes = BTreeMap::new();
    for model in models.values() {
        let parsed = match parse(&model.sql_file, &model.sql) {
            Ok(parsed) => parsed,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        check(model, &parsed, models, &sources, &mut errors);
        if model.spec.materialized == Materialized::Scd2 {
            any_night(model, models, contracts, &mut errors);
        }
        if model.ml.is_none() {
            errors.extend(lint(&model.sql_file, &model.layer, &parsed));
        }
        nodes.insert(model.name.as_str(), node(model, parsed));
    }
    connect(&mut nodes, models, &mut errors);
    let order = order(&nodes, models, &mut errors);
    GraphErrors::unless_empty(errors)?;
    let nodes: Vec<Node> = order.into_iter().filter_map(|name| nodes.remove(name)).collect();
    let positions = nodes.iter().enumerate().map(|(position, node)| (node.name.clone(), position)).collect();
    Ok(Graph { nodes, sources, positions })
}

fn node(model: &Model, parsed: Parsed) -> Node {
    Node {
        name: model.name.clone(),
        layer: model.layer.clone(),
        pack: model.pack.clone(),
        tags: model.spec.tags.clone(),
        materialized: model.spec.materialized,
        kind: model.ml.as_ref().map_or(model.spec.materialized.word(), MlRole::word),
        inputs: parsed.inputs.keys().cloned().collect(),
        fingerprint: fingerprint(model, &parsed),
        former: former(model, &parsed),
        parsed,
    }
}

impl Node {
    /// What this engine makes otherwise than the one that made a table by the same model; `None` where the project
    /// changed the model.
    pub fn made_otherwise(&self, code: &str) -> Option<&str> {
        self.former.iter().find(|(former, _)| former == code).map(|(_, said)| said.as_str())
    }
}

fn check(
    model: &Model,
    parsed: &Parsed,
    models: &BTreeMap<String, Model>,
    sources: &BTreeMap<String, String>,
    errors: &mut Vec<GraphError>,
) {
    let known = || models.keys().chain(sources.keys()).map(String::as_str);
    if model.layer == "marts" && model.spec.materialized == Materialized::View {
        errors.push(GraphError::MartIsView { at: At::line(&model.yml_file, 1), model: model.name.clone() });
    }
    for (table, span) in &parsed.unqualified {
        let candidates = parsed.ctes.iter().map(String::as_str).chain(known());
        let nearest = nearest(table, candidates).map(str::to_owned);
        let at = At::span(&model.sql_file, *span);
        errors.push(GraphError::UnqualifiedTable { at, table: table.clone(), nearest });
    }
    parameters(model, parsed, errors);
    for (table, span) in &parsed.inputs {
        let at = At::span(&model.sql_file, *span);
        // The columns of ops tables are known to the engine alone: `resolve` names one that is not there.
        if !table.starts_with("ops.") && !models.contains_key(table) && !sources.contains_key(table) {
            let nearest = nearest(table, known()).map(str::to_owned);
            errors.push(GraphError::UnknownTable { at, table: table.clone(), nearest });
        } else if let Some(advice) = wrong_layer(&model.layer, table) {
            errors.push(GraphError::WrongLayer { at, model: model.name.clone(), table: table.clone(), advice });
        }
    }
}

/// A model asks for the night, or, where it is stored by windows of time, for the window and nothing else:
/// a row that depended on the night that built it would not be the same when it is built again.
fn parameters(model: &Model, parsed: &Parsed, errors: &mut Vec<GraphError>) {
    let windowed = model.spec.materialized.is_windowed();
    let known: &[&str] = if windowed { &[WINDOW_START, WINDOW_END] } else { &[NIGHT] };
    for (parameter, span) in parsed.parameters.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let at = At::span(&model.sql_file, *span);
        errors.push(match [NIGHT, WINDOW_START, WINDOW_END].contains(&parameter.as_str()) {
            true => GraphError::OtherParameter {
                at,
                parameter: parameter.clone(),
                materialized: model.spec.materialized.word(),
                known: known.join("`, `"),
            },
            false => GraphError::UnknownParameter { at, parameter: parameter.clone() },
        });
    }
    for wanted in known.iter().filter(|_| windowed) {
        if !parsed.parameters.iter().any(|(name, _)| name == wanted) {
            let at = At::line(&model.sql_file, 1);
            errors.push(GraphError::NoWindow { at, model: model.name.clone(), parameter: (*wanted).to_owned() });
        }
    }
}

/// Layers are read downwards only, and bronze by staging alone.
///
/// Bronze keeps every delivery of a row: whoever reads it past staging counts a corrected order
/// twice. Reading upwards makes a core table change with the mart somebody tuned.
pub(super) fn wrong_layer(reader: &str, table: &str) -> Option<&'static str> {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let layer = table.split('.').next().unwrap_or_default();
    let (own, read) = (rank(reader)?, rank(layer)?);
    if layer == "bronze" && reader != "staging" {
        return Some("bronze keeps every delivery of a row, staging resolves them: read the staging model, or add one");
    }
    (read > own).then_some(
        "a layer reads itself and those before it (bronze, staging, core, features, ml, marts): move one of the two",
    )
}

/// Kahn's algorithm over the models, smallest name first, so that the order never depends on chance.
fn order<'a>(
    nodes: &BTreeMap<&'a str, Node>,
    models: &'a BTreeMap<String, Model>,
    errors: &mut Vec<GraphError>,
) -> Vec<&'a str> {
    let mut waiting: BTreeMap<&'a str, BTreeSet<&str>> = nodes
        .iter()
        .map(|(name, node)| {
            let inputs = node.inputs.iter().map(String::as_str);
            (*name, inputs.filter(|input| nodes.contains_key(*input)).collect())
        })
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(name) = waiting.iter().find(|(_, inputs)| inputs.is_empty()).map(|(name, _)| *name) {
        waiting.remove(name);
        for inputs in waiting.values_mut() {
            inputs.remove(name);
        }
        order.push(name);
    }
    while let Some(path) = cycle(&waiting) {
        for name in &path {
            waiting.remove(name.as_str());
        }
        errors.push(cycle_error(path, nodes, models));
    }
    order
}

/// A circle among models that wait for each other, from a name back to itself.
fn cycle(waiting: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    for start in waiting.keys() {
        let mut path: Vec<&str> = vec![start];
        let mut current = *start;
        while let Some(next) =
            waiting.get(current).and_then(|inputs| inputs.iter().find(|input| waiting.contains_key(*input)))
        {
            if let Some(position) = path.iter().position(|name| name == next) {
                let mut circle: Vec<String> = path.iter().skip(position).map(|name| (*name).to_owned()).collect();
                circle.push((*next).to_owned());
                return Some(circle);
            }
            path.push(next);
            current = next;
        }
    }
    None
}

fn cycle_error(path: Vec<String>, nodes: &BTreeMap<&str, Node>, models: &BTreeMap<String, Model>) -> GraphError {
    let first = path.first().map(String::as_str).unwrap_or_default();
    let span = path
        .get(1)
        .and_then(|input| nodes.get(first).and_then(|node| node.parsed.inputs.get(input)))
        .copied()
        .unwrap_or(Span::empty());
    let file = models.get(first).map(|model| model.sql_file.as_str()).unwrap_or_default();
    GraphError::Cycle { at: At::span(file, span), path }
}
