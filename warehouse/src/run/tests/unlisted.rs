//! Listings that do not show the end of a table's log, or none of it, and the rows that are held meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::crash::attempt;
use super::*;
use crate::error::ErrorKind;
use crate::store::faults::Rule;
use crate::table::{Lake, TableError, fence};

const DAY: &str = "2026-02-02";
const HELD: &str = "select file, record from ops.quarantine where status = 'held'";

fn second_night(stage: Option<Stage>) -> RunRequest {
    RunRequest { night: DAY.parse().unwrap(), stage, ..RunRequest::default() }
}

fn bad_day(shop: &Shop) {
    shop.orders(DAY, &[("b", "2026-02-02 10:00:00", "2.00"), ("c", "2026-02-02 11:00:00", "bad")]);
}

/// A night that was released, and a second one that is loaded: version 1 of bronze, with one row held.
async fn second_night_loaded() -> Shop {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "1.00")]);
    shop.night("2026-02-01").await;
    bad_day(&shop);
    run_night(&shop.open().await, &second_night(Some(Stage::Ingest))).await.unwrap();
    shop
}

/// How a run of the second night ends; one that fails in a part fails as that.
async fn ends(shop: &Shop, hour: u32, rule: Rule) -> Option<ErrorKind> {
    match run_night(&attempt(shop, hour, rule).await.0, &second_night(None)).await {
        Ok(report) => report.worst(),
        Err(error) => Some(error.kind()),
    }
}

/// How often each row is there, in bronze and held.
async fn rows(shop: &Shop) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for question in [HELD, "select _file as file, _record as record from bronze.orders"] {
        for line in shop.ask(question).await.lines().filter(|line| line.contains(".csv")) {
            *found.entry(line.replace(' ', "")).or_default() += 1;
        }
    }
    found
}

fn once(places: &[(&str, u32)]) -> BTreeMap<String, usize> {
    places.iter().map(|(day, record)| (format!("|orders/orders_{day}.csv|{record}|"), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_shown_the_end_of_bronze_loses_no_held_row() {
    for is_archived in [false, true] {
        let shop = second_night_loaded().await;
        let mut expected = once(&[("2026-02-01", 1), (DAY, 1), (DAY, 2)]);
        assert_eq!(rows(&shop).await.len(), 2, "what is not released is not shown, and what is held is");
        if is_archived {
            std::fs::remove_file(shop.root.path().join(format!("raw/orders/orders_{DAY}.csv"))).unwrap();
        } else {
            // An older file, late: numbers of deliveries go to others than in the run that loaded the second night.
            shop.orders("2026-01-31", &[("z", "2026-01-31 10:00:00", "4.00")]);
            expected.extend(once(&[("2026-01-31", 1)]));
        }
        let short = Rule::Unlisted("bronze/orders/_delta_log/00000000000000000001");
        assert_eq!(ends(&shop, 0, short).await, Some(ErrorKind::Retry), "archived: {is_archived}");
        assert_eq!(ends(&shop, 2, Rule::Never).await, None);
        assert_eq!(rows(&shop).await, expected, "archived: {is_archived}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_shown_what_a_dead_one_held_holds_no_row_twice() {
    let mut tried = 0;
    for write in 1..12 {
        let shop = Shop::new();
        shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "1.00")]);
        shop.night("2026-02-01").await;
        bad_day(&shop);
        ends(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let lake = shop.open().await.lake;
        let version = async |table| TableSnapshot::load(&lake, table, None).await.unwrap().map(|found| found.version);
        if version("ops.quarantine").await.is_none() || version("bronze.orders").await != Some(0) {
            continue;
        }
        tried += 1;
        let late = Rule::UnlistedUntil {
            hidden: "ops/quarantine/_delta_log",
            until: "ops/quarantine/orders-",
            shows: AtomicBool::new(false),
        };
        assert_eq!(ends(&shop, 2, late).await, Some(ErrorKind::Retry), "died at write {write}");
        assert_eq!(ends(&shop, 4, Rule::Never).await, None, "died at write {write}");
        assert_eq!(rows(&shop).await, once(&[("2026-02-01", 1), (DAY, 1), (DAY, 2)]), "died at write {write}");
    }
    assert!(tried > 0, "no run died between what it held and its commit to bronze");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_no_listing_shows_are_not_said_to_be_given_up_or_tried() {
    let shop = second_night_loaded().await;
    let (context, _) = attempt(&shop, 0, Rule::Unlisted("ops/quarantine/_delta_log")).await;
    let refused = discard(&context, "orders", &Choice::default(), "tests", "ana").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retry, "{refused}");
    assert_eq!(replay(&context, "orders", &Choice::default()).await.unwrap_err().kind(), ErrorKind::Retry);
    assert_eq!(discard(&shop.open().await, "orders", &Choice::default(), "tests", "ana").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_no_listing_shows_is_not_left_without_a_fence() {
    let shop = second_night_loaded().await;
    let context = shop.open().await;
    let by = ("a-run", context.clock.now());
    let fenced = async |lake: &Lake, table: &str| fence(lake, table, 1000, false, by).await;
    let (behind, _) = attempt(&shop, 0, Rule::Unlisted("/_delta_log")).await;
    let unlisted = |fenced: Result<(), TableError>| matches!(fenced, Err(TableError::Unlisted { .. }));
    assert!(unlisted(fenced(&behind.lake, "ops.quarantine").await));
    // Of a log whose first entries maintenance took, a checkpoint tells.
    let log = shop.root.path().join("lake/ops/quarantine/_delta_log");
    std::fs::rename(log.join("00000000000000000000.json"), shop.root.path().join("entry")).unwrap();
    assert!(fenced(&behind.lake, "ops.quarantine").await.is_ok());
    std::fs::write(log.join("_last_checkpoint"), r#"{"version":10,"size":1}"#).unwrap();
    assert!(unlisted(fenced(&behind.lake, "ops.quarantine").await));
    // A table that was about to be created, and is not there, is none.
    fence(&context.lake, "marts.planned", 1000, true, by).await.unwrap();
    assert!(fenced(&behind.lake, "marts.planned").await.is_ok());
    assert!(TableSnapshot::newest(&behind.lake, "marts.planned").await.unwrap().is_none());
    assert!(fenced(&context.lake, "bronze.orders").await.is_ok());
}
