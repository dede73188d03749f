//! A simulated business: its project, its exports, its lake, and what is known of all three.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::check::{Known, MEMORY_STAYS};
use super::disk::{Disk, Time};
use super::exports::{Exports, Numbers};
use super::oracle::Moment;
use super::project::Design;
use super::reader::Stranger;
use super::weather::{Memory, Weather};
use crate::clock::FixedClock;
use crate::counted;
use crate::project::{Overrides, Project};
use crate::run::{RunContext, Turns};
use crate::session::Engine;
use crate::store::faults::{Fault, FaultyStore, Rule};
use crate::store::storm::Storm;
use crate::table::Lake;

/// What a process may take beyond what its queries ask for: plans, logs, open files, and the lake, which is in memory.
const ALLOWANCE: usize = 24 << 20;

/// Where the lake is said to be: no bucket, whose storage would be raced for an object, and no folder on the disk.
const URL: &str = "memory://simulated/lake";
const FOLDER: &str = "lake";

/// What broke, in words.
pub(super) type Broken = String;

pub(super) struct World {
    pub seed: u64,
    pub random: StdRng,
    /// Whether storage ever fails and processes ever die.
    pub is_calm: bool,
    pub design: Design,
    pub exports: Vec<Exports>,
    numbers: Numbers,
    root: TempDir,
    base: RunContext,
    pub time: Time,
    pub lake: Disk,
    raw: Disk,
    pub stranger: Stranger,
    pub known: Known,
    /// The last day of which there are deliveries.
    pub today: NaiveDate,
    /// What the lake stands at between steps.
    pub moment: Option<Moment>,
    /// What was done so far.
    pub story: Vec<String>,
    /// Every write to the lake, in order.
    pub writes: Vec<String>,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Attempts that spilled, and the most that one took.
    pub spilled: u64,
    pub taken: usize,
}

/// One attempt: what the process works with.
pub(super) struct Attempt {
    pub context: RunContext,
    pub lake: FaultyStore,
    pub raw: FaultyStore,
    memory: Memory,
    /// What was held before it.
    pub held: isize,
}

pub(super) fn day(number: u64) -> NaiveDate {
    NaiveDate::default() + Days::new(20_485 + number)
}

