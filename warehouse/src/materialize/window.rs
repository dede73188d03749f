//! Rows by windows of time.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::{PRIOR, ROWS, all_columns};
use crate::project::model::{ModelFile, WindowLength};
use crate::sql_text::{column, columns};

/// Days from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub start: NaiveDate,
    pub end: NaiveDate,
}

impl Range {
    pub fn holds(&self, day: NaiveDate) -> bool {
        self.start <= day && day < self.end
    }

    /// Its windows, each as a range of its own.
    pub fn windows(&self, length: WindowLength) -> impl Iterator<Item = Self> + use<> {
        let (start, end) = (length.start(self.start), self.end);
        let starts =
            std::iter::successors(Some(start), move |start| Some(length.next(*start)).filter(|next| next > start));
        starts.take_while(move |start| *start < end).map(move |start| Self { start, end: length.next(start) })
    }
}

impl WindowLength {
    /// The first day of the window that a day is in.
    pub(crate) fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Month => day.with_day(1).unwrap_or(day),
        }
    }

    /// The first day of the next window.
    pub(crate) fn next(self, start: NaiveDate) -> NaiveDate {
        let next = match self {
            Self::Day => start.succ_opt(),
            Self::Month => start.checked_add_months(Months::new(1)),
        };
        next.unwrap_or(start)
    }

    /// The first day of the window that lies so many before the one that starts at `start`.
    pub(crate) fn before(self, start: NaiveDate, windows: u32) -> NaiveDate {
        let before = match self {
            Self::Day => start.checked_sub_days(Days::new(windows.into())),
            Self::Month => start.checked_sub_months(Months::new(windows)),
        };
        before.unwrap_or(start)
    }
}

/// The rows before, without those in the ranges.
pub(crate) fn outside(spec: &ModelFile, ranges: &[Range]) -> String {
    format!("SELECT {} FROM {PRIOR} WHERE NOT ({})", all_columns(spec), within(spec, ranges))
}

/// The rows before that are in none of the ranges, and the query's.
pub(crate) fn beside(spec: &ModelFile, ranges: &[Range]) -> String {
    let (all, within) = (all_columns(spec), within(spec, ranges));
    format!("SELECT {all} FROM {PRIOR} WHERE ({within}) IS NOT TRUE UNION ALL SELECT {all} FROM {ROWS}")
}

/// The keys of the rows before that are in the ranges.
pub(crate) fn keys_within(spec: &ModelFile, ranges: &[Range]) -> String {
    format!("SELECT DISTINCT {} FROM {PRIOR} WHERE {}", columns(spec.key_names()), within(spec, ranges))
}

fn within(spec: &ModelFile, ranges: &[Range]) -> String {
    let time = column(spec.time().map_or("", |time| time.as_str()));
    let within = |range: &Range| {
        format!("(CAST({time} AS DATE) >= DATE '{}' AND CAST({time} AS DATE) < DATE '{}')", range.start, range.end)
    };
    let within: Vec<String> = ranges.iter().map(within).collect();
    if within.is_empty() { "false".to_owned() } else { within.join(" OR ") }
}
