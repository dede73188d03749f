//! What the `.yml` of a model must say beyond its shape.

use std::collections::HashMap;

use super::located::Located;
use super::model::{Audit, Materialized, ModelFile};
use super::name::is_identifier;
use super::nearest::Advice;
use super::problem::{Fault, Problem};
use super::yaml::{Node, NodeValue};

/// Everything wrong with a model's `.yml` that has the right shape.
pub(super) fn check(file: &str, layer: &str, tree: &Node, spec: &ModelFile) -> Vec<Problem> {
    let mut check = Check { file, tree, spec, problems: Vec::new() };
    check.columns();
    for column in &spec.key {
        check.known("key", column);
    }
    if layer == "marts" && spec.materialized == Materialized::View {
        check.report(tree.line_of(&["materialized"]), Fault::MartView);
    }
    check.materialisation();
    check.audits();
    check.tests();
    check.problems
}

pub(super) struct Check<'a> {
    file: &'a str,
    pub(super) tree: &'a Node,
    pub(super) spec: &'a ModelFile,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, line: u64, fault: Fault) {
        self.problems.push(Problem::new(self.file, line, fault));
    }

    pub(super) fn refuse(&mut self, line: u64, key: &str, found: &str, rule: &str) {
        let (key, found, rule) = (key.to_owned(), found.to_owned(), rule.to_owned());
        self.report(line, Fault::BadValue { key, found, rule });
    }

    fn columns(&mut self) {
        if self.spec.columns.is_empty() {
            self.refuse(self.tree.line_of(&["columns"]), "columns", "[]", "name at least one column");
        }
        let mut seen: HashMap<&str, u64> = HashMap::new();
        for column in &self.spec.columns {
            let (name, line) = (&column.name, column.name.line);
            if !is_identifier(name) {
                self.report(line, Fault::BadName { what: "the column", name: name.value.clone() });
            }
            match seen.get(name.as_str()) {
                Some(first) => {
                    let fault = Fault::DuplicateColumn { column: name.value.clone(), first: *first };
                    self.report(line, fault);
                }
                None => drop(seen.insert(name, line)),
            }
            if let Some(tolerance) = column.tolerance
                && !(tolerance.is_finite() && tolerance >= 0.0)
            {
                self.refuse(
                    line,
                    "tolerance",
                    &tolerance.to_string(),
                    "write a number that is not negative, such as 1e-9",
                );
            }
        }
    }

    pub(super) fn known(&mut self, used_by: &str, column: &Located<String>) {
        let mut names = self.spec.columns.iter().map(|known| known.name.as_str());
        if names.any(|name| name == column.as_str()) {
            return;
        }
        let names = self.spec.columns.iter().map(|known| known.name.as_str());
        let advice = Advice::new(column, names);
        let (used_by, name) = (used_by.to_owned(), column.value.clone());
        self.report(column.line, Fault::NoSuchColumn { used_by, column: name, advice });
    }

    fn audits(&mut self) {
        let spec = self.spec;
        let nodes: &[Node] = match self.tree.get("audits").map(|node| &node.value) {
            Some(NodeValue::List(nodes)) => nodes,
            _ => &[],
        };
        let mut names: HashMap<&str, u64> = HashMap::new();
        for (index, audit) in spec.audits.iter().enumerate() {
            let line = nodes.get(index).map_or(0, |node| node.line);
            self.audit(line, audit);
            if let Some(name) = &audit.name {
                match names.get(name.as_str()) {
                    Some(first) => {
                        let fault = Fault::DuplicateName { name: name.clone(), first: *first };
                        self.report(line, fault);
                    }
                    None => drop(names.insert(name, line)),
                }
            }
        }
    }

    fn audit(&mut self, line: u64, audit: &Audit) {
        let rules = rules_of(audit);
        if rules.len() != 1 {
            let found = if rules.is_empty() {
                "no rule".to_owned()
            } else {
                format!("{} rules ({})", rules.len(), rules.join(", "))
            };
            self.report(line, Fault::RuleCount { found });
        }
        for (rule, columns) in [("not_null", &audit.not_null), ("unique", &audit.unique)] {
            let Some(columns) = columns else { continue };
            if columns.is_empty() {
                self.refuse(line, rule, "[]", "name at least one column");
            }
            for column in columns {
                self.known(rule, column);
            }
        }
        if let Some(rule) = &audit.accepted_values {
            self.known("accepted_values", &rule.column);
        }
        if let Some(rule) = &audit.relationships {
            self.known("relationships", &rule.column);
        }
        if let Some(rule) = &audit.row_count {
            match (rule.min, rule.max) {
                (None, None) => self.refuse(line, "row_count", "empty", "give `min`, `max` or both"),
                (Some(min), Some(max)) if min > max => {
                    self.refuse(line, "row_count", &format!("min {min}, max {max}"), "let `min` be at most `max`");
                }
                _ => {}
            }
        }
        if let Some(rule) = &audit.reconcile
            && !(rule.tolerance.is_finite() && rule.tolerance >= 0.0)
        {
            self.refuse(line, "tolerance", &rule.tolerance.to_string(), "write a number that is not negative");
        }
        if let Some(sql) = &audit.sql
            && sql.trim().is_empty()
        {
            self.report(sql.line, Fault::EmptyQuery);
        }
    }

    fn tests(&mut self) {
        let mut names: HashMap<&str, u64> = HashMap::new();
        for test in &self.spec.tests {
            match names.get(test.name.as_str()) {
                Some(first) => {
                    let fault = Fault::DuplicateName { name: test.name.value.clone(), first: *first };
                    self.report(test.name.line, fault);
                }
                None => drop(names.insert(&test.name, test.name.line)),
            }
        }
    }
}

fn rules_of(audit: &Audit) -> Vec<&'static str> {
    [
        (audit.not_null.is_some(), "not_null"),
        (audit.unique.is_some(), "unique"),
        (audit.accepted_values.is_some(), "accepted_values"),
        (audit.relationships.is_some(), "relationships"),
        (audit.row_count.is_some(), "row_count"),
        (audit.reconcile.is_some(), "reconcile"),
        (audit.sql.is_some(), "sql"),
    ]
    .into_iter()
    .filter_map(|(given, rule)| given.then_some(rule))
    .collect()
}
