//! Processes that come late, and what happens between a crash and the next run.

use super::crash::{attempt, second_night};
use super::*;
use crate::store::faults::{FaultyStore, Rule};
use crate::store::storm::Storm;
use crate::table::TableError;

const DAY: &str = "2026-02-02";
const LATER: &str = "2096-01-01T03:00:00Z";
const HELD: &str = "select file, record from ops.quarantine where status = 'held' order by file, record";
const ROWS: &str = "select _file, _record, amount from bronze.orders order by _file, _record";

fn shop() -> Shop {
    let shop = Shop::new();
    shop.orders(DAY, &[("a", "2026-02-02 10:00:00", "1.00"), ("b", "2026-02-02 11:00:00", "bad")]);
    shop
}

/// A night hangs at its first write of `part`; a corrected delivery comes, another process runs the night, and
/// the first goes on: what became of it.
async fn overtaken(shop: &Shop, part: &'static str, corrected: &[(&str, &str, &str)]) -> RunError {
    let (context, store) = attempt(shop, 0, Rule::Storm(Box::new(Storm::new(0, 0).pauses_on(part)))).await;
    let local = tokio::task::LocalSet::new();
    let first = local.spawn_local(async move { run_night(&context, &second_night()).await });
    local
        .run_until(async {
            store.storm().unwrap().hangs().await;
            shop.orders(DAY, corrected);
            let (second, _) = attempt(shop, 2, Rule::Never).await;
            run_night(&second, &second_night()).await.unwrap();
            store.storm().unwrap().let_go();
            first.await.unwrap().unwrap_err()
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_late_does_not_write_over_the_ledger_that_the_log_names() {
    let shop = shop();
    shop.night("2026-02-01").await;
    let corrected = [("a", "2026-02-02 10:00:00", "7.00"), ("c", "2026-02-02 10:00:00", "3.00")];
    overtaken(&shop, "_buho/ledger/orders", &corrected).await;
    let after = shop.ask(ROWS).await;
    assert!(after.contains("7.00") && after.contains("3.00"), "{after}");
    // Not loaded a second time: the ledger knows what was loaded.
    assert_eq!(shop.night(DAY).await.status, RunStatus::Skipped);
    assert_eq!(shop.ask(ROWS).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_late_puts_nothing_into_quarantine() {
    let shop = shop();
    let corrected = [("a", "2026-02-02 10:00:00", "7.00"), ("b", "2026-02-02 11:00:00", "worse")];
    let error = overtaken(&shop, "ops/quarantine/_delta_log", &corrected).await;
    let stopped = matches!(error, RunError::Table(TableError::Fenced { .. } | TableError::Conflict { .. }));
    assert!(stopped, "{error}");
    let held = shop.ask("select record, raw from ops.quarantine where status = 'held'").await;
    assert!(held.contains("worse") && !held.contains("bad"), "{held}");
}

/// The logs of tables that a first night creates.
const CREATED: [&str; 3] = ["bronze/orders/_delta_log", "ops/quarantine/_delta_log", "marts/daily/_delta_log"];

/// Entries of a table's log.
async fn entries(context: &RunContext, log: &str) -> Vec<String> {
    use futures::TryStreamExt;
    let listed: Vec<_> = context.lake.store().list(Some(&context.lake.path(log))).try_collect().await.unwrap();
    listed.into_iter().map(|entry| entry.location.to_string()).collect()
}

/// The first night of a lake hangs when it is to create a table; whoever takes the lease, and may die at one of its
/// first writes, commits nothing itself.
async fn created_late(log: &'static str, dies_at: Option<(u64, bool)>) {
    let at = format!("{log}, the next holder dies at {dies_at:?}");
    let shop = shop();
    let (context, store) = attempt(&shop, 0, Rule::Storm(Box::new(Storm::new(0, 0).pauses_on(log)))).await;
    let local = tokio::task::LocalSet::new();
    let first = local.spawn_local(async move { run_night(&context, &second_night()).await });
    let keep = release::Keep { nights: 35, months: 13 };
    local
        .run_until(async {
            store.storm().unwrap().hangs().await;
            if let Some((write, applied)) = dies_at {
                let (dying, _) = attempt(&shop, 2, Rule::DiesAt { write, applied }).await;
                let _died = maintain(&dying, keep).await;
            }
            let (next, _) = attempt(&shop, 4, Rule::Never).await;
            maintain(&next, keep).await.unwrap();
            let mut before = Vec::new();
            for log in CREATED {
                before.push(entries(&next, log).await);
            }
            store.storm().unwrap().let_go();
            let error = first.await.unwrap().unwrap_err();
            assert!(matches!(error, RunError::Table(TableError::Fenced { .. })), "{at}: {error}");
            for (log, before) in CREATED.into_iter().zip(before) {
                assert_eq!(entries(&next, log).await, before, "{at}");
            }
            let table = log.trim_end_matches("/_delta_log").replace('/', ".");
            assert!(TableSnapshot::load(&next.lake, &table, None).await.unwrap().is_none(), "{at}");
        })
        .await;
    let (context, _) = attempt(&shop, 6, Rule::Never).await;
    let report = run_night(&context, &second_night()).await.unwrap();
    assert_eq!(report.status, RunStatus::Done, "{at}: {report:#?}");
    let bronze = shop.ask(ROWS).await;
    assert!(bronze.contains("1.00"), "{at}: {bronze}");
    assert!(shop.ask(HELD).await.contains("orders_2026-02-02.csv | 2"), "{at}");
    assert!(shop.ask("select revenue from marts.daily").await.contains("1.00"), "{at}");
    let released = release::latest(&context.lake).await.unwrap().unwrap();
    for node in report.node_reports.iter().filter(|node| node.version.is_some()) {
        assert_eq!(node.version, Some(released.tables[&node.node].version), "{at}: {}", node.node);
    }
    let (context, _) = attempt(&shop, 8, Rule::Never).await;
    assert_eq!(run_night(&context, &second_night()).await.unwrap().status, RunStatus::Skipped, "{at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_late_creates_no_table() {
    for log in CREATED {
        created_late(log, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_to_be_created_is_fenced_however_often_who_takes_over_dies() {
    for write in 1..8 {
        created_late("marts/daily/_delta_log", Some((write, write % 2 == 0))).await;
    }
}

/// The mart is read by the first run only when the second has released it: its log says whose it is by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_late_commits_nothing_on_top_of_what_the_run_after_it_released() {
    for seed in 0..4 {
        let shop = super::materialize::every_kind();
        shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
        shop.night("2026-02-01").await;
        shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "1.00")]);
        let (context, store) =
            attempt(&shop, 0, Rule::Storm(Box::new(Storm::new(0, 0).pauses_on("core/by_key")))).await;
        let context = RunContext { turns: Turns::BySeed(seed), ..context };
        let local = tokio::task::LocalSet::new();
        let first = local.spawn_local(async move { run_night(&context, &second_night()).await });
        local
            .run_until(async {
                store.storm().unwrap().hangs().await;
                shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "7.00")]);
                let (second, _) = attempt(&shop, 2, Rule::Never).await;
                run_night(&second, &second_night()).await.unwrap();
                let of_mart = async || {
                    TableSnapshot::load(&second.lake, "marts.daily", None).await.unwrap().map(|found| found.version)
                };
                let released = of_mart().await;
                store.storm().unwrap().let_go();
                let error = first.await.unwrap().unwrap_err();
                assert!(matches!(error, RunError::Table(TableError::Fenced { .. })), "seed {seed}: {error}");
                assert_eq!(of_mart().await, released, "seed {seed}");
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_restored_after_a_crash_has_its_held_rows_still() {
    let bad = [("a", "2026-02-02 10:00:00", "1.00"), ("b", "2026-02-02 11:00:00", "bad")];
    let good = [("a", "2026-02-02 10:00:00", "1.00"), ("b", "2026-02-02 11:00:00", "2.00")];
    let expected = {
        let shop = shop();
        shop.night(DAY).await;
        shop.ask(HELD).await
    };
    for write in 1..20 {
        let shop = shop();
        shop.night(DAY).await;
        shop.orders(DAY, &good);
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let _died = run_night(&context, &second_night()).await;
        shop.orders(DAY, &bad);
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        run_night(&context, &second_night()).await.unwrap();
        assert_eq!(shop.ask(HELD).await, expected, "died at write {write}");
    }
}

/// A second night that dies at a write; whatever `meanwhile` does to the shop, the night that is run after it
/// gives every table the rows that it would have had without.
async fn gives_the_same_after(meanwhile: impl AsyncFn(&Shop)) {
    let first_night = async || {
        let shop = super::materialize::every_kind();
        shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
        shop.night("2026-02-01").await;
        shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "1.00")]);
        shop
    };
    let expected = {
        let shop = first_night().await;
        shop.night(DAY).await;
        shop.ask(super::materialize::EVERY_KIND).await
    };
    for write in (1..40).step_by(2) {
        let shop = first_night().await;
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let _died = run_night(&context, &second_night()).await;
        meanwhile(&shop).await;
        run_night(&shop.open_at(LATER).await, &second_night()).await.unwrap();
        assert_eq!(shop.ask(super::materialize::EVERY_KIND).await, expected, "died at write {write}");
    }
}

/// The delivery comes again with one more row, which does not fit: the rows of the tables are the same.
fn deliver_again(shop: &Shop) {
    shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "1.00"), ("c", "2026-02-01 10:00:00", "bad")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_committed_is_released_where_a_correction_changes_none_of_its_rows() {
    gives_the_same_after(async |shop: &Shop| deliver_again(shop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_keeps_its_nights_when_maintenance_comes_between_a_crash_and_the_next_run() {
    let meanwhile = async |shop: &Shop| {
        maintain(&shop.later(LATER).await, release::Keep { nights: 35, months: 13 }).await.unwrap();
        deliver_again(shop);
    };
    gives_the_same_after(meanwhile).await;
}

/// A rollback to the first night dies at each of its writes; then the third night is run.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_died_before_its_release_leaves_no_gap_in_a_history() {
    let question = super::materialize::EVERY_KIND;
    let (first, third) = ("2026-02-01.1".parse().unwrap(), "2026-02-03");
    let two_nights = async || {
        let shop = super::materialize::every_kind();
        shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "1.00")]);
        shop.night("2026-02-01").await;
        shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "2.00")]);
        shop.night(DAY).await;
        shop.orders(third, &[("c", "2026-02-03 10:00:00", "3.00")]);
        shop
    };
    let reference = two_nights().await;
    reference.night(third).await;
    let expected = reference.ask(question).await;
    let undisturbed = two_nights().await;
    let (context, store) = attempt(&undisturbed, 0, Rule::Never).await;
    rollback(&context, first).await.unwrap();
    let (writes, mut ahead) = (store.writes(), 0);
    for write in 1..=writes {
        let shop = two_nights().await;
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let _died = rollback(&context, first).await;
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        let left = TableSnapshot::load(&context.lake, "core.states", None).await.unwrap().unwrap();
        let night = RunRequest { night: third.parse().unwrap(), ..RunRequest::default() };
        run_night(&context, &night).await.unwrap();
        let releases = release::list(&context.lake).await.unwrap();
        // A rollback that was released is followed as it is.
        if releases.iter().any(|release| release.night.to_string() == DAY && release.sequence > 1) {
            continue;
        }
        ahead += u32::from(left.version > 1);
        assert_eq!(shop.ask(question).await, expected, "died at write {write} of {writes}");
    }
    assert!(ahead > 0, "no rollback died behind its commit of the history");
}

