//! Columns of the table as a member sees them.

use ndarray::{Array2, Axis};

use super::graph::{Attribute, Graph};
use crate::encode::Encoder;
use crate::recipe::RecipeError;
use crate::tree::{Column, Columns, MISSING, Set, Tree, holds};

/// A column of the table in the graph.
pub(super) enum Input {
    /// Its name: numbers.
    Numbers(String),
    /// The place of each text among its levels, then unseen, then missing; and how many levels there are.
    Text { place: String, levels: usize },
}

impl Input {
    /// Numbers and booleans are numbers, NaN missing; text is text, empty where it is missing.
    pub(super) fn new(graph: &mut Graph, name: &str, levels: Option<&[String]>) -> Self {
        let Some(levels) = levels else {
            graph.number_input(name);
            return Self::Numbers(name.to_owned());
        };
        graph.text_input(name);
        let (unseen, missing) = (levels.len() as i64, levels.len() as i64 + 1);
        let mut keys: Vec<String> = levels.to_vec();
        let mut values: Vec<i64> = (0..unseen).collect();
        if !levels.iter().any(String::is_empty) {
            keys.push(String::new());
            values.push(missing);
        }
        let attributes = vec![
            Attribute::Texts("keys_strings", keys),
            Attribute::Integers("values_int64s", values),
            Attribute::Integer("default_int64", unseen),
        ];
        Self::Text { place: graph.ml("LabelEncoder", &[name], attributes), levels: levels.len() }
    }
}

/// A condition of a tree on a category: the prepared column and what goes left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Membership {
    column: usize,
    set: Set,
    missing_left: bool,
}

/// The prepared columns of a member, and where trees find theirs.
pub(super) struct Prepared {
    /// (rows, width).
    pub(super) matrix: String,
    features: Vec<usize>,
    memberships: Vec<(Membership, usize)>,
}

impl Prepared {
    /// The place of a prepared column.
    pub(super) fn feature(&self, column: usize) -> usize {
        self.features.get(column).copied().unwrap_or(column)
    }

    /// The place of a condition: 1 where it holds.
    pub(super) fn condition(&self, membership: &Membership) -> usize {
        let found = self.memberships.binary_search_by(|(known, _)| known.cmp(membership)).ok();
        found.and_then(|at| self.memberships.get(at)).map_or(0, |(_, place)| *place)
    }
}

/// What a node asks of a category, if it asks of one.
pub(super) fn membership(tree: &Tree, node: usize) -> Option<Membership> {
    let node = tree.nodes.get(node)?;
    let set = *tree.sets.get(node.set? as usize)?;
    Some(Membership { column: node.column as usize, set, missing_left: node.missing_left })
}

/// Prepares the columns as `encoder` does; for trees with one more for each condition on a category.
pub(super) fn prepared(
    graph: &mut Graph,
    inputs: &[Input],
    encoder: &Encoder,
    trees: Option<(&[Tree], &Columns)>,
) -> Result<Prepared, RecipeError> {
    let sources = encoder.sources();
    let mut asked: Vec<Membership> = Vec::new();
    if let Some((trees, _)) = trees {
        asked = trees.iter().flat_map(|tree| (0..tree.nodes.len()).filter_map(|node| membership(tree, node))).collect();
        asked.sort_unstable();
        asked.dedup();
    }
    let mut found = Prepared { matrix: String::new(), features: vec![0; sources.len()], memberships: Vec::new() };
    let (mut parts, mut width) = (Vec::new(), 0);
    for (source, input) in inputs.iter().enumerate() {
        let own: Vec<usize> = (0..sources.len()).filter(|column| sources.get(*column) == Some(&source)).collect();
        if own.is_empty() {
            continue;
        }
        for column in &own {
            if let Some(place) = found.features.get_mut(*column) {
                *place = width;
            }
            width += 1;
        }
        match input {
            Input::Numbers(name) => parts.extend(numbers(graph, name, encoder, source, &own)?),
            Input::Text { place, levels } => {
                let mut table = probed(encoder, source, &own, &codes(*levels))?;
                for membership in asked.iter().filter(|asked| own.contains(&asked.column)) {
                    let Some(at) = own.iter().position(|column| *column == membership.column) else { continue };
                    let column = trees.and_then(|(_, columns)| columns.all().get(membership.column));
                    let held = table.column(at).mapv(|code| f64::from(u8::from(goes_left(column, membership, code))));
                    table.push_column(held.view()).map_err(|error| damaged(&error))?;
                    found.memberships.push((*membership, width));
                    width += 1;
                }
                parts.push(looked_up(graph, place, &table));
            }
        }
    }
    found.memberships.sort_unstable_by_key(|(membership, _)| *membership);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    found.matrix = graph.op("Concat", &parts, vec![Attribute::Integer("axis", 1)]);
    Ok(found)
}

fn damaged(error: &dyn std::fmt::Display) -> RecipeError {
    RecipeError::Damaged { what: error.to_string() }
}

fn goes_left(column: Option<&Column>, membership: &Membership, code: f64) -> bool {
    match column.map_or(MISSING, |column| column.bin(code)) {
        MISSING => membership.missing_left,
        bin => holds(&membership.set, bin),
    }
}

/// The codes of a category: its levels, an unseen one, missing.
fn codes(levels: usize) -> Vec<f64> {
    (0..=levels).map(|code| code as f64).chain([f64::NAN]).collect()
}

/// What the encoder makes of some values of one column of the table.
fn probed(encoder: &Encoder, source: usize, own: &[usize], values: &[f64]) -> Result<Array2<f64>, RecipeError> {
    let mut x = Array2::from_elem((values.len(), encoder.inputs()), f64::NAN);
    x.column_mut(source).iter_mut().zip(values).for_each(|(cell, value)| *cell = *value);
    Ok(encoder.apply(x.view())?.select(Axis(1), own))
}

/// Rows of a table by their place.
fn looked_up(graph: &mut Graph, place: &str, table: &Array2<f64>) -> String {
    let values: Vec<f64> = table.iter().copied().collect();
    let shape = graph.integers(&[-1, table.ncols() as i64]);
    let table = graph.constant(&[table.nrows(), table.ncols()], &values);
    let found = graph.op("Gather", &[&table, place], vec![Attribute::Integer("axis", 0)]);
    graph.op("Reshape", &[&found, &shape], vec![])
}

/// Numbers: infinite ones at the extremes, missing ones filled where the member needs it, and said.
fn numbers(
    graph: &mut Graph,
    name: &str,
    encoder: &Encoder,
    source: usize,
    own: &[usize],
) -> Result<Vec<String>, RecipeError> {
    let probes = probed(encoder, source, own, &[f64::INFINITY, f64::NEG_INFINITY, f64::NAN])?;
    let at = |row: usize| probes.get((row, 0)).copied().unwrap_or(f64::NAN);
    let missing = graph.op("IsNaN", &[name], vec![]);
    let detect = |positive, negative| {
        vec![Attribute::Integer("detect_positive", positive), Attribute::Integer("detect_negative", negative)]
    };
    let (above, below) = (graph.op("IsInf", &[name], detect(1, 0)), graph.op("IsInf", &[name], detect(0, 1)));
    let (high, low, filled) = (graph.scalar(at(0)), graph.scalar(at(1)), graph.scalar(at(2)));
    let held = graph.op("Where", &[&above, &high, name], vec![]);
    let held = graph.op("Where", &[&below, &low, &held], vec![]);
    let mut parts = vec![graph.op("Where", &[&missing, &filled, &held], vec![])];
    if own.len() > 1 {
        parts.push(graph.cast(&missing));
    }
    Ok(parts)
}
