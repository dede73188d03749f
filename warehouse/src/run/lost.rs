//! A log that lost its end: it stops before the version that the last release names.
//!
//! Nothing is written on such a table unless somebody asks for it anew: a version would be written a second time, and
//! releases before would show its rows.

use crate::table::{Lake, TableError};

/// What is missing of a table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// The last version that is there.
    last: Option<u64>,
    released: u64,
}

impl Lost {
    /// Of a table whose log ends at `last`, `None` where there is none, and of which a release names a version.
    ///
    /// # Errors
    /// [`TableError::Unlisted`] where the log goes on after `last`: a listing was short.
    pub async fn of(lake: &Lake, table: &str, last: Option<u64>, released: u64) -> Result<Option<Self>, TableError> {
        if last.is_some_and(|last| last >= released) {
            return Ok(None);
        }
        let lost = Self { last, released };
        if lake.has_version(table, lost.first()).await {
            return Err(TableError::Unlisted { table: table.to_owned(), version: lost.first() });
        }
        Ok(Some(lost))
    }

    fn first(&self) -> u64 {
        self.last.map_or(0, |last| last + 1)
    }

    /// How the log ends, and what of it is named.
    pub fn told(&self) -> String {
        let ends = self.last.map_or_else(|| "is gone".to_owned(), |last| format!("ends at version {last}"));
        format!("{ends}, and the last release names version {}", self.released)
    }

    /// The way out that loses nothing.
    pub fn way_back(&self) -> String {
        let (first, last) = (self.first(), self.released);
        format!("put the entries `_delta_log/{first:020}.json` to `{last:020}.json` back from a backup")
    }
}

/// What is said of a bronze table whose log lost its end, and the ways out.
pub(super) fn refused_bronze(table: &str, lost: &Lost) -> String {
    format!(
        "the log of {table} {} — {}, or remove the table's folder: the next run loads anew what raw still has, and older releases show other rows of it, or none",
        lost.told(),
        lost.way_back()
    )
}

/// What is said of a model's table whose log lost its end.
pub(super) fn refused(table: &str, lost: &Lost) -> String {
    format!(
        "its log {} — {}, or write the table anew with `buho run --select {table} --full-refresh`, after which older releases show other rows of it",
        lost.told(),
        lost.way_back()
    )
}
