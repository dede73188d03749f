//! Promises of runs that did not come to their end: whoever asks which runs there were is told of them.

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt;

use super::crash::{attempt, second_night};
use super::*;
use crate::lease::{Holder, Lease, break_lease, last_link};
use crate::store::faults::{FaultyStore, Rule};
use crate::store::storm::Storm;

const ROWS: &str = "select status, count(*) as n from ops.runs group by status order by status";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A shop with a night released, and the orders of the next.
async fn before_the_second_night() -> Shop {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_is_listed_before_the_next_and_recorded_by_it_once() {
    let shop = before_the_second_night().await;
    let (context, _) = attempt(&shop, 0, Rule::DiesAt { write: 5, applied: true }).await;
    run_night(&context, &second_night()).await.unwrap_err();
    let context = shop.open().await;
    let listed = last_runs(&context.lake, 10, at("2026-02-10T09:00:00Z")).await.unwrap();
    let [died, done] = &listed[..] else { panic!("{listed:#?}") };
    assert_eq!((&died.status, &done.status), (&RunStatus::Died, &RunStatus::Done));
    assert_eq!((died.night.to_string().as_str(), died.release.as_ref()), ("2026-02-02", None));
    assert_eq!(died.process, Some(std::process::id()));
    assert!(died.started_at >= at("2026-02-10T03:00:00Z") && died.started_at < at("2026-02-10T03:01:00Z"), "{died:#?}");
    let message = died.failed.clone().unwrap().message;
    let host = died.host.clone().unwrap();
    assert!(message.contains(&format!("process {} on {host} is gone without a word", std::process::id())), "{message}");

    for hour in [2, 4] {
        let (context, _) = attempt(&shop, hour, Rule::Never).await;
        run_night(&context, &second_night()).await.unwrap();
        let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
        let again: Vec<&RunReport> = listed.iter().filter(|run| run.status == RunStatus::Died).collect();
        assert!(again.len() == 1 && again[0].run_id == died.run_id, "{listed:#?}");
        assert_eq!(again[0].failed, died.failed);
    }
    let rows = shop.ask(ROWS).await;
    assert!(rows.contains("| died   | 1 |") && rows.contains("| done   | 2 |"), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_run_died_it_is_listed_unless_it_had_recorded_itself() {
    let mut phases = BTreeSet::new();
    // The first write is the lease: before it there was no run.
    for write in 2.. {
        let shop = before_the_second_night().await;
        let (context, store) = attempt(&shop, 0, Rule::DiesAt { write, applied: false }).await;
        let ran = run_night(&context, &second_night()).await;
        if store.injected().is_empty() {
            assert!(ran.is_ok(), "{ran:?}");
            break;
        }
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        run_night(&context, &second_night()).await.unwrap();
        let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
        assert_eq!(listed.len(), 3, "dies at write {write}, {ran:?}: {listed:#?}");
        phases.extend(listed.iter().filter(|run| run.status == RunStatus::Died).map(|run| run.phase.clone()));
    }
    assert!(phases.contains(&Some("publish".to_owned())), "the link of its release says where: {phases:?}");
    assert!(phases.contains(&Some("open".to_owned())) && !phases.contains(&None), "so does its first: {phases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_died_one_after_the_other_are_all_recorded_by_the_first_that_does_not() {
    let shop = before_the_second_night().await;
    // Each takes the lease, and dies before it could record the one before.
    for hour in [1, 3, 5] {
        let (context, _) = attempt(&shop, hour, Rule::DiesAt { write: 1, applied: true }).await;
        run_night(&context, &second_night()).await.unwrap_err();
    }
    let (context, _) = attempt(&shop, 7, Rule::Never).await;
    run_night(&context, &second_night()).await.unwrap();
    let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
    let ended: Vec<RunStatus> = listed.iter().map(|run| run.status.clone()).collect();
    assert_eq!(ended, [RunStatus::Done, RunStatus::Died, RunStatus::Died, RunStatus::Died, RunStatus::Done]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_stop_records_that_itself() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let (ask, stop) = Stop::channel();
    ask.send_replace(true);
    let context = RunContext { stop, ..shop.open().await };
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    assert!(matches!(run_night(&context, &request).await, Err(RunError::Stopped)));
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
    let ended: Vec<RunStatus> = listed.iter().map(|run| run.status.clone()).collect();
    assert!(ended.len() == 2 && ended.contains(&RunStatus::Stopped) && ended.contains(&RunStatus::Done), "{listed:#?}");
    let rows = shop.ask(ROWS).await;
    assert!(rows.contains("| stopped | 1 |") && !rows.contains("died"), "{rows}");
}

/// What comes after a night's release: its record, and its maintenance.
const AFTER_RELEASE: [&str; 2] = ["ops/runs/", "nobodys"];

/// A second night that hangs at its first write of a path that holds `part`, in maintenance at its end at the latest.
async fn hanging(part: &'static str) -> (Shop, RunContext, FaultyStore) {
    let shop = before_the_second_night().await;
    shop.write("buho.toml", &format!("{BUHO}maintain_minutes = 5\n"));
    shop.write("lake/marts/daily/nobodys.parquet", "");
    // What was written before is old to the storage's clock too.
    let mut context = shop.later("2096-01-01T03:00:00Z").await;
    let store =
        FaultyStore::new(Arc::clone(context.lake.store()), Rule::Storm(Box::new(Storm::new(0, 0).pauses_on(part))));
    context.lake = context.lake.over(Arc::new(store.clone()));
    (shop, context, store)
}

async fn listed_as_done(context: &RunContext, run_id: &str) {
    let run = run_by_id(&context.lake, run_id).await.unwrap().unwrap();
    assert_eq!((&run.status, run.release.as_deref()), (&RunStatus::Done, Some("2026-02-02.1")), "{run:#?}");
    let again = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
    assert_eq!(again.iter().filter(|run| run.status == RunStatus::Done).count(), 2, "{again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_loses_the_lake_after_its_release_is_done_and_says_what_is_not() {
    for part in AFTER_RELEASE {
        let (shop, context, store) = hanging(part).await;
        let errand = crate::lease::Errand { night: second_night().night, began: context.clock.now() };
        let holder = Holder::this_process("20960101T030000000Z-00000001", "run").on(errand);
        let lease = Lease::acquire(&context.lake, holder.clone(), context.clock.clone()).await.unwrap();
        let mut report = RunReport::begun(&holder, errand.night, errand.began);
        let request = second_night();
        let work = lease.keep(crate::run::night::recorded(&context, &request, &lease, &mut report));
        let broken = async {
            store.storm().unwrap().hangs().await;
            let seen = last_link(&context.lake).await.unwrap().unwrap();
            let person = Holder::this_process("person", "runs unlock");
            break_lease(&context.lake, &seen, person, context.clock.as_ref()).await.unwrap();
            lease.announce(["marts.other"]).await.unwrap_err()
        };
        let (ran, lost) = tokio::join!(work, broken);
        assert!(!lost.to_string().contains("nothing of it is released"), "{lost}");
        let report = crate::run::left::ended(&context, report, ran).await.unwrap();
        assert_eq!((&report.status, report.worst()), (&RunStatus::Done, None), "{part}: {report:#?}");
        let told = report.warnings.iter().any(|said| said.contains("release 2026-02-02.1 stands"));
        assert!(told, "{part}: {report:#?}");
        listed_as_done(&context, &report.run_id).await;
        drop(lease);
        assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Skipped, "{part}");
        assert!(shop.ask(ROWS).await.contains("| done   | 2 |"), "{part}: {}", shop.ask(ROWS).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_is_told_to_stop_after_its_release_is_recorded_as_done() {
    for part in AFTER_RELEASE {
        let (_shop, context, store) = hanging(part).await;
        let (ask, stop) = Stop::channel();
        let context = RunContext { stop, ..context };
        let told = async {
            store.storm().unwrap().hangs().await;
            ask.send_replace(true);
        };
        let request = second_night();
        let (ran, ()) = tokio::join!(run_night(&context, &request), told);
        assert!(matches!(ran, Err(RunError::Stopped)), "{part}: {ran:?}");
        let latest = release::latest(&context.lake).await.unwrap().unwrap();
        listed_as_done(&context, &latest.run_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_at_work_is_listed_as_running_and_one_whose_lease_was_broken_as_died() {
    let shop = Shop::new();
    let context = shop.open().await;
    let errand = crate::lease::Errand { night: "2026-02-01".parse().unwrap(), began: at("2026-02-10T03:00:00Z") };
    let holder = Holder::this_process("20260210T030000000Z-00000001", "run").on(errand);
    let lease = Lease::acquire(&context.lake, holder, context.clock.clone()).await.unwrap();
    let listed = |now: DateTime<Utc>| {
        let lake = context.lake.clone();
        async move { last_runs(&lake, 10, now).await.unwrap().into_iter().map(|run| run.status).collect::<Vec<_>>() }
    };
    let now = context.clock.now();
    assert_eq!(listed(now).await, [RunStatus::Running]);
    assert_eq!(listed(now + TimeDelta::hours(1)).await, [RunStatus::Died], "nobody renews it");
    let seen = last_link(&context.lake).await.unwrap().unwrap();
    break_lease(&context.lake, &seen, Holder::this_process("person", "runs unlock"), context.clock.as_ref())
        .await
        .unwrap();
    assert_eq!(listed(now).await, [RunStatus::Died]);
    drop(lease);
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    let recorded = run_by_id(&context.lake, "20260210T030000000Z-00000001").await.unwrap().unwrap();
    assert_eq!(recorded.status, RunStatus::Died);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_newer_version_recorded_is_listed_with_the_status_that_gave_it() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let run_id = shop.night("2026-02-01").await.run_id;
    let context = shop.open().await;
    let record = context.lake.path(&format!("_buho/runs/{run_id}.json"));
    let mut newer: serde_json::Value =
        serde_json::from_slice(&context.lake.store().get(&record).await.unwrap().bytes().await.unwrap()).unwrap();
    newer["status"] = "paused".into();
    newer["paused_by"] = serde_json::json!({ "name": "somebody" });
    context.lake.store().put(&record, newer.to_string().into()).await.unwrap();
    let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
    assert_eq!(listed.iter().map(|run| run.status.name()).collect::<Vec<_>>(), ["paused"]);
    assert_eq!(run_by_id(&context.lake, &run_id).await.unwrap().unwrap().result_line()["status"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_damaged_keeps_no_other_run_from_being_listed_and_is_told_by_itself() {
    let shop = before_the_second_night().await;
    let second = shop.night("2026-02-02").await;
    let context = shop.open().await;
    let record = context.lake.path(&format!("_buho/runs/{}.json", second.run_id));
    context.lake.store().put(&record, "{\"run_id\":".into()).await.unwrap();
    let listed = last_runs(&context.lake, 10, context.clock.now()).await.unwrap();
    assert_eq!(listed.iter().map(|run| run.night.to_string()).collect::<Vec<_>>(), ["2026-02-01"]);
    let error = run_by_id(&context.lake, &second.run_id).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Data);
    assert!(error.to_string().contains(record.as_ref()) && error.to_string().contains("remove it"), "{error}");
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Skipped, "a night does not read records");
}
