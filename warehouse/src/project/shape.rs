//! Checks a YAML tree against the JSON Schema of its kind, so that every unknown key, missing key
//! and wrong word of a file is reported at once; reading it into its type stops at the first.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde_json::Value;

use super::nearest::Advice;
use super::problem::{Fault, Problem};
use super::types::ColumnType;
use super::yaml::{Node, NodeValue, shortened};

/// Audits of a table, which stand below its own `audits:` and not at a column.
const TABLE_AUDITS: [&str; 5] = ["accepted_values", "relationships", "row_count", "reconcile", "sql"];

/// The shape a kind of file must have.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    schema: Value,
    /// What the whole file is, for messages: `a source`.
    title: &'static str,
}

impl Shape {
    pub fn of<T: JsonSchema>(title: &'static str) -> Self {
        Self { schema: schemars::schema_for!(T).to_value(), title }
    }

    /// Every place where the tree does not have the shape.
    pub fn check(&self, file: &str, tree: &Node) -> Vec<Problem> {
        let mut walk = Walk { root: &self.schema, file, problems: Vec::new() };
        walk.value(tree, &self.schema, self.title);
        walk.problems
    }
}

struct Walk<'a> {
    root: &'a Value,
    file: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn report(&mut self, line: u64, fault: Fault) {
        self.problems.push(Problem::new(self.file, line, fault));
    }

    fn wrong(&mut self, node: &Node, name: &str, expected: &str) {
        let (key, found) = (name.to_owned(), node.shown());
        self.report(node.line, Fault::WrongShape { key, found, expected: expected.to_owned() });
    }

    /// The definition a `$ref` points to, and its name.
    fn resolve(&self, schema: &'a Value) -> (&'a Value, &'a str) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let name = reference.and_then(|text| text.strip_prefix("#/$defs/"));
        let found = name.and_then(|name| self.root.get("$defs")?.get(name));
        match (name, found) {
            (Some(name), Some(found)) => (found, name),
            _ => (schema, ""),
        }
    }

    fn value(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let (schema, definition) = self.resolve(schema);
        match definition {
            "ColumnAudit" => return self.column_audit(node, schema, name),
            "ColumnType" => return self.column_type(node, name),
            "TimeZone" => return self.time_zone(node, name),
            _ => {}
        }
        let words = words_of(schema);
        if !words.is_empty() {
            return self.word(node, &words, name);
        }
        let alternatives = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
        if let Some(alternatives) = alternatives {
            let is_null = |schema: &&Value| type_of(schema).contains(&"null");
            if matches!(node.value, NodeValue::Null) && alternatives.iter().any(|one| is_null(&one)) {
                return;
            }
            let mut others = alternatives.iter().filter(|one| !is_null(one));
            if let (Some(only), None) = (others.next(), others.next()) {
                self.value(node, only, name);
            }
            return;
        }
        self.typed(node, schema, name);
    }

    fn typed(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let types = type_of(schema);
        let is = |name: &str| types.contains(&name);
        match &node.value {
            NodeValue::Null if is("null") || types.is_empty() => {}
            NodeValue::Map(entries) if is("object") => self.object(node, entries, schema, name),
            NodeValue::List(items) if is("array") => {
                if let Some(of_items) = schema.get("items") {
                    for item in items {
                        self.value(item, of_items, name);
                    }
                }
            }
            NodeValue::Text(text) if is("string") => self.text(node, text, schema, name),
            NodeValue::Bool(_) | NodeValue::Number(_) if is("string") => {}
            NodeValue::Number(_) if is("number") => {}
            NodeValue::Number(number) if is("integer") => {
                let least = schema.get("minimum").and_then(Value::as_f64);
                if number.fract() != 0.0 || least.is_some_and(|least| *number < least) {
                    self.wrong(node, name, "a whole number that is not negative");
                }
            }
            NodeValue::Bool(_) if is("boolean") => {}
            _ if types.is_empty() => {}
            _ => self.wrong(node, name, expected_of(&types)),
        }
    }

    fn object(
        &mut self,
        node: &Node,
        entries: &[(super::located::Located<String>, Node)],
        schema: &'a Value,
        name: &str,
    ) {
        let empty = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, value) in entries {
            if let Some(property) = properties.and_then(|properties| properties.get(key.as_str())) {
                self.value(value, property, key);
            } else if others == Some(&Value::Bool(false)) {
                let known = properties.unwrap_or(&empty).keys().map(String::as_str);
                let advice = Advice::new(key, known);
                let (key_text, of) = (key.value.clone(), quoted(name));
                self.report(key.line, Fault::UnknownKey { key: key_text, of, advice });
            } else if let Some(schema) = others.filter(|schema| schema.is_object()) {
                self.value(value, schema, key);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|(name, _)| name.as_str() == key) {
                self.report(node.line, Fault::MissingKey { key: key.to_owned(), of: quoted(name) });
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, schema: &'a Value, name: &str) {
        let is_date = schema.get("format").and_then(Value::as_str) == Some("date");
        if is_date && text.parse::<NaiveDate>().is_err() {
            self.wrong(node, name, "a day that exists, as YYYY-MM-DD");
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], name: &str) {
        match &node.value {
            NodeValue::Text(text) if words.contains(&text.as_str()) => {}
            NodeValue::Text(text) => {
                let advice = Advice::new(text, words.iter().copied());
                let (key, found) = (name.to_owned(), shortened(text));
                self.report(node.line, Fault::NotOneOf { key, found, advice });
            }
            _ => self.wrong(node, name, &format!("one of {}", words.join(", "))),
        }
    }

    /// A rule that takes more than the column's name is meant for the table.
    fn column_audit(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let words = words_of(schema);
        let rule = match &node.value {
            NodeValue::Text(text) => Some(text.as_str()),
            NodeValue::Map(entries) => entries.first().map(|(key, _)| key.as_str()),
            _ => None,
        };
        let of_table = rule.filter(|rule| TABLE_AUDITS.contains(rule));
        let Some(rule) = of_table else { return self.word(node, &words, name) };
        let expected = format!(
            "one of {} here, and `{rule}` below the table's own `audits:`, where other audits stand",
            words.join(", ")
        );
        self.wrong(node, name, &expected);
    }

    fn column_type(&mut self, node: &Node, name: &str) {
        let NodeValue::Text(text) = &node.value else {
            return self.wrong(node, name, "a column type such as VARCHAR or DECIMAL(18,2)");
        };
        if text.parse::<ColumnType>().is_err() {
            let known = ["VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL(p,s)", "DATE", "TIMESTAMP"];
            let advice = Advice::new(text, known);
            let (key, found) = (name.to_owned(), shortened(text));
            self.report(node.line, Fault::NotOneOf { key, found, advice });
        }
    }

    fn time_zone(&mut self, node: &Node, name: &str) {
        let NodeValue::Text(text) = &node.value else {
            return self.wrong(node, name, "an IANA time zone such as Europe/Madrid");
        };
        if text.parse::<chrono_tz::Tz>().is_err() {
            let advice = Advice::new(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let (key, found) = (name.to_owned(), shortened(text));
            self.report(node.line, Fault::NotOneOf { key, found, advice });
        }
    }
}

fn quoted(name: &str) -> String {
    if name.contains(' ') { name.to_owned() } else { format!("`{name}`") }
}

/// The words of an enumeration, however the schema spells it; empty for anything else.
fn words_of(schema: &Value) -> Vec<&str> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect();
    }
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return vec![word];
    }
    let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) else { return Vec::new() };
    let each: Vec<Vec<&str>> = alternatives.iter().map(words_of).collect();
    if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
}

fn type_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn expected_of(types: &[&str]) -> &'static str {
    match types.iter().find(|name| **name != "null") {
        Some(&"object") => "keys and values",
        Some(&"array") => "a list",
        Some(&"string") => "text",
        Some(&"integer") => "a whole number",
        Some(&"number") => "a number",
        Some(&"boolean") => "true or false",
        _ => "a value",
    }
}
