//! From the audits of a yml to SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::graph::{At, bind, parse};
use crate::project::model::{Audit, ColumnAudit, Materialized, Model, Reconcile, Severity, VALID_FROM};
use crate::sql_text::{column, columns, number, table, text};

/// One audit of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The audited table.
    pub node: String,
    /// Unique within the table; the name in `ops.audits`.
    pub name: String,
    pub severity: Severity,
    /// What must hold, in words: `customer_id is never NULL`.
    pub promise: String,
    /// Where it is declared.
    pub at: At,
    pub reads: Reads,
}

/// How a check counts its failing rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Reads {
    /// A predicate that failing rows meet; all such checks of a table share one scan of it. Where it is that one of
    /// some columns is NULL, their names.
    Rows { failing: String, nulls_of: Vec<String> },
    /// The number of rows, in the same scan.
    Count { min: Option<u64>, max: Option<u64> },
    /// Columns whose values no two rows share.
    Keys { columns: Vec<String> },
    /// Values that are not in a column of another table.
    Orphans { column: String, parent: String, field: String },
    /// A query of its own whose every row is a failure.
    Query { sql: String },
}

impl Check {
    /// The tables besides its own that it reads.
    pub fn compares_with(&self) -> BTreeSet<String> {
        let mut read: BTreeSet<String> = match &self.reads {
            Reads::Orphans { parent, .. } => [parent.clone()].into(),
            Reads::Query { sql } => {
                parse(&self.at.file, sql).map(|parsed| parsed.inputs.into_keys().collect()).unwrap_or_default()
            }
            Reads::Rows { .. } | Reads::Count { .. } | Reads::Keys { .. } => BTreeSet::new(),
        };
        read.remove(&self.node);
        read
    }

    /// A query of its own that returns the failing rows; the scan that checks share says the same.
    pub fn sql(&self) -> String {
        let node = table(&self.node);
        match &self.reads {
            Reads::Rows { failing, .. } => format!("SELECT * FROM {node} WHERE {failing}"),
            Reads::Query { sql } => sql.clone(),
            Reads::Keys { columns: names } => {
                let of = columns(names.iter().map(String::as_str));
                format!("SELECT {of}, count(*) AS \"rows\" FROM {node} GROUP BY {of} HAVING count(*) > 1")
            }
            Reads::Orphans { column: of, parent, field } => {
                let (of, field) = (column(of), column(field));
                format!(
                    "SELECT {of}, count(*) AS \"rows\" FROM {node} AS child WHERE {of} IS NOT NULL AND NOT EXISTS \
                     (SELECT 1 FROM {} AS parent WHERE parent.{field} = child.{of}) GROUP BY {of}",
                    table(parent)
                )
            }
            Reads::Count { min, max } => {
                let below = min.map(|min| format!("\"rows\" < {min}"));
                let above = max.map(|max| format!("\"rows\" > {max}"));
                let bounds: Vec<String> = below.into_iter().chain(above).collect();
                let outside = if bounds.is_empty() { "false".to_owned() } else { bounds.join(" OR ") };
                format!("SELECT * FROM (SELECT count(*) AS \"rows\" FROM {node}) AS counted WHERE {outside}")
            }
        }
    }
}

/// Every audit of a model: those of its columns, those of the whole, and what its key implies
/// (never NULL, never twice) where the yml does not say so itself, perhaps more mildly.
pub fn checks(model: &Model) -> Vec<Check> {
    let mut builder = Builder { model, checks: Vec::new(), names: BTreeMap::new() };
    for column in &model.spec.columns {
        for audit in &column.audits {
            let names = [column.name.as_str()];
            match audit {
                ColumnAudit::NotNull => builder.not_null(None, Severity::Error, column.name.line, &names),
                ColumnAudit::Unique => builder.unique(None, Severity::Error, column.name.line, &names),
            }
        }
    }
    for audit in &model.spec.audits {
        builder.declared(audit);
    }
    builder.key();
    builder.checks
}

/// The audits of a model with `$night` bound, ready to run.
pub fn checks_at(model: &Model, night: NaiveDate) -> Vec<Check> {
    let mut checks = checks(model);
    for check in &mut checks {
        if let Reads::Query { sql } = &mut check.reads
            && let Ok(parsed) = parse(&check.at.file, sql)
            && !parsed.parameters.is_empty()
        {
            *sql = bind(&parsed.statement, night).to_string();
        }
    }
    checks
}

