//! Nights over small projects on a local lake.

mod above;
mod again;
mod amended;
mod backfill;
mod changes;
mod compared;
mod contracts;
mod crash;
mod damaged;
mod dropped;
mod event_time;
mod failed_sources;
mod foreseen;
mod future;
mod grace;
mod keyed;
mod late;
mod learn;
mod learn_bad_input;
mod learn_life;
mod leaving;
mod left;
mod maintain;
mod materialize;
mod memory;
mod ops_inputs;
mod pairs;
mod partial;
mod proofs;
mod reader;
mod recut;
mod refreshed;
mod replay;
mod restored;
mod selected;
mod simulator;
mod stages;
mod strangers;
mod tidied;
mod unlisted;
mod windows;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;
use crate::clock::FixedClock;
use crate::project::{Overrides, Project};
use crate::release;
use crate::table::TableSnapshot;

/// A project in a folder of its own.
struct Shop {
    root: TempDir,
}

const BUHO: &str = r#"
name = "shop"
raw = "raw"
lake = "lake"
time_zone = "Europe/Madrid"
currency = "EUR"
memory = "256MiB"
threads = 2
"#;

const ORDERS: &str = "
description: Orders.
path: 'orders/orders_{date:%Y-%m-%d}.csv'
key: [order_id]
event_time: ordered_at
tolerance: 0.5
columns:
  - { name: order_id, type: VARCHAR, required: true }
  - { name: ordered_at, type: TIMESTAMP, required: true }
  - { name: amount, type: 'DECIMAL(18,2)', required: true }
";

const STAGED_SQL: &str = "select order_id, cast(ordered_at as date) as ordered_on, amount from bronze.orders";
const STAGED_YML: &str = "
materialized: view
columns:
  - { name: order_id, type: VARCHAR }
  - { name: ordered_on, type: DATE }
  - { name: amount, type: 'DECIMAL(18,2)' }
";
const DAILY_SQL: &str = "select ordered_on, cast(sum(amount) as decimal(18, 2)) as revenue
from staging.stg_shop__orders group by ordered_on";
const DAILY_YML: &str = "
key: [ordered_on]
columns:
  - { name: ordered_on, type: DATE }
  - { name: revenue, type: 'DECIMAL(18,2)' }
audits:
  - { name: revenue_is_positive, sql: 'select * from marts.daily where revenue < 0' }
";

impl Shop {
    fn new() -> Self {
        let shop = Self { root: TempDir::new().unwrap() };
        shop.write("buho.toml", BUHO);
        shop.write("sql/sources/orders.yml", ORDERS);
        shop.write("sql/staging/shop/stg_shop__orders.sql", STAGED_SQL);
        shop.write("sql/staging/shop/stg_shop__orders.yml", STAGED_YML);
        shop.write("sql/marts/shop/daily.sql", DAILY_SQL);
        shop.write("sql/marts/shop/daily.yml", DAILY_YML);
        shop.write("raw/.keep", "");
        shop
    }

    fn write(&self, path: &str, text: &str) {
        let path: PathBuf = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn orders(&self, day: &str, rows: &[(&str, &str, &str)]) {
        let rows: Vec<String> = rows.iter().map(|(id, at, amount)| format!("{id},{at},{amount}")).collect();
        self.write(
            &format!("raw/orders/orders_{day}.csv"),
            &format!("order_id,ordered_at,amount\n{}\n", rows.join("\n")),
        );
    }

    async fn open(&self) -> RunContext {
        self.open_at("2026-02-10T03:00:00Z").await
    }

    async fn open_at(&self, now: &str) -> RunContext {
        let project = Project::load(self.root.path(), &Overrides::default(), &|_| None, &[]).unwrap();
        let clock = FixedClock::new(now.parse().unwrap());
        RunContext::open(project, &|_| None, Arc::new(clock)).await.unwrap()
    }

    /// The same, days after what lies in the lake was written.
    async fn later(&self, now: &str) -> RunContext {
        self.age(TimeDelta::days(3));
        self.open_at(now).await
    }

    /// Lets time pass for what lies in the lake: by the storage's clock it was written so much earlier.
    fn age(&self, by: TimeDelta) {
        let mut folders = vec![self.root.path().join("lake")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let earlier = entry.metadata().unwrap().modified().unwrap() - by.to_std().unwrap();
                let file = std::fs::File::options().append(true).open(entry.path()).unwrap();
                file.set_modified(earlier).unwrap();
            }
        }
    }

