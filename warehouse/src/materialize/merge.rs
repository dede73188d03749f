//! Rows by key: the latest delivery wins.

use super::{DELTA, PRIOR, ROWS, all_columns, same_key};
use crate::planted::{Bug, planted};
use crate::project::model::ModelFile;
use crate::sql_text::{column, columns};

/// Of the delivered rows of each key the last: by delivery, then by the columns that say which is newest.
/// Rows that these do not tell apart all come out, and the audit of the key names them.
pub(crate) fn newest(spec: &ModelFile) -> String {
    let newest = spec.merge.iter().flat_map(|merge| std::iter::once(&merge.time).chain(&merge.newest));
    let order: Vec<String> = newest.map(|name| format!("{} DESC NULLS LAST", column(name))).collect();
    format!(
        "SELECT {all} FROM (SELECT {all}, rank() OVER (PARTITION BY {key} ORDER BY {order}) AS \"_rank\" \
         FROM {ROWS}) AS ranked WHERE \"_rank\" = 1",
        all = all_columns(spec),
        key = columns(spec.key_names()),
        order = order.join(", "),
    )
}

/// The delivered rows whose key is not to go.
pub(crate) fn stand(spec: &ModelFile) -> String {
    let deleted = spec.merge.as_ref().and_then(|merge| merge.deleted.as_ref());
    let stands = deleted.map(|name| format!(" WHERE {} IS NOT TRUE", column(name))).unwrap_or_default();
    format!("SELECT {} FROM {DELTA}{stands}", all_columns(spec))
}

/// The touched keys of which no row was found.
pub(crate) fn missing(spec: &ModelFile) -> String {
    format!(
        "SELECT DISTINCT {} FROM {DELTA} AS touched WHERE NOT EXISTS (SELECT 1 FROM {ROWS} AS found WHERE {})",
        columns(spec.key_names()),
        same_key(spec, "found", "touched")
    )
}

/// The rows before of the keys that are not touched.
pub(crate) fn others(spec: &ModelFile) -> String {
    let same = if planted(Bug::MergeKeepsOldRows) { "false".to_owned() } else { same_key(spec, "touched", "prior") };
    format!(
        "SELECT {} FROM {PRIOR} AS prior WHERE NOT EXISTS (SELECT 1 FROM {DELTA} AS touched WHERE {same})",
        all_columns(spec)
    )
}