/// The tables besides its own that a model's audits read.
pub fn tables_read(model: &Model) -> BTreeSet<String> {
    model.spec.audits.iter().flat_map(|audit| compared_with(model, audit)).collect()
}

/// The tables in which a model's audits look for keys.
pub fn parents(model: &Model) -> BTreeSet<String> {
    model.spec.audits.iter().flat_map(|audit| &audit.relationships).map(|rule| rule.to.value.clone()).collect()
}

/// The tables besides the model's own that one of its audits reads.
pub fn compared_with(model: &Model, audit: &Audit) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    read.extend(audit.relationships.iter().map(|rule| rule.to.value.clone()));
    read.extend(audit.reconcile.iter().map(|rule| rule.to.value.clone()));
    if let Some(sql) = &audit.sql
        && let Ok(parsed) = parse(&model.yml_file, sql)
    {
        read.extend(parsed.inputs.into_keys());
    }
    read.remove(&model.name);
    read
}

/// A hash of all that a model's audits ask: a change of it asks for auditing again, not for building.
pub fn fingerprint(model: &Model) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for check in checks(model) {
        for part in
            [check.name.as_str(), if check.severity == Severity::Error { "error" } else { "warn" }, &check.sql()]
        {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize()
}

struct Builder<'a> {
    model: &'a Model,
    checks: Vec<Check>,
    names: BTreeMap<String, usize>,
}

