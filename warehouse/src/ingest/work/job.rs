//! One delivery being read, and what all workers share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;

use crate::ingest::columns::ColumnSet;
use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;
use crate::ingest::held::HeldRecords;
use crate::ingest::options::{LoadOptions, SinkFactory};
use crate::ingest::plan::GivenUp;
use crate::ingest::quarantine::Quarantine;
use crate::ingest::read::Opener;
use crate::plain::escaped;
use crate::project::contract::Contract;

/// One delivery.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: i64,
    pub(crate) night: NaiveDate,
    pub(crate) file: RawFile,
    pub(crate) path: Arc<str>,
    /// The content it was planned with, where it was hashed before.
    pub(crate) expected: Option<String>,
    /// The records that are wanted of it; `None` is all.
    pub(crate) held: Option<HeldRecords>,
    /// Records that are left out, by number: a person gave them up.
    pub(crate) given_up: HashMap<i64, GivenUp>,
    /// Numbers that its records stand for, in order: those of a file that takes the place of some records.
    stands_for: Option<Vec<i64>>,
    /// Records of such a file that were read.
    seen: Mutex<BTreeSet<i64>>,
    rows: AtomicU64,
    quarantined: AtomicU64,
    left_out: AtomicU64,
    content: Mutex<Option<String>>,
    /// Which columns of the contract its file names, where a file names columns.
    named: Mutex<Option<Vec<bool>>>,
}

impl Job {
    pub(crate) fn new(number: i64, night: NaiveDate, file: RawFile, expected: Option<String>) -> Self {
        Self {
            number,
            night,
            path: file.path.as_str().into(),
            file,
            expected,
            held: None,
            given_up: HashMap::new(),
            stands_for: None,
            seen: Mutex::new(BTreeSet::new()),
            rows: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            content: Mutex::new(None),
            named: Mutex::new(None),
        }
    }

    /// Note where the file has the columns of the contract.
    pub(crate) fn note_columns(&self, places: &[Option<usize>]) {
        *lock(&self.named) = Some(places.iter().map(Option::is_some).collect());
    }

    /// Which columns of the contract the file names; `None` where it names none, or has nothing in it.
    pub(crate) fn named(&self) -> Option<Vec<bool>> {
        lock(&self.named).clone()
    }

    /// The same delivery, of which only some records are wanted.
    pub(crate) fn only(self, held: HeldRecords) -> Self {
        Self { held: Some(held), ..self }
    }

    /// The same delivery without records that were given up.
    pub(crate) fn without(self, given_up: HashMap<i64, GivenUp>) -> Self {
        Self { given_up, ..self }
    }

    /// The same delivery under its own path, read from another file, each record of which stands for one of it.
    pub(crate) fn read_from(self, file: RawFile, records: Vec<i64>) -> Self {
        Self { file, expected: None, stands_for: Some(records), ..self }
    }

    /// The number of the record that a record of the file stands for; 0 where it stands for none.
    pub(super) fn number_of(&self, record: i64) -> i64 {
        let Some(numbers) = &self.stands_for else {
            return record;
        };
        lock(&self.seen).insert(record);
        let place = usize::try_from(record - 1).ok();
        place.and_then(|place| numbers.get(place)).copied().unwrap_or_default()
    }

    /// Records that were read of a file that stands for others.
    pub(crate) fn records_seen(&self) -> usize {
        lock(&self.seen).len()
    }

    pub(crate) fn count(&self, rows: usize, quarantined: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.quarantined.fetch_add(quarantined as u64, Ordering::Relaxed);
    }

    /// Counts rows that fit and are in quarantine all the same.
    pub(crate) fn count_left_out(&self, rows: usize) {
        self.left_out.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// Note the content that was read.
    ///
    /// # Errors
    /// [`IngestError::Changed`] where it is not the one that was planned with.
    pub(crate) fn read(&self, content: String) -> Result<(), IngestError> {
        if self.expected.as_ref().is_some_and(|expected| *expected != content) {
            let detail = "its content is another than when it was first read".to_owned();
            return Err(IngestError::Changed { path: self.file.path.clone(), detail });
        }
        *lock(&self.content) = Some(content);
        Ok(())
    }

    pub(crate) fn content(&self) -> Option<String> {
        lock(&self.content).clone()
    }
}

/// What every worker of a load works with.
pub(super) struct Shared {
    pub(super) contract: Arc<Contract>,
    pub(super) schema: SchemaRef,
    pub(super) columns: ColumnSet,
    pub(super) options: LoadOptions,
    pub(super) opener: Opener,
    pub(super) sinks: Arc<dyn SinkFactory>,
    pub(super) quarantine: Mutex<Quarantine>,
    pub(super) warnings: Mutex<Warnings>,
    /// Set once anything failed, or the load was given up.
    pub(super) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Warnings about files, each told once with the number of files.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    files: BTreeMap<String, Vec<Arc<str>>>,
}

impl Warnings {
    pub(super) fn add(&mut self, warning: &str, path: &Arc<str>) {
        self.files.entry(warning.to_owned()).or_default().push(Arc::clone(path));
    }

    pub(super) fn told(&self) -> Vec<String> {
        let told = self.files.iter().map(|(warning, paths)| {
            let first = escaped(paths.iter().min().map_or("", |path| path.as_ref()));
            match paths.len() {
                1 => format!("`{first}`: {warning}"),
                files => format!("`{first}` and {} more: {warning}", files - 1),
            }
        });
        told.collect()
    }
}

/// A lock that outlives the panic of another worker: that panic is reported by itself.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
