//! Nights that are run again with nothing new, or without what was to come first.

use super::stages::{deliver, delivered, released, stage, two_sources};
use super::*;
use crate::error::ErrorKind;
use crate::release::TableState;

const NIGHT: &str = "2026-02-02";
const HEADER: &str = "order_id,ordered_at,amount,note\n";

async fn latest(shop: &Shop) -> String {
    release::latest(&shop.open().await.lake).await.unwrap().unwrap().id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_went_out_in_part_stands_when_it_is_run_again_and_names_its_release() {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", &format!("{ORDERS}expect: {{ every: 1 day, missing: hold }}\n"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let told = |report: &RunReport| {
        let held = report.held.clone().map(|held| held.node);
        (report.status.clone(), report.release.clone(), report.worst(), report.failed.clone(), held)
    };
    let first = shop.night("2026-02-03").await;
    assert_eq!((&first.status, first.release.as_deref()), (&RunStatus::Partial, Some("2026-02-03.1")));
    let again = shop.night("2026-02-03").await;
    assert_eq!(told(&again), told(&first), "{again:#?}");
    let context = shop.open().await;
    assert_eq!(release::list(&context.lake).await.unwrap().len(), 2);
    // What fails anew is told in a release of its own.
    shop.orders("2026-02-03", &[("b", "2026-02-03 10:00:00", "-1.00")]);
    let failed = shop.night("2026-02-03").await;
    assert_eq!((&failed.status, failed.release.as_deref()), (&RunStatus::Partial, Some("2026-02-03.2")));
    assert_eq!(told(&shop.night("2026-02-03").await), told(&failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_alone_releases_no_night_whose_delivery_was_neither_loaded_nor_built() {
    let shop = delivered();
    shop.night("2026-02-01").await;
    shop.orders(NIGHT, &[("c", "2026-02-02 10:00:00", "5.00")]);
    let report = stage(&shop, NIGHT, Stage::Publish).await.unwrap();
    let told = (&report.status, report.worst(), report.release.as_deref());
    assert_eq!(told, (&RunStatus::Failed, Some(ErrorKind::User), None), "{report:#?}");
    let said = report.failed.unwrap().message;
    assert!(
        said.contains("orders_2026-02-02.csv` is not loaded — run `buho ingest --night 2026-02-02` first"),
        "{said}"
    );
    assert_eq!(latest(&shop).await, "2026-02-01.1");
    for part in [Stage::Ingest, Stage::Build, Stage::Publish] {
        assert_eq!(stage(&shop, NIGHT, part).await.unwrap().status, RunStatus::Done, "{part:?}");
    }
    assert_eq!(latest(&shop).await, "2026-02-02.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_which_only_a_delivery_waits_is_released_as_of_the_night_its_rows_are_from() {
    let shop = two_sources().await;
    for part in [Stage::Ingest, Stage::Build] {
        assert_eq!(stage(&shop, NIGHT, part).await.unwrap().status, RunStatus::Done);
    }
    deliver(&shop, "orders", NIGHT, &format!("{HEADER}b,2026-02-02 10:00:00,5.00,x\n"));
    let of = async |table: &str| {
        let found = released(&shop).await.into_iter().find(|(name, ..)| name == table);
        found.map(|(_, night, state)| (night, state)).unwrap()
    };
    for again in ["2026-02-02.1", "2026-02-02.1"] {
        stage(&shop, NIGHT, Stage::Publish).await.unwrap();
        assert_eq!(latest(&shop).await, again);
        assert_eq!(of("bronze.orders").await, ("2026-02-01".to_owned(), TableState::Held));
        assert_eq!(of("bronze.others").await, (NIGHT.to_owned(), TableState::Fresh));
    }
    assert_eq!(shop.night(NIGHT).await.status, RunStatus::Done);
    assert_eq!(of("bronze.orders").await, (NIGHT.to_owned(), TableState::Fresh));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stays_held_is_counted_once_in_a_run_of_several_nights() {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", &ORDERS.replace("tolerance: 0.5", "tolerance: 0"));
    for day in 1..=5 {
        let night = format!("2026-02-0{day}");
        shop.orders(&night, &[("a", &format!("{night} 10:00:00"), if day == 2 { "n/a" } else { "1.00" })]);
    }
    let context = shop.open().await;
    let (from, to) = ("2026-02-01".parse().unwrap(), "2026-02-05".parse().unwrap());
    for _ in 0..2 {
        let mut runs = Vec::new();
        backfill(&context, from, to, 5, None, |report| runs.push(report)).await.unwrap();
        let [run] = runs.as_slice() else { panic!("{runs:#?}") };
        assert_eq!((run.rows.quarantined, run.worst()), (1, Some(ErrorKind::Data)), "{run:#?}");
        let rows = format!("select quarantined, freshness from ops.sources where run_id = '{}'", run.run_id);
        let rows = shop.ask(&rows).await;
        assert!(rows.contains("| 1           | failed ") && rows.lines().count() == 5, "{rows}");
    }
    assert!(shop.ask("select count(*) as n from ops.quarantine").await.contains("| 1 |"));
    // What is mended is taken in with its own night.
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    backfill(&context, from, to, 5, None, drop).await.unwrap();
    assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 5 |"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_missing_in_one_night_of_a_run_keeps_no_later_one_out() {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", &format!("{ORDERS}expect: {{ every: 1 day, missing: fail }}\n"));
    for night in ["2026-02-01", "2026-02-04"] {
        shop.orders(night, &[("a", &format!("{night} 10:00:00"), "1.00")]);
    }
    let context = shop.open().await;
    let (from, to) = ("2026-02-01".parse().unwrap(), "2026-02-04".parse().unwrap());
    let mut runs = Vec::new();
    backfill(&context, from, to, 4, None, |report| runs.push(report)).await.unwrap();
    assert_eq!((runs.len(), runs[0].rows.ingested), (1, 2), "{runs:#?}");
}