impl Builder<'_> {
    fn declared(&mut self, audit: &Audit) {
        let name = audit.name.as_deref();
        let severity = audit.severity;
        if let Some(names) = &audit.not_null {
            let line = names.first().map_or(0, |name| name.line);
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            self.not_null(name, severity, line, &names);
        }
        if let Some(names) = &audit.unique {
            let line = names.first().map_or(0, |name| name.line);
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            self.unique(name, severity, line, &names);
        }
        if let Some(rule) = &audit.accepted_values {
            let of = column(&rule.column);
            let values = rule.values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", ");
            let failing = match rule.values.is_empty() {
                true => format!("{of} IS NOT NULL"),
                false => format!("{of} IS NOT NULL AND CAST({of} AS VARCHAR) NOT IN ({values})"),
            };
            let promise = format!("{} is one of {}", *rule.column, rule.values.join(", "));
            let default = format!("accepted_values_{}", *rule.column);
            self.push(
                name,
                default,
                severity,
                promise,
                rule.column.line,
                Reads::Rows { failing, nulls_of: Vec::new() },
            );
        }
        if let Some(rule) = &audit.row_count {
            let promise = match (rule.min, rule.max) {
                (Some(min), Some(max)) => format!("there are {min} to {max} rows"),
                (Some(min), None) => format!("there are at least {min} rows"),
                (None, Some(max)) => format!("there are at most {max} rows"),
                (None, None) => "there is any number of rows".to_owned(),
            };
            let reads = Reads::Count { min: rule.min, max: rule.max };
            self.push(name, "row_count".to_owned(), severity, promise, 1, reads);
        }
        self.declared_queries(audit);
    }

    fn declared_queries(&mut self, audit: &Audit) {
        let name = audit.name.as_deref();
        let severity = audit.severity;
        if let Some(rule) = &audit.relationships {
            let promise = format!("every {} is in {}.{}", *rule.column, *rule.to, rule.field);
            let reads = Reads::Orphans {
                column: rule.column.value.clone(),
                parent: rule.to.value.clone(),
                field: rule.field.clone(),
            };
            self.push(name, format!("relationships_{}", *rule.column), severity, promise, rule.column.line, reads);
        }
        if let Some(rule) = &audit.reconcile {
            let sql = reconcile(&self.model.name, rule);
            let within =
                if rule.tolerance > 0.0 { format!(" within {}", number(rule.tolerance)) } else { String::new() };
            let promise = format!("sum({}) equals sum({}) of {}{within}", rule.sum, rule.to_sum, *rule.to);
            let other = rule.to.replace('.', "_");
            self.push(name, format!("reconcile_{other}"), severity, promise, rule.to.line, Reads::Query { sql });
        }
        if let Some(sql) = &audit.sql {
            let reads = Reads::Query { sql: sql.value.trim().trim_end_matches(';').to_owned() };
            self.push(name, "sql".to_owned(), severity, "the query returns no row".to_owned(), sql.line, reads);
        }
    }

    /// What a key means, unless a declared audit of the same columns says it already.
    fn key(&mut self) {
        let key = &self.model.spec.key;
        if key.is_empty() {
            return;
        }
        let line = key.first().map_or(0, |name| name.line);
        let mut names: Vec<&str> = key.iter().map(|name| name.as_str()).collect();
        // Of a history a key has a row for each of its states.
        if self.model.spec.materialized == Materialized::Scd2 && !names.contains(&VALID_FROM) {
            names.push(VALID_FROM);
        }
        let declared = |of: &dyn Fn(&Audit) -> Option<Vec<String>>| -> BTreeSet<Vec<String>> {
            self.model.spec.audits.iter().filter_map(of).collect()
        };
        let nulls = declared(&|audit| {
            audit.not_null.as_ref().map(|names| names.iter().map(|name| name.value.clone()).collect())
        });
        let twice =
            declared(&|audit| audit.unique.as_ref().map(|names| sorted(names.iter().map(|name| name.as_str()))));
        let own = |name: &str, audit: ColumnAudit| {
            self.model.spec.columns.iter().any(|column| *column.name == *name && column.audits.contains(&audit))
        };
        let never_null: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !own(name, ColumnAudit::NotNull) && !nulls.iter().flatten().any(|declared| declared == name))
            .collect();
        let once = matches!(names.as_slice(), [one] if own(one, ColumnAudit::Unique))
            || twice.contains(&sorted(names.iter().copied()));
        if !never_null.is_empty() {
            self.not_null(Some("key_not_null"), Severity::Error, line, &never_null);
        }
        if !once {
            self.unique(Some("key_unique"), Severity::Error, line, &names);
        }
    }

    fn not_null(&mut self, name: Option<&str>, severity: Severity, line: u64, names: &[&str]) {
        let failing = names.iter().map(|name| format!("{} IS NULL", column(name))).collect::<Vec<_>>().join(" OR ");
        let promise = format!("{} never NULL", is_are(names));
        let nulls_of = names.iter().map(|name| (*name).to_owned()).collect();
        let reads = Reads::Rows { failing, nulls_of };
        self.push(name, format!("not_null_{}", names.join("_")), severity, promise, line, reads);
    }

    fn unique(&mut self, name: Option<&str>, severity: Severity, line: u64, names: &[&str]) {
        let keys = Reads::Keys { columns: names.iter().map(|name| (*name).to_owned()).collect() };
        let promise = format!("no two rows have the same {}", names.join(", "));
        self.push(name, format!("unique_{}", names.join("_")), severity, promise, line, keys);
    }

    fn push(
        &mut self,
        name: Option<&str>,
        default: String,
        severity: Severity,
        promise: String,
        line: u64,
        reads: Reads,
    ) {
        let name = name.map_or(default, str::to_owned);
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { name } else { format!("{name}_{count}") };
        let at = At::line(&self.model.yml_file, line);
        self.checks.push(Check { node: self.model.name.clone(), name, severity, promise, at, reads });
    }
}

fn reconcile(node: &str, rule: &Reconcile) -> String {
    let total = |of: &str, from: &str, filter: Option<&str>| {
        let filter = filter.map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        format!("SELECT coalesce(sum({of}), 0) AS total FROM {}{filter}", table(from))
    };
    let apart = match rule.tolerance > 0.0 {
        true => format!("abs(ours.total - theirs.total) > {}", number(rule.tolerance)),
        false => "ours.total <> theirs.total".to_owned(),
    };
    format!(
        "SELECT ours.total AS {}, theirs.total AS {}, ours.total - theirs.total AS difference FROM ({}) AS ours CROSS JOIN ({}) AS theirs WHERE {apart}",
        column(&format!("sum of {node}")),
        column(&format!("sum of {}", *rule.to)),
        total(&rule.sum, node, rule.filter.as_deref()),
        total(&rule.to_sum, &rule.to, rule.to_where.as_deref()),
    )
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn is_are(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}
