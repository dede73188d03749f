//! The one place where time and identity come from: everything else is a function of the night.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use futures::future::BoxFuture;

/// What time it is. A run asks only to stamp its records, never to decide what to compute.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// Lets time pass.
    fn wait(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the module the ban points to")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn wait(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A clock that tests set; each reading advances it by one millisecond so that stamps differ, and waiting
/// costs nothing.
#[derive(Debug)]
pub struct FixedClock {
    next: Mutex<DateTime<Utc>>,
}

impl FixedClock {
    pub fn new(start: DateTime<Utc>) -> Self {
        Self { next: Mutex::new(start) }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        let mut next = self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = *next;
        *next += TimeDelta::milliseconds(1);
        now
    }

    fn wait(&self, time: Duration) -> BoxFuture<'_, ()> {
        let mut next = self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *next += TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        Box::pin(std::future::ready(()))
    }
}

/// The night a run is for unless told: yesterday in the project's time zone.
pub fn default_night(now: DateTime<Utc>, time_zone: Tz) -> NaiveDate {
    let today = now.with_timezone(&time_zone).date_naive();
    today.pred_opt().unwrap_or(today)
}

/// Today in the project's time zone, where a night is later than tomorrow there: more often a mistyped year than a night
/// that somebody wants.
pub fn in_future(night: NaiveDate, now: DateTime<Utc>, time_zone: Tz) -> Option<NaiveDate> {
    let today = now.with_timezone(&time_zone).date_naive();
    today.succ_opt().is_some_and(|tomorrow| night > tomorrow).then_some(today)
}

/// An id of a run: its start in UTC and eight random hexadecimal digits, so that ids sort by time.
pub fn run_id(clock: &dyn Clock) -> String {
    format!("{}-{}", clock.now().format("%Y%m%dT%H%M%S%3fZ"), random_suffix())
}

/// Eight hexadecimal digits that no other run has, from the operating system's randomness.
#[expect(clippy::disallowed_methods, reason = "this is the module the ban points to")]
fn random_suffix() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_night_is_yesterday_where_the_business_is() {
        let now = "2026-03-01T22:30:00Z".parse().unwrap();
        assert_eq!(default_night(now, chrono_tz::Europe::Madrid), "2026-02-28".parse().unwrap());
        assert_eq!(default_night(now, chrono_tz::Asia::Tokyo), "2026-03-01".parse().unwrap());
    }

    #[test]
    fn a_night_is_in_the_future_from_the_day_after_tomorrow_where_the_business_is() {
        let now = "2026-03-01T22:30:00Z".parse().unwrap();
        let seen = |night: &str, zone| in_future(night.parse().unwrap(), now, zone).map(|today| today.to_string());
        assert_eq!(seen("2026-03-02", chrono_tz::Europe::Madrid), None);
        assert_eq!(seen("2026-03-03", chrono_tz::Europe::Madrid).as_deref(), Some("2026-03-01"));
        assert_eq!(seen("2026-03-03", chrono_tz::Asia::Tokyo), None);
        assert_eq!(seen("2062-03-02", chrono_tz::Asia::Tokyo).as_deref(), Some("2026-03-02"));
    }

    #[test]
    fn run_ids_sort_by_time_and_differ_within_a_millisecond() {
        let clock = FixedClock::new("2026-03-01T22:30:00Z".parse().unwrap());
        let (first, second) = (run_id(&clock), run_id(&clock));
        assert!(first < second, "{first} {second}");
        assert_ne!(run_id(&clock), run_id(&clock));
    }
}
