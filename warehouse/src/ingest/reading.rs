//! How files were read: what of a contract decides the values that their rows have in bronze. A contract that is mended
//! changes nothing that is loaded, so the ledger remembers it of each delivery.
//!
//! Which rows fit (`required`, `tolerance`) is not of it: what did not is in quarantine, and tried again from there. Nor
//! is a column that only one of two contracts has.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::discover::RawFile;
use super::ledger::{DeliveryRecord, Ledger};
use crate::identity::word_of;
use crate::project::contract::{Contract, Format, FormatKind};
use crate::project::types::ColumnType;

/// Keys of `format` that change no value, only whether a file can be read.
const NO_VALUE: [&str; 2] = ["compression", "max_unpack_ratio"];
/// Keys of `format` whose patterns are tried in order: one more behind the others changes no value that was read.
const IN_ORDER: [&str; 2] = ["date_formats", "timestamp_formats"];
/// Nights for which a run tells of deliveries that were read otherwise: an export may have changed with its contract.
const TOLD_FOR: Days = Days::new(7);

/// How files are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The last night of a run that read a file so.
    pub last: NaiveDate,
    /// Of moments that are written without an offset; none where no column has a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    format: BTreeMap<String, Value>,
    columns: BTreeMap<String, ReadColumn>,
}

/// A column, by its place in the file and its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReadColumn {
    from: String,
    #[serde(rename = "type")]
    kind: ColumnType,
}

impl ReadColumn {
    /// Whether every value of a column that was read as another is the one that this gives.
    fn gives_all_of(&self, before: &Self) -> bool {
        // A moment that was read as its day has lost its time.
        let is_moment = self.kind == ColumnType::Timestamp && before.kind == ColumnType::Date;
        self.from == before.from && self.kind.holds(before.kind) && !is_moment
    }
}

impl Reading {
    /// What a contract says now.
    pub fn of(contract: &Contract, project: Tz, night: NaiveDate) -> Self {
        let spec = &contract.spec;
        let has_time = |kind: ColumnType| matches!(kind, ColumnType::Date | ColumnType::Timestamp);
        let has_times = spec.columns.iter().any(|column| has_time(column.kind.value));
        let zone = spec.time_zone.as_ref().map_or(project, |zone| zone.value.0);
        let by_name = spec.format.names_columns() || spec.format.kind == FormatKind::Jsonl;
        let columns = (1..).zip(&spec.columns).map(|(place, column)| {
            let from = if by_name { column.name_in_file().to_owned() } else { format!("#{place}") };
            (column.name.value.clone(), ReadColumn { from, kind: column.kind.value })
        });
        Self {
            last: night,
            time_zone: has_times.then(|| zone.name().to_owned()),
            format: deciding(&spec.format),
            columns: columns.collect(),
        }
    }

    /// One word for it, whenever it was used.
    pub fn word(&self) -> String {
        word_of([json!([self.time_zone, self.format, self.columns]).to_string()])
    }

    /// What of a contract says something else now than when values were read so before.
    fn differs_from(&self, before: &Self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if let (Some(now), Some(then)) = (&self.time_zone, &before.time_zone)
            && now != then
        {
            found.insert("`time_zone`".to_owned());
        }
        for (key, now) in &self.format {
            if before.format.get(key).is_some_and(|then| now != then && !adds_to(key, then, now)) {
                found.insert(format!("`{key}`"));
            }
        }
        for (name, now) in &self.columns {
            if before.columns.get(name).is_some_and(|then| !now.gives_all_of(then)) {
                found.insert(format!("column `{name}`"));
            }
        }
        found
    }
}

fn deciding(format: &Format) -> BTreeMap<String, Value> {
    let Ok(Value::Object(keys)) = serde_json::to_value(format) else { return BTreeMap::new() };
    keys.into_iter().filter(|(key, _)| !NO_VALUE.contains(&key.as_str())).collect()
}

/// Whether patterns were only added behind those there were.
fn adds_to(key: &str, then: &Value, now: &Value) -> bool {
    match (then.as_array(), now.as_array()) {
        (Some(then), Some(now)) => IN_ORDER.contains(&key) && !then.is_empty() && now.starts_with(then),
        _ => false,
    }
}

/// Loaded deliveries that the contract would read otherwise now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOtherwise {
    pub deliveries: usize,
    /// What of the contract says something else.
    pub differs: BTreeSet<String>,
    pub news: News,
}

/// Whether a run still tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Yes,
    No,
    /// No delivery was read since, so that the ledger does not say when the contract changed: for as long as since the
    /// night that was the first to find it so, by the word of what the contract says.
    ByFirst {
        word: String,
    },
}

/// Whether a night still tells of what was so at a night before.
pub fn is_told(since: NaiveDate, night: NaiveDate) -> bool {
    since.checked_add_days(TOLD_FOR).is_none_or(|last| night <= last)
}

/// Finds, among the listed files that a night sees, those that were read otherwise than the contract says.
pub fn read_otherwise(
    contract: &Contract,
    project: Tz,
    files: &[RawFile],
    ledger: &Ledger,
    night: NaiveDate,
) -> Option<ReadOtherwise> {
    let now = Reading::of(contract, project, night);
    let differs: BTreeMap<&str, BTreeSet<String>> = ledger
        .readings
        .iter()
        .map(|(word, before)| (word.as_str(), now.differs_from(before)))
        .filter(|(_, differs)| !differs.is_empty())
        .collect();
    if differs.is_empty() {
        return None;
    }
    let is_there = |record: &&DeliveryRecord| files.binary_search_by(|file| file.path.cmp(&record.path)).is_ok();
    let loaded = ledger.loaded().filter(|record| record.night <= night).filter(is_there);
    let found: Vec<&BTreeSet<String>> = loaded.filter_map(|record| differs.get(record.reading.as_deref()?)).collect();
    if found.is_empty() {
        return None;
    }
    let is_otherwise =
        |record: &DeliveryRecord| record.reading.as_deref().is_some_and(|word| differs.contains_key(word));
    let last = ledger.readings.iter().filter(|(word, _)| differs.contains_key(word.as_str()));
    let last = last.map(|(_, reading)| reading.last).max();
    let news = match last.is_none_or(|last| is_told(last, night)) {
        true => News::Yes,
        false if ledger.loaded().last().is_some_and(is_otherwise) => News::ByFirst { word: now.word() },
        false => News::No,
    };
    Some(ReadOtherwise { deliveries: found.len(), differs: found.into_iter().flatten().cloned().collect(), news })
}

impl ReadOtherwise {
    /// For `plan` and the log.
    pub fn told(&self, contract: &Contract, night: NaiveDate) -> String {
        let deliveries = match self.deliveries {
            1 => "1 delivery was".to_owned(),
            count => format!("{count} deliveries were"),
        };
        let differs: Vec<&str> = self.differs.iter().map(String::as_str).collect();
        format!(
            "{deliveries} read with other settings of the contract ({}): `buho ingest --night {night} --select {} --full-refresh` loads them anew; where the export itself changed, they are right as they are",
            differs.join(", "),
            contract.table
        )
    }
}
