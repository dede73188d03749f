//! When a source is late or thin, and what follows.

use chrono::{Days, NaiveDateTime, Utc};

use super::support::*;
use crate::ingest::*;
use crate::project::contract::{Contract, Missing};

fn expecting(expect: &str) -> Contract {
    columns(&format!("path: 'o_{{date:%Y-%m-%d}}.csv'\nexpect: {expect}"), &["id BIGINT"])
}

fn ledger(rows: &[(&str, u64)]) -> Ledger {
    let deliveries = rows.iter().zip(1..).map(|((night, rows), number)| DeliveryRecord {
        number,
        path: format!("o_{night}.csv"),
        size: 1,
        etag: None,
        modified: chrono::DateTime::<Utc>::UNIX_EPOCH,
        content: String::new(),
        date: Some(date(night)),
        night: date(night),
        rows: *rows,
        quarantined: 0,
        state: DeliveryState::Loaded,
        reading: None,
    });
    Ledger { deliveries: deliveries.collect(), numbered: rows.len() as i64, ..Ledger::default() }
}

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn check(expect: &str, rows: &[(&str, u64)], night: &str, now: &str) -> Freshness {
    freshness(&expecting(expect), &ledger(rows), date(night), at(now)).unwrap()
}

#[test]
fn what_came_for_the_night_is_fresh_and_what_did_not_is_late() {
    let found = check("{ every: 1 day, missing: hold }", &[("2024-01-05", 10)], "2024-01-05", "2024-01-06 09:00");
    assert_eq!((found.state, found.action), (FreshnessState::Fresh { last: date("2024-01-05") }, None));
    let found = check("{ every: 1 day, missing: hold }", &[("2024-01-05", 10)], "2024-01-06", "2024-01-07 09:00");
    assert_eq!((found.state, found.action), (FreshnessState::Late { last: date("2024-01-05") }, Some(Missing::Hold)));
    assert!(
        found.message.contains("nothing for 2024-01-06") && found.message.contains("2024-01-05"),
        "{}",
        found.message
    );
    let found = check("{ every: 1 week }", &[("2024-01-05", 10)], "2024-01-11", "2024-01-12 09:00");
    assert_eq!(found.action, None);
    let found = check("{ every: 1 month }", &[("2024-01-31", 10)], "2024-02-29", "2024-03-01 09:00");
    assert_eq!(found.state, FreshnessState::Late { last: date("2024-01-31") });
}

#[test]
fn what_never_came_is_missing_and_a_later_night_does_not_count() {
    let found = check("{ every: 1 day, missing: fail }", &[("2024-01-05", 10)], "2024-01-04", "2024-01-06 09:00");
    assert_eq!((found.state, found.action), (FreshnessState::Never, Some(Missing::Fail)));
    assert!(found.message.contains("o_{date:%Y-%m-%d}.csv"), "{}", found.message);
}

#[test]
fn before_its_hour_nothing_is_late() {
    let rows = [("2024-01-05", 10)];
    let expect = "{ every: 1 day, by: '06:00' }";
    let found = check(expect, &rows, "2024-01-06", "2024-01-07 05:59");
    assert_eq!(found.state, FreshnessState::NotDue { last: Some(date("2024-01-05")), due: at("2024-01-07 06:00") });
    assert_eq!(found.action, None);
    assert_eq!(check(expect, &rows, "2024-01-06", "2024-01-07 06:00").action, Some(Missing::Warn));
}

#[test]
fn fewer_rows_than_the_share_of_the_usual_are_thin() {
    let start = date("2024-01-01");
    let nights: Vec<String> = (0..10).map(|n| (start + Days::new(n)).to_string()).collect();
    let mut rows: Vec<(&str, u64)> = nights.iter().map(|night| (night.as_str(), 100)).collect();
    rows[3].1 = 100_000;
    rows[9].1 = 49;
    let expect = "{ every: 1 day, rows: 0.5 }";
    let found = check(expect, &rows, "2024-01-10", "2024-01-11 09:00");
    assert_eq!((found.state, found.action), (FreshnessState::Thin { rows: 49, usual: 100 }, Some(Missing::Warn)));
    assert!(found.message.contains("49 rows") && found.message.contains("50 %"), "{}", found.message);
    rows[9].1 = 50;
    assert_eq!(check(expect, &rows, "2024-01-10", "2024-01-11 09:00").action, None);
    assert_eq!(check(expect, &rows[7..], "2024-01-10", "2024-01-11 09:00").action, None, "two nights tell no usual");
}

#[test]
fn what_cannot_be_read_is_told_with_its_field() {
    for (expect, field) in [("{ every: often }", "expect.every"), ("{ every: 1 day, by: noon }", "expect.by")] {
        let error = freshness(&expecting(expect), &Ledger::default(), date("2024-01-01"), at("2024-01-02 00:00"));
        let error = error.err().unwrap();
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(error.kind(), crate::error::ErrorKind::User);
    }
}

#[test]
fn a_delivery_that_is_missing_or_thin_is_told_of_for_a_week_or_until_it_comes_again() {
    let doubtful = |rows: &[(&str, u64)], night: &str| {
        doubtful(&expecting("{ every: 1 day, rows: 0.5, missing: hold }"), &ledger(rows), date(night)).unwrap()
    };
    let rows = [
        ("2024-01-01", 10),
        ("2024-01-02", 10),
        ("2024-01-03", 10),
        ("2024-01-04", 3),
        ("2024-01-06", 10),
        ("2024-01-07", 10),
    ];
    let found = doubtful(&rows, "2024-01-07");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("for 2024-01-04 has 3 rows, less than 50 % of the usual 10"), "{found:?}");
    assert!(found[1].contains("nothing was delivered for 2024-01-05"), "{found:?}");
    // A night before that tells of its own past alone, and a week later nobody is told any more.
    assert!(doubtful(&rows, "2024-01-03").is_empty());
    assert!(doubtful(&rows, "2024-01-13").is_empty());
    let mended: Vec<(&str, u64)> = rows.iter().copied().chain([("2024-01-05", 10), ("2024-01-04", 7)]).collect();
    assert!(doubtful(&mended, "2024-01-07").is_empty());
    // A week that begins a day late, and the ends of months.
    let every = |every: &str, rows: &[(&str, u64)], night: &str| {
        super::super::doubtful(&expecting(&format!("{{ every: {every} }}")), &ledger(rows), date(night)).unwrap()
    };
    let (weekly, monthly) = ([("2024-01-01", 1), ("2024-01-09", 1)], [("2024-02-29", 1), ("2024-03-31", 1)]);
    assert_eq!(every("1 week", &weekly, "2024-01-10"), [""; 0]);
    assert_eq!(every("1 month", &monthly, "2024-04-01"), [""; 0]);
    assert_eq!(every("1 week", &[("2024-01-01", 1), ("2024-01-16", 1)], "2024-01-12"), [""; 0]);
    assert_eq!(every("1 week", &[("2024-01-02", 1), ("2024-01-16", 1)], "2024-01-16").len(), 1);
    // The newest one is for `freshness` to judge.
    assert!(doubtful(&rows[..4], "2024-01-04").is_empty());
}
