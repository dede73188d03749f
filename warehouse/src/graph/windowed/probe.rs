//! The windows that a model is planned for to learn how far its bounds lie from the window's.
//!
//! `$window_start - interval '6' day` lies as far off at any date: one window tells. The begin of its month is on the
//! first of a month the day itself and on the last 30 days off: such a bound is measured where months, quarters, years
//! and weeks begin and where they end.

use chrono::NaiveDate;

use super::super::parse::Moment;
use super::{Scan, WindowedRead};
use crate::project::model::WindowLength;

/// Starts and ends of windows which no date in a model comes near; a TIMESTAMP in nanoseconds, to which the planner turns
/// what is compared with a DATE, ends in 2262.
const FAR: (Day, Day) = ((2150, 1, 1), (2230, 1, 1));
/// The last day of a leap year, a Sunday, and the first of another, a Monday; each as a start and as an end. The second
/// day of a quarter, a Saturday; the first of a quarter of 92 days, a Monday.
const OTHERS: [(Day, Day); 4] = [
    ((2152, 12, 31), (2244, 1, 1)),
    ((2148, 1, 1), (2248, 12, 31)),
    ((2157, 7, 2), (2253, 7, 2)),
    ((2154, 7, 1), (2250, 7, 1)),
];
/// Days that the begin of a week, a month, a quarter and a year lie back at most.
const BEGINS: [i64; 5] = [0, 6, 30, 91, 365];
/// Days that the begin of the next one lies ahead at most.
const NEXT: [i64; 5] = [0, 7, 31, 92, 366];
/// Days from which on bounds in months may differ, and how many; whoever looks for windows allows them.
const A_MONTH: i64 = 28;
const OF_MONTHS: i64 = 3;

/// Year, month and day.
type Day = (i32, u32, u32);

/// The moments to plan for: one, where the bounds lie as far off at any.
pub(super) fn moments(length: WindowLength, even: bool) -> Vec<Moment> {
    let day = |(year, month, day): Day| length.start(NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default());
    let others = OTHERS.iter().filter(|_| !even);
    let windows = std::iter::once(&FAR).chain(others);
    windows.map(|(start, end)| Moment::window(day((2000, 1, 1)), day(*start), day(*end))).collect()
}

/// The readings of a model, of several that were planned for it: with the farthest bounds, and whole where some window
/// does not cut it as the others do.
pub(super) fn farthest(planned: Vec<Vec<Scan>>) -> Vec<Scan> {
    let mut planned = planned.into_iter();
    let first = planned.next().unwrap_or_default();
    let others: Vec<Vec<Scan>> = planned.collect();
    let of_one = |(at, scan): (usize, Scan)| {
        let beside: Option<Vec<&WindowedRead>> =
            others.iter().map(|scans| scans.get(at).and_then(|other| other.read.as_ref())).collect();
        let read = scan.read.clone().zip(beside).and_then(|(read, beside)| widest(read, &beside));
        Scan { read, ..scan }
    };
    first.into_iter().enumerate().map(of_one).collect()
}

fn widest(read: WindowedRead, beside: &[&WindowedRead]) -> Option<WindowedRead> {
    if beside.iter().any(|other| (&other.table, &other.time) != (&read.table, &read.time)) {
        return None;
    }
    let days = |first: i64, days: &dyn Fn(&WindowedRead) -> i64, units: [i64; 5]| {
        settled(first, &beside.iter().map(|other| days(other)).collect::<Vec<_>>(), units)
    };
    let before = days(read.before, &|read| read.before, BEGINS);
    let after = days(read.after, &|read| read.after, NEXT);
    Some(WindowedRead { before, after, ..read })
}

/// Days that are enough at any date, of those that were measured: where they differ by more than months do, as many as
/// the calendar's unit has.
fn settled(first: i64, others: &[i64], units: [i64; 5]) -> i64 {
    let all = || others.iter().copied().chain([first]);
    let (least, greatest) = (all().min().unwrap_or(first), all().max().unwrap_or(first));
    if greatest == least || (first.abs() >= A_MONTH && greatest - least <= OF_MONTHS) {
        return first;
    }
    units.into_iter().find(|unit| *unit >= greatest).unwrap_or(greatest)
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, Weekday};

    use super::*;

    #[test]
    fn the_windows_that_are_planned_for_begin_and_end_weeks_months_quarters_and_leap_years() {
        assert_eq!(moments(WindowLength::Day, true).len(), 1);
        let all = moments(WindowLength::Day, false);
        let days = |at: fn(&Moment) -> NaiveDate| all.iter().map(at).collect::<Vec<_>>();
        for days in [days(|moment| moment.window_start), days(|moment| moment.window_end)] {
            let has = |is: &dyn Fn(&NaiveDate) -> bool| days.iter().any(is);
            assert!(has(&|day| day.ordinal() == 1 && day.leap_year()) && has(&|day| day.ordinal() == 366), "{days:?}");
            for weekday in [Weekday::Mon, Weekday::Sat, Weekday::Sun] {
                assert!(has(&|day| day.weekday() == weekday), "{weekday} of {days:?}");
            }
        }
        assert!(moments(WindowLength::Month, false).iter().all(|moment| moment.window_start.day() == 1));
    }

    #[test]
    fn days_that_differ_from_date_to_date_are_taken_for_the_most_that_they_can_be() {
        assert_eq!(settled(6, &[6, 6], BEGINS), 6);
        // Two months are 59 to 62 days, which is allowed for where windows are looked for.
        assert_eq!(settled(61, &[62, 61], BEGINS), 61);
        assert_eq!(settled(3, &[6, 0], BEGINS), 6);
        assert_eq!(settled(0, &[29, 0], BEGINS), 30);
        assert_eq!(settled(0, &[364, 0], BEGINS), 365);
        assert_eq!(settled(0, &[400, 0], BEGINS), 400);
        assert_eq!(settled(0, &[-30, -1], NEXT), 0);
    }
}
