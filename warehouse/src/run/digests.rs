//! Which days of an input changed: a digest of the rows of each day, file by file.
//!
//! Files are never changed, so each is read once. A file that leaves takes its digests along, one that
//! comes brings its own, and a file that was only written anew brings what the old one took.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use arrow::datatypes::Date32Type;
use chrono::{Days, NaiveDate};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::graph::WindowedRead;
use crate::materialize::Range;
use crate::project::model::WindowLength;

/// Rows of a day, and the sum of their hashes: of any order of rows, in any files, the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest {
    rows: u64,
    hash: u64,
}

impl Digest {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

/// Digests by day.
pub(super) type DayDigests = BTreeMap<NaiveDate, Digest>;

/// Digests by file and day, of one way a model reads a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FileDigests(pub BTreeMap<String, DayDigests>);

impl FileDigests {
    /// Digests by day, of all files together.
    fn by_day(&self) -> DayDigests {
        let mut all = DayDigests::new();
        for (day, digest) in self.0.values().flatten() {
            all.entry(*day).or_default().add(*digest);
        }
        all
    }

    /// Days of which there are rows.
    pub fn days(&self) -> BTreeSet<NaiveDate> {
        self.by_day().into_keys().collect()
    }

    /// Whether they are the same rows, in whatever files.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.by_day() == other.by_day()
    }

    /// Days of which the rows are not the ones that `before` had.
    pub fn changed_since(&self, before: &Self) -> BTreeSet<NaiveDate> {
        let (now, then) = (self.by_day(), before.by_day());
        let days: BTreeSet<NaiveDate> = now.keys().chain(then.keys()).copied().collect();
        days.into_iter().filter(|day| now.get(day) != then.get(day)).collect()
    }
}

/// The first days of the windows that read a day's rows.
pub(super) fn windows_of(days: &BTreeSet<NaiveDate>, read: &WindowedRead, length: WindowLength) -> BTreeSet<NaiveDate> {
    // A bound given in months is some days off elsewhere in the year.
    let slack = if length == WindowLength::Month && (read.before, read.after) != (0, 0) { 3 } else { 0 };
    let shifted = |day: NaiveDate, days: i64| match u64::try_from(days) {
        Ok(later) => day.checked_add_days(Days::new(later)),
        Err(_) => day.checked_sub_days(Days::new(days.unsigned_abs())),
    };
    let mut windows = BTreeSet::new();
    for day in days {
        let (Some(first), Some(last)) = (shifted(*day, -read.after - slack), shifted(*day, read.before + slack)) else {
            continue;
        };
        let mut window = length.start(first);
        while window <= last {
            windows.insert(window);
            window = length.next(window);
        }
    }
    windows
}

/// Windows that follow each other as one range of days.
pub(super) fn ranges(windows: &BTreeSet<NaiveDate>, length: WindowLength) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for start in windows {
        let end = length.next(*start);
        match ranges.last_mut() {
            Some(last) if last.end == *start => last.end = end,
            _ => ranges.push(Range { start: *start, end }),
        }
    }
    ranges
}

/// Digests of the rows of a table that is registered in a session, as a model reads it.
pub(super) async fn digest(session: &SessionContext, read: &WindowedRead) -> Result<DayDigests> {
    let rows: DataFrame = session.table(read.table.as_str()).await?;
    let columns = read.columns.iter().map(|column| ident(column.as_str()));
    let rows = rows.select(std::iter::once(read.time.clone().alias("_day")).chain(columns).collect::<Vec<_>>())?;
    let plan = rows.create_physical_plan().await?;
    let mut streams = JoinSet::new();
    for rows in execute_stream_partitioned(plan, session.task_ctx())? {
        streams.spawn(fold(rows));
    }
    let mut all = DayDigests::new();
    while let Some(joined) = streams.join_next().await {
        for (day, digest) in joined.map_err(|error| datafusion::error::DataFusionError::External(error.into()))?? {
            all.entry(day).or_default().add(digest);
        }
    }
    Ok(all)
}

async fn fold(mut rows: SendableRecordBatchStream) -> Result<DayDigests> {
    let mut days: std::collections::HashMap<i32, Digest> = std::collections::HashMap::new();
    let mut hashes = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let batch: RecordBatch = batch;
        hashes.clear();
        hashes.resize(batch.num_rows(), 0);
        create_hashes(batch.columns(), &HLL_RANDOM_STATE, &mut hashes)?;
        let Some(of) = batch.columns().first().and_then(|column| column.as_primitive_opt::<Date32Type>()) else {
            continue;
        };
        for (day, hash) in of.iter().zip(&hashes) {
            // A row without a day is in no window.
            if let Some(day) = day {
                days.entry(day).or_default().add(Digest { rows: 1, hash: *hash });
            }
        }
    }
    let date = |days: i32| NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(days.into()));
    Ok(days.into_iter().filter_map(|(day, digest)| Some((date(day)?, digest))).collect())
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::col;

    use super::*;

    fn days(list: &[&str]) -> BTreeSet<NaiveDate> {
        list.iter().map(|day| day.parse().unwrap()).collect()
    }

    fn read(before: i64, after: i64) -> WindowedRead {
        WindowedRead { table: "core.t".to_owned(), time: col("day"), before, after, columns: BTreeSet::new() }
    }

    #[test]
    fn a_day_is_read_by_its_window_and_by_those_that_look_back_on_it() {
        let one = days(&["2026-01-31"]);
        assert_eq!(windows_of(&one, &read(0, 0), WindowLength::Day), one);
        assert_eq!(windows_of(&one, &read(0, 0), WindowLength::Month), days(&["2026-01-01"]));
        let week = windows_of(&one, &read(6, 0), WindowLength::Day);
        assert_eq!((week.len(), week.first(), week.last()), (7, one.first(), days(&["2026-02-06"]).last()));
        assert_eq!(windows_of(&one, &read(6, 0), WindowLength::Month), days(&["2026-01-01", "2026-02-01"]));
    }

    #[test]
    fn windows_that_touch_are_one_range() {
        let found = ranges(&days(&["2026-01-01", "2026-01-02", "2026-01-04"]), WindowLength::Day);
        let spans: Vec<(String, String)> =
            found.iter().map(|range| (range.start.to_string(), range.end.to_string())).collect();
        let expected = [("2026-01-01", "2026-01-03"), ("2026-01-04", "2026-01-05")];
        assert_eq!(spans, expected.map(|(start, end)| (start.to_owned(), end.to_owned())));
    }

    #[test]
    fn rows_that_moved_to_another_file_changed_nothing() {
        let digest = |rows, hash| Digest { rows, hash };
        let day: NaiveDate = "2026-01-01".parse().unwrap();
        let file = |name: &str, rows, hash| (name.to_owned(), DayDigests::from([(day, digest(rows, hash))]));
        let two = FileDigests(BTreeMap::from([file("a", 1, u64::MAX), file("b", 2, 5)]));
        let one = FileDigests(BTreeMap::from([file("c", 3, 4)]));
        assert_eq!(one.changed_since(&two), BTreeSet::new());
        let other = FileDigests(BTreeMap::from([file("c", 3, 5)]));
        assert_eq!(other.changed_since(&two), BTreeSet::from([day]));
    }
}
