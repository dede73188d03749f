//! Which tables a command means: `+marts.revenue_daily tag:daily,layer:marts`.
//!
//! | written | means |
//! |---|---|
//! | `name` | that table; the layer may be left out where one table only has the name |
//! | `+name`, `name+`, `+name+` | with all it is made from, with all made from it, with both |
//! | `tag:x`, `layer:x`, `pack:x` | the models of a tag, a layer, a pack |
//! | `a b` | what either selects |
//! | `a,b` | what both select |

use std::collections::BTreeSet;

use super::build::{Graph, Node};
use crate::error::ErrorKind;
use crate::nearest::{did_you_mean, nearest};

/// A selector that selects nothing that is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("`{selector}` selects no {what} — {}", did_you_mean(.nearest.as_deref(), "name a table, or tag:, layer: or pack: with one that exists"))]
    Unknown { selector: String, what: &'static str, nearest: Option<String> },
    #[error("`{selector}` could be {} — write the layer", .tables.join(" or "))]
    Ambiguous { selector: String, tables: Vec<String> },
    #[error("`{selector}` is no selector — write name, +name, name+, tag:x, layer:x or pack:x")]
    Malformed { selector: String },
}

impl SelectError {
    /// The user's mistake.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }
}

/// The tables a selector selects: models and, by `+` or by name, bronze and ops tables.
/// No selector selects everything.
///
/// # Errors
/// A name, tag, layer or pack that is not there, with the nearest.
pub fn select(selector: &str, graph: &Graph) -> Result<BTreeSet<String>, SelectError> {
    let mut union: Option<BTreeSet<String>> = None;
    for term in selector.split_whitespace() {
        let mut both: Option<BTreeSet<String>> = None;
        for atom in term.split(',') {
            let selected = one(atom, graph)?;
            both = Some(match both {
                Some(before) => before.intersection(&selected).cloned().collect(),
                None => selected,
            });
        }
        union.get_or_insert_default().extend(both.unwrap_or_default());
    }
    Ok(union.unwrap_or_else(|| graph.tables().map(str::to_owned).collect()))
}

fn one(atom: &str, graph: &Graph) -> Result<BTreeSet<String>, SelectError> {
    let (above, rest) = match atom.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, atom),
    };
    let (below, rest) = match rest.strip_suffix('+') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('+') {
        return Err(SelectError::Malformed { selector: atom.to_owned() });
    }
    let seeds = match rest.split_once(':') {
        Some((method, value)) => by_method(atom, method, value, graph)?,
        None => BTreeSet::from([by_name(atom, rest, graph)?]),
    };
    let mut selected = seeds.clone();
    if above {
        selected.extend(graph.ancestors(seeds.iter().map(String::as_str)));
    }
    if below {
        selected.extend(graph.descendants(seeds.iter().map(String::as_str)));
    }
    Ok(selected)
}

fn by_method(atom: &str, method: &str, value: &str, graph: &Graph) -> Result<BTreeSet<String>, SelectError> {
    let what = match method {
        "tag" => "tag",
        "layer" => "layer",
        "pack" => "pack",
        _ => return Err(SelectError::Malformed { selector: atom.to_owned() }),
    };
    let values = |node: &Node| -> Vec<String> {
        match method {
            "tag" => node.tags.clone(),
            "layer" => vec![node.layer.clone()],
            _ => node.pack.iter().cloned().collect(),
        }
    };
    let mut selected: BTreeSet<String> = graph
        .nodes
        .iter()
        .filter(|node| values(node).iter().any(|own| own == value))
        .map(|node| node.name.clone())
        .collect();
    if method == "layer" && value == "bronze" {
        selected.extend(graph.sources.keys().cloned());
    }
    if selected.is_empty() {
        let known: BTreeSet<String> = graph.nodes.iter().flat_map(values).collect();
        let nearest = nearest(value, known.iter().map(String::as_str)).map(|known| format!("{method}:{known}"));
        return Err(SelectError::Unknown { selector: atom.to_owned(), what, nearest });
    }
    Ok(selected)
}

/// The table of that name, in full or without its layer.
fn by_name(atom: &str, name: &str, graph: &Graph) -> Result<String, SelectError> {
    let name = name.to_lowercase();
    if let Some(table) = graph.tables().find(|table| *table == name) {
        return Ok(table.to_owned());
    }
    let same: Vec<String> = graph
        .tables()
        .filter(|table| table.split_once('.').is_some_and(|(_, bare)| bare == name))
        .map(str::to_owned)
        .collect();
    match same.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let nearest = nearest(&name, graph.tables()).map(str::to_owned);
            Err(SelectError::Unknown { selector: atom.to_owned(), what: "table", nearest })
        }
        _ => Err(SelectError::Ambiguous { selector: atom.to_owned(), tables: same }),
    }
}
