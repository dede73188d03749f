//! The windows of a table that are to be built because an input changed, each with its reasons.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::digests::{FileDigests, Span, windows_of};
use super::standing::Standing;
use super::windowed::WindowedInputs;
use crate::graph::{Cut, WindowedRead};
use crate::materialize::Range;
use crate::project::model::WindowLength;

/// The files of a read now, and the days of which their rows are not what they were.
pub(super) struct Read {
    pub now: FileDigests,
    pub days: BTreeSet<NaiveDate>,
    /// Days of which rows left.
    pub left: BTreeSet<NaiveDate>,
}

/// Why the rows of a day are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It comes after all days before.
    New,
    /// Its rows are what they were, and a window that looks back on them has come.
    Due,
    /// Nothing is read of it, and there may be a row that says so.
    Quiet,
    /// Rows came to it.
    Late,
    /// Rows of it left, with others or none in their place.
    Corrected,
}

/// The windows of which the rows of an input changed, by their first days.
pub(super) struct Changed {
    pub windows: BTreeSet<NaiveDate>,
    /// Of each the tables that are read, and what happened to their rows.
    pub causes: BTreeMap<NaiveDate, BTreeSet<(Cause, String)>>,
    /// The last day of each read that had rows before.
    known: BTreeMap<String, NaiveDate>,
    /// First and last window that there were before.
    pub before: Option<Span>,
}

impl Changed {
    /// Nothing yet, since a table was built that had windows from the first that read a row to the last.
    pub fn since(inputs: &WindowedInputs, prior: &Standing, length: WindowLength) -> Self {
        let known = prior.reads.iter().filter_map(|(id, files)| Some((id.clone(), files.span()?.1)));
        let through = |last: NaiveDate| match prior.through {
            Some(through) if inputs.cut == Cut::Each => through,
            Some(through) => last.min(through),
            None => last,
        };
        Self {
            windows: BTreeSet::new(),
            causes: BTreeMap::new(),
            known: known.collect(),
            before: windows_between(inputs, prior, length).map(|(first, last)| (first, through(last))),
        }
    }

    /// What rows of a day are that come to a read, by its id.
    pub fn cause(&self, read: &str, day: NaiveDate) -> Cause {
        match self.known.get(read) {
            Some(last) if day <= *last => Cause::Late,
            _ => Cause::New,
        }
    }

    /// Notes the windows that read a day's rows.
    pub fn take(&mut self, (read, rows): (&WindowedRead, &Read), length: WindowLength, last: NaiveDate) {
        for day in &rows.days {
            let cause = if rows.left.contains(day) { Cause::Corrected } else { self.cause(&read.id(), *day) };
            for window in windows_of(&BTreeSet::from([*day]), read, length).into_iter().filter(|window| *window <= last)
            {
                self.windows.insert(window);
                self.causes.entry(window).or_default().insert((cause, read.table.clone()));
            }
        }
    }

    /// Notes the windows that look back on rows of before, and were yet to come when the table was built.
    pub fn take_due(&mut self, inputs: &WindowedInputs, prior: &Standing, length: WindowLength, last: NaiveDate) {
        let Some(through) = built_through(prior, length) else { return };
        for (read, _) in inputs.reads.iter().filter(|(read, _)| read.is_looked_back_on()) {
            let spans: BTreeSet<Span> = prior.reads.get(&read.id()).into_iter().flat_map(FileDigests::spans).collect();
            let windows = spans.into_iter().filter_map(|(first, last)| {
                let ends = windows_of(&BTreeSet::from([first, last]), read, length);
                ends.first().copied().zip(ends.last().copied())
            });
            let windows: Vec<Span> = windows.filter(|(_, end)| *end > through).collect();
            let mut window = length.next(through);
            while window <= last {
                if windows.iter().any(|(first, end)| *first <= window && window <= *end) {
                    self.windows.insert(window);
                    self.causes.entry(window).or_default().insert((Cause::Due, read.table.clone()));
                }
                window = length.next(window);
            }
        }
    }

    /// Notes windows that were none of the table's and are, with a row of theirs or without, and those that were.
    pub fn take_each(&mut self, inputs: &WindowedInputs, whole: Option<Range>, length: WindowLength) {
        let days = |span: Option<Range>| span.into_iter().flat_map(|span| span.windows(length));
        let before = self.before.map(|(first, last)| Range { start: first, end: length.next(last) });
        let came = days(whole).filter(|window| before.is_none_or(|before| !before.holds(window.start)));
        let left = days(before).filter(|window| whole.is_none_or(|whole| !whole.holds(window.start)));
        let noted = came.map(|window| (window, Cause::Quiet)).chain(left.map(|window| (window, Cause::Corrected)));
        let tables: BTreeSet<&String> = inputs.reads.iter().map(|(read, _)| &read.table).collect();
        for (Range { start: window, .. }, cause) in noted {
            self.windows.insert(window);
            let causes = self.causes.entry(window).or_default();
            if causes.is_empty() {
                causes.extend(tables.iter().map(|table| (cause, (*table).clone())));
            }
        }
    }

    /// Whether all that changed was delivered after all that was merged: then it wins, whatever it is.
    pub fn comes_after(&self) -> bool {
        match (self.before, self.windows.first()) {
            (Some((_, last)), Some(first)) => last < *first,
            _ => true,
        }
    }
}

/// The last window that was built, or had rows to be built from: an older record does not say the former.
fn built_through(standing: &Standing, length: WindowLength) -> Option<NaiveDate> {
    let days = standing.reads.values().filter_map(|read| Some(read.span()?.1));
    standing.through.or_else(|| days.max().map(|latest| length.start(latest)))
}

/// The first and the last window that read a row.
pub(super) fn windows_between(inputs: &WindowedInputs, standing: &Standing, length: WindowLength) -> Option<Span> {
    let mut windows = BTreeSet::new();
    for (read, _) in &inputs.reads {
        if let Some((first, last)) = standing.reads.get(&read.id()).and_then(FileDigests::span) {
            windows.extend(windows_of(&BTreeSet::from([first, last]), read, length));
        }
    }
    windows.first().copied().zip(windows.last().copied())
}
