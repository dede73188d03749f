//! What the business delivers, and where each of its rows has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use rand::Rng;
use rand::rngs::StdRng;

use super::project::Source;
use super::reader::Row;

/// A row as it is in a file.
#[derive(Debug, Clone)]
pub(super) struct RawRow {
    pub id: String,
    pub day: NaiveDate,
    /// Cents; a row without is one that the contract does not take at first.
    pub amount: Option<i64>,
    eighths: u32,
    /// No two rows of the business have the same.
    pub note: String,
    gone: bool,
    /// Of a column that came later.
    extra: Option<u32>,
}

impl RawRow {
    /// What bronze has of it, as a stranger reads it.
    pub(super) fn values(&self) -> Row {
        let Self { id, day, amount, eighths, note, gone, extra } = self;
        let values = [
            ("id", Some(id.clone())),
            ("at", Some(format!("{day}T10:00:00"))),
            ("amount", amount.map(cents)),
            ("ratio", Some(format!("{:?}", f64::from(*eighths) / 8.0))),
            ("note", Some(note.clone())),
            ("gone", Some(gone.to_string())),
            ("extra", extra.map(|extra| extra.to_string())),
        ];
        values.into_iter().filter_map(|(column, value)| Some((column.to_owned(), value?))).collect()
    }
}

/// The content of a file; equal numbers are equal bytes.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub number: u64,
    /// Whether it was exported with the column that came later.
    is_wide: bool,
    pub rows: Arc<Vec<RawRow>>,
}

/// Where a row stands that did not fit when it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    Held,
    InBronze,
    Discarded,
}

/// What was loaded of a file.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub night: NaiveDate,
    pub content: Content,
    pub misfits: Misfit,
}

/// A file of the raw location.
#[derive(Debug, Clone)]
pub(super) struct RawFile {
    date: Option<NaiveDate>,
    pub content: Content,
    /// Contents it had before.
    before: Vec<Content>,
    pub loaded: Option<Loaded>,
}

/// The files of one source, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Exports {
    pub files: BTreeMap<String, RawFile>,
    named: u32,
}

/// Gives numbers that are given once.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    contents: u64,
    rows: u64,
}

impl Content {
    fn random(random: &mut StdRng, numbers: &mut Numbers, day: NaiveDate, is_wide: bool) -> Self {
        let (has_misfits, is_poisoned) = (random.random_bool(0.4), random.random_bool(0.12));
        let is_large = random.random_bool(0.08);
        let size = if is_large { random.random_range(800..1_600) } else { random.random_range(5..60) };
        let rows: Vec<RawRow> = (0..size)
            .map(|row| {
                numbers.rows += 1;
                let amount = if is_poisoned && row == 0 { -500 } else { random.random_range(0..8) * 100 };
                let misfit = has_misfits && random.random_bool(0.1);
                let event = match random.random_range(0..20) {
                    0 => day + Days::new(random.random_range(1..3)),
                    1..=3 => day - Days::new(random.random_range(1..4)),
                    _ => day,
                };
                RawRow {
                    id: format!("k{:02}", random.random_range(0..40)),
                    day: event,
                    amount: (!misfit).then_some(amount),
                    eighths: random.random_range(0..64),
                    note: format!("v{:07}", numbers.rows),
                    gone: random.random_bool(0.1),
                    extra: is_wide.then(|| random.random_range(0..100)).filter(|extra| *extra < 90),
                }
            })
            .collect();
        numbers.contents += 1;
        Self { number: numbers.contents, is_wide, rows: Arc::new(rows) }
    }

    /// The same rows, and one more that does not fit.
    fn with_a_misfit(&self, numbers: &mut Numbers) -> Self {
        let mut rows = self.rows.as_ref().clone();
        numbers.rows += 1;
        numbers.contents += 1;
        let misfit = rows.first().cloned();
        rows.extend(misfit.map(|row| RawRow { amount: None, note: format!("v{:07}", numbers.rows), ..row }));
        Self { number: numbers.contents, is_wide: self.is_wide, rows: Arc::new(rows) }
    }

    /// The bytes of the file.
    pub(super) fn csv(&self) -> String {
        let mut text = format!("id,at,amount,ratio,note,gone{}\n", if self.is_wide { ",extra" } else { "" });
        for RawRow { id, day, amount, eighths, note, gone, extra } in self.rows.iter() {
            let amount = amount.map_or("n/a".to_owned(), cents);
            text.push_str(&format!("{id},{day} 10:00:00,{amount},{},{note},{gone}", f64::from(*eighths) / 8.0));
            if self.is_wide {
                text.push_str(&format!(",{}", extra.map(|extra| extra.to_string()).unwrap_or_default()));
            }
            text.push('\n');
        }
        text
    }
}

pub(super) fn cents(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", amount.abs() / 100, amount.abs() % 100)
}

impl Exports {
    fn name(&mut self, source: &Source, date: NaiveDate) -> String {
        self.named += 1;
        let name = &source.name;
        match source.dated {
            true => format!("{name}/{name}_{date}-{}.csv", self.named),
            false => format!("{name}/{name}_{:04}.csv", self.named),
        }
    }

