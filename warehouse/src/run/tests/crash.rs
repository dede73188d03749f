//! A night that dies at each of its writes, and is run again.

use super::*;
use crate::lease::Lease;
use crate::session::Engine;
use crate::store::faults::{FaultyStore, Rule};
use crate::store::storm::Storm;

const BOTH: &str =
    "select (select sum(revenue) from marts.daily) as revenue, (select max(n) from marts.busy) as busiest";
const BUSY_SQL: &str =
    "select ordered_on, cast(count(*) as bigint) as n from staging.stg_shop__orders group by ordered_on";
const BUSY_YML: &str = "
key: [ordered_on]
columns:
  - { name: ordered_on, type: DATE }
  - { name: n, type: BIGINT }
";

/// A shop with two marts, one night released, and a second night's orders delivered.
async fn shop_before_the_second_night() -> Shop {
    let shop = Shop::new();
    shop.write("sql/marts/shop/busy.sql", BUSY_SQL);
    shop.write("sql/marts/shop/busy.yml", BUSY_YML);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00"), ("c", "2026-02-02 11:00:00", "bad")]);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "20.50")]);
    shop
}

/// The context of one attempt, an hour after the last: a lease that nobody renewed has expired.
pub(super) async fn attempt(shop: &Shop, hour: u32, rule: Rule) -> (RunContext, FaultyStore) {
    let mut context = shop.open_at(&format!("2026-02-10T{:02}:{:02}:00Z", 3 + hour / 60, hour % 60)).await;
    let store = FaultyStore::new(Arc::clone(context.lake.store()), rule);
    context.lake = context.lake.over(Arc::new(store.clone()));
    context.engine = Engine::new(&context.lake, 256 << 20, 2).unwrap();
    (context, store)
}

pub(super) fn second_night() -> RunRequest {
    RunRequest { night: "2026-02-02".parse().unwrap(), ..RunRequest::default() }
}

/// The write by which work puts a release into the lease's chain, all of its tables committed.
pub(super) async fn link_of(reference: Shop, release: &str, work: impl AsyncFn(&RunContext)) -> u64 {
    let (context, store) = attempt(&reference, 0, Rule::Storm(Box::new(Storm::new(0, 0)))).await;
    work(&context).await;
    let file = format!("_buho/releases/{release}");
    let before = store.storm().unwrap().trace().iter().take_while(|path| !path.contains(&file)).count();
    u64::try_from(before).unwrap()
}

/// Runs a night that dies when all its tables are committed, as a shop of the kind shows where that is.
pub(super) async fn dies_before_its_release(shop: &Shop, reference: Shop, night: &str) {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    let write = link_of(reference, night, async |context: &RunContext| {
        run_night(context, &request).await.unwrap();
    });
    let rule = Rule::DiesAt { write: write.await, applied: false };
    run_night(&attempt(shop, 0, rule).await.0, &request).await.unwrap_err();
}

/// Whether who reads a table's newest version sees what the release has.
pub(super) async fn is_released_for_strangers(shop: &Shop, table: &str) -> bool {
    let lake = shop.open().await.lake;
    let released = release::latest(&lake).await.unwrap().unwrap().tables[table].version;
    let load = async |version| TableSnapshot::load(&lake, table, version).await.unwrap().unwrap();
    load(Some(released)).await.same_rows(&load(None).await)
}

/// What a reader of ours sees: both marts, at once.
async fn seen(shop: &Shop) -> String {
    shop.ask(BOTH).await
}

async fn held(shop: &Shop) -> String {
    let quarantine = "select file, record, status from ops.quarantine order by file, record";
    let bronze = "select _file, _record, amount from bronze.orders order by _file, _record";
    format!("{}\n{}", shop.ask(bronze).await, shop.ask(quarantine).await)
}

