//! The contract of a raw export: where it lies, how it is written, what its columns mean.

use std::num::NonZeroU64;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::types::{ColumnType, Zone};

/// `sql/sources/<name>.yml`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractFile {
    /// What the export holds, in one sentence.
    #[serde(default)]
    pub description: String,
    /// The pack that uses this export; a pack that is off is not ingested. None: always on.
    #[serde(default)]
    pub pack: Option<String>,
    /// The bronze table the rows go to; `bronze.<file name>` unless given.
    #[serde(default)]
    pub table: Option<Located<String>>,
    /// Glob below the raw location with at most one `{date:%Y-%m-%d}`.
    pub path: Located<String>,
    /// How the bytes of a file are to be read.
    #[serde(default)]
    pub format: Format,
    /// How a new file relates to those before it.
    #[serde(default)]
    pub delivery: Delivery,
    /// What to do with a file whose content was already loaded under another name.
    /// Default: `skip` where the path has no date, `load` (with a warning) where it has one.
    #[serde(default)]
    pub duplicates: Option<Duplicates>,
    /// Columns that identify a row; needed for `upsert`.
    #[serde(default)]
    pub key: Vec<Located<String>>,
    /// The column (DATE or TIMESTAMP) that says when the row's event happened.
    #[serde(default)]
    pub event_time: Option<Located<String>>,
    /// IANA zone of timestamps written without offset; the project's unless given.
    #[serde(default)]
    pub time_zone: Option<Located<Zone>>,
    /// The first day from which on the export is complete. Who is there already is not new: how long for is not known.
    /// SQL finds it in `staging.stg_buho__sources`.
    #[serde(default)]
    pub data_begins: Option<NaiveDate>,
    /// Share (0 to 1) of a delivery's rows that may be quarantined before the source fails.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// What follows where a file lacks a column that files of its night or of nights before had: `warn`, and the
    /// column is NULL, or `fail` the source. CSV with a header, and Parquet.
    #[serde(default)]
    pub dropped_columns: DroppedColumns,
    /// When a delivery is late or thin, and what follows.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// The columns that are loaded, in the order of the bronze table.
    pub columns: Vec<Column>,
}

fn default_tolerance() -> f64 {
    0.01
}

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// `csv`, `jsonl` (one JSON object a line) or `parquet`.
    #[serde(rename = "type")]
    pub kind: FormatKind,
    /// CSV: one ASCII character between fields. `\t` for a tab.
    pub delimiter: String,
    /// CSV: one ASCII character around fields; empty for none.
    pub quote: String,
    /// CSV: the first record names the columns. Without it columns are taken by position.
    pub header: bool,
    /// A label of the WHATWG encoding standard (`utf-8`, `utf-16le`, `windows-1252`, …). A byte
    /// order mark wins.
    pub encoding: String,
    /// CSV: words that mean NULL, besides the empty unquoted field.
    pub null_words: Vec<String>,
    /// Numbers are written `1.234,56`.
    pub decimal_comma: bool,
    /// strftime patterns of DATE columns, tried in order.
    pub date_formats: Vec<String>,
    /// strftime patterns of TIMESTAMP columns, tried in order; ISO 8601 unless given.
    pub timestamp_formats: Vec<String>,
    /// By the first bytes of the file unless given.
    pub compression: Compression,
    /// How many times its size a compressed file, or a Parquet file, may unpack to, past 256 MiB; 300
    /// unless given. What unpacks to more is taken for a bomb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unpack_ratio: Option<NonZeroU64>,
}

impl Format {
    /// Whether a file says by names which columns it has: a line of JSON leaves out what is empty.
    pub fn names_columns(&self) -> bool {
        match self.kind {
            FormatKind::Csv => self.header,
            FormatKind::Jsonl => false,
            FormatKind::Parquet => true,
        }
    }
}