    fn put(&mut self, path: String, date: Option<NaiveDate>, content: Content) -> String {
        match self.files.get_mut(&path) {
            Some(file) => {
                file.before.push(std::mem::replace(&mut file.content, content));
            }
            None => {
                let file = RawFile { date, content, before: Vec::new(), loaded: None };
                self.files.insert(path.clone(), file);
            }
        }
        path
    }

    /// What comes by a day; the paths that were written.
    pub(super) fn deliver(
        &mut self,
        source: &Source,
        random: &mut StdRng,
        numbers: &mut Numbers,
        day: NaiveDate,
    ) -> Vec<String> {
        let mut written = Vec::new();
        let date = |day: NaiveDate| source.dated.then_some(day);
        if random.random_bool(0.7) {
            let path = self.name(source, day);
            written.push(self.put(path, date(day), Content::random(random, numbers, day, source.widened)));
        }
        if random.random_bool(0.15) {
            let late = day - Days::new(random.random_range(1..4));
            let path = self.name(source, late);
            written.push(self.put(path, date(late), Content::random(random, numbers, late, source.widened)));
        }
        let paths: Vec<String> = self.files.keys().cloned().collect();
        if !paths.is_empty() && random.random_bool(0.35) {
            let path = paths[random.random_range(0..paths.len())].clone();
            let before = self.files[&path].before.clone();
            let content = match before.last() {
                Some(last) if random.random_bool(0.3) => last.clone(),
                _ if random.random_bool(0.25) => self.files[&path].content.with_a_misfit(numbers),
                _ => Content::random(random, numbers, self.files[&path].date.unwrap_or(day), source.widened),
            };
            written.push(self.put(path, None, content));
        }
        let has_twins = source.dated || source.delivery != "upsert";
        if has_twins && !paths.is_empty() && random.random_bool(0.12) {
            let content = self.files[&paths[random.random_range(0..paths.len())]].content.clone();
            let path = self.name(source, day);
            written.push(self.put(path, date(day), content));
        }
        written
    }

    /// A night took in all that it sees, and the tables were built for the same night or a later one.
    pub(super) fn ingested(&mut self, source: &Source, night: NaiveDate, built: NaiveDate) {
        let known: BTreeMap<u64, Misfit> = self
            .files
            .values()
            .filter_map(|file| file.loaded.as_ref())
            .map(|loaded| (loaded.content.number, loaded.misfits))
            .collect();
        for file in self.files.values_mut() {
            let told = file.loaded.as_ref().map(|loaded| loaded.night).or(file.date);
            let is_there = file.loaded.as_ref().is_some_and(|loaded| loaded.content.number == file.content.number);
            if told.is_some_and(|told| told > night) || is_there {
                continue;
            }
            let its_night = told.unwrap_or(built);
            let fresh = if source.mended { Misfit::InBronze } else { Misfit::Held };
            let twin = known.get(&file.content.number).filter(|_| source.skips_twins());
            let misfits = twin.copied().unwrap_or(fresh);
            file.loaded = Some(Loaded { night: its_night, content: file.content.clone(), misfits });
        }
    }

    /// Notes the nights of files without a date, as bronze has them: attempts that failed may have released later nights
    /// than there were before. None is older than what was built when the file was first seen.
    pub(super) fn note_nights(&mut self, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let (Some(path), Some(night)) = (row.get("_file"), row.get("_night")) else { continue };
            let night: NaiveDate = night.parse().map_err(|_| format!("{path} is of night {night}"))?;
            let Some(loaded) = self.files.get_mut(path).and_then(|file| file.loaded.as_mut()) else { continue };
            if night < loaded.night {
                return Err(format!("{path} is of night {night}, and {} was built when it came", loaded.night));
            }
            loaded.night = night;
        }
        Ok(())
    }

    /// Whether every loaded file is still what was loaded.
    pub(super) fn is_settled(&self) -> bool {
        self.files
            .values()
            .all(|file| file.loaded.as_ref().is_none_or(|loaded| loaded.content.number == file.content.number))
    }

    /// What became of the rows that were held.
    pub(super) fn settle(&mut self, misfits: Misfit) {
        for loaded in self.files.values_mut().filter_map(|file| file.loaded.as_mut()) {
            if loaded.misfits == Misfit::Held {
                loaded.misfits = misfits;
            }
        }
    }

    /// What is loaded, by path; of twins that are skipped the first alone.
    pub(super) fn loaded(&self, source: &Source) -> Vec<(&str, &Loaded)> {
        let mut seen = BTreeSet::new();
        let all = self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.loaded.as_ref()?)));
        all.filter(|(_, loaded)| !source.skips_twins() || seen.insert(loaded.content.number)).collect()
    }
}

impl RawFile {
    /// What it has, and what it had before.
    pub(super) fn contents(&self) -> impl Iterator<Item = &Content> {
        self.before.iter().chain([&self.content])
    }

    /// Whether it ever had another content.
    pub(super) fn was_corrected(&self) -> bool {
        !self.before.is_empty()
    }
}
