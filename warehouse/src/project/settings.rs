//! The settings of a project: flag > environment > buho.toml > default, each with where it is from.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::path::Path;

use chrono_tz::Tz;
use url::Url;

use super::location;
use super::memory;
use super::nearest::Advice;
use super::problem::{Fault, Problem};
use super::settings_file::{self, ProjectFile};
use crate::store::Environment;

/// Packs whose standard files the binary carries.
pub const STANDARD_PACKS: &[&str] = &["commerce"];

/// Threads nobody has; a larger number is a slip.
const MOST_THREADS: usize = 1024;

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line: `--memory`.
    Flag(String),
    /// An environment variable: `BUHO_MEMORY`.
    Environment(String),
    /// A line of buho.toml.
    File {
        line: u64,
    },
    Default,
}

impl Origin {
    /// File and line a problem with the value is reported at.
    fn place(&self) -> (String, u64) {
        match self {
            Self::Flag(name) | Self::Environment(name) => (name.clone(), 0),
            Self::File { line } => (settings_file::NAME.to_owned(), *line),
            Self::Default => (settings_file::NAME.to_owned(), 0),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File { line } => write!(f, "{}:{line}", settings_file::NAME),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Nights kept unless told.
const KEEP_NIGHTS: u32 = 35;
/// A day of maintenance is not the end of a night.
const MOST_MINUTES: u32 = 1440;
/// Month-ends kept unless told.
const KEEP_MONTHS: u32 = 13;

/// A value and where it is from.
#[derive(Debug, Clone)]
pub(super) struct Sourced<T> {
    pub value: T,
    pub origin: Origin,
}

/// What the command line says of the settings.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<String>,
    pub raw: Option<String>,
    pub lake: Option<String>,
    pub time_zone: Option<String>,
    pub currency: Option<String>,
    pub packs: Option<Vec<String>>,
    pub memory: Option<String>,
    pub threads: Option<usize>,
}

/// The settings of a project, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    /// Where raw exports lie; no trailing slash.
    pub raw: Url,
    /// Where tables are kept; no trailing slash.
    pub lake: Url,
    /// Business days are days in this zone.
    pub time_zone: Tz,
    /// ISO 4217.
    pub currency: String,
    pub packs: Vec<String>,
    /// Budget of the query engine, in bytes.
    pub memory: u64,
    /// At least 1.
    pub threads: usize,
    /// Nights whose release is kept.
    pub keep_nights: u32,
    /// Months whose last release is kept.
    pub keep_months: u32,
    /// Minutes of maintenance at the end of a night; 0 for none.
    pub maintain_minutes: u32,
    /// Where each setting is from, by its key.
    pub origins: BTreeMap<&'static str, Origin>,
}

impl Settings {
    /// Where the setting of a key is from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// What the settings are resolved from.
pub(super) struct Sources<'a> {
    pub root: &'a Path,
    pub overrides: &'a Overrides,
    pub env: &'a Environment<'a>,
    pub file: ProjectFile,
}

/// Resolves every setting; `None` where one is wrong and the problems say which.
pub(super) fn resolve(sources: &Sources, problems: &mut Vec<Problem>) -> Option<Settings> {
    let before = problems.len();
    let mut resolver = Resolver { sources, origins: BTreeMap::new(), problems };
    let name = resolver.name();
    let raw = resolver.location("raw", |o| &o.raw, |f| &f.raw);
    let lake = resolver.location("lake", |o| &o.lake, |f| &f.lake);
    let time_zone = resolver.time_zone();
    let currency = resolver.currency();
    let packs = resolver.packs();
    let memory = resolver.memory();
    let threads = resolver.threads();
    let keep_nights = resolver.count("keep_nights", KEEP_NIGHTS, |f| &f.keep_nights);
    let keep_months = resolver.count("keep_months", KEEP_MONTHS, |f| &f.keep_months);
    let maintain_minutes = resolver.maintain_minutes();
    let origins = resolver.origins;
    let (raw, lake) = (raw?, lake?);
    if location::share_a_folder(&raw, &lake) {
        let (file, line) = origins.get("lake").unwrap_or(&Origin::Default).place();
        let (lake, raw) = (lake.to_string(), raw.to_string());
        problems.push(Problem::new(file, line, Fault::LakeInRaw { lake, raw }));
        return None;
    }
    let settings = Settings {
        name: name?,
        raw,
        lake,
        time_zone: time_zone?,
        currency: currency?,
        packs: packs?,
        memory: memory?,
        threads: threads?,
        keep_nights: keep_nights?,
        keep_months: keep_months?,
        maintain_minutes: maintain_minutes?,
        origins,
    };
    (problems.len() == before).then_some(settings)
}

type FileText = fn(&ProjectFile) -> &Option<Sourced<String>>;

struct Resolver<'a, 'p> {
    sources: &'a Sources<'a>,
    origins: BTreeMap<&'static str, Origin>,
    problems: &'p mut Vec<Problem>,
}

impl Resolver<'_, '_> {
    /// The text of a setting from the first of flag, environment and file that has it.
    fn text(&self, key: &'static str, flag: Option<&String>, file: FileText) -> Option<Sourced<String>> {
        if let Some(value) = flag {
            return Some(Sourced { value: value.clone(), origin: Origin::Flag(flag_of(key)) });
        }
        let variable = variable_of(key);
        if let Some(value) = (self.sources.env)(&variable).filter(|value| !value.is_empty()) {
            return Some(Sourced { value, origin: Origin::Environment(variable) });
        }
        file(&self.sources.file).clone()
    }

