//! What is done to a lake, step by step.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rand::Rng;

use super::check::moments;
use super::exports::Misfit;
use super::oracle::Moment;
use super::weather::Weather;
use super::world::{Attempt, Broken, World, day};
use crate::counted;
use crate::error::ErrorKind;
use crate::lease::{Holder, LeaseError, break_lease, last_link};
use crate::release::{self, Keep, Pin, ReleaseId};
use crate::run::{
    Choice, RunContext, RunError, RunRequest, Stage, backfill, discard, maintain, replay, rollback, run_night,
};

/// A step of the simulation.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Night(NaiveDate),
    /// A night of one model, by its place in the design, and of what it reads.
    Only(NaiveDate, usize),
    /// Ingest, build, publish: one command each.
    Stages(NaiveDate),
    Backfill(NaiveDate, NaiveDate),
    /// A night that hangs while another process runs the same.
    Twice(NaiveDate),
    /// Maintenance that hangs while a night runs.
    MaintainBeside(NaiveDate, Keep),
    Maintain(Keep),
    /// A contract takes what it did not, then its held rows are tried again.
    Replay(usize),
    Discard(usize),
    Rollback(ReleaseId),
    Pin(ReleaseId),
}

/// Attempts of a step under faults before it is let succeed.
const ATTEMPTS: u64 = 2;

