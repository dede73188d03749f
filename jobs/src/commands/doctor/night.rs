//! The night of which the doctor asks whether its deliveries are there.

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio::time::timeout;
use warehouse::run::last_runs;
use warehouse::table::Lake;

use super::PATIENCE;
use super::findings::Findings;

/// Nights without a run and without a delivery after which nobody runs nights any more, or not yet: then what there
/// is was not made to be run tonight.
const LONG_AGO: Days = Days::new(7);
/// Runs among which the one of the highest night is: older nights are run again now and then.
const RUNS: usize = 20;

/// What decides on the night.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub asked: Option<NaiveDate>,
    /// The highest night that was run of late.
    pub last_run: Option<NaiveDate>,
}

/// The highest night that was run of late, however it ended; what cannot be read tells nothing.
pub async fn last_run(lake: &Lake, now: DateTime<Utc>) -> Option<NaiveDate> {
    let runs = timeout(PATIENCE, last_runs(lake, RUNS, now)).await.ok()?.ok()?;
    runs.into_iter().map(|run| run.night).max()
}

impl Wanted {
    /// The night that is asked for, or else the one that `buho run` takes: a shop whose exports stopped is told so
    /// every night. Where nothing was run or delivered for long it is the newest that something was for.
    pub fn night(&self, default: NaiveDate, last_delivered: Option<NaiveDate>) -> NaiveDate {
        if let Some(asked) = self.asked {
            return asked;
        }
        match self.last_run.max(last_delivered) {
            Some(newest) if newest.checked_add_days(LONG_AGO).is_some_and(|then| then < default) => newest,
            _ => default,
        }
    }

    /// Says where another night than the one of `buho run` was looked at.
    pub fn tell(findings: &mut Findings, night: NaiveDate, default: NaiveDate) {
        if night == default {
            return findings.fine("night", format!("{night}: its deliveries are looked for"));
        }
        let text = format!(
            "deliveries are looked for as of {night}; `buho run` without --night runs {default} — `buho doctor --night {default}` says what is missing for that"
        );
        findings.note("night", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn night(asked: Option<&str>, last_run: Option<&str>, delivered: Option<&str>) -> String {
        let wanted = Wanted { asked: asked.map(day), last_run: last_run.map(day) };
        wanted.night(day("2026-11-27"), delivered.map(day)).to_string()
    }

    #[test]
    fn exports_that_end_long_ago_are_judged_as_of_their_end() {
        assert_eq!(night(None, None, Some("2026-06-30")), "2026-06-30");
        assert_eq!(night(None, Some("2026-06-30"), Some("2026-06-30")), "2026-06-30");
    }

    #[test]
    fn a_shop_whose_exports_stopped_is_told_as_long_as_it_runs_its_nights() {
        assert_eq!(night(None, Some("2026-11-26"), Some("2026-06-30")), "2026-11-27");
    }

    #[test]
    fn exports_that_stopped_a_few_days_ago_are_missed_tonight() {
        assert_eq!(night(None, None, Some("2026-11-20")), "2026-11-27");
        assert_eq!(night(None, Some("2026-11-21"), Some("2026-11-22")), "2026-11-27");
    }

    #[test]
    fn the_night_that_is_asked_for_is_looked_at() {
        assert_eq!(night(Some("2026-07-01"), Some("2026-06-30"), None), "2026-07-01");
        assert_eq!(night(None, None, None), "2026-11-27");
    }
}