    fn note(&mut self, key: &'static str, origin: &Origin) {
        self.origins.insert(key, origin.clone());
    }

    fn report(&mut self, origin: &Origin, fault: Fault) {
        let (file, line) = origin.place();
        self.problems.push(Problem::new(file, line, fault));
    }

    fn refuse(&mut self, key: &str, found: &str, origin: &Origin, rule: &str) {
        let (key, found, rule) = (key.to_owned(), found.to_owned(), rule.to_owned());
        self.report(origin, Fault::BadValue { key, found, rule });
    }

    fn name(&mut self) -> Option<String> {
        let found = self.text("name", self.sources.overrides.name.as_ref(), |f| &f.name);
        let Some(found) = found else {
            let folder = std::path::absolute(self.sources.root).ok();
            let folder = folder.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
            return Some(folder.map_or_else(|| "project".to_owned(), |name| name.into_owned()));
        };
        self.note("name", &found.origin);
        let length = found.value.trim().chars().count();
        if !(1..=100).contains(&length) || found.value.chars().any(char::is_control) {
            self.refuse("name", &found.value, &found.origin, "give it 1 to 100 characters on one line");
            return None;
        }
        Some(found.value)
    }

    fn location(&mut self, key: &'static str, flag: fn(&Overrides) -> &Option<String>, file: FileText) -> Option<Url> {
        let found = self
            .text(key, flag(self.sources.overrides).as_ref(), file)
            .unwrap_or_else(|| Sourced { value: key.to_owned(), origin: Origin::Default });
        self.note(key, &found.origin);
        // Who types a path means it from where they stand; who writes it in a file, from the file.
        let base = match found.origin {
            Origin::Flag(_) | Origin::Environment(_) => Path::new("."),
            Origin::File { .. } | Origin::Default => self.sources.root,
        };
        match location::parse(key, &found.value, base) {
            Ok(url) => Some(url),
            Err(fault) => {
                self.report(&found.origin, fault);
                None
            }
        }
    }

