//! Small objects below `_buho` that a disk cut short, or that are gone: which one is said, and the way out works.

use std::path::Path;

use super::keyed::{STATES, keeping_history};
use super::materialize::{events, february, files, from_scratch, status, windowed};
use super::windows::{LOOKUPS, priced};
use super::*;
use crate::error::ErrorKind;

const DAYS: &str = "select day, amount from marts.by_day order by day";

/// The objects of a folder of the lake, oldest name first.
pub(super) fn objects(shop: &Shop, folder: &str) -> Vec<PathBuf> {
    let folder = shop.root.path().join("lake/_buho").join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

pub(super) fn cut(path: &Path) {
    let whole = std::fs::read(path).unwrap();
    std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
}

/// Why a night cannot be run.
async fn refused(shop: &Shop, night: &str) -> String {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    let error = run_night(&shop.open().await, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    error.to_string()
}

/// A shop of which a night was run.
async fn run_once() -> Shop {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_cannot_be_read_are_built_anew() {
    let shop = windowed();
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
        shop.night(&february(day)).await;
    }
    objects(&shop, "windows/marts.by_day").iter().for_each(|path| cut(path));
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4)]);
    let report = shop.night(&february(4)).await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(4), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_whose_nights_cannot_be_read_is_not_begun_anew_and_a_backfill_looks_at_them_once_more() {
    for is_gone in [false, true] {
        let (shop, sound) = (keeping_history(), keeping_history());
        for day in 1..=4 {
            shop.night(&february(day)).await;
            sound.night(&february(day)).await;
        }
        sound.night(&february(5)).await;
        for path in objects(&shop, "windows/core.customer_history") {
            if is_gone { std::fs::remove_file(path).unwrap() } else { cut(&path) }
        }
        let before = shop.ask(STATES).await;
        let report = shop.night(&february(5)).await;
        assert_eq!(status(&report, "core.customer_history"), "failed", "{report:#?}");
        assert_eq!(report.exit_kind.as_deref(), Some("data"));
        let told = report.failed.unwrap().message;
        assert!(told.contains("_buho/windows/core.customer_history/"), "{told}");
        assert!(told.contains("`buho backfill --from 2026-02-01 --to 2026-02-05`"), "{told}");
        assert_eq!(shop.ask(STATES).await, before, "no state is lost");
        let (first, last) = ("2026-02-01".parse().unwrap(), "2026-02-05".parse().unwrap());
        backfill(&shop.open().await, first, last, 1, None, |report| assert_eq!(report.status, RunStatus::Done))
            .await
            .unwrap();
        assert_eq!(shop.ask(STATES).await, sound.ask(STATES).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_keeps_its_nights_where_another_engine_noted_them() {
    let (shop, sound) = (keeping_history(), keeping_history());
    for day in 1..=5 {
        for path in if day == 5 { objects(&shop, "windows/core.customer_history") } else { Vec::new() } {
            let mut note: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            note["engine"] = "datafusion 1.0.0, another form".into();
            std::fs::write(&path, note.to_string()).unwrap();
        }
        shop.night(&february(day)).await;
        sound.night(&february(day)).await;
    }
    assert_eq!(shop.ask(STATES).await, sound.ask(STATES).await);
}

/// Has a table's records say that a newer or older engine noted them.
fn noted_by_another_engine(shop: &Shop, table: &str) {
    for path in objects(shop, &format!("windows/{table}")) {
        let mut note: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let form = note["engine"].as_str().unwrap().split_once(", ").unwrap().1.to_owned();
        note["engine"] = format!("datafusion 1.0.0, {form}").into();
        std::fs::write(&path, note.to_string()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_another_engine_built_are_not_built_whole_and_keep_what_they_looked_up() {
    for shop in [windowed(), priced(LOOKUPS)] {
        let day = |day: u32| format!("{} 10:00:00", february(day));
        for number in 1..=3 {
            events(&shop, &february(number), &[("a", &day(number), i64::from(number))]);
            shop.night(&february(number)).await;
        }
        let (before, rows) = (files(&shop, "marts.by_day").await, shop.ask(DAYS).await);
        noted_by_another_engine(&shop, "marts.by_day");
        events(&shop, &february(4), &[("a", &day(4), 4)]);
        shop.night(&february(4)).await;
        assert!(before.is_subset(&files(&shop, "marts.by_day").await));
        let earlier = "select day, amount from marts.by_day where day < date '2026-02-04' order by day";
        assert_eq!(shop.ask(earlier).await, rows);
        // A correction rebuilds its own window and no other.
        noted_by_another_engine(&shop, "marts.by_day");
        events(&shop, &february(3), &[("a", &day(3), 30), ("b", &day(3), 1)]);
        shop.night(&february(4)).await;
        let kept = files(&shop, "marts.by_day").await.intersection(&before).count();
        assert_eq!(kept, before.len() - 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_where_another_engine_has_a_table_built_whole() {
    let shop = windowed();
    // Rows of many make one here, so that which of them changed is known by digests alone.
    let sql = "select id, happened_at, max(amount) as amount from bronze.events group by id, happened_at";
    shop.write("sql/staging/shop/stg_shop__events.sql", sql);
    for day in 1..=2 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
        shop.night(&february(day)).await;
    }
    noted_by_another_engine(&shop, "marts.by_day");
    events(&shop, &february(3), &[("a", "2026-02-03 10:00:00", 1)]);
    let request = RunRequest { night: "2026-02-03".parse().unwrap(), ..RunRequest::default() };
    let plan = plan_night(&shop.open().await, &request).await.unwrap();
    let windows = &plan.nodes.iter().find(|planned| planned.node == "marts.by_day").unwrap().windows;
    assert!(windows[0].first.is_none() && windows[0].why.contains("this version of buho"), "{windows:?}");
    shop.night(&february(3)).await;
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(3), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_read_is_named_and_a_new_lake_has_all_that_is_in_raw() {
    let shop = run_once().await;
    let (ledger, whole) = (objects(&shop, "ledger/orders").pop().unwrap(), "lake/_buho/ledger/orders/00000001.json");
    let copy = std::fs::read(&ledger).unwrap();
    cut(&ledger);
    let told = refused(&shop, "2026-02-02").await;
    assert!(told.contains("the ledger of source orders") && told.contains(whole), "{told}");
    assert!(told.contains("cut short or damaged") && told.contains("from a backup"), "{told}");
    std::fs::remove_file(&ledger).unwrap();
    assert!(refused(&shop, "2026-02-02").await.contains("is missing"));
    // Put back, the night goes on; without it, another lake.
    shop.write("buho.toml", &BUHO.replace("lake = \"lake\"", "lake = \"another\""));
    let (first, last) = ("2026-02-01".parse().unwrap(), "2026-02-02".parse().unwrap());
    backfill(&shop.open().await, first, last, 1, None, |_| {}).await.unwrap();
    let days = shop.ask("select * from marts.daily order by 1").await;
    shop.write("buho.toml", BUHO);
    std::fs::write(&ledger, copy).unwrap();
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    assert_eq!(shop.ask("select * from marts.daily order by 1").await, days);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_out_of_a_torn_bronze_log_is_open_after_maintenance_too() {
    let shop = run_once().await;
    shop.night("2026-02-02").await;
    // A day later, as files are stamped by the machine's clock.
    maintain(&shop.open_at("2096-01-01T03:00:00Z").await, release::Keep { nights: 35, months: 13 }).await.unwrap();
    let entry = shop.root.path().join("lake/bronze/orders/_delta_log/00000000000000000001.json");
    cut(&entry);
    let told = refused(&shop, "2026-02-02").await;
    assert!(told.contains("remove it, and `buho run --full-refresh` writes that version again"), "{told}");
    std::fs::remove_file(&entry).unwrap();
    let request = RunRequest { night: "2026-02-02".parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    let report = run_night(&shop.open().await, &request).await.unwrap();
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert!(
        shop.ask("select count(*) as n, count(distinct _file) as files from bronze.orders").await.contains("| 2 | 2 ")
    );
    assert!(shop.ask("select sum(revenue) as revenue from marts.daily").await.contains("11.50"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_last_link_of_the_lease_that_cannot_be_read_the_next_run_takes_it() {
    let shop = run_once().await;
    let link = objects(&shop, "lease").pop().unwrap();
    cut(&link);
    let told = refused(&shop, "2026-02-02").await;
    let name = link.file_name().unwrap().to_str().unwrap();
    assert!(told.contains(name) && told.contains("see that no run is at work, remove it, and run again"), "{told}");
    std::fs::remove_file(&link).unwrap();
    // The process of the run before still is: it is this one, so it counts as gone once it did not renew.
    let request = RunRequest { night: "2026-02-02".parse().unwrap(), ..RunRequest::default() };
    let report = run_night(&shop.open_at("2026-02-10T04:00:00Z").await, &request).await.unwrap();
    assert_eq!(report.status, RunStatus::Done);
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 2 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_format_that_cannot_be_read_the_next_run_writes_it_anew() {
    let shop = run_once().await;
    let format = shop.root.path().join("lake/_buho/format.json");
    let copy = std::fs::read(&format).unwrap();
    cut(&format);
    let told = refused(&shop, "2026-02-02").await;
    assert!(told.contains("_buho/format.json is cut short or damaged") && told.contains("remove it"), "{told}");
    std::fs::remove_file(&format).unwrap();
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    assert_eq!(std::fs::read(&format).unwrap(), copy);
}
