//! The `.yml` beside a SQL model: what its rows mean, and what must hold of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::ml::MlRole;
use super::types::ColumnType;
use crate::table::Layout;

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
    /// `table` (rebuilt whole), `view` (computed where it is read; not in marts), `incremental` (by window
    /// of time), `merge` (by key) or `scd2` (its history by night).
    #[serde(default)]
    pub materialized: Materialized,
    /// What `materialized: incremental` needs to know.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// What `materialized: merge` needs to know.
    #[serde(default)]
    pub merge: Option<Merge>,
    /// Columns by whose values the files are kept apart (Delta partitions); few values each.
    #[serde(default)]
    pub partition_by: Vec<Located<String>>,
    /// Columns by which rows are in order within a file, so that readers who ask for some skip the rest.
    #[serde(default)]
    pub sort: Vec<Located<String>>,
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
    /// Rebuilt by windows of time: those of which an input's rows changed.
    Incremental,
    /// Rows that were delivered are merged into the table by its key; the latest delivery wins.
    Merge,
    /// Every state that a key was in, with the nights from which and to which it was seen.
    Scd2,
    /// Rows by night: each run replaces those of its night. Of tables that the engine makes; no SQL has it.
    #[serde(skip)]
    Nightly,
}

impl Materialized {
    /// As the yml writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::Merge => "merge",
            Self::Scd2 => "scd2",
            Self::Nightly => "nightly",
        }
    }

    /// Whether the SQL is asked for a window of time: `$window_start` and `$window_end`.
    pub fn is_windowed(self) -> bool {
        matches!(self, Self::Incremental | Self::Merge)
    }
}

/// The length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowLength {
    #[default]
    Day,
    Month,
}

/// A table in windows of time. The SQL keeps the rows of `$window_start` (a DATE) up to, not including,
/// `$window_end`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// The DATE or TIMESTAMP column of the result that says to which window a row belongs; never NULL.
    pub time: Located<String>,
    /// `day` or `month`.
    #[serde(default)]
    pub window: WindowLength,
    /// So many windows before the night's are rebuilt without being counted, for rows that come late.
    #[serde(default = "lookback")]
    pub lookback: u32,
    /// So many windows before those may be rebuilt in one run; more is left to `buho backfill`.
    #[serde(default = "max_rebuild")]
    pub max_rebuild: u32,
    /// Tables read whole of which a change rebuilds no window: rows keep what was true when their window
    /// was built.
    #[serde(default)]
    pub lookups: Vec<Located<String>>,
    /// The author vouches that rows of one window never depend on those of another, where the SQL does not show it:
    /// then several windows are built at once.
    #[serde(default)]
    pub windows_together: bool,
}

impl Incremental {
    /// Windows of a day, none of which is looked at again.
    pub(crate) fn by_night(column: &str) -> Self {
        Self {
            time: Located::nowhere(column.to_owned()),
            window: WindowLength::Day,
            lookback: 0,
            max_rebuild: max_rebuild(),
            lookups: Vec::new(),
            windows_together: false,
        }
    }
}

/// A table by key. The SQL keeps the rows delivered from `$window_start` (a DATE) up to, not including,
/// `$window_end`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The DATE column of the result that says with which night's delivery a row came.
    pub time: Located<String>,
    /// Of several rows of a key within a delivery the one with the greatest values here wins.
    #[serde(default)]
    pub newest: Vec<Located<String>>,
    /// The BOOLEAN column of the result that says that a key is to go.
    #[serde(default)]
    pub deleted: Option<Located<String>>,
    /// Tables read whole of which a change merges nothing.
    #[serde(default)]
    pub lookups: Vec<Located<String>>,
    /// The author vouches that of several nights' deliveries the SQL gives for each key what it gives for the last of
    /// them, where the SQL does not show it: then several nights are merged at once.
    #[serde(default)]
    pub windows_together: bool,
}

fn lookback() -> u32 {
    3
}

fn max_rebuild() -> u32 {
    31
}

/// The night from which a state was seen: a column of `scd2` that the engine fills.
pub const VALID_FROM: &str = "valid_from";
/// The first night at which it was not seen any more, NULL while it stands; filled by the engine too.
pub const VALID_TO: &str = "valid_to";

impl ModelFile {
    /// The columns that the SELECT gives: all but those the engine fills.
    pub fn selected(&self) -> impl Iterator<Item = &ModelColumn> {
        let is_history = self.materialized == Materialized::Scd2;
        self.columns
            .iter()
            .filter(move |column| !(is_history && [VALID_FROM, VALID_TO].contains(&column.name.as_str())))
    }

    /// Names of the columns that identify an entity.
    pub fn key_names(&self) -> Vec<&str> {
        self.key.iter().map(|column| column.as_str()).collect()
    }

    /// How the table's files are laid out.
    pub fn layout(&self) -> Layout {
        let names = |columns: &[Located<String>]| columns.iter().map(|column| column.value.clone()).collect();
        Layout { partition_by: names(&self.partition_by), sort: names(&self.sort) }
    }

    /// The column by which the table is cut into windows.
    pub fn time(&self) -> Option<&Located<String>> {
        match self.materialized {
            Materialized::Incremental | Materialized::Nightly => self.incremental.as_ref().map(|spec| &spec.time),
            Materialized::Merge => self.merge.as_ref().map(|spec| &spec.time),
            _ => None,
        }
    }

    /// Tables of which a change rebuilds nothing.
    pub fn lookups(&self) -> &[Located<String>] {
        match self.materialized {
            Materialized::Incremental => self.incremental.as_ref().map_or(&[], |spec| &spec.lookups),
            Materialized::Merge => self.merge.as_ref().map_or(&[], |spec| &spec.lookups),
            _ => &[],
        }
    }

    /// Whether the author vouches that several windows may be built at once.
    pub fn windows_together(&self) -> bool {
        match self.materialized {
            Materialized::Incremental => self.incremental.as_ref().is_some_and(|spec| spec.windows_together),
            Materialized::Merge => self.merge.as_ref().is_some_and(|spec| spec.windows_together),
            _ => false,
        }
    }

    /// The length of the table's windows.
    pub fn window(&self) -> WindowLength {
        self.incremental.as_ref().map(|spec| spec.window).unwrap_or_default()
    }
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
    /// Whether a value is there from a row's first night on and never changes, whatever it is made of, as what a product
    /// was first called: models may then learn from it as of any past night.
    #[serde(default)]
    pub fixed: bool,
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

/// What becomes of a fresh table that an audit compares with a held one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenHeld {
    /// Both stay at their last release: readers never see a pair that was not compared.
    Hold,
    /// The fresh one goes out, and the run says so.
    Warn,
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
    /// What to do where the other table that is compared stays at an earlier release: `hold` this one too, or
    /// `warn`. By default what `severity` says: `error` holds.
    #[serde(default)]
    pub when_held: Option<WhenHeld>,
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
    /// Rows of the table itself before the night: of `incremental`, `merge` and `scd2`.
    #[serde(default)]
    pub prior: Vec<Row>,
    /// The first and the last day that are built anew, of `incremental` and `merge`: the night, unless given.
    #[serde(default)]
    pub window: Option<[NaiveDate; 2]>,
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
    /// What the engine makes instead of running the SQL, of a table of an ML node.
    pub ml: Option<MlRole>,
}
