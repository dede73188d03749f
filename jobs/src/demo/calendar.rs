//! Days, moments, and which day's delivery a change goes out with.
//!
//! A shop that begins to export hands over its past once and then one file a night. So the days
//! before the first demo night arrive as a *historical export* dated on its last day, followed by
//! one *daily delivery* for each of the days after it: a lead of some days, so that the usual size
//! of a delivery is known when the first night asks for it, and then the nights themselves. A large
//! shop splits its past by month, so that no file outgrows the others by much.

use chrono::{Datelike, NaiveDate};

/// Daily deliveries before the first night, where the past comes in one file.
const LEAD_DAYS: i32 = 7;
/// Daily deliveries before the first night, where the past comes in monthly files: more than months.
const LEAD_DAYS_OF_LARGE: i32 = 21;
/// From this number of customers on, the past comes in monthly files.
const LARGE: u64 = 50_000;

const SECONDS_OF_DAY: i64 = 86_400;

/// A business day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// A wall-clock second in the shop's time zone, counted from 1970-01-01 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Day {
    /// The day of a calendar date.
    pub fn from_date(date: NaiveDate) -> Self {
        Self(date.num_days_from_ce() - EPOCH_FROM_CE)
    }

    /// The day of a year, month and day of month, if there is one.
    pub fn from_civil(year: i32, month: u32, date: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, date).map(Self::from_date)
    }

    /// The calendar date; the epoch for days that no calendar reaches.
    pub fn date(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0.saturating_add(EPOCH_FROM_CE)).unwrap_or_default()
    }

    /// Year, month (1..=12) and day of month.
    pub fn civil(self) -> (i32, u32, u32) {
        let date = self.date();
        (date.year(), date.month(), date.day())
    }

    /// Days since Monday, 0..=6.
    pub fn weekday(self) -> usize {
        usize::try_from((self.0 + 3).rem_euclid(7)).unwrap_or(0)
    }

    /// The day `days` later (or earlier, if negative).
    pub fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// The moment `second` seconds into the day.
    pub fn at(self, second: u32) -> Moment {
        Moment(i64::from(self.0) * SECONDS_OF_DAY + i64::from(second))
    }
}

/// Days from 0001-01-01 (day 1) to 1970-01-01.
const EPOCH_FROM_CE: i32 = 719_163;

impl Moment {
    /// The business day it falls on.
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(SECONDS_OF_DAY)).unwrap_or(i32::MAX))
    }

    /// Seconds since the day began, below 86,400.
    pub fn second_of_day(self) -> u32 {
        u32::try_from(self.0.rem_euclid(SECONDS_OF_DAY)).unwrap_or(0)
    }

    /// The moment `seconds` later.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }
}

/// The days that are generated and the deliveries that carry them.
#[derive(Debug)]
pub struct Calendar {
    /// First day with business.
    pub first: Day,
    /// Last day with business: the last night.
    pub last: Day,
    /// Date in the name of each delivery, rising.
    deliveries: Vec<Day>,
    /// Delivery of each day from `first` on.
    delivery_of: Vec<usize>,
}

impl Calendar {
    /// Plans `days` days up to `last_night`, of which the last `nights` are nights to run.
    pub fn new(last_night: NaiveDate, days: u32, nights: u32, customers: u64) -> Self {
        let last = Day::from_date(last_night);
        let length = i32::try_from(days).unwrap_or(i32::MAX);
        let first = last.plus(1 - length);
        let large = customers >= LARGE;
        let lead = if large { LEAD_DAYS_OF_LARGE } else { LEAD_DAYS };
        let daily = last.plus(1 - i32::try_from(nights).unwrap_or(i32::MAX).min(length) - lead);
        let ends_delivery = |day: Day| day >= daily || day.plus(1) == daily || (large && day.plus(1).civil().2 == 1);
        let mut deliveries = Vec::new();
        let mut delivery_of = Vec::new();
        for offset in 0..length {
            let day = first.plus(offset);
            delivery_of.push(deliveries.len());
            if ends_delivery(day) {
                deliveries.push(day);
            }
        }
        Self { first, last, deliveries, delivery_of }
    }

    /// Dates of the deliveries, rising.
    pub fn deliveries(&self) -> &[Day] {
        &self.deliveries
    }

    /// The delivery that carries what happened on `day`: the first for what happened before the
    /// exports begin, none for what has not happened yet.
    pub fn delivery_of(&self, day: Day) -> Option<usize> {
        if day > self.last {
            return None;
        }
        Some(self.offset(day).and_then(|offset| self.delivery_of.get(offset).copied()).unwrap_or(0))
    }

    /// Days since `first`, for days with business.
    pub fn offset(&self, day: Day) -> Option<usize> {
        if day > self.last { None } else { usize::try_from(day.0 - self.first.0).ok() }
    }

    /// Number of days with business.
    pub fn days(&self) -> usize {
        self.delivery_of.len()
    }

    /// All days with business.
    pub fn iter(&self) -> impl Iterator<Item = Day> + use<> {
        (self.first.0..=self.last.0).map(Day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date")
    }

    #[test]
    fn days_and_dates_are_the_same_thing() {
        let day = Day::from_date(last());
        assert_eq!(day.date(), last());
        assert_eq!(day.weekday(), 5, "a Saturday");
        assert_eq!(day.at(86_399).day(), day);
        assert_eq!(day.at(86_399).plus(1).day(), day.plus(1));
    }

    #[test]
    fn the_past_comes_once_and_then_one_delivery_a_day() {
        let calendar = Calendar::new(last(), 400, 3, 2_000);
        let dates: Vec<_> = calendar.deliveries().iter().map(|day| day.date().to_string()).collect();
        assert_eq!(dates.len(), 1 + 7 + 3);
        assert_eq!(dates[0], "2026-01-21");
        assert_eq!(dates[10], "2026-01-31");
        assert_eq!(calendar.delivery_of(calendar.first.plus(-500)), Some(0));
        assert_eq!(calendar.delivery_of(calendar.last), Some(10));
        assert_eq!(calendar.delivery_of(calendar.last.plus(1)), None);
    }

    #[test]
    fn a_large_shop_splits_its_past_by_month() {
        let calendar = Calendar::new(last(), 400, 3, 1_000_000);
        let dates: Vec<_> = calendar.deliveries().iter().map(|day| day.date().to_string()).collect();
        assert_eq!(dates[0], "2024-12-31");
        assert!(dates.contains(&"2025-11-30".to_owned()));
        for day in calendar.iter() {
            let delivery = calendar.delivery_of(day).expect("every day has one");
            assert!(calendar.deliveries()[delivery] >= day);
        }
    }

    #[test]
    fn with_as_many_nights_as_days_there_is_no_past() {
        assert_eq!(Calendar::new(last(), 30, 30, 10).deliveries().len(), 30);
    }
}