impl World {
    /// The runs that a step makes.
    fn runs(&self, step: &Step) -> Vec<(NaiveDate, Vec<NaiveDate>)> {
        match step {
            Step::Night(night)
            | Step::Only(night, _)
            | Step::Stages(night)
            | Step::Twice(night)
            | Step::MaintainBeside(night, _) => {
                vec![(*night, Vec::new())]
            }
            Step::Backfill(from, to) => {
                let highest = self.moment.as_ref().map(|moment| moment.night);
                let (mut earlier, later): (Vec<_>, Vec<_>) = from
                    .iter_days()
                    .take_while(|night| night <= to)
                    .partition(|night| highest.is_some_and(|highest| *night <= highest));
                let first = earlier.pop().map(|last| (last, earlier));
                first.into_iter().chain(later.into_iter().map(|night| (night, Vec::new()))).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn random_step(&mut self) -> Step {
        let night = self.today;
        let older = day(0).max(night - chrono::Days::new(self.random.random_range(1..4)));
        let keep = Keep { nights: self.random.random_range(1..3), months: 1 };
        let releases = self.known.listed();
        let release = releases[self.random.random_range(0..releases.len())];
        let source = self.random.random_range(0..self.design.sources.len());
        match self.random.random_range(0..100) {
            0..=22 => Step::Night(night),
            23..=27 => Step::Only(night, self.random.random_range(0..self.design.models.len())),
            28..=35 => Step::Night(older),
            36..=45 => Step::Backfill(older, night),
            46..=53 => Step::Stages(night),
            54..=63 => Step::Twice(night),
            64..=67 => Step::MaintainBeside(night, keep),
            68..=77 => Step::Maintain(keep),
            78..=83 => Step::Replay(source),
            84..=86 => Step::Discard(source),
            87..=93 => Step::Rollback(release),
            _ => Step::Pin(release),
        }
    }

    /// Does a step under faults, then until it succeeds, and checks what has to hold.
    pub(super) async fn take(&mut self, step: Step) -> Result<(), Broken> {
        if let Step::Replay(source) = step
            && !self.design.sources[source].mended
        {
            self.mend(source).await;
        }
        if matches!(step, Step::Replay(source) | Step::Discard(source) if !self.exports[source].is_settled()) {
            return Ok(());
        }
        self.tell(format!("{step:?}"));
        let runs = self.runs(&step);
        let only = if let Step::Only(_, model) = step { Some(self.design.with_read(model)) } else { None };
        let moments = moments(self, &runs, only.as_ref());
        let restoring = if let Step::Rollback(to) = step { Some(to) } else { None };
        let attempts = if self.is_calm { 0 } else { self.random.random_range(0..=ATTEMPTS) };
        for number in 0..attempts {
            let number = number + 100 * self.story.len() as u64;
            let weather = Weather::random(&mut self.random, self.seed, number);
            let _ended = self.one(&step, &weather, &moments, restoring).await?;
            match self.random.random_range(0..10) {
                0 if !runs.is_empty() => self.deliver(self.today).await,
                1 if !runs.is_empty() => self.maintained_meanwhile(&moments).await?,
                _ => {}
            }
        }
        if let Some(to) = restoring.filter(|_| attempts > 0)
            && self.is_given_up(to, &moments).await?
        {
            return Box::pin(self.take(Step::Night(self.today))).await;
        }
        if matches!(step, Step::Twice(_) | Step::MaintainBeside(..)) {
            self.beside(&step, &moments).await?;
        }
        let (done, attempt) = self.one(&step, &Weather::calm(), &moments, restoring).await?;
        drop(attempt);
        let nothing =
            |error: &RunError| matches!(step, Step::Rollback(_)) && error.to_string().contains("nothing to do");
        match done {
            Err(error) if !nothing(&error) => return Err(format!("without a fault {step:?} fails: {error}")),
            _ => {}
        }
        self.settle(&step, &runs, &moments).await
    }

    /// Whether nobody tries a rollback again that died before its release; some are.
    async fn is_given_up(&mut self, to: ReleaseId, moments: &[Moment]) -> Result<bool, Broken> {
        if (self.seed + self.story.len() as u64).is_multiple_of(2) {
            return Ok(false);
        }
        // Whoever takes the lake next puts the file of a release whose link is there.
        let next = Step::Maintain(Keep { nights: 35, months: 13 });
        let (done, _) = self.one(&next, &Weather::calm(), moments, Some(to)).await?;
        done.map_err(|error| format!("maintenance fails without a fault: {error}"))?;
        let restored = self.known.latest().and_then(|seen| seen.release.restores.clone());
        self.tell(format!("  it is given up, after {restored:?}"));
        Ok(restored != Some(to.to_string()))
    }

    /// What is known once a step has succeeded.
    async fn settle(
        &mut self,
        step: &Step,
        runs: &[(NaiveDate, Vec<NaiveDate>)],
        moments: &[Moment],
    ) -> Result<(), Broken> {
        let sources = self.design.sources.clone();
        let mut built = self.moment.as_ref().map_or(NaiveDate::MIN, |moment| moment.night);
        for (night, earlier) in runs {
            for night in earlier.iter().chain([night]) {
                for (source, exports) in sources.iter().zip(&mut self.exports) {
                    exports.ingested(source, *night, built.max(*night));
                }
            }
            built = built.max(*night);
        }
        for (source, exports) in sources.iter().zip(&mut self.exports).filter(|(source, _)| !source.dated) {
            exports.note_nights(&self.stranger.newest(&source.table()).await?)?;
        }
        match step {
            Step::Replay(source) => self.exports[*source].settle(Misfit::InBronze),
            Step::Discard(source) => self.exports[*source].settle(Misfit::Discarded),
            Step::Pin(id) => drop(self.known.pinned.insert(*id)),
            Step::Rollback(_) => self.moment = self.rolled_back(),
            _ => {}
        }
        if runs.is_empty() {
            self.check_delivered().await?;
        } else if let Step::Only(_, model) = step {
            self.check_delivered().await?;
            let moment = moments.last().cloned().unwrap_or_default();
            self.check_selected(&moment, &self.design.with_read(*model)).await?;
            self.moment = Some(moment);
        } else {
            let moment = moments.last().cloned().unwrap_or_default();
            self.check_healed(&moment).await?;
            self.moment = Some(moment);
        }
        if matches!(step, Step::Maintain(_) | Step::MaintainBeside(..)) {
            self.check_kept().await?;
        }
        Ok(())
    }

    /// What the lake stands at after a rollback. A history that the release before did not have, for it failed or was
    /// held in its first night, is not taken out of the lake: the next night builds on the nights that it has seen.
    fn rolled_back(&self) -> Option<Moment> {
        let latest = self.known.latest()?;
        let mut moment = latest.moment.clone();
        for (history, nights) in self.moment.iter().flat_map(|before| &before.observed) {
            if !latest.release.tables.contains_key(history) {
                moment.observed.insert(history.clone(), nights.clone());
            }
        }
        Some(moment)
    }

    /// One process that does a step, in some weather.
    async fn one(
        &mut self,
        step: &Step,
        weather: &Weather,
        moments: &[Moment],
        restoring: Option<ReleaseId>,
    ) -> Result<(Result<(), RunError>, Attempt), Broken> {
        // A lease that nobody gave back has expired by then.
        self.wait(35, 7_200);
        // What maintenance puts together it sorts, and it is tried once: it has the memory that a project has at least.
        let may_be_short = !self.design.maintains && !matches!(step, Step::Maintain(_) | Step::MaintainBeside(..));
        let weather = if may_be_short { weather.short(&mut self.random) } else { weather.clone() };
        self.tell(format!("  {}", weather.says()));
        let attempt = self.attempt(&weather);
        let done = perform(self, &attempt.context, step).await;
        if let Err(error) = &done {
            self.tell(format!("  ended by: {error}"));
        }
        self.end(&attempt)?;
        self.observe(moments, restoring).await?;
        if let Step::Maintain(keep) | Step::MaintainBeside(_, keep) = step {
            self.check_retained(keep.nights).await?;
            self.check_kept().await?;
        }
        Ok((done, attempt))
    }

    /// Days go by after a crash, and maintenance runs before the night is run again.
    async fn maintained_meanwhile(&mut self, moments: &[Moment]) -> Result<(), Broken> {
        self.wait(60, 4 * 86_400);
        let step = Step::Maintain(Keep { nights: 2, months: 1 });
        self.tell(format!("{step:?} in between"));
        let (done, _) = self.one(&step, &Weather::calm(), moments, None).await?;
        done.map_err(|error| format!("maintenance fails without a fault: {error}"))
    }

    /// A process hangs in the middle of a write, another takes its lease and ends; then the first goes on.
    async fn beside(&mut self, step: &Step, moments: &[Moment]) -> Result<(), Broken> {
        self.wait(35, 7_200);
        let weather = Weather::pausing(&mut self.random);
        self.tell(format!("  the first {}", weather.says()));
        let mut first = self.attempt(&weather);
        let before = self.last_of_chain(&first).await?;
        let hung = {
            let (context, request) = (first.context.clone(), step.clone());
            tokio::task::spawn_local(async move { begin(&context, &request).await })
        };
        let store = first.lake.clone();
        let mut hung = Box::pin(hung);
        let hangs = tokio::select! {
            biased;
            _ = &mut hung => false,
            () = async { store.storm().unwrap().hangs().await } => true,
        };
        if !hangs {
            self.tell("  the first came to its end");
            self.end(&first)?;
            return self.observe(moments, None).await;
        }
        self.measure(&first)?;
        self.note_gone().await;
        // It may hang before it takes the lease: then it takes it later, and is nobody's predecessor.
        let holds = self.last_of_chain(&first).await? != before;
        let night = Step::Night(moments.last().map(|moment| moment.night).unwrap_or_default());
        if self.random.random_bool(0.2) {
            let second = self.attempt(&Weather::calm());
            let refused = perform(self, &second.context, &night).await;
            let is_locked = matches!(&refused, Err(error) if error.kind() == ErrorKind::Locked);
            if !is_locked && holds {
                return Err(format!("a second run beside one that holds the lake: {refused:?}"));
            }
        }
        if self.random.random_bool(0.5) {
            self.deliver(self.today).await;
        }
        if holds && self.random.random_bool(0.25) {
            self.unlock().await?;
        }
        // Maintenance commits to hardly a table: the first is stopped by the fences alone.
        let is_maintained = (self.seed + self.story.len() as u64).is_multiple_of(4);
        let other = if is_maintained { Step::Maintain(Keep { nights: 2, months: 1 }) } else { night };
        self.tell(format!("  beside it {other:?}"));
        let (second, _) = self.one(&other, &Weather::calm(), moments, None).await?;
        let before = self.entries().await;
        self.tell(format!("  the second ended: {}; the first goes on", second.is_ok()));
        first.held = counted::mark();
        store.storm().unwrap().let_go();
        let ended = hung.await.map_or_else(
            |error| error.to_string(),
            |done| done.map_or_else(|error| error.to_string(), |()| "well".to_owned()),
        );
        self.tell(format!("  the first ended: {ended}"));
        self.end(&first)?;
        if second.is_ok() && holds {
            self.wrote_nothing_since(&before).await?;
        }
        self.observe(moments, None).await
    }

    /// A run that lost its lease commits nothing from then on.
    async fn wrote_nothing_since(&self, before: &BTreeMap<String, BTreeSet<u64>>) -> Result<(), Broken> {
        for (table, versions) in self.entries().await {
            let old = before.get(&table).cloned().unwrap_or_default();
            if !versions.is_subset(&old) {
                return Err(format!("a run that lost its lease wrote on: {table} had {old:?}, has {versions:?}"));
            }
        }
        Ok(())
    }

    /// A person takes the lake from who holds it.
    async fn unlock(&mut self) -> Result<(), Broken> {
        let person = self.attempt(&Weather::calm()).context;
        let failed = |error: LeaseError| format!("the lease cannot be broken: {error}");
        let Some(seen) = last_link(&person.lake).await.map_err(failed)? else { return Ok(()) };
        self.tell("  a person unlocks the lake");
        let by = Holder::this_process("a person", "runs unlock");
        break_lease(&person.lake, &seen, by, person.clock.as_ref()).await.map_err(failed)
    }

    /// The position of the last link of the lease's chain.
    async fn last_of_chain(&self, attempt: &Attempt) -> Result<Option<u64>, Broken> {
        let link = last_link(&attempt.context.lake).await;
        link.map(|link| link.map(|link| link.position)).map_err(|error| format!("the chain cannot be read: {error}"))
    }
}

/// The first of two processes.
async fn begin(context: &RunContext, step: &Step) -> Result<(), RunError> {
    match step {
        Step::MaintainBeside(_, keep) => Box::pin(maintain(context, *keep)).await.map(drop),
        Step::Twice(night) => night_of(context, *night, None).await,
        _ => Ok(()),
    }
}

async fn night_of(context: &RunContext, night: NaiveDate, stage: Option<Stage>) -> Result<(), RunError> {
    let request = RunRequest { night, stage, ..RunRequest::default() };
    // A future of the whole run: on the heap, for a test's thread has little stack.
    Box::pin(run_night(context, &request)).await.map(drop)
}

async fn perform(world: &World, context: &RunContext, step: &Step) -> Result<(), RunError> {
    let named = |source: usize| world.design.sources[source].name.as_str();
    match step {
        Step::Night(night) | Step::Twice(night) => night_of(context, *night, None).await,
        Step::Only(night, model) => {
            let select = Some(world.design.with_read(*model));
            let request = RunRequest { night: *night, select, ..RunRequest::default() };
            Box::pin(run_night(context, &request)).await.map(drop)
        }
        Step::MaintainBeside(night, keep) => {
            night_of(context, *night, None).await?;
            Box::pin(maintain(context, *keep)).await.map(drop)
        }
        Step::Stages(night) => {
            for stage in [Stage::Ingest, Stage::Build, Stage::Publish] {
                night_of(context, *night, Some(stage)).await?;
            }
            Ok(())
        }
        Step::Backfill(from, to) => Box::pin(backfill(context, *from, *to, 1, None, drop)).await,
        Step::Maintain(keep) => Box::pin(maintain(context, *keep)).await.map(drop),
        Step::Replay(source) => Box::pin(replay(context, named(*source), &Choice::default())).await.map(drop),
        Step::Discard(source) => {
            Box::pin(discard(context, named(*source), &Choice::default(), "a test", "ana")).await.map(drop)
        }
        Step::Rollback(to) => Box::pin(rollback(context, *to)).await.map(drop),
        Step::Pin(id) => {
            let pin = Pin { reason: "a test".to_owned(), at: context.clock.now() };
            Ok(release::pin(&context.lake, *id, &pin).await?)
        }
    }
}
