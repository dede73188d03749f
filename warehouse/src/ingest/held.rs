//! Held records of a delivery, found again in its file.
//!
//! A number means the same record only while the file is cut as it was: with another quote, or a header, records have
//! other numbers. So a record of a text is known by the physical line that it begins on, and it is taken only where it
//! is made of held records and of nothing else:
//!
//! | a record as the file is cut now | is |
//! |---|---|
//! | a held one | that one |
//! | several held ones, whole | the first of them; the others are in it |
//! | held ones and others, or a part of a held one | none: something would be in bronze twice, or in no table at all |

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use memchr::memchr_iter;

use super::ledger::DeliveryRecord;
use super::work::lock;

/// The held records of one delivery.
#[derive(Debug, Clone)]
pub struct Held {
    pub delivery: DeliveryRecord,
    /// By their 1-based numbers in the file, as it was cut when it was loaded.
    pub records: HashMap<i64, HeldRecord>,
}

/// One record that is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRecord {
    /// 1-based physical line that it begins on; `None` where its format has no lines.
    pub line: Option<i64>,
    /// `\n` and `\r` in its text: which of them ends a line, its file tells.
    breaks: (i64, i64),
    /// Whether it is to be tried again.
    pub is_wanted: bool,
    /// Whether it is in bronze already: an earlier replay died before it could say so.
    pub is_in_bronze: bool,
}

impl HeldRecord {
    pub fn new(line: Option<i64>, raw: &str) -> Self {
        let count = |byte: u8| memchr_iter(byte, raw.as_bytes()).count() as i64;
        Self { line, breaks: (count(b'\n'), count(b'\r')), is_wanted: false, is_in_bronze: false }
    }

    fn is_to_be_written(&self) -> bool {
        self.is_wanted && !self.is_in_bronze
    }
}

/// What came of the held records of one delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    pub delivery: i64,
    /// Rows that went to the sinks, under their own file, record and night.
    pub rows: u64,
    /// Records that are in these rows.
    pub fits: HashSet<i64>,
    /// Records that are in a row which is in bronze already.
    pub there: HashSet<i64>,
    /// Records that do not fit now either, and why.
    pub refused: BTreeMap<i64, String>,
    /// Records that the file, as it is cut now, does not have as they were.
    pub lost: BTreeSet<i64>,
}

/// What a job looks for in its file, and what it found.
#[derive(Debug)]
pub(crate) struct HeldRecords {
    /// By their lines, with their numbers; `None` where records are known by their numbers.
    by_line: Option<HashMap<i64, (i64, HeldRecord)>>,
    /// Numbers under which rows may be written.
    numbers: HashSet<i64>,
    /// Numbers of those that are to be tried.
    wanted: HashSet<i64>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    written: HashSet<i64>,
    /// Numbers of records that do not fit now either, and why.
    refused: BTreeMap<i64, String>,
    /// The others that a record is made of, by its number.
    joined: HashMap<i64, Vec<i64>>,
}

impl HeldRecords {
    pub(crate) fn of(held: &Held) -> Self {
        let by_line = held.records.iter().map(|(number, record)| Some((record.line?, (*number, *record)))).collect();
        let Some(by_line) = by_line else { return Self::by_number(held) };
        let not_there = held.records.iter().filter(|(_, record)| !record.is_in_bronze);
        Self {
            by_line: Some(by_line),
            numbers: not_there.map(|(number, _)| *number).collect(),
            ..Self::by_number(held)
        }
    }

    /// Whatever lines they are on.
    pub(crate) fn by_number(held: &Held) -> Self {
        let wanted = held.records.iter().filter(|(_, record)| record.is_to_be_written());
        let wanted: HashSet<i64> = wanted.map(|(number, _)| *number).collect();
        Self { by_line: None, numbers: wanted.clone(), wanted, found: Mutex::default() }
    }

    pub(crate) fn are_known_by_line(&self) -> bool {
        self.by_line.is_some()
    }

    /// The number under which the record that begins on a line is to be written; 0 where it is not.
    pub(crate) fn number_at(&self, line: i64, text: &[u8], newline: u8) -> i64 {
        let records = self.made_of(line, text, newline).unwrap_or_default();
        let Some(((number, first), others)) = records.split_first() else { return 0 };
        let is_twice = others.iter().any(|(_, other)| other.is_in_bronze);
        if is_twice || !records.iter().any(|(_, record)| record.is_wanted) {
            return 0;
        }
        if !others.is_empty() {
            let others = others.iter().map(|(number, _)| *number).collect();
            lock(&self.found).joined.insert(*number, others);
        }
        if first.is_in_bronze { 0 } else { *number }
    }

    /// The held records that the record on a line is made of; `None` where it is not made of whole ones alone.
    fn made_of(&self, first: i64, text: &[u8], newline: u8) -> Option<Vec<(i64, HeldRecord)>> {
        let by_line = self.by_line.as_ref()?;
        by_line.get(&first)?;
        let (mut records, mut line, mut last) = (Vec::new(), first, first - 1);
        for piece in text.split(|byte| *byte == newline) {
            if line > last {
                match by_line.get(&line) {
                    Some((number, record)) => {
                        let (feeds, returns) = record.breaks;
                        last = line + if newline == b'\n' { feeds } else { returns };
                        records.push((*number, *record));
                    }
                    // A blank line outside of quotes is no record.
                    None if piece.is_empty() || piece == b"\r" => {}
                    None => return None,
                }
            }
            line += 1;
        }
        (last < line).then_some(records)
    }

    /// Whether a row may be written under a number.
    pub(crate) fn keeps(&self, number: i64) -> bool {
        self.numbers.contains(&number)
    }

    /// Notes what was written and what does not fit.
    pub(crate) fn note(&self, written: impl Iterator<Item = i64>, refused: impl Iterator<Item = (i64, String)>) {
        let mut found = lock(&self.found);
        found.written.extend(written);
        found.refused.extend(refused);
    }

    /// What came of them, once the file was read to its end.
    pub(crate) fn replayed(&self, delivery: i64) -> Replayed {
        let found = lock(&self.found);
        let others = |number: &i64| found.joined.get(number).into_iter().flatten().copied();
        let fits: HashSet<i64> = found.written.iter().flat_map(|number| others(number).chain([*number])).collect();
        let there: HashSet<i64> = found.joined.keys().filter(|number| !self.keeps(**number)).flat_map(others).collect();
        let all_of = |(number, reason): (&i64, &String)| -> Vec<(i64, String)> {
            others(number).chain([*number]).map(|number| (number, reason.clone())).collect()
        };
        let refused: BTreeMap<i64, String> = found.refused.iter().flat_map(all_of).collect();
        let is_found = |number: &&i64| fits.contains(number) || there.contains(number) || refused.contains_key(number);
        let lost = self.wanted.iter().filter(|number| !is_found(number)).copied().collect();
        Replayed { delivery, rows: found.written.len() as u64, refused, lost, fits, there }
    }
}
