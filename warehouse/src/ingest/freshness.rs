//! Whether a source came when and as full as its contract expects.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate, NaiveDateTime, NaiveTime};

use super::error::IngestError;
use super::ledger::{DeliveryState, Ledger};
use crate::plain::counted;
use crate::project::contract::{Contract, Expect, Missing};

/// Nights before the newest whose median is the usual number of rows.
const USUAL_NIGHTS: usize = 14;
/// Days for which a delivery that is missing or thin is told of after its night.
const TOLD_FOR: u64 = 7;
/// Fewer nights than this tell nothing about what is usual.
const FEWEST_NIGHTS: usize = 3;

/// What `expect` says about a source at a night.
#[derive(Debug, Clone, PartialEq)]
pub struct Freshness {
    pub state: FreshnessState,
    /// What follows; `None` where nothing does.
    pub action: Option<Missing>,
    /// For `plan`, `ops.sources` and the log.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FreshnessState {
    /// Nothing is expected of it.
    Unwatched,
    Fresh {
        last: NaiveDate,
    },
    /// Not there, and not due before `due` (project's zone).
    NotDue {
        last: Option<NaiveDate>,
        due: NaiveDateTime,
    },
    /// Something came once, but not for this night.
    Late {
        last: NaiveDate,
    },
    /// Nothing came at all up to this night.
    Never,
    /// It came, with fewer rows than its share of the usual.
    Thin {
        rows: u64,
        usual: u64,
    },
}

/// A step of the calendar: `1 day`, `2 weeks`, `1 month`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Days(u64),
    Months(u32),
}

/// Check a source after (or before) its load.
///
/// `now` is the wall clock of the project's zone, given by the caller so that this is a function.
/// A delivery with no rows counts as delivered; whether it is thin, `rows` decides.
///
/// # Errors
/// [`IngestError::Contract`] where `every` or `by` cannot be read.
pub fn freshness(
    contract: &Contract,
    ledger: &Ledger,
    night: NaiveDate,
    now: NaiveDateTime,
) -> Result<Freshness, IngestError> {
    let Some(expect) = &contract.spec.expect else {
        return Ok(Freshness {
            state: FreshnessState::Unwatched,
            action: None,
            message: format!("{}: nothing is expected", contract.name),
        });
    };
    let every = parse_every(contract, expect)?;
    let due = due(contract, expect, night)?;
    let by_night = rows_by_night(ledger, night);
    let state = state(expect, every, due, now, &by_night, night);
    Ok(describe(contract, expect, night, state))
}

/// What is doubtful about deliveries before the newest one, up to a week back: one that is missing, or has few rows.
/// What was held for it goes out with the next delivery, so it is told of until it is delivered again.
///
/// # Errors
/// As [`freshness`].
pub fn doubtful(contract: &Contract, ledger: &Ledger, night: NaiveDate) -> Result<Vec<String>, IngestError> {
    let Some(expect) = &contract.spec.expect else { return Ok(Vec::new()) };
    let every = parse_every(contract, expect)?;
    let by_night = rows_by_night(ledger, night);
    let Some((&newest, _)) = by_night.last_key_value() else { return Ok(Vec::new()) };
    let since = night.checked_sub_days(Days::new(TOLD_FOR)).unwrap_or(NaiveDate::MIN);
    let name = &contract.name;
    let mut found = Vec::new();
    for ((&before, _), (&night, &rows)) in by_night.iter().zip(by_night.iter().skip(1)) {
        let missing = std::iter::successors(Some(every.after(before)), |missing| Some(every.after(*missing)));
        // One that comes late is none that is missing: a whole step fits between.
        let is_missing = |missing: &NaiveDate| every.after(*missing) <= night;
        for missing in missing.take_while(is_missing).filter(|missing| *missing >= since) {
            found.push(format!(
                "{name}: nothing was delivered for {missing}, and what came since is built without it; ask for the files `{}`",
                contract.spec.path.as_str()
            ));
        }
        let thin =
            expect.rows.zip(usual(&by_night, night)).filter(|(share, usual)| (rows as f64) < share * *usual as f64);
        if let Some((share, usual)) = thin.filter(|_| night < newest && night >= since) {
            found.push(format!(
                "{name}: the delivery for {night} has {}, less than {} % of the usual {usual}, and what came since is built with it; ask for it again",
                counted(rows, "row"),
                (share * 100.0).round()
            ));
        }
    }
    Ok(found)
}

