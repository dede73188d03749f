//! What the `.yml` of an ML node must say beyond its shape.

use std::collections::BTreeMap;

use super::{MlFile, MlNode, NIGHT_COLUMN};
use crate::project::located::Located;
use crate::project::model::Model;
use crate::project::name::is_identifier;
use crate::project::nearest::Advice;
use crate::project::problem::{Fault, Problem};
use crate::project::types::ColumnType;
use crate::project::yaml::Node;

/// The most snapshots, reasons.
const MOST_SNAPSHOTS: u32 = 24;
const MOST_REASONS: u32 = 10;

/// Everything wrong with an ML node's file that has the right shape.
pub(in crate::project) fn check(file: &str, tree: &Node, spec: &MlFile) -> Vec<Problem> {
    let mut check = Check { file, problems: Vec::new() };
    check.numbers(tree, spec);
    check.choices(tree, spec);
    check.candidates(tree, spec);
    let output = spec.output.as_str();
    if !output.strip_prefix("ml.").is_some_and(is_identifier) {
        check.refuse(spec.output.line, "output", output, "write `ml.` and a name of small letters, digits and `_`");
    }
    for query in [Some(&spec.label), spec.horizon.sql.as_ref(), spec.population.as_ref()].into_iter().flatten() {
        if query.trim().is_empty() {
            check.problems.push(Problem::new(file, query.line, Fault::EmptyQuery));
        }
    }
    check.problems
}

struct Check<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, line: u64, key: &str, found: &str, rule: &str) {
        let (key, found, rule) = (key.to_owned(), found.to_owned(), rule.to_owned());
        self.problems.push(Problem::new(self.file, line, Fault::BadValue { key, found, rule }));
    }

    fn numbers(&mut self, tree: &Node, spec: &MlFile) {
        let (count, test) = (&spec.snapshots.count, &spec.split.test_snapshots);
        if !(1..=MOST_SNAPSHOTS).contains(&count.value) {
            self.refuse(count.line, "count", &count.to_string(), "learn from 1 to 24 snapshots");
        }
        if test.value == 0 {
            self.refuse(test.line, "test_snapshots", "0", "test on at least 1 snapshot");
        }
        let share = &spec.split.test_share;
        if !(share.value > 0.0 && share.value < 1.0) {
            self.refuse(share.line, "test_share", &share.to_string(), "write a share between 0 and 1, such as 0.25");
        }
        let reasons = &spec.reasons.count;
        if reasons.value > MOST_REASONS {
            self.refuse(reasons.line, "count", &reasons.to_string(), "give at most 10 reasons");
        }
        if let Some(sample) = spec.sample.as_ref().filter(|sample| sample.entities.value == 0) {
            let rule = "learn from at least 1 entity, or take `sample` out to learn from all";
            self.refuse(sample.entities.line, "entities", "0", rule);
        }
        if let Some(metric) = spec.metric.filter(|metric| !metric.judges(spec.kind)) {
            let rule = format!("a {} is judged by one of the others", spec.kind.word());
            self.refuse(tree.line_of(&["metric"]), "metric", metric.word(), &rule);
        }
    }

    /// Of two ways to say a thing exactly one is given.
    fn choices(&mut self, tree: &Node, spec: &MlFile) {
        if spec.horizon.days.is_some() && spec.horizon.sql.is_some() {
            self.refuse(tree.line_of(&["horizon"]), "horizon", "`days` and `sql`", "keep one of the two");
        }
        if let Some(value) = &spec.value
            && value.column.is_some() == value.sql.is_some()
        {
            let found = if value.sql.is_some() { "`column` and `sql`" } else { "neither `column` nor `sql`" };
            self.refuse(tree.line_of(&["value"]), "value", found, "give exactly one of the two");
        }
        for tier in &spec.tiers {
            let rule = match (tier.at_least, tier.top) {
                (Some(_), None) => continue,
                (None, Some(top)) if top > 0.0 && top <= 1.0 => continue,
                (None, Some(_)) => "`top` is a share of the entities: 0.1 is a tenth",
                _ => "give exactly one of `at_least` and `top`",
            };
            self.refuse(tier.name.line, "tiers", &tier.name, rule);
        }
    }

    fn candidates(&mut self, tree: &Node, spec: &MlFile) {
        if spec.candidates.is_empty() {
            self.refuse(tree.line_of(&["candidates"]), "candidates", "[]", "name at least one family");
        }
        for candidate in &spec.candidates {
            let line = candidate.family.line;
            for (name, range) in &candidate.search {
                if !(range.from.is_finite() && range.to.is_finite() && range.from <= range.to) {
                    let found = format!("{} to {}", range.from, range.to);
                    self.refuse(line, name, &found, "let `from` be at most `to`");
                }
                if candidate.set.contains_key(name) {
                    self.refuse(line, name, "set and sought", "keep it in one of `set` and `search`");
                }
            }
        }
    }
}

