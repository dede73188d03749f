//! How the rows of a query become the rows of its table, in SQL: what a run does to files, unit tests do
//! to fixtures.
//!
//! | materialised | the table after a night |
//! |---|---|
//! | `view` | nothing is stored |
//! | `table` | the query's rows |
//! | `incremental` | [`outside`] the windows: the rows before; inside: the query's rows |
//! | `merge` | the rows before of [`others`] keys, and of the touched keys the [`newest`] that [`stand`] |
//! | `merge`, in a unit test | of the rows [`beside`] the windows, the query's among them, the [`newest`] that [`stand`] |
//! | `scd2` | the rows before of [`others`] keys, and of the keys [`changed`] that night their [`history`] |

mod history;
mod merge;
mod window;

pub(crate) use history::{changed, history, nights};
pub(crate) use merge::{missing, newest, others, stand};
pub(crate) use window::{Range, beside, keys_within, outside};

use crate::project::model::ModelFile;
use crate::sql_text::columns;

/// The table's rows before.
pub(crate) const PRIOR: &str = "buho.prior";
/// The query's rows.
pub(crate) const ROWS: &str = "buho.rows";
/// One row, or the key alone, of every key that the night touches.
pub(crate) const DELTA: &str = "buho.delta";
/// The nights of which a history has seen the state, as column `night`.
pub(crate) const NIGHTS: &str = "buho.nights";

/// All columns of a model, quoted, in the order of its yml.
fn all_columns(spec: &ModelFile) -> String {
    columns(spec.columns.iter().map(|column| column.name.as_str()))
}

/// Whether two values differ, NULL being one. In parentheses: DataFusion takes all that follows as the operand.
pub(crate) fn differ(one: &str, other: &str) -> String {
    format!("({one} IS DISTINCT FROM {other})")
}

/// The opposite of [`differ`].
pub(crate) fn agree(one: &str, other: &str) -> String {
    format!("({one} IS NOT DISTINCT FROM {other})")
}

/// Whether two tables' keys are the same; keys are never NULL.
fn same_key(spec: &ModelFile, one: &str, other: &str) -> String {
    let equal = |name: &&str| format!("{one}.{0} = {other}.{0}", crate::sql_text::column(name));
    spec.key_names().iter().map(equal).collect::<Vec<_>>().join(" AND ")
}
