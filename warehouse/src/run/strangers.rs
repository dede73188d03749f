//! Commits of other programs: what is said of them, and the ways out.

use crate::table::Strangers;

/// What is said where another program committed to a table of a model, and the way out.
pub(super) fn refused(table: &str, found: &Strangers, is_rebuilt: bool) -> String {
    let way_out = found.way_out();
    let advice = match is_rebuilt {
        true => format!(
            "write the table anew over it with `buho run --select {table} --full-refresh`, or {way_out} and run again"
        ),
        false => format!(
            "the table keeps rows of past nights: go back with `buho releases rollback`, or {way_out}, then run again"
        ),
    };
    format!("{found} — {advice}")
}
