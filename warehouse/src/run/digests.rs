//! Which days of an input changed: a digest of the rows of each day, file by file.
//!
//! Files are never changed, so one that stays has the rows that it had, whatever they are: only of files that
//! come and of those that leave is a digest asked, each once. A file that leaves takes its rows along, one that
//! comes brings its own, and a file that was only written anew brings what the old one took.
//!
//! DOUBLE values count as near ones do ([`rounded`]): a sum of several threads differs in its last bits from run to run,
//! and a table that is built whole would change every window that reads it, every night.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type};
use chrono::{Days, NaiveDate};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::expr_fn::{max, min};
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

/// First and last day.
pub(super) type Span = (NaiveDate, NaiveDate);

/// What is known of the rows of a file, as one way of reading sees them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRows {
    /// First and last day that it has rows of; none where it has no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Its digests, once somebody had to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<DayDigests>,
}

impl FileRows {
    pub fn digested(days: DayDigests) -> Self {
        let ends = days.keys().next().zip(days.keys().next_back());
        Self { span: ends.map(|(first, last)| (*first, *last)), days: Some(days) }
    }
}

/// The files behind one way a model reads a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FileDigests(pub BTreeMap<String, FileRows>);

impl FileDigests {
    /// Forgets the digests, but not the days: who needs one asks the file again.
    pub fn without_digests(self) -> Self {
        Self(self.0.into_iter().map(|(file, rows)| (file, FileRows { days: None, ..rows })).collect())
    }

    /// First and last days of the files that have rows.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        self.0.values().filter_map(|rows| rows.span)
    }

    /// First and last day of which there are rows.
    pub fn span(&self) -> Option<Span> {
        let spans = || self.spans();
        spans().map(|(first, _)| first).min().zip(spans().map(|(_, last)| last).max())
    }

    /// Files that are not among others.
    pub fn beyond(&self, others: &Self) -> Vec<String> {
        self.0.keys().filter(|file| !others.0.contains_key(*file)).cloned().collect()
    }
}

/// Days of which the rows that came are not the ones that left.
pub(super) fn changed_days<'a>(
    came: impl IntoIterator<Item = &'a DayDigests>,
    left: impl IntoIterator<Item = &'a DayDigests>,
) -> BTreeSet<NaiveDate> {
    let by_day = |files: &mut dyn Iterator<Item = &'a DayDigests>| {
        let mut all = DayDigests::new();
        for (day, digest) in files.flatten() {
            all.entry(*day).or_default().add(*digest);
        }
        all
    };
    let (came, left) = (by_day(&mut came.into_iter()), by_day(&mut left.into_iter()));
    let days: BTreeSet<NaiveDate> = came.keys().chain(left.keys()).copied().collect();
    days.into_iter().filter(|day| came.get(day) != left.get(day)).collect()
}

/// The first days of the windows that read a day's rows.
pub(super) fn windows_of(days: &BTreeSet<NaiveDate>, read: &WindowedRead, length: WindowLength) -> BTreeSet<NaiveDate> {
    // A bound given in months or years is some days off elsewhere in the calendar, and may be any from a month on.
    let is_far = read.before.abs().max(read.after.abs()) >= 28;
    let is_of_months = length == WindowLength::Month && (read.before, read.after) != (0, 0);
    let slack = if is_far || is_of_months { 3 } else { 0 };
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

/// First and last day of the rows of a table that is registered in a session, as a model reads it.
pub(super) async fn span(session: &SessionContext, read: &WindowedRead) -> Result<Option<Span>> {
    let rows = session.table(read.table.as_str()).await?;
    let ends = vec![min(read.time.clone()).alias("first"), max(read.time.clone()).alias("last")];
    let found = rows.aggregate(Vec::new(), ends)?.collect().await?;
    let end = |column: usize| {
        let values = found.iter().find_map(|batch| batch.column(column).as_primitive_opt::<Date32Type>())?;
        values.iter().flatten().next().and_then(date)
    };
    Ok(end(0).zip(end(1)))
}

async fn fold(mut rows: SendableRecordBatchStream) -> Result<DayDigests> {
    let mut days: std::collections::HashMap<i32, Digest> = std::collections::HashMap::new();
    let mut hashes = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let batch: RecordBatch = batch;
        let columns: Vec<ArrayRef> = batch.columns().iter().map(rounded).collect();
        hashes.clear();
        hashes.resize(batch.num_rows(), 0);
        create_hashes(columns.as_slice(), &HLL_RANDOM_STATE, &mut hashes)?;
        tell_absent(&columns, &mut hashes);
        let Some(of) = columns.first().and_then(|column| column.as_primitive_opt::<Date32Type>()) else {
            continue;
        };
        for (day, hash) in of.iter().zip(&hashes) {
            // A row without a day is in no window.
            if let Some(day) = day {
                days.entry(day).or_default().add(Digest { rows: 1, hash: *hash });
            }
        }
    }
    Ok(days.into_iter().filter_map(|(day, digest)| Some((date(day)?, digest))).collect())
}

