//! What a source has loaded so far; stored as JSON beside each bronze commit.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::discover::RawFile;
use super::reading::Reading;

/// Every delivery of one source, in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub deliveries: Vec<DeliveryRecord>,
    /// Deliveries numbered so far: the next one gets `numbered + 1`.
    pub numbered: i64,
    /// The first night of which a file had a column, by its name in the contract; of columns that files name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, NaiveDate>,
    /// How deliveries were read, by the word that their records have for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<String, Reading>,
}

/// One delivery: a content under a name, and the night it belongs to for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    pub number: i64,
    /// Path below the raw location.
    pub path: String,
    /// Bytes, as stored.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub modified: DateTime<Utc>,
    /// blake3 of the bytes as stored, in hex.
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    pub night: NaiveDate,
    /// Rows in bronze.
    pub rows: u64,
    pub quarantined: u64,
    pub state: DeliveryState,
    /// How it was read, among the ledger's `readings`; not known of what earlier versions loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Its rows are in bronze.
    Loaded,
    /// Its content was already there, as delivery `twin`.
    Skipped { twin: i64 },
    /// The file was delivered again with another content, as delivery `by`.
    Replaced { by: i64 },
}

impl DeliveryRecord {
    /// Whether a listed file is, as far as a listing can tell, this delivery.
    pub(crate) fn looks_like(&self, file: &RawFile) -> bool {
        self.size == file.size && self.etag == file.etag && self.modified == file.modified
    }

    pub fn is_loaded(&self) -> bool {
        self.state == DeliveryState::Loaded
    }
}

impl Ledger {
    /// The delivery that stands for a path: the newest under that name.
    pub fn current(&self, path: &str) -> Option<&DeliveryRecord> {
        self.deliveries.iter().rev().find(|record| record.path == path && !record.is_replaced())
    }

    /// Whether the file of a path was left out for a content that no delivery has brought by now.
    pub(crate) fn is_left_out(&self, path: &str) -> bool {
        let current = self.current(path).filter(|record| record.is_skipped());
        current.is_some_and(|left_out| !self.loaded().any(|record| record.content == left_out.content))
    }

    /// Deliveries whose rows are in bronze.
    pub fn loaded(&self) -> impl Iterator<Item = &DeliveryRecord> {
        self.deliveries.iter().filter(|record| record.is_loaded())
    }

    /// Replaced deliveries of which rows went to quarantine: number and path.
    pub fn replaced_with_misfits(&self) -> impl Iterator<Item = (i64, &str)> {
        self.deliveries
            .iter()
            .filter(|record| record.is_replaced() && record.quarantined > 0)
            .map(|record| (record.number, record.path.as_str()))
    }

    /// Whether rows of a file were taken in as this delivery: a number that a load gave which failed may be another
    /// file's by now.
    pub fn has_brought(&self, number: i64, path: &str) -> bool {
        let found = self.deliveries.binary_search_by_key(&number, |record| record.number);
        let found = found.ok().and_then(|place| self.deliveries.get(place)).filter(|record| record.path == path);
        found.is_some_and(|record| record.is_loaded() || record.is_replaced() && record.rows + record.quarantined > 0)
    }

    /// Deliveries that were left out for their twin.
    pub fn skipped(&self) -> impl Iterator<Item = i64> {
        self.deliveries.iter().filter(|record| record.is_skipped()).map(|record| record.number)
    }

    /// One word for the rows that are in bronze: the same deliveries give the same word in any lake.
    pub fn identity(&self) -> String {
        self.identity_up_to(NaiveDate::MAX)
    }

    /// As [`Self::identity`], of the deliveries that a night sees.
    pub fn identity_up_to(&self, last: NaiveDate) -> String {
        let mut hasher = blake3::Hasher::new();
        for DeliveryRecord { number, path, content, night, rows, .. } in self.loaded().filter(|one| one.night <= last) {
            hasher.update(format!("{number}\n{path}\n{content}\n{night}\n{rows}\n").as_bytes());
        }
        crate::identity::word(&hasher)
    }

    /// Notes rows of a delivery that are in bronze now, and how many records in quarantine they were.
    pub fn count_replayed(&mut self, number: i64, rows: u64, records: u64) {
        if let Some(record) = self.record_mut(number) {
            record.rows += rows;
            record.quarantined = record.quarantined.saturating_sub(records);
        }
    }

    /// Notes how a delivery was read, and forgets what none was.
    pub(crate) fn note_reading(&mut self, numbers: &[i64], reading: &Reading) {
        let word = reading.word();
        for number in numbers {
            if let Some(record) = self.record_mut(*number) {
                record.reading = Some(word.clone());
            }
        }
        let noted = self.readings.entry(word).or_insert_with(|| reading.clone());
        noted.last = noted.last.max(reading.last);
        let used: BTreeSet<&str> = self.deliveries.iter().filter_map(|record| record.reading.as_deref()).collect();
        self.readings.retain(|word, _| used.contains(word.as_str()));
    }

    pub(crate) fn record_mut(&mut self, number: i64) -> Option<&mut DeliveryRecord> {
        self.deliveries.iter_mut().find(|record| record.number == number)
    }

    pub(crate) fn next_number(&mut self) -> i64 {
        self.numbered += 1;
        self.numbered
    }
}

impl DeliveryRecord {
    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self.state, DeliveryState::Skipped { .. })
    }

    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.state, DeliveryState::Replaced { .. })
    }
}