/// A lake of two nights whose listings do not show the release of the second.
async fn behind() -> (Shop, RunContext) {
    let shop = two_days().await;
    let mut context = shop.open().await;
    let hidden = Rule::Unlisted("_buho/releases/2026-02-02");
    context.lake = context.lake.over(Arc::new(FaultyStore::new(Arc::clone(context.lake.store()), hidden)));
    assert_eq!(release::latest(&context.lake).await.unwrap().unwrap().night, "2026-02-01".parse().unwrap());
    (shop, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_builds_on_the_newest_release_also_where_no_listing_shows_it() {
    let (shop, context) = behind().await;
    let request = RunRequest { night: DAY.parse().unwrap(), ..RunRequest::default() };
    assert_eq!(run_night(&context, &request).await.unwrap().status, RunStatus::Skipped);
    // A night that fails keeps the table at the newest release.
    shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "-1.00")]);
    let request = RunRequest { night: "2026-02-03".parse().unwrap(), ..RunRequest::default() };
    let report = run_night(&context, &request).await.unwrap();
    assert_eq!(report.nodes.failed, 1, "{report:#?}");
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 2 "));
    // An older night is older.
    let (_shop, context) = behind().await;
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    let report = run_night(&context, &request).await.unwrap();
    let told = report.warnings.iter().any(|said| said.contains("is older than release 2026-02-02.1"));
    assert!(told, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_back_the_newest_release_also_where_no_listing_shows_it() {
    let (shop, context) = behind().await;
    let restored = rollback(&context, "2026-02-01.1".parse().unwrap()).await.unwrap();
    assert_eq!(restored.id().to_string(), "2026-02-02.2");
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 1 "));
}

/// Two nights of a day each, the second released as version 1 of both tables.
pub(super) async fn two_days() -> Shop {
    let shop = Shop::new();
    for (day, amount) in [("2026-02-01", "1.00"), (DAY, "2.00")] {
        shop.orders(day, &[(day, &format!("{day} 10:00:00"), amount)]);
        shop.night(day).await;
    }
    shop
}

pub(super) const SECOND_ENTRY: &str = "_delta_log/00000000000000000001.json";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_release_names_is_not_written_a_second_time_unasked() {
    let shop = two_days().await;
    std::fs::remove_file(shop.root.path().join("lake/marts/daily").join(SECOND_ENTRY)).unwrap();
    shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "3.00")]);
    let report = shop.night("2026-02-03").await;
    let told = report.failed.clone().unwrap().message;
    assert!(told.contains("its log ends at version 0, and the last release names version 1"), "{report:#?}");
    let request = RunRequest { night: "2026-02-03".parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    assert_eq!(run_night(&shop.open().await, &request).await.unwrap().status, RunStatus::Done);
    assert!(shop.ask("select sum(revenue) as revenue from marts.daily").await.contains("6.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bronze_log_that_lost_its_end_is_not_loaded_on_and_both_ways_out_work() {
    let shop = two_days().await;
    let (bronze, kept) = (shop.root.path().join("lake/bronze/orders"), shop.root.path().join("entry"));
    let told = "the log of bronze.orders ends at version 0, and the last release names version 1";
    let loaded = "select count(*) as orders from bronze.orders";
    std::fs::rename(bronze.join(SECOND_ENTRY), &kept).unwrap();
    let message = shop.night(DAY).await.failed.unwrap().message;
    assert!(message.contains(told) && message.contains("or remove the table's folder"), "{message}");
    std::fs::copy(&kept, bronze.join(SECOND_ENTRY)).unwrap();
    assert!(shop.night(DAY).await.failed.is_none());
    std::fs::remove_file(bronze.join(SECOND_ENTRY)).unwrap();
    assert!(shop.night(DAY).await.failed.is_some());
    std::fs::remove_dir_all(&bronze).unwrap();
    assert_eq!(shop.night(DAY).await.status, RunStatus::Done);
    assert!(shop.ask(loaded).await.contains("| 2 "), "{}", shop.ask(loaded).await);
    assert!(shop.ask("select sum(revenue) as revenue from marts.daily").await.contains("3.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_lacks_the_end_of_a_log_is_worth_another_try_and_the_log_is_not_lost() {
    for hidden in ["bronze/orders/_delta_log/00000000000000000001", "marts/daily/_delta_log/00000000000000000001"] {
        let shop = two_days().await;
        shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "3.00")]);
        let mut context = shop.open().await;
        let behind = FaultyStore::new(Arc::clone(context.lake.store()), Rule::Unlisted(hidden));
        context.lake = context.lake.over(Arc::new(behind));
        let request = RunRequest { night: "2026-02-03".parse().unwrap(), ..RunRequest::default() };
        let kind = match run_night(&context, &request).await {
            Ok(report) => report.exit_kind.unwrap(),
            Err(error) => error.kind().name().to_owned(),
        };
        assert_eq!(kind, "retry", "{hidden}");
        assert_eq!(shop.night("2026-02-03").await.status, RunStatus::Done);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_after_a_rollback_names_the_backfill_that_gives_histories_their_nights_back() {
    let shops = [super::materialize::every_kind(), super::materialize::every_kind()];
    for (shop, rolls_back) in shops.iter().zip([false, true]) {
        for (day, amount) in (1..=4).zip(["1.00", "2.00", "3.00", "4.00"]) {
            let night = format!("2026-02-0{day}");
            shop.orders(&night, &[("a", &format!("{night} 10:00:00"), amount)]);
            if day == 4 && rolls_back {
                rollback(&shop.open().await, "2026-02-01.1".parse().unwrap()).await.unwrap();
            }
            let report = shop.night(&night).await;
            let told = report
                .warnings
                .iter()
                .any(|said| said.contains("`buho backfill --from 2026-02-02 --to 2026-02-04` adds"));
            assert_eq!(told, day == 4 && rolls_back, "{report:#?}");
        }
    }
    let question = super::materialize::EVERY_KIND;
    let [never, rolled] = &shops;
    assert_ne!(never.ask(question).await, rolled.ask(question).await);
    let (from, to) = ("2026-02-02".parse().unwrap(), "2026-02-04".parse().unwrap());
    backfill(&rolled.open().await, from, to, 1, None, |_| ()).await.unwrap();
    assert_eq!(never.ask(question).await, rolled.ask(question).await);
}