impl Default for Format {
    fn default() -> Self {
        Self {
            kind: FormatKind::Csv,
            delimiter: ",".to_owned(),
            quote: "\"".to_owned(),
            header: true,
            encoding: "utf-8".to_owned(),
            null_words: Vec::new(),
            decimal_comma: false,
            date_formats: Vec::new(),
            timestamp_formats: Vec::new(),
            compression: Compression::Auto,
            max_unpack_ratio: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatKind {
    Csv,
    Jsonl,
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// By the first bytes of the file.
    Auto,
    None,
    Gzip,
    Zstd,
    Bzip2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// Each file holds new rows.
    #[default]
    Append,
    /// Each file holds rows by key; the newest delivery of a key wins.
    Upsert,
    /// Each file holds the whole thing.
    Snapshot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    Skip,
    Load,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DroppedColumns {
    /// Say so and go on: the column is NULL.
    #[default]
    Warn,
    /// The source fails, and nothing of the delivery is loaded.
    Fail,
}

/// When a delivery is late or thin, and what follows.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `1 day`, `2 days`, `1 week`, `1 month`: a delivery at least this often.
    pub every: Located<String>,
    /// Time of day (`HH:MM`, project's zone) after the night by which it is there.
    #[serde(default)]
    pub by: Option<Located<String>>,
    /// At least this share of the usual number of rows (median of the last deliveries).
    #[serde(default)]
    pub rows: Option<f64>,
    /// What follows where it is not there: `warn`, `hold` what depends on it, `fail` the source.
    #[serde(default)]
    pub missing: Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Say so and go on.
    #[default]
    Warn,
    /// Keep what depends on it at its last release.
    Hold,
    /// The source fails.
    Fail,
}

/// One column of a contract.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Canonical name: what SQL calls it.
    pub name: Located<String>,
    /// Name in the file; the canonical name unless given.
    #[serde(default)]
    pub from: Option<String>,
    /// VARCHAR, BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), DATE or TIMESTAMP.
    #[serde(rename = "type")]
    pub kind: Located<ColumnType>,
    /// NULL is refused, and so is a file without the column.
    #[serde(default)]
    pub required: bool,
    /// What the column means.
    #[serde(default)]
    pub description: String,
    /// Unit of measure: `EUR`, `days`, `pieces`, …
    #[serde(default)]
    pub unit: Option<String>,
    /// Kind of personal data, if it is any: `email`, `name`, `phone`, …
    #[serde(default)]
    pub pii: Option<String>,
    /// Whether a value is there from a row's first delivery on and never changes, as the day of a registration: models
    /// may then learn from it as of any past night. By default true of events (`append`, or `upsert` with an
    /// `event_time`), false of other exports, which say how things are today. A key never changes.
    #[serde(default)]
    pub fixed: Option<bool>,
}

impl Column {
    /// The name the column has in the raw file.
    pub fn name_in_file(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }
}

/// A contract and where it was read from.
#[derive(Debug, Clone)]
pub struct Contract {
    /// File stem: the source's name.
    pub name: String,
    /// Schema-qualified bronze table, e.g. `bronze.orders`.
    pub table: String,
    /// The file, for messages: `sql/sources/orders.yml`.
    pub file: String,
    pub spec: ContractFile,
}

impl Contract {
    /// Why a column's value of a past night cannot be told; `None` where it is what it is today.
    pub fn without_history(&self, column: &str) -> Option<&'static str> {
        let known = self.spec.columns.iter().find(|known| known.name.as_str() == column)?;
        if self.spec.key.iter().any(|key| key.as_str() == column) {
            return None;
        }
        match (known.fixed, self.spec.delivery, &self.spec.event_time) {
            (Some(true), ..) => None,
            (Some(false), ..) => Some("`fixed: false`"),
            (None, Delivery::Append, _) | (None, Delivery::Upsert, Some(_)) => None,
            (None, Delivery::Upsert, None) => Some("`upsert` without an `event_time`"),
            (None, Delivery::Snapshot, _) => Some("delivered as a `snapshot`"),
        }
    }
}