fn state(
    expect: &Expect,
    every: Every,
    due: Option<NaiveDateTime>,
    now: NaiveDateTime,
    by_night: &BTreeMap<NaiveDate, u64>,
    night: NaiveDate,
) -> FreshnessState {
    let Some((&last, &rows)) = by_night.last_key_value() else {
        return match due {
            Some(due) if now < due => FreshnessState::NotDue { last: None, due },
            _ => FreshnessState::Never,
        };
    };
    if every.after(last) <= night {
        return match due {
            Some(due) if now < due => FreshnessState::NotDue { last: Some(last), due },
            _ => FreshnessState::Late { last },
        };
    }
    match (expect.rows, usual(by_night, last)) {
        (Some(share), Some(usual)) if (rows as f64) < share * usual as f64 => FreshnessState::Thin { rows, usual },
        _ => FreshnessState::Fresh { last },
    }
}

fn describe(contract: &Contract, expect: &Expect, night: NaiveDate, state: FreshnessState) -> Freshness {
    let name = &contract.name;
    let every = expect.every.as_str();
    let path = contract.spec.path.as_str();
    let message = match &state {
        FreshnessState::Unwatched => format!("{name}: nothing is expected"),
        FreshnessState::Fresh { last } => format!("{name}: delivered for {last}"),
        FreshnessState::NotDue { last: Some(last), due } => {
            format!("{name}: nothing for {night} yet, due by {due}; the last delivery is of {last}")
        }
        FreshnessState::NotDue { last: None, due } => format!("{name}: nothing yet, due by {due}"),
        FreshnessState::Late { last } => format!(
            "{name}: nothing for {night}; expected every {every}, the last delivery is of {last}; ask for the files `{path}`"
        ),
        FreshnessState::Never => {
            format!("{name}: nothing was ever delivered up to {night}; no file is `{path}` below the raw location")
        }
        FreshnessState::Thin { rows, usual } => format!(
            "{name}: {}, less than {} % of the usual {usual}; the delivery may be incomplete: ask for it again",
            counted(*rows, "row"),
            (expect.rows.unwrap_or(0.0) * 100.0).round()
        ),
    };
    let fine =
        matches!(state, FreshnessState::Fresh { .. } | FreshnessState::NotDue { .. } | FreshnessState::Unwatched);
    Freshness { state, action: (!fine).then_some(expect.missing), message }
}

/// Rows by night up to `night`; a skipped twin counts as delivered, with no rows of its own.
fn rows_by_night(ledger: &Ledger, night: NaiveDate) -> BTreeMap<NaiveDate, u64> {
    let mut by_night = BTreeMap::new();
    for record in &ledger.deliveries {
        if record.night <= night && !matches!(record.state, DeliveryState::Replaced { .. }) {
            *by_night.entry(record.night).or_insert(0) += record.rows;
        }
    }
    by_night
}

/// The median of the nights before `last`, the lower of the two middle ones.
fn usual(by_night: &BTreeMap<NaiveDate, u64>, last: NaiveDate) -> Option<u64> {
    let mut rows: Vec<u64> = by_night.range(..last).rev().take(USUAL_NIGHTS).map(|(_, rows)| *rows).collect();
    if rows.len() < FEWEST_NIGHTS {
        return None;
    }
    rows.sort_unstable();
    rows.get((rows.len() - 1) / 2).copied()
}

impl Every {
    fn after(self, last: NaiveDate) -> NaiveDate {
        match self {
            Self::Days(days) => last.checked_add_days(Days::new(days)),
            Self::Months(months) => last.checked_add_months(Months::new(months)),
        }
        .unwrap_or(NaiveDate::MAX)
    }
}

fn parse_every(contract: &Contract, expect: &Expect) -> Result<Every, IngestError> {
    let text = expect.every.trim();
    let (count, unit) = text.split_once(' ').unwrap_or(("1", text));
    let unit = unit.trim().trim_end_matches('s');
    let every = match (count.trim().parse::<u32>(), unit) {
        (Ok(n @ 1..), "day") => Some(Every::Days(u64::from(n))),
        (Ok(n @ 1..), "week") => Some(Every::Days(7 * u64::from(n))),
        (Ok(n @ 1..), "month") => Some(Every::Months(n)),
        _ => None,
    };
    every.ok_or_else(|| IngestError::Contract {
        contract: format!("{}:{}", contract.file, expect.every.line),
        field: "expect.every".to_owned(),
        found: text.to_owned(),
        reason: "is not a step of the calendar; write `1 day`, `2 weeks` or `1 month`".to_owned(),
    })
}

/// `by` on the day after the night; a night is over at midnight.
fn due(contract: &Contract, expect: &Expect, night: NaiveDate) -> Result<Option<NaiveDateTime>, IngestError> {
    let Some(by) = &expect.by else { return Ok(None) };
    let time = NaiveTime::parse_from_str(by, "%H:%M").map_err(|_| IngestError::Contract {
        contract: format!("{}:{}", contract.file, by.line),
        field: "expect.by".to_owned(),
        found: by.value.clone(),
        reason: "is not a time of day; write `06:00`".to_owned(),
    })?;
    Ok(night.checked_add_days(Days::new(1)).map(|day| day.and_time(time)))
}
