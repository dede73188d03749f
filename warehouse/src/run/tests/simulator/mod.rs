//! A simulator of faults: random projects, deliveries, nights, crashes and readers, all from one seed.
//!
//! It runs the production code over a store in memory that fails by seed ([`crate::store::storm`]), with a
//! clock of its own, one thread a seed; what a run would do at once takes turns by seed
//! ([`crate::run::Turns`]), so that a seed does the same each time. After every step the invariants are asked of the lake by a reader that
//! shares no code with the engine ([`reader`]), against tables worked out from the deliveries ([`oracle`]).
//! A seed that breaks one is printed with its story, and does it again by itself:
//! `BUHO_SEEDS=17..18 cargo test --workspace --lib simulator`.

mod check;
mod delivered;
mod disk;
mod exports;
mod kept;
mod oracle;
mod project;
mod reader;
mod steps;
mod tokens;
mod weather;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::steps::Step;
use self::world::{World, day};
use crate::counted::{Account, pay_from};
use crate::planted::{Bug, plant};
use crate::release::Keep;
use crate::store::faults::Fault;

/// Seeds that every run of the tests takes.
const SEEDS: u64 = 50;
/// Steps of a seed, between its first night and its last.
const STEPS: std::ops::RangeInclusive<usize> = 2..=4;
/// Seeds that are run twice, to see that they do the same.
const SEEDS_DONE_TWICE: u64 = 5;
/// Seeds that a planted defect has at most.
const SEEDS_OF_A_BUG: u64 = 200;

/// What a seed came to.
struct Ended {
    broken: Option<String>,
    story: Vec<String>,
    /// Every write to the lake, in order.
    writes: Vec<String>,
    faults: BTreeMap<Fault, u64>,
    checked: BTreeMap<&'static str, u64>,
    /// Attempts that spilled, and the most bytes that one took.
    spilled: u64,
    taken: usize,
}

/// Runs one seed in a thread of its own, with a defect planted or none.
fn run(seed: u64, bug: Option<Bug>) -> Ended {
    let account = Account::open();
    let payer = account.number();
    let simulated = std::thread::spawn(move || {
        plant(bug);
        pay_from(payer);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().on_thread_start(move || pay_from(payer)).build().unwrap();
        runtime.block_on(tokio::task::LocalSet::new().run_until(simulate(seed, false)))
    });
    simulated.join().unwrap_or_else(|panic| Ended {
        broken: Some(format!("a panic: {:?}", panic.downcast_ref::<String>())),
        story: Vec::new(),
        writes: Vec::new(),
        faults: BTreeMap::new(),
        checked: BTreeMap::new(),
        spilled: 0,
        taken: 0,
    })
}

async fn simulate(seed: u64, is_calm: bool) -> Ended {
    let mut world = World::new(seed, is_calm).await;
    let lived = live(&mut world).await;
    let World { story, writes, faults, known, spilled, taken, .. } = world;
    Ended { broken: lived.err(), story, writes, faults, checked: known.checked, spilled, taken }
}

async fn live(world: &mut World) -> Result<(), String> {
    for number in 0..2 {
        world.today = day(number);
        world.deliver(world.today).await;
    }
    world.take(Step::Night(day(1))).await?;
    for _ in 0..rand::Rng::random_range(&mut world.random, STEPS) {
        world.wait(600, 50_000);
        if rand::Rng::random_bool(&mut world.random, 0.1) {
            world.widen().await;
        }
        if rand::Rng::random_bool(&mut world.random, 0.6) {
            world.today = world.today + chrono::Days::new(1);
            world.deliver(world.today).await;
        }
        let step = world.random_step();
        world.take(step).await?;
    }
    world.take(Step::Night(world.today)).await?;
    if !world.known.pinned.is_empty() {
        // A pin counts only once its night would go: seldom within a few steps.
        world.take(Step::Maintain(Keep { nights: 1, months: 1 })).await?;
    }
    world.lake.land_the_rest().await;
    let moments: Vec<_> = world.moment.clone().into_iter().collect();
    world.observe(&moments, None).await?;
    world.check_kept().await
}

/// The seeds to run: `BUHO_SEEDS` is a number of them, or a range without its end.
fn seeds() -> Range<u64> {
    let asked = std::env::var("BUHO_SEEDS").unwrap_or_default();
    let seeds = match asked.split_once("..") {
        Some((first, end)) => first.parse().unwrap()..end.parse().unwrap(),
        None if asked.is_empty() => 0..SEEDS,
        None => 0..asked.parse().unwrap(),
    };
    assert!(!seeds.is_empty(), "BUHO_SEEDS={asked} is no seed: `17..18` is one");
    seeds
}