    fn time_zone(&mut self) -> Option<Tz> {
        let found = self.text("time_zone", self.sources.overrides.time_zone.as_ref(), |f| &f.time_zone);
        let Some(found) = found else { return Some(Tz::UTC) };
        self.note("time_zone", &found.origin);
        if let Ok(zone) = found.value.parse() {
            return Some(zone);
        }
        let advice = Advice::new(&found.value, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let key = "time_zone".to_owned();
        self.report(&found.origin, Fault::NotOneOf { key, found: found.value, advice });
        None
    }

    fn currency(&mut self) -> Option<String> {
        let found = self.text("currency", self.sources.overrides.currency.as_ref(), |f| &f.currency);
        let Some(found) = found else { return Some("EUR".to_owned()) };
        self.note("currency", &found.origin);
        if found.value.len() == 3 && found.value.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Some(found.value);
        }
        self.refuse("currency", &found.value, &found.origin, "write its three ISO 4217 letters, such as EUR");
        None
    }

    /// The packs' names; whether they are known is asked once the files are read.
    fn packs(&mut self) -> Option<Vec<String>> {
        let typed = self.sources.overrides.packs.as_ref();
        let variable = (self.sources.env)("BUHO_PACKS").filter(|value| !value.is_empty());
        let found = if let Some(packs) = typed {
            Sourced { value: packs.clone(), origin: Origin::Flag("--packs".to_owned()) }
        } else if let Some(text) = variable {
            let value = text.split(',').map(|pack| pack.trim().to_owned()).filter(|pack| !pack.is_empty());
            Sourced { value: value.collect(), origin: Origin::Environment("BUHO_PACKS".to_owned()) }
        } else if let Some(found) = &self.sources.file.packs {
            found.clone()
        } else {
            return Some(STANDARD_PACKS.iter().map(|&pack| pack.to_owned()).collect());
        };
        self.note("packs", &found.origin);
        Some(found.value)
    }

    fn memory(&mut self) -> Option<u64> {
        let found = self.text("memory", self.sources.overrides.memory.as_ref(), |f| &f.memory);
        let Some(found) = found else {
            return Some(memory::default_budget(memory::machine(&memory::read_file)));
        };
        self.note("memory", &found.origin);
        match memory::parse(&found.value) {
            Ok(bytes) => Some(bytes),
            Err(rule) => {
                self.refuse("memory", &found.value, &found.origin, rule);
                None
            }
        }
    }

    /// How many of something to keep: at least one, or there would be nothing to read.
    fn count(&mut self, key: &'static str, default: u32, file: FileText) -> Option<u32> {
        let Some(found) = self.text(key, None, file) else { return Some(default) };
        self.note(key, &found.origin);
        match found.value.trim().parse::<u32>() {
            Ok(count) if count > 0 => Some(count),
            _ => {
                self.refuse(key, &found.value, &found.origin, "write a whole number from 1");
                None
            }
        }
    }

    fn maintain_minutes(&mut self) -> Option<u32> {
        let key = "maintain_minutes";
        let Some(found) = self.text(key, None, |f| &f.maintain_minutes) else { return Some(0) };
        self.note(key, &found.origin);
        match found.value.trim().parse::<u32>() {
            Ok(minutes) if minutes <= MOST_MINUTES => Some(minutes),
            _ => {
                self.refuse(key, &found.value, &found.origin, "write minutes from 1 to 1440, or 0 for none");
                None
            }
        }
    }

    fn threads(&mut self) -> Option<usize> {
        let flag = self.sources.overrides.threads.map(|threads| threads.to_string());
        let found = self.text("threads", flag.as_ref(), |f| &f.threads);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let Some(found) = found else { return Some(cores) };
        self.note("threads", &found.origin);
        match found.value.trim().parse::<usize>() {
            Ok(0) => Some(cores),
            Ok(threads) if threads <= MOST_THREADS => Some(threads),
            _ => {
                let rule = "write a whole number from 1 to 1024, or 0 for all cores";
                self.refuse("threads", &found.value, &found.origin, rule);
                None
            }
        }
    }
}

fn flag_of(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn variable_of(key: &str) -> String {
    format!("BUHO_{}", key.to_ascii_uppercase())
}
