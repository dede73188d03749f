//! The night of which the doctor asks whether its deliveries are there.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio::time::timeout;
use warehouse::error::ErrorKind;
use warehouse::run::last_runs;
use warehouse::table::Lake;

use super::PATIENCE;
use super::findings::Findings;

/// Nights without a run and without a delivery after which nobody runs nights any more, or not yet: then what there
/// is was not made to be run tonight.
const LONG_AGO: Days = Days::new(7);
/// Runs among which the one of the highest night is: older nights are run again now and then.
const RUNS: usize = 20;
/// How many times longer than any break before it a silence is that is none of them.
const UNUSUAL: i64 = 2;

/// What decides on the night.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub asked: Option<NaiveDate>,
    pub habit: Habit,
}

/// What the last runs tell of when nights are run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habit {
    /// The highest night that was run of late, however it ended.
    last: Option<NaiveDate>,
    /// Days between two nights that were run as they came, at most; none where nobody does that.
    longest_break: Option<i64>,
}

impl Habit {
    /// Of a lake; what cannot be read tells nothing.
    pub async fn of(lake: &Lake, now: DateTime<Utc>) -> Self {
        match timeout(PATIENCE, last_runs(lake, RUNS, now)).await {
            Ok(Ok(runs)) => Self::of_runs(runs.iter().map(|run| (run.night, run.started_at.date_naive()))),
            _ => Self::default(),
        }
    }

    /// Of nights and the days on which they were run. A history that is run at once, in a day, makes no habit.
    fn of_runs(runs: impl IntoIterator<Item = (NaiveDate, NaiveDate)>) -> Self {
        let runs: Vec<(NaiveDate, NaiveDate)> = runs.into_iter().collect();
        let came = |(night, day): &&(NaiveDate, NaiveDate)| night.checked_add_days(LONG_AGO) >= Some(*day);
        let nights: BTreeSet<NaiveDate> = runs.iter().filter(came).map(|(night, _)| *night).collect();
        let days: BTreeSet<NaiveDate> = runs.iter().filter(came).map(|(_, day)| *day).collect();
        let breaks = nights.iter().zip(nights.iter().skip(1)).map(|(before, after)| (*after - *before).num_days());
        Self {
            last: runs.iter().map(|(night, _)| *night).max(),
            longest_break: breaks.max().filter(|_| days.len() > 1),
        }
    }

    /// The last night and the days since, where nights used to be run as they came and are not any more.
    fn broken(&self, default: NaiveDate) -> Option<(NaiveDate, i64)> {
        let last = self.last?;
        let silence = (default - last).num_days();
        (silence > UNUSUAL * self.longest_break?).then_some((last, silence))
    }

    /// Says where nights are not run any more. For days that is worth a look; after that nobody may be there to look,
    /// and what changed from night to night is not in any history.
    pub fn tell(&self, findings: &mut Findings, default: NaiveDate) {
        let Some((last, silence)) = self.broken(default) else { return };
        let first = last.succ_opt().unwrap_or(last);
        let text = format!(
            "no night was run for {silence} days, the last was {last} — see that what starts `buho run` is at work, then `buho backfill --from {first} --to {default}` runs what was missed"
        );
        match last.checked_add_days(LONG_AGO).is_some_and(|then| then < default) {
            true => findings.problem(ErrorKind::User, "runs", text),
            false => findings.note("runs", text),
        }
    }
}

impl Wanted {
    /// The night that is asked for, or else the one that `buho run` takes: a shop whose exports stopped is told so
    /// every night, also once its runs stopped too. Where nothing was run or delivered for long, and nights were not
    /// run as they came, it is the newest that something was for.
    pub fn night(&self, default: NaiveDate, last_delivered: Option<NaiveDate>) -> NaiveDate {
        if let Some(asked) = self.asked {
            return asked;
        }
        match self.habit.last.max(last_delivered) {
            _ if self.habit.broken(default).is_some() => default,
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

    /// The night that is looked at where the last night that was run was run later, all of them at once.
    fn night(asked: Option<&str>, last_run: Option<&str>, delivered: Option<&str>) -> String {
        let habit = Habit::of_runs(last_run.map(|night| (day(night), day("2026-11-28"))));
        Wanted { asked: asked.map(day), habit }.night(day("2026-11-27"), delivered.map(day)).to_string()
    }

    /// What is said on a day of a lake whose nights were each run the next morning.
    fn told(nights: &[&str], default: &str) -> (Option<ErrorKind>, String) {
        let habit = Habit::of_runs(nights.iter().map(|night| (day(night), day(night).succ_opt().unwrap())));
        let mut findings = Findings::default();
        habit.tell(&mut findings, day(default));
        (findings.worst(), findings.to_string())
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

    #[test]
    fn a_shop_whose_runs_stopped_with_its_exports_is_told_of_both() {
        let nights = ["2026-06-28", "2026-06-29", "2026-06-30"];
        let (worst, said) = told(&nights, "2026-07-20");
        assert_eq!(worst, Some(ErrorKind::User));
        assert!(said.contains("no night was run for 20 days, the last was 2026-06-30"), "{said}");
        assert!(said.contains("`buho backfill --from 2026-07-01 --to 2026-07-20`"), "{said}");
        let habit = Habit::of_runs(nights.map(|night| (day(night), day(night).succ_opt().unwrap())));
        let wanted = Wanted { asked: None, habit };
        assert_eq!(wanted.night(day("2026-07-20"), Some(day("2026-06-30"))), day("2026-07-20"));
    }

    #[test]
    fn a_few_missed_nights_are_worth_a_look_and_the_usual_break_is_not() {
        let (worst, said) = told(&["2026-06-28", "2026-06-29", "2026-06-30"], "2026-07-03");
        assert_eq!(worst, None);
        assert!(said.contains("! runs"), "{said}");
        assert!(!told(&["2026-06-28", "2026-06-29", "2026-06-30"], "2026-07-02").1.contains("runs  "));
        assert!(!told(&["2026-04-30", "2026-05-31"], "2026-07-20").1.contains("runs  "), "a run a month");
    }

    #[test]
    fn a_history_that_was_run_at_once_makes_no_habit() {
        let at_once = ["2026-06-28", "2026-06-29", "2026-06-30"].map(|night| (day(night), day("2026-07-01")));
        assert_eq!(Habit::of_runs(at_once).broken(day("2026-07-20")), None);
        let long_after = [("2026-06-29", "2026-11-01"), ("2026-06-30", "2026-11-02")];
        let habit = Habit::of_runs(long_after.map(|(night, run)| (day(night), day(run))));
        assert_eq!(habit.broken(day("2026-11-27")), None);
    }
}
