//! YAML with the line of every value, and limits that no file written by hand reaches.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

use super::located::Located;
use super::problem::{Fault, Problem};

/// Bytes a file of a project may have.
pub(super) const LARGEST_FILE: u64 = 4 << 20;

/// Any YAML value and its line.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub line: u64,
    pub value: NodeValue,
}

#[derive(Debug, Clone)]
pub(super) enum NodeValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Located<String>, Node)>),
}

impl Node {
    /// The value under a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|(name, _)| name.as_str() == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The line of a value by its keys from here: of the deepest one there is.
    pub fn line_of(&self, keys: &[&str]) -> u64 {
        let mut node = self;
        for key in keys {
            match node.get(key) {
                Some(below) => node = below,
                None => break,
            }
        }
        node.line
    }

    /// The value as a message shows it.
    pub fn shown(&self) -> String {
        match &self.value {
            NodeValue::Null => "empty".to_owned(),
            NodeValue::Bool(value) => format!("`{value}`"),
            NodeValue::Number(value) => format!("the number {value}"),
            NodeValue::Text(value) => format!("the text `{}`", shortened(value)),
            NodeValue::List(_) => "a list".to_owned(),
            NodeValue::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// At most 60 characters of a value, on one line.
pub(super) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && text.chars().count() <= 60 {
        return text.to_owned();
    }
    let mut start: String = line.chars().take(60).collect();
    start.push('…');
    start
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 32,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: LARGEST_FILE as usize,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        emit_comments: false,
        // `no` is Norway before it is false.
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// Reads text as a tree, whatever it means.
///
/// # Errors
/// The text is no YAML, has two equal keys in a mapping, or goes past the limits.
pub(super) fn parse_tree(text: &str) -> Result<Node, (u64, Fault)> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| fault_of(&error))
}

/// Reads text as a type.
///
/// # Errors
/// The first place where the text does not fit the type.
pub(super) fn parse_typed<T: DeserializeOwned>(text: &str) -> Result<T, (u64, Fault)> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| fault_of(&error))
}

fn fault_of(error: &serde_saphyr::Error) -> (u64, Fault) {
    let line = error.location().map_or(0, |location| location.line());
    let text = error.without_snippet().to_string();
    let message = without_place(&text);
    let is_limit = ["budget breached", "recursion limit", "alias limit"].iter().any(|mark| message.contains(mark));
    (line, if is_limit { Fault::TooComplex { message } } else { Fault::Syntax { message } })
}

/// The parser's messages name the place themselves; ours do too.
fn without_place(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let cut = [" at line ", " (line "].iter().filter_map(|mark| first.find(mark)).min();
    let kept = cut.map_or(first, |at| first.get(..at).unwrap_or(first));
    let kept = match kept.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((place, message)) if place.contains("column") => message,
        _ => kept,
    };
    kept.trim().to_owned()
}

/// A problem of `file`, from a place and a fault.
pub(super) fn problem(file: &str, (line, fault): (u64, Fault)) -> Problem {
    Problem::new(file, line, fault)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<NodeValue>::deserialize(deserializer)?;
        Ok(Self { line: located.line, value: located.value })
    }
}

impl<'de> Deserialize<'de> for NodeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = NodeValue;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_none<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Bool(value))
    }

    // Numbers are only shown and range-checked here; the typed reading keeps them exact.
    fn visit_i64<E>(self, value: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NodeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(NodeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(NodeValue::Map(entries))
    }
}