/// What the file names of the project is there: tables, columns.
pub(in crate::project) fn cross_check(node: &MlNode, models: &BTreeMap<String, Model>) -> Vec<Problem> {
    let mut cross = Cross { file: &node.file, models, problems: Vec::new() };
    let spec = &node.spec;
    for (key, table) in [("spine", &spec.spine), ("features", &spec.features)] {
        if let Some(model) = cross.table(key, table) {
            cross.column(key, model, &spec.entity);
            cross.night(key, table, model);
        }
    }
    if let Some(features) = models.get(spec.features.as_str()) {
        for excluded in &spec.exclude {
            cross.column("exclude", features, excluded);
        }
        for named in spec.reasons.words.keys() {
            cross.column("words", features, &Located { value: named.clone(), line: spec.features.line });
        }
        let columns = features.spec.columns.iter().map(|column| column.name.as_str());
        if node.learnt(columns).is_empty() {
            cross.refuse(spec.features.line, "features", &spec.features, "leave at least one column to learn from");
        }
    }
    if let Some(column) = spec.value.as_ref().and_then(|value| value.column.as_ref()) {
        cross.value(column, &spec.entity);
    }
    cross.problems
}

struct Cross<'a> {
    file: &'a str,
    models: &'a BTreeMap<String, Model>,
    problems: Vec<Problem>,
}

impl<'a> Cross<'a> {
    fn refuse(&mut self, line: u64, key: &str, found: &str, rule: &str) {
        let (key, found, rule) = (key.to_owned(), found.to_owned(), rule.to_owned());
        self.problems.push(Problem::new(self.file, line, Fault::BadValue { key, found, rule }));
    }

    fn table(&mut self, used_by: &str, table: &Located<String>) -> Option<&'a Model> {
        let found = self.models.get(table.as_str());
        if found.is_none() {
            let advice = Advice::new(table, self.models.keys().map(String::as_str));
            let fault = Fault::NoSuchTable { used_by: used_by.to_owned(), table: table.value.clone(), advice };
            self.problems.push(Problem::new(self.file, table.line, fault));
        }
        found
    }

    fn column(&mut self, used_by: &str, model: &Model, column: &Located<String>) {
        let names = || model.spec.columns.iter().map(|known| known.name.as_str());
        if !names().any(|name| name == column.as_str()) {
            let used_by = format!("{used_by}` of `{}", model.name);
            let advice = Advice::new(column, names());
            let fault = Fault::NoSuchColumn { used_by, column: column.value.clone(), advice };
            self.problems.push(Problem::new(self.file, column.line, fault));
        }
    }

    fn night(&mut self, used_by: &str, table: &Located<String>, model: &Model) {
        let night = model.spec.columns.iter().find(|column| column.name.as_str() == NIGHT_COLUMN);
        if night.is_none_or(|column| column.kind.value != ColumnType::Date) {
            let rule = "give that table a column `night` of type DATE: the night that a row is of";
            self.refuse(table.line, used_by, table, rule);
        }
    }

    /// `table.column` of a table with the entity.
    fn value(&mut self, named: &Located<String>, entity: &Located<String>) {
        let Some((table, column)) = named.rsplit_once('.').filter(|(table, _)| table.contains('.')) else {
            self.refuse(named.line, "column", named, "write layer.table.column");
            return;
        };
        let at = |value: &str| Located { value: value.to_owned(), line: named.line };
        if let Some(model) = self.table("value", &at(table)) {
            self.column("value", model, &at(column));
            self.column("value", model, &at(entity));
        }
    }
}