/// Runs `work` over numbers on all cores until it says to stop.
fn over<T: Send>(numbers: Range<u64>, work: impl Fn(u64) -> T + Sync, is_last: impl Fn(&T) -> bool + Sync) -> Vec<T> {
    let next = AtomicU64::new(numbers.start);
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= numbers.end {
                        return;
                    }
                    let done = work(number);
                    if is_last(&done) {
                        next.store(numbers.end, Ordering::SeqCst);
                    }
                    all.lock().unwrap().push(done);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// Few seeds let maintenance find deliveries to put together, and those that do are worth most.
fn is_compacted_bronze(path: &str) -> bool {
    path.contains("/bronze/") && path.contains("-compact-")
}

/// A query that found no memory is tried again, and the number of the attempt is in the names of its files.
fn is_of_a_later_attempt(path: &str) -> bool {
    path.ends_with("-2.zstd.parquet") || path.ends_with("-3.zstd.parquet")
}

#[test]
fn whatever_fails_no_invariant_of_a_lake_breaks() {
    let seeds = seeds();
    let ended = over(seeds.clone(), |seed| (seed, run(seed, None)), |_| false);
    let (mut faults, mut checked) = (BTreeMap::<Fault, u64>::new(), BTreeMap::<&str, u64>::new());
    let (mut broken, mut compacted, mut spilled, mut again, mut taken) = (Vec::new(), 0, 0, 0, 0);
    for (seed, ended) in ended {
        compacted += ended.writes.iter().filter(|path| is_compacted_bronze(path)).count();
        again += ended.writes.iter().filter(|path| is_of_a_later_attempt(path)).count();
        spilled += ended.spilled;
        taken = taken.max(ended.taken);
        for (fault, count) in ended.faults {
            *faults.entry(fault).or_default() += count;
        }
        for (invariant, count) in ended.checked {
            *checked.entry(invariant).or_default() += count;
        }
        if let Some(what) = ended.broken {
            broken.push(format!("seed {seed}: {what}\n  {}", ended.story.join("\n  ")));
        }
    }
    println!("{} seeds", seeds.end - seeds.start);
    for (fault, count) in &faults {
        println!("{count:>8} {fault:?}");
    }
    for (invariant, count) in &checked {
        println!("{count:>8} checks: {invariant}");
    }
    println!("{compacted:>8} files in which deliveries were put together");
    println!("{spilled:>8} processes that spilled, {again} files of queries tried again for want of memory");
    println!("{:>8} KiB were taken at most by a process", taken >> 10);
    assert!(broken.is_empty(), "{} seeds broke an invariant\n{}", broken.len(), broken.join("\n\n"));
    let is_many = seeds.end - seeds.start >= 10;
    assert!(!is_many || compacted > 0, "no seed puts deliveries together");
    assert!(!is_many || faults.values().sum::<u64>() >= seeds.end - seeds.start, "hardly a fault: {faults:?}");
}

#[test]
fn a_seed_does_the_same_each_time() {
    let seeds = seeds();
    let twice = over(
        seeds.start..seeds.end.min(seeds.start + SEEDS_DONE_TWICE),
        |seed| (seed, run(seed, None), run(seed, None)),
        |_| false,
    );
    for (seed, first, second) in twice {
        for (number, (once, again)) in first.writes.iter().zip(&second.writes).enumerate() {
            assert_eq!(once, again, "seed {seed}, write {number}");
        }
        assert_eq!(first.writes.len(), second.writes.len(), "seed {seed}");
        assert_eq!(first.faults, second.faults, "seed {seed}");
    }
}

/// Defects, of which each is found within [`SEEDS_OF_A_BUG`]; `BUHO_BUGS` is the names of some.
const BUGS: [Bug; 19] = [
    Bug::CommitsAgain,
    Bug::RewriteLosesValues,
    Bug::ReleasesFirst,
    Bug::PinsIgnored,
    Bug::NoGrace,
    Bug::NoFence,
    Bug::LeaseUnchecked,
    Bug::AnyStagedNote,
    Bug::AuditsIgnored,
    Bug::HeldAsFresh,
    Bug::ReplacedRowsStay,
    Bug::LedgerUntied,
    Bug::StandingUnderPrior,
    Bug::MergeKeepsOldRows,
    Bug::HistoryAtWrongNight,
    Bug::LogCutTooFar,
    Bug::QuarantineAddedTo,
    Bug::MemoryKept,
    Bug::MemoryUntold,
];

/// The first seed that finds a defect, and what it says. A seed that breaks without the defect finds nothing.
fn found(bug: Bug) -> Option<(u64, String)> {
    let broken = |seed| run(seed, Some(bug)).broken.filter(|_| run(seed, None).broken.is_none());
    let ended = over(0..SEEDS_OF_A_BUG, |seed| (seed, broken(seed)), |(_, broken)| broken.is_some());
    ended.into_iter().filter_map(|(seed, broken)| Some((seed, broken?))).min()
}

#[test]
#[ignore = "takes minutes: `make test-faults`"]
fn each_planted_defect_of_the_protocol_is_found_within_200_seeds() {
    let asked = std::env::var("BUHO_BUGS").unwrap_or_default();
    let is_asked = |bug: &Bug| asked.is_empty() || asked.split(',').any(|name| name == format!("{bug:?}"));
    let mut missed = Vec::new();
    for bug in BUGS.into_iter().filter(is_asked) {
        match found(bug) {
            Some((seed, what)) => println!("{bug:?}: seed {seed}: {what}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