    async fn night(&self, night: &str) -> RunReport {
        let context = self.open().await;
        let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
        run_night(&context, &request).await.unwrap()
    }

    async fn ask(&self, sql: &str) -> String {
        let context = self.open().await;
        let reader =
            Reader::open(&context.project, &context.lake, &context.engine, None, context.clock.as_ref()).await.unwrap();
        let rows = reader.query(sql).await.unwrap().collect().await.unwrap();
        pretty_format_batches(&rows).unwrap().to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_goes_from_raw_export_to_released_mart() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 11:00:00", "2.25")]);
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(report.release.as_deref(), Some("2026-02-01.1"));
    assert_eq!(report.rows.ingested, 2);
    let answer = shop.ask("select * from marts.daily").await;
    assert!(answer.contains("| 2026-02-01 | 12.75   |"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_begins_is_told_of_once_with_its_place() {
    let shop = Shop::new();
    let first = shop.night("2026-02-01").await;
    let began =
        |report: &RunReport| report.warnings.iter().filter(|said| said.contains("a new lake begins at")).count();
    let place = shop.root.path().join("lake").display().to_string();
    assert!(first.warnings[0].contains(&place) && began(&first) == 1, "{:?}", first.warnings);
    assert_eq!(began(&shop.night("2026-02-01").await), 0);
    // A format that is gone makes no lake new that has a release.
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    std::fs::remove_file(shop.root.path().join("lake/_buho/format.json")).unwrap();
    assert_eq!(began(&shop.night("2026-02-02").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_has_nothing_to_do_and_commits_nothing() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let context = shop.open().await;
    let before = versions(&context).await;
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Skipped, "{report:#?}");
    assert!(report.audits.is_empty(), "what passed is not asked again: {:#?}", report.audits);
    assert_eq!(before, versions(&context).await);
    assert_eq!(release::list(&context.lake).await.unwrap().len(), 1);
    assert_eq!(last_runs(&context.lake, 10, context.clock.now()).await.unwrap().len(), 2);
}

async fn versions(context: &RunContext) -> Vec<Option<u64>> {
    let mut found = Vec::new();
    for table in ["bronze.orders", "marts.daily", "ops.runs"] {
        found.push(TableSnapshot::load(&context.lake, table, None).await.unwrap().map(|snapshot| snapshot.version));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_delivery_replaces_its_own_rows_and_nothing_else() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.night("2026-02-02").await;
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "11.50"), ("c", "2026-02-01 12:00:00", "3.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let answer = shop.ask("select order_id, amount, _night from bronze.orders order by order_id").await;
    for row in [
        "| a        | 11.50  | 2026-02-01 |",
        "| b        | 1.00   | 2026-02-02 |",
        "| c        | 3.00   | 2026-02-01 |",
    ] {
        assert!(answer.contains(row), "{answer}");
    }
    assert_eq!(answer.matches("2026-02-0").count(), 3, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_came_twice_by_mistake_is_taken_out_by_one_of_its_name_without_rows() {
    let day = [("a", "2026-02-01 10:00:00", "10.50")];
    for without_rows in ["order_id,ordered_at,amount\n", ""] {
        let shop = Shop::new();
        shop.orders("2026-02-01", &day);
        shop.orders("2026-02-02", &day);
        let twice = shop.night("2026-02-02").await;
        let way_out = "deliver a file of that very name with the header line alone (or empty)";
        assert!(twice.warnings.iter().any(|said| said.contains(way_out)), "{:?}", twice.warnings);
        assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 2 "));
        // To take the file away, or to skip such files from now on, takes nothing out.
        let again = shop.root.path().join("raw/orders/orders_2026-02-02.csv");
        std::fs::remove_file(&again).unwrap();
        shop.write("sql/sources/orders.yml", &format!("{ORDERS}duplicates: skip\n"));
        shop.night("2026-02-02").await;
        assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 2 "));
        shop.write("sql/sources/orders.yml", ORDERS);
        std::fs::write(&again, without_rows).unwrap();
        let report = shop.night("2026-02-02").await;
        assert_eq!(report.status, RunStatus::Done, "{report:#?}");
        assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 1 "), "{without_rows}");
        assert!(shop.ask("select sum(revenue) as n from marts.daily").await.contains("| 10.50 "), "{without_rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_audit_keeps_the_mart_at_its_last_release() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "-1.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Partial, "{report:#?}");
    assert_eq!(report.exit_kind.as_deref(), Some("data"));
    let answer = shop.ask("select * from marts.daily").await;
    assert!(answer.contains("10.50") && !answer.contains("-1.00"), "{answer}");
    let audits = shop.ask("select audit, passed, failing_rows from ops.audits where not passed").await;
    assert!(audits.contains("revenue_is_positive"), "{audits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_tables_that_an_audit_refuses_changes_nothing_and_says_so() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.night("2026-02-02").await;
    let two_days = "  - { name: has_two_days, sql: 'select * from (select count(*) as n from marts.daily) as days where n < 2' }\n";
    shop.write("sql/marts/shop/daily.yml", &format!("{DAILY_YML}{two_days}"));
    let context = shop.open().await;
    let before = (versions(&context).await, release::list(&context.lake).await.unwrap());
    let refused = rollback(&context, "2026-02-01.1".parse().unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), crate::error::ErrorKind::Data);
    let told = refused.to_string();
    assert!(told.contains("audit has_two_days failed on 1 row") && told.contains("nothing was changed"), "{told}");
    assert_eq!((versions(&context).await, release::list(&context.lake).await.unwrap()), before);
    shop.write("sql/marts/shop/daily.yml", DAILY_YML);
    rollback(&shop.open().await, "2026-02-01.1".parse().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_is_older_than_the_release_is_built_for_the_highest_and_the_run_says_so() {
    let shop = Shop::new();
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.night("2026-02-02").await;
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let report = shop.night("2026-02-01").await;
    let said = "night 2026-02-01 is older than release 2026-02-02.1: its deliveries are taken in, and the tables are built for night 2026-02-02";
    assert!(report.warnings.iter().any(|warning| warning == said), "{:?}", report.warnings);
    assert_eq!(report.release.as_deref(), Some("2026-02-02.2"));
    let both = shop.ask("select count(*) as days from marts.daily").await;
    assert!(both.contains("| 2 "), "{both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_fit_is_kept_with_file_record_line_and_reason() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-31 10:00:00", "1.00")]);
    let report = shop.night("2026-02-01").await;
    assert_eq!((report.rows.ingested, report.rows.quarantined), (1, 1), "{report:#?}");
    let answer = shop.ask("select file, record, line, column_name, raw, status from ops.quarantine").await;
    assert!(answer.contains("| orders/orders_2026-02-01.csv | 2      | 3    | ordered_at"), "{answer}");
    assert!(answer.contains("b,2026-02-31 10:00:00,1.00"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_night_sees_neither_later_deliveries_nor_later_events() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "1.00"), ("z", "2026-02-03 09:00:00", "5.00")]);
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "2.00")]);
    shop.night("2026-02-01").await;
    let first = shop.ask("select count(*) as n, sum(revenue) as revenue from marts.daily").await;
    assert!(first.contains("| 1 | 1.00"), "{first}");
    shop.night("2026-02-03").await;
    let last = shop.ask("select count(*) as n, sum(revenue) as revenue from marts.daily").await;
    assert!(last.contains("| 3 | 8.00"), "{last}");
}
