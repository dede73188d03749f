//! The `.yml` beside a SQL model: what its rows mean, and what must hold of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::types::ColumnType;

/// `sql/<layer>/<pack>/<name>.yml`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The question the table answers.
    #[serde(default)]
    pub description: String,
    /// What one row is: `one row per order`.
    #[serde(default)]
    pub grain: String,
    /// Columns that identify a row.
    #[serde(default)]
    pub key: Vec<Located<String>>,
    /// `table` (stored) or `view` (computed where it is read; not in marts).
    #[serde(default)]
    pub materialized: Materialized,
    /// Words to select the model by: `tag:daily`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The columns of the result, in its order, with exactly its types.
    pub columns: Vec<ModelColumn>,
    /// What must hold of the whole table before it is published.
    #[serde(default)]
    pub audits: Vec<Audit>,
    /// Given rows, the rows that must come out.
    #[serde(default)]
    pub tests: Vec<UnitTest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Materialized {
    /// Computed where it is read; not stored.
    View,
    /// Rebuilt whole each night that its inputs changed.
    #[default]
    Table,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelColumn {
    /// The name the last SELECT gives the column.
    pub name: Located<String>,
    /// The type the last SELECT casts the column to.
    #[serde(rename = "type")]
    pub kind: Located<ColumnType>,
    /// What the column means.
    #[serde(default)]
    pub description: String,
    /// Unit of measure: `EUR`, `days`, `pieces`, …
    #[serde(default)]
    pub unit: Option<String>,
    /// Kind of personal data, if it is any: `email`, `name`, `phone`, …
    #[serde(default)]
    pub pii: Option<String>,
    /// Relative tolerance within which a sum or average of DOUBLE may differ from run to run.
    #[serde(default)]
    pub tolerance: Option<f64>,
    /// Audits of this column alone.
    #[serde(default)]
    pub audits: Vec<ColumnAudit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnAudit {
    NotNull,
    Unique,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Say so; the table is published.
    Warn,
    /// The table and all below it stay at their last release.
    #[default]
    Error,
}

/// One audit: exactly one of the rules, and how bad it is.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Name in `ops.audits`; made from the rule unless given.
    #[serde(default)]
    pub name: Option<String>,
    /// `error` keeps the table at its last release, `warn` only says so.
    #[serde(default)]
    pub severity: Severity,
    /// None of the columns is NULL.
    #[serde(default)]
    pub not_null: Option<Vec<Located<String>>>,
    /// No two rows agree in all of the columns (NULLs compare equal).
    #[serde(default)]
    pub unique: Option<Vec<Located<String>>>,
    /// Every value of a column is one of a list.
    #[serde(default)]
    pub accepted_values: Option<AcceptedValues>,
    /// Every value of a column is found in another table.
    #[serde(default)]
    pub relationships: Option<Relationship>,
    /// The table has a number of rows within bounds.
    #[serde(default)]
    pub row_count: Option<RowCount>,
    /// A total of this table equals one of another.
    #[serde(default)]
    pub reconcile: Option<Reconcile>,
    /// A query that must return no row.
    #[serde(default)]
    pub sql: Option<Located<String>>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedValues {
    /// The column that is checked.
    pub column: Located<String>,
    /// Compared as text; NULL is accepted (ask `not_null` for that).
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationship {
    /// The column that is checked.
    pub column: Located<String>,
    /// The table every non-NULL value must be found in.
    pub to: Located<String>,
    /// The column of the other table.
    pub field: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCount {
    /// At least this many rows.
    #[serde(default)]
    pub min: Option<u64>,
    /// At most this many rows.
    #[serde(default)]
    pub max: Option<u64>,
}

/// `sum(<sum>)` of this table equals `sum(<to_sum>)` of another within a tolerance.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// Expression over this table's columns.
    pub sum: String,
    /// Rows of this table that count.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
    /// The other table.
    pub to: Located<String>,
    /// Expression over the other table's columns.
    pub to_sum: String,
    /// Rows of the other table that count.
    #[serde(default)]
    pub to_where: Option<String>,
    /// Largest difference allowed, in the unit of the sum.
    #[serde(default)]
    pub tolerance: f64,
}

/// Given input rows and a night, the rows that must come out.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitTest {
    /// The promise the test keeps, in words joined by `_`.
    pub name: Located<String>,
    /// The value of `$night`.
    pub night: NaiveDate,
    /// Rows by input table; an input that is not listed is empty, a column not named is NULL.
    #[serde(default)]
    pub given: BTreeMap<String, Vec<Row>>,
    /// Compared as a multiset, on the columns that its rows name.
    pub expect: Vec<Row>,
}

/// One row of a fixture: values by column.
pub type Row = BTreeMap<String, serde_json::Value>;

/// A SQL model: its text, its description, and where both were read from.
#[derive(Debug, Clone)]
pub struct Model {
    /// `<layer>.<name>`, e.g. `marts.customer_value`.
    pub name: String,
    pub layer: String,
    /// Folder between layer and file; `None` directly below the layer.
    pub pack: Option<String>,
    /// `sql/marts/commerce/customer_value.sql`, for messages.
    pub sql_file: String,
    pub yml_file: String,
    pub sql: String,
    pub spec: ModelFile,
}