/// Runs the second night of a shop with a death at each of its writes, and again: what a reader sees after the
/// crash and after the next run. How often the next run took over what was staged and what was committed of
/// `watched`.
async fn dies_everywhere(shop: impl AsyncFn() -> Shop, question: &str, watched: &str) -> (u32, u32) {
    let reference = shop().await;
    let before = reference.ask(question).await;
    let (context, store) = attempt(&reference, 0, Rule::Never).await;
    run_night(&context, &second_night()).await.unwrap();
    let (after, rows, writes) = (reference.ask(question).await, held(&reference).await, store.writes());
    assert_ne!(before, after);
    assert!(writes > 15, "{writes} writes");
    let (mut staged_again, mut committed_again) = (0, 0);

    for write in 1..=writes {
        for applied in [false, true] {
            let at = format!("dies at write {write} of {writes}, applied: {applied}");
            let shop = shop().await;
            let (context, store) = attempt(&shop, 0, Rule::DiesAt { write, applied }).await;
            let died = run_night(&context, &second_night()).await;
            let now = shop.ask(question).await;
            assert!(now == before || now == after, "{at}, {:?}: a reader sees\n{now}", store.injected());
            // A lost answer of a write that nothing depends on does not stop a run.
            if died.is_ok() {
                assert_eq!(now, after, "{at}");
            }
            let (context, _) = attempt(&shop, 2, Rule::Never).await;
            let left = TableSnapshot::load(&context.lake, watched, None).await.unwrap().unwrap();
            let again = run_night(&context, &second_night()).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(matches!(again.status, RunStatus::Done | RunStatus::Skipped), "{at}: {again:#?}");
            assert_eq!(shop.ask(question).await, after, "{at}");
            assert_eq!(held(&shop).await, rows, "{at}");
            if died.is_err() && again.status == RunStatus::Done {
                let now = TableSnapshot::load(&context.lake, watched, None).await.unwrap().unwrap();
                let is_older = now.files.iter().all(|file| !file.path.contains(&again.run_id));
                let was_there = now.files.iter().all(|file| left.files.iter().any(|old| old.path == file.path));
                staged_again += u32::from(is_older && !was_there);
                committed_again += u32::from(is_older && was_there);
            }
        }
    }
    (staged_again, committed_again)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_killed_at_any_write_is_run_again_to_the_same_tables() {
    let (staged, committed) = dies_everywhere(shop_before_the_second_night, BOTH, "marts.daily").await;
    // What the dead run had finished of the mart is in it, not computed anew.
    assert!(staged > 0 && committed > 0, "{staged} staged, {committed} committed");
}

/// A shop with a table of each kind that builds on its rows before.
async fn shop_that_builds_on_before() -> Shop {
    let shop = super::materialize::every_kind();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 10:00:00", "3.00")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00"), ("c", "2026-02-02 11:00:00", "bad")]);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_build_on_their_rows_before_survive_a_death_at_any_write() {
    let question = super::materialize::EVERY_KIND;
    let (staged, committed) = dies_everywhere(shop_that_builds_on_before, question, "core.by_key").await;
    assert!(staged > 0 && committed > 0, "{staged} staged, {committed} committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_with_errors_of_storage_by_seed_ends_in_the_same_tables() {
    let reference = shop_before_the_second_night().await;
    reference.night("2026-02-02").await;
    let (after, rows) = (seen(&reference).await, held(&reference).await);
    for seed in 0..20 {
        let shop = shop_before_the_second_night().await;
        let mut faults = 0;
        for number in 0..8 {
            let (context, store) =
                attempt(&shop, 2 * number, Rule::by_seed(seed * 100 + u64::from(number), 0.05)).await;
            let _ended = run_night(&context, &second_night()).await;
            faults += store.injected().len();
        }
        let (context, _) = attempt(&shop, 40, Rule::Never).await;
        run_night(&context, &second_night()).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(faults > 0, "seed {seed}");
        assert_eq!(seen(&shop).await, after, "seed {seed}");
        assert_eq!(held(&shop).await, rows, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_finds_another_at_work_says_who_and_writes_nothing() {
    let shop = shop_before_the_second_night().await;
    let (context, _) = attempt(&shop, 0, Rule::Never).await;
    let other =
        Lease::acquire(&context.lake, crate::lease::Holder::this_process("the-other", "run"), context.clock.clone())
            .await
            .unwrap();
    let error = run_night(&context, &second_night()).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Locked);
    assert!(error.to_string().contains("the-other"), "{error}");
    assert_eq!(release::list(&context.lake).await.unwrap().len(), 1);
    other.give_back(false).await;
    run_night(&context, &second_night()).await.unwrap();
}

/// The stale run has staged everything when another takes its lease and runs the whole night.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lost_its_lease_commits_and_releases_nothing() {
    let shop = shop_before_the_second_night().await;
    let (stale, _) = attempt(&shop, 0, Rule::Never).await;
    let lease = Lease::acquire(&stale.lake, crate::lease::Holder::this_process("stale", "run"), stale.clock.clone())
        .await
        .unwrap();
    let base = TableSnapshot::load(&stale.lake, "marts.daily", None).await.unwrap().unwrap();
    let (next, _) = attempt(&shop, 2, Rule::Never).await;
    run_night(&next, &second_night()).await.unwrap();
    let after = seen(&shop).await;
    let staged = super::super::state::StagedTable {
        table: "marts.daily".to_owned(),
        schema: base.schema.clone(),
        partition_by: Vec::new(),
        removes: base.files.iter().map(|file| file.path.clone()).collect(),
        base: Some(base.clone()),
        adds: Vec::new(),
    };
    let change = super::super::publish::change(&stale, &lease, &staged, "buho/night", 1, "stale");
    let error = crate::table::commit(&stale.lake, Some(&base), &change).await.unwrap_err();
    assert!(matches!(error, crate::table::TableError::Fenced { .. }), "{error}");
    let stale_release = release::read(&stale.lake, "2026-02-01.1".parse().unwrap()).await.unwrap();
    assert!(lease.publish(&stale.lake, stale_release).await.is_err());
    assert_eq!(seen(&shop).await, after);
}

/// A run of the third night dies behind its commits; then the second is run.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_night_does_not_show_what_a_dead_run_of_a_later_one_had_committed() {
    let question = super::materialize::EVERY_KIND;
    let third = RunRequest { night: "2026-02-03".parse().unwrap(), ..RunRequest::default() };
    let delivered = async || {
        let shop = shop_that_builds_on_before().await;
        shop.orders("2026-02-03", &[("a", "2026-02-03 10:00:00", "7.00"), ("d", "2026-02-03 11:00:00", "8.00")]);
        shop
    };
    let reference = delivered().await;
    let (context, store) = attempt(&reference, 0, Rule::Never).await;
    run_night(&context, &third).await.unwrap();
    let writes = store.writes();
    let in_order = shop_that_builds_on_before().await;
    in_order.night("2026-02-02").await;
    let expected = in_order.ask(question).await;
    let mut ahead = 0;
    for write in writes.saturating_sub(20)..=writes {
        let shop = delivered().await;
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let _died = run_night(&context, &third).await;
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        let left = TableSnapshot::load(&context.lake, "core.states", None).await.unwrap().unwrap();
        run_night(&context, &second_night()).await.unwrap();
        // Its link was in the chain: then it is released.
        if release::latest(&context.lake).await.unwrap().unwrap().night == third.night {
            continue;
        }
        ahead += u32::from(left.version > 0);
        assert_eq!(shop.ask(question).await, expected, "died at write {write} of {writes}");
    }
    assert!(ahead > 0, "no run died behind the commit of the history");
}
