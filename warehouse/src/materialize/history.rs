//! Every state of a key, with the nights at which it was seen.
//!
//! A row holds for the observed nights from `valid_from` up to, not including, `valid_to`; that is the first
//! observed night at which it held no more, NULL while it stands. The rows are a function of what was seen at
//! which nights: a night that is observed later, between two others or anew, gives the rows that all of them
//! in order would have given.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::error::ArrowError;
use chrono::NaiveDate;

use super::{DELTA, NIGHTS, PRIOR, ROWS, agree, differ, same_key};
use crate::project::model::{ModelFile, VALID_FROM, VALID_TO};
use crate::sql_text::{column, columns};

/// The columns whose change is a new state: all that are selected but the key.
fn tracked(spec: &ModelFile) -> Vec<&str> {
    let key = spec.key_names();
    spec.selected().map(|column| column.name.as_str()).filter(|name| !key.contains(name)).collect()
}

/// The keys whose state at a night is not the one that the rows before say.
pub(crate) fn changed(spec: &ModelFile, night: NaiveDate) -> String {
    let key = spec.key_names();
    let first = column(key.first().copied().unwrap_or_default());
    let differs = tracked(spec).into_iter().map(column);
    let differs: String =
        differs.map(|name| format!(" OR {}", differ(&format!("held.{name}"), &format!("seen.{name}")))).collect();
    let either: Vec<String> =
        key.iter().map(|name| format!("coalesce(held.{0}, seen.{0}) AS {0}", column(name))).collect();
    format!(
        "SELECT DISTINCT {either} FROM (SELECT * FROM {PRIOR} WHERE {VALID_FROM} <= DATE '{night}' \
         AND ({VALID_TO} IS NULL OR {VALID_TO} > DATE '{night}')) AS held \
         FULL OUTER JOIN {ROWS} AS seen ON {same} \
         WHERE held.{first} IS NULL OR seen.{first} IS NULL{differs}",
        either = either.join(", "),
        same = same_key(spec, "held", "seen"),
    )
}

/// The whole history of the changed keys, the night's state in its place among those of the other nights.
/// Rows without a key come out too: the audit of the key names them.
pub(crate) fn history(spec: &ModelFile, night: NaiveDate) -> String {
    let key = columns(spec.key_names());
    let tracked = tracked(spec);
    let selected: Vec<&str> = spec.selected().map(|column| column.name.as_str()).collect();
    let of =
        |table: &str| selected.iter().map(|name| format!("{table}.{}", column(name))).collect::<Vec<_>>().join(", ");
    let unkeyed: Vec<String> = spec.key_names().iter().map(|name| format!("seen.{} IS NULL", column(name))).collect();
    let over = format!("OVER (PARTITION BY {key} ORDER BY \"_position\")");
    let same: String = tracked
        .iter()
        .map(|name| column(name))
        .map(|name| format!(" AND {}", agree(&format!("lag({name}) {over}"), &name)))
        .collect();
    format!(
        "WITH observed AS (SELECT night, row_number() OVER (ORDER BY night) AS \"_position\", \
             lead(night) OVER (ORDER BY night) AS \"_next\" FROM {NIGHTS}), \
         states AS (\
             SELECT {held}, observed.night AS \"_night\", observed.\"_position\", observed.\"_next\" \
             FROM {PRIOR} AS held INNER JOIN {DELTA} AS touched ON {held_key} \
             INNER JOIN observed ON observed.night >= held.{VALID_FROM} \
             AND (held.{VALID_TO} IS NULL OR observed.night < held.{VALID_TO}) \
             WHERE observed.night <> DATE '{night}' \
             UNION ALL \
             SELECT {seen}, observed.night AS \"_night\", observed.\"_position\", observed.\"_next\" \
             FROM {ROWS} AS seen INNER JOIN {DELTA} AS touched ON {seen_key} \
             INNER JOIN observed ON observed.night = DATE '{night}' \
             UNION ALL \
             SELECT {seen}, observed.night AS \"_night\", observed.\"_position\", observed.\"_next\" \
             FROM {ROWS} AS seen INNER JOIN observed ON observed.night = DATE '{night}' WHERE {unkeyed}), \
         marked AS (SELECT *, CASE WHEN lag(\"_position\") {over} = \"_position\" - 1{same} THEN 0 ELSE 1 END \
             AS \"_starts\" FROM states), \
         grouped AS (SELECT *, sum(\"_starts\") OVER (PARTITION BY {key} ORDER BY \"_position\" \
             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS \"_state\" FROM marked) \
         SELECT {all}, min(\"_night\") AS {VALID_FROM}, \
             CASE WHEN count(\"_next\") = count(*) THEN max(\"_next\") END AS {VALID_TO} \
         FROM grouped GROUP BY {all}, \"_state\"",
        held = of("held"),
        seen = of("seen"),
        held_key = same_key(spec, "held", "touched"),
        seen_key = same_key(spec, "seen", "touched"),
        unkeyed = unkeyed.join(" OR "),
        all = columns(selected.iter().copied()),
    )
}

/// Nights as rows of the one column `night`.
pub(crate) fn nights(nights: &[NaiveDate]) -> Result<RecordBatch, ArrowError> {
    let days = nights.iter().map(|night| night.signed_duration_since(NaiveDate::default()).num_days());
    let days: Date32Array = days.map(|days| i32::try_from(days).ok()).collect();
    let column: ArrayRef = Arc::new(days);
    RecordBatch::try_from_iter([("night", column)])
}