impl World {
    pub(super) async fn new(seed: u64, is_calm: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let design = Design::random(&mut random);
        let root = TempDir::new().unwrap();
        let base = open(&design, &root).await;
        let time = Time::new("2026-02-10T03:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let lake = Disk::new(&time);
        let stranger = Stranger::new(&lake, &Path::from(FOLDER));
        Self {
            seed,
            random,
            is_calm,
            exports: design.sources.iter().map(|_| Exports::default()).collect(),
            design,
            numbers: Numbers::default(),
            root,
            base,
            raw: Disk::new(&time),
            lake,
            stranger,
            time,
            known: Known::default(),
            today: day(0),
            moment: None,
            story: Vec::new(),
            writes: Vec::new(),
            faults: BTreeMap::new(),
            spilled: 0,
            taken: 0,
        }
    }

    pub(super) fn tell(&mut self, what: impl Into<String>) {
        let line = format!("{} {}", self.time.now().format("%m-%d %H:%M:%S"), what.into());
        self.story.push(line);
    }

    /// Time goes by.
    pub(super) fn wait(&mut self, least: i64, most: i64) {
        let seconds = self.random.random_range(least..=most);
        self.time.advance(TimeDelta::seconds(seconds));
    }

    /// The contract of a source takes what it did not.
    pub(super) async fn mend(&mut self, source: usize) {
        self.design.sources[source].mended = true;
        self.base = open(&self.design, &self.root).await;
    }

    /// The exports of a source get a column, and so does its contract.
    pub(super) async fn widen(&mut self) {
        let source = self.random.random_range(0..self.design.sources.len());
        self.design.sources[source].widened = true;
        self.base = open(&self.design, &self.root).await;
        self.tell(format!("{} has a column more", self.design.sources[source].name));
    }

    /// What comes by a day, of all sources.
    pub(super) async fn deliver(&mut self, day: NaiveDate) {
        for index in 0..self.design.sources.len() {
            let source = self.design.sources[index].clone();
            let written = self.exports[index].deliver(&source, &mut self.random, &mut self.numbers, day);
            for path in written {
                let content = &self.exports[index].files[&path].content;
                let (number, body) = (content.number, content.csv());
                let location = path.split('/').fold(self.base.raw_root.clone(), |path, part| path.join(part));
                self.raw.put(&location, body.into()).await.unwrap();
                self.time.advance(TimeDelta::seconds(1));
                self.tell(format!("delivered {path}, content {number}"));
            }
        }
    }

    /// A process of its own, in some weather.
    pub(super) fn attempt(&mut self, weather: &Weather) -> Attempt {
        let (mut context, memory) = (self.base.clone(), weather.memory());
        let rule = |storm| Rule::Storm(Box::new(storm));
        let lake = FaultyStore::new(
            Arc::new(self.lake.clone()) as Arc<dyn ObjectStore>,
            rule(weather.lake().over(&self.lake.journal)),
        );
        let raw = FaultyStore::new(
            Arc::new(self.raw.clone()) as Arc<dyn ObjectStore>,
            rule(weather.raw().over(&self.raw.journal)),
        );
        context.lake = Lake::new(URL.parse().unwrap(), Arc::new(lake.clone()), Path::from(FOLDER));
        context.raw = Arc::new(raw.clone());
        context.engine = Engine::with_reserve(&context.lake, memory.budget, memory.reserve, 1).unwrap();
        let engine = context.engine.clone();
        lake.watch(move || engine.reserved());
        context.clock = Arc::new(FixedClock::new(self.time.now()));
        context.turns = Turns::BySeed(self.seed.wrapping_add(self.story.len() as u64));
        Attempt { context, lake, raw, memory, held: counted::mark() }
    }

    /// What an attempt took since it began, or went on, whether it asked for it or not.
    pub(super) fn measure(&mut self, attempt: &Attempt) -> Result<(), Broken> {
        let taken = usize::try_from(counted::highest() - attempt.held).unwrap_or(0);
        let asked = attempt.lake.highest();
        self.taken = self.taken.max(taken);
        if taken > asked + ALLOWANCE {
            return Err(format!("memory: {taken} bytes were taken, and no more than {asked} asked for"));
        }
        Ok(())
    }

    /// Notes what was injected, and asks the pool what is left of its budget.
    pub(super) fn end(&mut self, attempt: &Attempt) -> Result<(), Broken> {
        for (fault, path) in attempt.lake.injected().into_iter().chain(attempt.raw.injected()) {
            *self.faults.entry(fault).or_default() += 1;
            if fault == Fault::Landed {
                self.tell(format!("  {path} landed late"));
            }
        }
        self.writes.extend(attempt.lake.storm().into_iter().flat_map(Storm::trace));
        self.measure(attempt)?;
        self.spilled += u64::from(attempt.context.engine.spilled());
        let (peak, left) = (attempt.lake.highest(), attempt.context.engine.reserved());
        let most = attempt.memory.most();
        if peak > most || left > 0 {
            return Err(format!("memory: {peak} of {most} bytes were asked for, {left} never given back"));
        }
        // Of an attempt that took none, nothing is known.
        if peak > 0 {
            self.known.count(MEMORY_STAYS);
        }
        Ok(())
    }
}

async fn open(design: &Design, root: &TempDir) -> RunContext {
    for (path, text) in design.files() {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let project = Project::load(root.path(), &Overrides::default(), &|_| None, &[]).unwrap();
    let clock = FixedClock::new("2026-02-10T03:00:00Z".parse().unwrap());
    let context = RunContext::open(project, &|_| None, Arc::new(clock)).await.unwrap();
    // Faults go by path, which the name of the folder would change from run to run.
    RunContext { raw_root: Path::from("raw"), ..context }
}
