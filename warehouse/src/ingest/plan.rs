//! Which listed files a night takes: a pure function of the listing, the ledger and the night.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use super::discover::RawFile;
use super::ledger::{DeliveryRecord, Ledger};
use crate::project::contract::{Contract, Delivery, Duplicates};

/// What a night will do with the files of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestPlan {
    pub night: NaiveDate,
    /// Ordered by night and path, which is the order of their numbers.
    pub deliveries: Vec<PlannedDelivery>,
    /// Files that are loaded already.
    pub unchanged: Vec<String>,
    /// Files that belong to a later night.
    pub waiting: Vec<WaitingFile>,
    /// Files that were left out, for their content was there under another name: they are loaded once it is not.
    pub skipped: Vec<PlannedDelivery>,
    /// What was loaded before.
    pub ledger: Ledger,
    /// Records of the files, by path and number, that a person gave up before: they are left out, though they fit now.
    pub given_up: HashMap<String, HashMap<i64, GivenUp>>,
    /// Whether files are read anew that have the content they had.
    pub anew: bool,
}

/// A record that a person gave up before its file was loaded, as it was seen in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    pub raw: String,
    pub raw_base64: Option<String>,
    pub column: Option<String>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlannedDelivery {
    pub file: RawFile,
    /// The night it belongs to, now and in every later run.
    pub night: NaiveDate,
    pub reason: Reason,
    /// Its content decides whether it is loaded at all, so it is hashed before it is read.
    pub hash_first: bool,
}

/// Why a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A name that was never loaded.
    New,
    /// A known name, changed since delivery `number` (by its size, etag or time).
    Changed { number: i64 },
    /// Delivery `number`, unchanged, of which nothing was loaded: another name had its content.
    Skipped { number: i64 },
    /// Delivery `number`, whose file is to be read anew as it is.
    Again { number: i64 },
}