/// Bits of a DOUBLE behind its leading one that count. Values that count as one are within 2⁻³² of each other, well within
/// the 1e-9 to which DOUBLE is the same whatever fails. Of sums that are off by 1e-15 about one in 150,000 is rounded the
/// other way all the same, and its window is built for nothing; with 40 bits it would be one in 600.
const PRECISION: u32 = 32;

/// A column as it is compared: numbers with a fraction to the nearest of [`PRECISION`], zero and what is no number as one
/// value each.
fn rounded(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Float64Type>() {
        Some(values) => Arc::new(values.unary::<_, Float64Type>(nearest)),
        None => Arc::clone(column),
    }
}

fn nearest(value: f64) -> f64 {
    const STEP: u64 = 1 << (f64::MANTISSA_DIGITS - 1 - PRECISION);
    match value {
        value if value.is_nan() => f64::NAN,
        0.0 => 0.0,
        value => f64::from_bits((value.to_bits() + STEP / 2) & !(STEP - 1)),
    }
}

/// An absent value leaves a hash as it is: without this, one that moved from a column to another would be seen nowhere.
fn tell_absent(columns: &[ArrayRef], hashes: &mut [u64]) {
    for (number, column) in (1_u64..).zip(columns) {
        let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) else { continue };
        let mark = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        for (hash, is_there) in hashes.iter_mut().zip(nulls.iter()) {
            if !is_there {
                *hash = hash.rotate_left(5).wrapping_add(mark);
            }
        }
    }
}

/// The day so many days after 1970 began.
fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(days.into()))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
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
    fn a_bound_in_months_reaches_the_window_from_anywhere_in_the_year() {
        // `- interval '2' month` was measured as 61 days, and is 62 before 1 September.
        let found = windows_of(&days(&["2026-07-01"]), &read(61, 0), WindowLength::Day);
        assert!(found.contains(&"2026-09-01".parse().unwrap()));
        assert_eq!(windows_of(&days(&["2026-07-01"]), &read(27, 0), WindowLength::Day).len(), 28);
    }

    #[test]
    fn a_value_that_moves_to_a_column_beside_it_makes_another_row() {
        let hashed = |values: [Option<&str>; 3]| {
            let columns = values.map(|value| Arc::new(StringArray::from(vec![value, Some("x")])) as ArrayRef);
            let mut hashes = vec![0; 2];
            create_hashes(columns.as_slice(), &HLL_RANDOM_STATE, &mut hashes).unwrap();
            tell_absent(&columns, &mut hashes);
            hashes[0]
        };
        let rows = [[Some("a"), None, None], [None, Some("a"), None], [None, None, Some("a")], [None; 3]];
        let hashes: BTreeSet<u64> = rows.map(hashed).into_iter().collect();
        assert_eq!(hashes.len(), 4);
        assert_eq!(hashed([Some("a"), Some("b"), None]), hashed([Some("a"), Some("b"), None]));
    }

    #[test]
    fn numbers_that_differ_by_no_more_than_their_sums_do_count_as_one_and_others_do_not() {
        for value in [1.0, 0.1, -3.7e12, 1.0 / 3.0, 5e-12, f64::MAX / 3.0] {
            for noise in [1e-15, -1e-15, 4e-15] {
                assert_eq!(nearest(value * (1.0 + noise)), nearest(value), "{value}");
            }
            for change in [1e-9, -1e-9] {
                assert_ne!(nearest(value * (1.0 + change)), nearest(value), "{value}");
            }
            assert!((nearest(value) / value - 1.0).abs() < 2.0_f64.powi(-33) * 1.01, "{value}");
        }
        assert_eq!(nearest(-0.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(nearest(-f64::NAN).to_bits(), f64::NAN.to_bits());
        assert_eq!((nearest(f64::INFINITY), nearest(f64::NEG_INFINITY)), (f64::INFINITY, f64::NEG_INFINITY));
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
        let file = |rows, hash| DayDigests::from([(day, digest(rows, hash))]);
        let (left, came) = ([file(1, u64::MAX), file(2, 5)], [file(3, 4)]);
        assert_eq!(changed_days(&came, &left), BTreeSet::new());
        assert_eq!(changed_days(&[file(3, 5)], &left), BTreeSet::from([day]));
        assert_eq!(changed_days(&came, &[]), BTreeSet::from([day]));
    }
}
