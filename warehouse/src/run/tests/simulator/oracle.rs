//! What the rows of every table have to be, worked out from the rows of bronze.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::exports::cents;
use super::project::{Design, Kind, Model};
use super::reader::Row;

/// Nights that a release may be for, with those that its histories have seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Moment {
    pub night: NaiveDate,
    /// By history.
    pub observed: BTreeMap<String, BTreeSet<NaiveDate>>,
}

/// Bronze of all sources.
pub(super) type Bronze = BTreeMap<String, Vec<Row>>;

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

fn amount(row: &Row) -> Option<i64> {
    let amount = row.get("amount")?;
    amount.replace('.', "").parse().ok()
}

fn day(row: &Row) -> String {
    text(row, "at").chars().take(10).collect()
}

fn row<const N: usize>(values: [(&str, Option<String>); N]) -> Row {
    values.into_iter().filter_map(|(column, value)| Some((column.to_owned(), value?))).collect()
}

/// The rows in one order.
pub(super) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// The rows of a table.
pub(super) fn expected(design: &Design, model: &Model, bronze: &Bronze, moment: &Moment) -> Vec<Row> {
    let source = &design.sources[model.source];
    let night = moment.night.to_string();
    let all = bronze.get(&source.table()).map_or(&[][..], Vec::as_slice);
    let sees = |row: &&Row, night: &str| text(row, "_night") <= night && (!source.waits || day(row).as_str() <= night);
    let visible: Vec<&Row> = all.iter().filter(|row| sees(row, &night)).collect();
    let rows = match model.kind {
        Kind::Daily => sums(&visible, "day", day, true),
        Kind::Days => sums(&visible, "day", day, false),
        Kind::Window => visible
            .iter()
            .map(|found| {
                let copy = |column: &str| found.get(column).cloned();
                row([
                    ("id", copy("id")),
                    ("day", Some(day(found))),
                    ("amount", copy("amount")),
                    ("ratio", copy("ratio")),
                    ("note", copy("note")),
                    ("delivered_on", copy("_night")),
                ])
            })
            .collect(),
        Kind::Latest => latest(&visible),
        Kind::Trailing => trailing(&visible, moment.night),
        Kind::History => {
            let none = BTreeSet::new();
            let observed = moment.observed.get(&model.table).unwrap_or(&none);
            let seen_at = |night: &NaiveDate| {
                let night = night.to_string();
                all.iter().filter(move |row| text(row, "_night") == night && sees(row, &night)).collect::<Vec<_>>()
            };
            history(&observed.iter().map(|night| (*night, seen_at(night))).collect::<Vec<_>>())
        }
        Kind::Total => {
            let over = design.models.iter().find(|other| Some(&other.table) == model.over.as_ref()).unwrap();
            let below = expected(design, over, bronze, moment);
            sums(&below.iter().collect::<Vec<_>>(), "delivered_on", |row| text(row, "delivered_on").to_owned(), false)
        }
    };
    sorted(rows)
}

fn sums(rows: &[&Row], by: &str, key: impl Fn(&Row) -> String, least: bool) -> Vec<Row> {
    let mut groups: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(amount(row));
    }
    let of = |(value, amounts): (String, Vec<Option<i64>>)| {
        let known: Vec<i64> = amounts.iter().flatten().copied().collect();
        row([
            (by, Some(value)),
            ("least", known.iter().min().filter(|_| least).map(|least| cents(*least))),
            ("amount", (!known.is_empty()).then(|| cents(known.iter().sum()))),
            ("n", Some(amounts.len().to_string())),
        ])
    };
    groups.into_iter().map(of).collect()
}