impl Reason {
    /// The delivery whose rows a load takes out.
    pub fn replaces(self) -> Option<i64> {
        match self {
            Self::Changed { number } | Self::Again { number } => Some(number),
            Self::New | Self::Skipped { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingFile {
    pub path: String,
    pub night: NaiveDate,
}

impl IngestPlan {
    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.left_out().next().is_none()
    }

    /// The same, with every file that is loaded already to be read anew: each as a correction of itself, in the order in
    /// which they were loaded.
    pub fn reading_anew(mut self, files: &[RawFile]) -> Self {
        self.anew = true;
        let known = current_by_path(&self.ledger);
        let unchanged: HashSet<&str> = self.unchanged.iter().map(String::as_str).collect();
        let mut again: Vec<(i64, PlannedDelivery)> = Vec::new();
        for file in files.iter().filter(|file| unchanged.contains(file.path.as_str())) {
            let loaded = known.get(file.path.as_str()).filter(|record| record.is_loaded());
            again.extend(loaded.map(|record| {
                let (night, reason) = (record.night, Reason::Again { number: record.number });
                (record.number, PlannedDelivery { file: file.clone(), night, reason, hash_first: false })
            }));
        }
        let read: HashSet<&str> = again.iter().map(|(_, planned)| planned.file.path.as_str()).collect();
        let unread = self.unchanged.iter().filter(|path| !read.contains(path.as_str())).cloned().collect();
        again.sort_by_key(|(number, _)| *number);
        self.deliveries.splice(0..0, again.into_iter().map(|(_, planned)| planned));
        self.unchanged = unread;
        self
    }

    /// Loaded deliveries whose rows stay as they are.
    pub fn stays(&self) -> impl Iterator<Item = &DeliveryRecord> {
        let replaced: HashSet<i64> = self.deliveries.iter().filter_map(|planned| planned.reason.replaces()).collect();
        self.ledger.loaded().filter(move |record| !replaced.contains(&record.number))
    }

    /// Files that were left out for a content that is nowhere in bronze any more.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        let is_left_out = |file: &&PlannedDelivery| self.ledger.is_left_out(&file.file.path);
        self.skipped.iter().filter(is_left_out).map(|file| file.file.path.as_str())
    }
}

/// Sort the listed files into new, changed, unchanged and waiting.
///
/// A dated file belongs to the night in its name, whenever it is first seen; an undated one to
/// the first night that saw it, `undated`, which is a later one than the night whose deliveries are taken in where
/// tables are built for a later one. Both are recorded once: a changed file keeps its night, and a
/// night before that never sees it. A file that was left out for its twin stands for that night's
/// rows too, whatever night is run when the twin goes.
pub fn plan_deliveries(
    contract: &Contract,
    files: &[RawFile],
    ledger: &Ledger,
    night: NaiveDate,
    undated: NaiveDate,
) -> IngestPlan {
    let mut plan = IngestPlan {
        night,
        deliveries: Vec::new(),
        unchanged: Vec::new(),
        waiting: Vec::new(),
        skipped: Vec::new(),
        ledger: ledger.clone(),
        given_up: HashMap::new(),
        anew: false,
    };
    let known: HashMap<&str, &DeliveryRecord> = current_by_path(ledger);
    for file in files {
        let record = known.get(file.path.as_str()).copied();
        let told = record.map(|record| record.night).or(file.date);
        let its_night = told.unwrap_or(undated);
        if let Some(record) = record.filter(|record| record.is_skipped() && record.looks_like(file)) {
            let reason = Reason::Skipped { number: record.number };
            plan.skipped.push(PlannedDelivery { file: file.clone(), night: its_night, reason, hash_first: false });
        }
        if told.is_some_and(|its_night| its_night > night) {
            plan.waiting.push(WaitingFile { path: file.path.clone(), night: its_night });
            continue;
        }
        let reason = match record {
            Some(record) if record.looks_like(file) => {
                plan.unchanged.push(file.path.clone());
                continue;
            }
            Some(record) => Reason::Changed { number: record.number },
            None => Reason::New,
        };
        plan.deliveries.push(PlannedDelivery { file: file.clone(), night: its_night, reason, hash_first: false });
    }
    plan.deliveries.sort_by(|a, b| (a.night, &a.file.path).cmp(&(b.night, &b.file.path)));
    mark_possible_twins(&mut plan, contract);
    plan
}

fn current_by_path(ledger: &Ledger) -> HashMap<&str, &DeliveryRecord> {
    let current = ledger.deliveries.iter().filter(|record| !record.is_replaced());
    current.map(|record| (record.path.as_str(), record)).collect()
}

/// Equal contents have equal sizes: only files whose size was seen before need their hash early.
fn mark_possible_twins(plan: &mut IngestPlan, contract: &Contract) {
    let mut files_of_size: HashMap<u64, usize> = HashMap::new();
    let known = plan.ledger.deliveries.iter().map(|record| record.size);
    for size in known.chain(plan.deliveries.iter().map(|delivery| delivery.file.size)) {
        *files_of_size.entry(size).or_default() += 1;
    }
    let twins_matter = duplicates(contract).is_some();
    for delivery in &mut plan.deliveries {
        let changed = matches!(delivery.reason, Reason::Changed { .. });
        let seen = files_of_size.get(&delivery.file.size).is_some_and(|files| *files > 1);
        delivery.hash_first = seen && (changed || twins_matter);
    }
}

/// What to do with a content that is already there under another name; `None`: nothing, and no
/// word about it, as a snapshot may well be the same two days running.
pub(crate) fn duplicates(contract: &Contract) -> Option<Duplicates> {
    let dated = contract.spec.path.contains("{date:");
    match (contract.spec.duplicates, contract.spec.delivery, dated) {
        (Some(asked), _, _) => Some(asked),
        (None, Delivery::Snapshot, _) => None,
        (None, _, true) => Some(Duplicates::Load),
        (None, _, false) => Some(Duplicates::Skip),
    }
}