/// Of each day from the first delivery to the night what was delivered on it and on the two before it, if anything.
fn trailing(rows: &[&Row], night: NaiveDate) -> Vec<Row> {
    let delivered = |row: &Row| -> NaiveDate { text(row, "_night").parse().unwrap() };
    let days = |row: &&&Row| delivered(row).iter_days().take(3).filter(move |day| *day <= night);
    let seen = rows.iter().flat_map(|found| days(&found).map(|day| (day.to_string(), *found)).collect::<Vec<_>>());
    let first = rows.iter().map(|found| delivered(found)).min();
    let all = first.into_iter().flat_map(|first| first.iter_days().take_while(|day| *day <= night));
    let mut by_day: BTreeMap<String, Vec<&Row>> = all.map(|day| (day.to_string(), Vec::new())).collect();
    for (day, found) in seen {
        by_day.entry(day).or_default().push(found);
    }
    let sum = |(day, rows): (String, Vec<&Row>)| match rows.is_empty() {
        true => vec![row([("delivered_on", Some(day)), ("n", Some("0".to_owned()))])],
        false => sums(&rows, "delivered_on", |_| day.clone(), false),
    };
    by_day.into_iter().flat_map(sum).collect()
}

fn latest(rows: &[&Row]) -> Vec<Row> {
    let mut newest: BTreeMap<&str, &Row> = BTreeMap::new();
    for found in rows {
        let rank = |row: &Row| (text(row, "_night").to_owned(), text(row, "note").to_owned());
        let held = newest.entry(text(found, "id")).or_insert(found);
        if rank(found) > rank(held) {
            *held = found;
        }
    }
    let stays = newest.into_values().filter(|found| text(found, "gone") != "true");
    stays
        .map(|found| {
            let copy = |column: &str| found.get(column).cloned();
            row([
                ("id", copy("id")),
                ("amount", copy("amount")),
                ("ratio", copy("ratio")),
                ("note", copy("note")),
                ("gone", copy("gone")),
                ("delivered_on", copy("_night")),
            ])
        })
        .collect()
}

/// A state of a history: its columns but the key. Some are NULL for some keys, and change one without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    amount: Option<i64>,
    is_high: bool,
    gone: bool,
}

/// The states of each key by observed night, those that follow each other as one.
fn history(nights: &[(NaiveDate, Vec<&Row>)]) -> Vec<Row> {
    let states: Vec<BTreeMap<&str, State>> = nights
        .iter()
        .map(|(_, rows)| {
            let mut states: BTreeMap<&str, State> = BTreeMap::new();
            for found in rows {
                let held = states.entry(text(found, "id")).or_default();
                held.amount = held.amount.max(amount(found));
                held.is_high |= text(found, "ratio").parse().is_ok_and(|ratio: f64| ratio >= 4.0);
                held.gone |= text(found, "gone") == "true";
            }
            states
        })
        .collect();
    let keys: BTreeSet<&str> = states.iter().flat_map(|state| state.keys().copied()).collect();
    let mut rows = Vec::new();
    for key in keys {
        let mut at = 0;
        while at < states.len() {
            let Some(state) = states[at].get(key) else {
                at += 1;
                continue;
            };
            let first = at;
            while at < states.len() && states[at].get(key) == Some(state) {
                at += 1;
            }
            rows.push(row([
                ("id", Some(key.to_owned())),
                ("amount", state.amount.map(cents)),
                ("level", state.is_high.then(|| "high".to_owned())),
                ("gone", Some(state.gone.to_string())),
                ("valid_from", Some(nights[first].0.to_string())),
                ("valid_to", nights.get(at).map(|(night, _)| night.to_string())),
            ]));
        }
    }
    rows
}

/// Whether the days of a table are all in the one that an audit compares it with.
pub(super) fn agree(days: &[Row], beside: &[Row]) -> bool {
    let there: BTreeSet<&str> = beside.iter().map(|row| text(row, "day")).collect();
    days.iter().all(|row| there.contains(text(row, "delivered_on")))
}

/// Whether the audits of a table that ask nothing of others pass.
pub(super) fn passes(model: &Model, rows: &[Row]) -> bool {
    let column = match model.kind {
        Kind::Daily => "least",
        Kind::Window | Kind::Latest => "amount",
        Kind::Days | Kind::History | Kind::Trailing | Kind::Total => return true,
    };
    !rows.iter().any(|row| text(row, column).starts_with('-'))
}
