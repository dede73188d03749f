//! Tables that build on their rows before: windows of time, and what all kinds have in common.

use arrow::array::cast::AsArray;

use super::*;

pub(super) const EVENTS: &str = "
description: Events.
path: 'events/events_{date:%Y-%m-%d}.csv'
event_time: happened_at
columns:
  - { name: id, type: VARCHAR, required: true }
  - { name: happened_at, type: TIMESTAMP, required: true }
  - { name: amount, type: BIGINT, required: true }
";
const STG_EVENTS: &str = "select id, happened_at, amount from bronze.events";
const STG_EVENTS_YML: &str = "
materialized: view
columns:
  - { name: id, type: VARCHAR }
  - { name: happened_at, type: TIMESTAMP }
  - { name: amount, type: BIGINT }
";
const BY_DAY: &str = "select cast(happened_at as date) as day, cast(sum(amount) as bigint) as amount
from staging.stg_shop__events
where happened_at >= $window_start and happened_at < $window_end
group by cast(happened_at as date)";
const BY_DAY_YML: &str = "
materialized: incremental
incremental: { time: day, lookback: 1, max_rebuild: 2 }
key: [day]
columns:
  - { name: day, type: DATE }
  - { name: amount, type: BIGINT }
";
const WEEK: &str = "with days as (
    select cast(happened_at as date) as day, amount from staging.stg_shop__events
    where cast(happened_at as date) >= $window_start - interval '6' day and cast(happened_at as date) < $window_end
)
select nights.day, cast(sum(days.amount) as bigint) as amount
from (select distinct day from days) as nights
inner join days on days.day <= nights.day and days.day > nights.day - interval '7' day
where nights.day >= $window_start
group by nights.day";

pub(super) fn events(shop: &Shop, day: &str, rows: &[(&str, &str, i64)]) {
    let rows: Vec<String> = rows.iter().map(|(id, at, amount)| format!("{id},{at},{amount}")).collect();
    shop.write(&format!("raw/events/events_{day}.csv"), &format!("id,happened_at,amount\n{}\n", rows.join("\n")));
}

pub(super) fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("sql/sources/events.yml", EVENTS);
    shop.write("sql/staging/shop/stg_shop__events.sql", STG_EVENTS);
    shop.write("sql/staging/shop/stg_shop__events.yml", STG_EVENTS_YML);
    shop
}

pub(super) fn windowed() -> Shop {
    let shop = shop();
    shop.write("sql/marts/shop/by_day.sql", BY_DAY);
    shop.write("sql/marts/shop/by_day.yml", BY_DAY_YML);
    shop
}

pub(super) fn february(day: u32) -> String {
    format!("2026-02-{day:02}")
}

pub(super) async fn files(shop: &Shop, table: &str) -> BTreeSet<String> {
    let context = shop.open().await;
    let found = TableSnapshot::load(&context.lake, table, None).await.unwrap().unwrap();
    found.files.into_iter().map(|file| file.path).collect()
}

pub(super) fn status(report: &RunReport, node: &str) -> String {
    report.node_reports.iter().find(|report| report.node == node).unwrap().status.clone()
}

/// The same deliveries in a lake that has seen nothing before.
pub(super) async fn from_scratch(shop: &Shop, night: &str, question: &str) -> String {
    let fresh = Shop { root: TempDir::new().unwrap() };
    for folder in ["sql", "raw"] {
        copy(&shop.root.path().join(folder), &fresh.root.path().join(folder));
    }
    fresh.write("buho.toml", BUHO);
    fresh.night(night).await;
    fresh.ask(question).await
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

pub(super) const DAYS: &str = "select day, amount from marts.by_day order by day";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_day_builds_its_own_window_and_leaves_the_others_files() {
    let shop = windowed();
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
    }
    let before = files(&shop, "marts.by_day").await;
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4)]);
    shop.night(&february(4)).await;
    let after = files(&shop, "marts.by_day").await;
    assert!(before.is_subset(&after), "{before:?} {after:?}");
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(4), DAYS).await);
    // A night that brings nothing for it leaves the table alone.
    let quiet = shop.night(&february(5)).await;
    assert_eq!(status(&quiet, "marts.by_day"), "skipped");
    assert_eq!(files(&shop, "marts.by_day").await, after);
}

/// Without `event_time` in the contract nothing waits: the rows are there, as in a table that is built whole.
#[tokio::test(flavor = "multi_thread")]
async fn rows_dated_past_the_night_are_in_their_windows_whatever_the_next_nights_bring() {
    let shop = windowed();
    shop.write("sql/sources/events.yml", &EVENTS.replace("event_time: happened_at\n", ""));
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 1), ("early", "2026-02-03 10:00:00", 50)]);
    shop.night(&february(1)).await;
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4)]);
    shop.night(&february(4)).await;
    let seen = shop.ask(DAYS).await;
    assert!(seen.contains("| 2026-02-03 | 50 "), "{seen}");
    assert_eq!(seen, from_scratch(&shop, &february(4), DAYS).await);
    // One that is dated past the night and taken back goes, too.
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4), ("early", "2026-02-06 10:00:00", 60)]);
    shop.night(&february(4)).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-06 | 60 "));
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4)]);
    shop.night(&february(4)).await;
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(4), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_and_a_corrected_delivery_rebuild_just_the_windows_they_fall_into() {
    let shop = windowed();
    let row = |day: u32, amount| ("a", format!("{} 10:00:00", february(day)), amount);
    for day in 1..=6 {
        let (id, at, amount) = row(day, i64::from(day));
        events(&shop, &february(day), &[(id, &at, amount)]);
        shop.night(&february(day)).await;
    }
    let before = files(&shop, "marts.by_day").await;
    // One row of the 7th's delivery is of the 6th, and the 2nd is delivered again.
    events(&shop, &february(7), &[("a", "2026-02-07 10:00:00", 7), ("late", "2026-02-06 10:00:00", 100)]);
    events(&shop, &february(2), &[("a", "2026-02-02 10:00:00", 2000)]);
    shop.night(&february(7)).await;
    let after = files(&shop, "marts.by_day").await;
    assert_eq!(before.intersection(&after).count(), before.len() - 2, "{before:?} {after:?}");
    let seen = shop.ask(DAYS).await;
    assert!(seen.contains("| 2026-02-02 | 2000 ") && seen.contains("| 2026-02-06 | 106 "), "{seen}");
    assert_eq!(seen, from_scratch(&shop, &february(7), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_of_more_windows_than_allowed_changes_nothing_and_names_the_backfill_that_takes_it_in() {
    let shop = windowed();
    for day in 1..=8 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
    }
    shop.night(&february(8)).await;
    let before = shop.ask(DAYS).await;
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 5)]);
    }
    let report = shop.night(&february(8)).await;
    let failed = report.failed.clone().unwrap();
    assert_eq!((failed.node.as_str(), status(&report, "marts.by_day").as_str()), ("marts.by_day", "failed"));
    let command = "buho backfill --from 2026-02-08 --to 2026-02-08 --select marts.by_day+`";
    assert!(failed.message.contains(command), "{}", failed.message);
    assert_eq!(shop.ask(DAYS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_no_windows_lets_not_one_through() {
    let shop = windowed();
    shop.write("sql/marts/shop/by_day.yml", &BY_DAY_YML.replace("max_rebuild: 2", "max_rebuild: 0"));
    for day in 1..=8 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
    }
    shop.night(&february(8)).await;
    events(&shop, &february(2), &[("a", "2026-02-02 10:00:00", 5)]);
    let failed = shop.night(&february(8)).await.failed.unwrap();
    assert!(failed.message.contains("1 window before the lookback changed"), "{}", failed.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_looks_back_is_rebuilt_when_what_it_looks_back_on_changes() {
    let shop = windowed();
    shop.write("sql/marts/shop/by_day.sql", WEEK);
    shop.write("sql/marts/shop/by_day.yml", &BY_DAY_YML.replace("max_rebuild: 2", "max_rebuild: 9"));
    for day in 1..=9 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1 << day)]);
        shop.night(&february(day)).await;
    }
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(9), DAYS).await);
    events(&shop, &february(2), &[("a", "2026-02-02 10:00:00", 100_000)]);
    shop.night(&february(9)).await;
    let seen = shop.ask(DAYS).await;
    assert!(seen.contains("| 2026-02-08 | 100504 "), "{seen}");
    assert_eq!(seen, from_scratch(&shop, &february(9), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_outside_its_window_fails_the_table_and_says_what_to_do() {
    let shop = windowed();
    shop.write(
        "sql/marts/shop/by_day.sql",
        &BY_DAY.replace("cast(happened_at as date) as day", "cast(happened_at as date) + 1 as day"),
    );
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 1)]);
    let report = shop.night(&february(1)).await;
    let failed = report.failed.unwrap();
    assert!(
        failed.message.contains("keep only rows of the window") && failed.message.contains("2026-02-02"),
        "{}",
        failed.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_keeps_its_partitions_apart_and_its_rows_in_order() {
    let shop = windowed();
    let columns = "{ name: day, type: DATE }, { name: id, type: VARCHAR }, { name: amount, type: BIGINT }";
    let yml = format!(
        "materialized: incremental\nincremental: {{ time: day }}\npartition_by: [day]\nsort: [amount]\ncolumns: [{columns}]"
    );
    shop.write("sql/marts/shop/by_day.yml", &yml);
    let sql = "select cast(happened_at as date) as day, id, amount from staging.stg_shop__events
        where happened_at >= $window_start and happened_at < $window_end";
    shop.write("sql/marts/shop/by_day.sql", sql);
    let row = |day: u32, id, amount| (id, format!("{} 10:00:00", february(day)), amount);
    let deliver = |day: u32, rows: &[(&str, String, i64)]| {
        let rows: Vec<(&str, &str, i64)> = rows.iter().map(|(id, at, amount)| (*id, at.as_str(), *amount)).collect();
        events(&shop, &february(day), &rows);
    };
    deliver(1, &[row(1, "a", 3), row(1, "b", 1), row(1, "c", 2)]);
    deliver(2, &[row(2, "a", 9), row(2, "b", 8)]);
    shop.night(&february(2)).await;
    deliver(3, &[row(3, "a", 1), row(2, "late", 1)]);
    shop.night(&february(3)).await;
    let context = shop.open().await;
    let table = TableSnapshot::load(&context.lake, "marts.by_day", None).await.unwrap().unwrap();
    assert_eq!(table.partition_columns().unwrap(), ["day"]);
    let mut partitions: Vec<(String, u64)> =
        table.files.iter().map(|file| (file.partition["day"].clone().unwrap(), file.rows.unwrap())).collect();
    partitions.sort();
    assert_eq!(partitions, [(february(1), 3), (february(2), 3), (february(3), 1)]);
    let file = table.files.iter().find(|file| file.rows == Some(3)).unwrap();
    let path = shop.root.path().join("lake/marts/by_day").join(&file.path);
    let rows =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap())
            .unwrap()
            .build()
            .unwrap()
            .map(Result::unwrap);
    let amounts: Vec<i64> = rows
        .flat_map(|batch| batch["amount"].as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
        .collect();
    assert!(amounts.is_sorted() && amounts.len() == 3, "{amounts:?}");
    let question = "select day, id, amount from marts.by_day order by 1, 2";
    assert_eq!(shop.ask(question).await, from_scratch(&shop, &february(3), question).await);
}

/// A delivery of many rows in no order.
fn scattered() -> String {
    let rows =
        (0..300_000_u32).map(|row| format!("{:06},2026-01-{:02} 10:00:00,{row}\n", row * 7919 % 300_007, row % 31 + 1));
    format!("id,happened_at,amount\n{}", rows.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_rows_in_order_do_not_overlap() {
    let shop = shop();
    shop.write("raw/events/events_2026-02-01.csv", &scattered());
    shop.write("sql/marts/shop/ordered.sql", "select id, amount from staging.stg_shop__events");
    let columns = "{ name: id, type: VARCHAR }, { name: amount, type: BIGINT }";
    shop.write("sql/marts/shop/ordered.yml", &format!("materialized: table\nsort: [id]\ncolumns: [{columns}]"));
    shop.night(&february(1)).await;
    let context = shop.open().await;
    let table = TableSnapshot::load(&context.lake, "marts.ordered", None).await.unwrap().unwrap();
    let [file] = table.files.as_slice() else { panic!("{} files of a few MiB", table.files.len()) };
    let path = shop.root.path().join("lake/marts/ordered").join(&file.path);
    let file = std::fs::File::open(path).unwrap();
    let rows = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let ids: Vec<String> = rows
        .flat_map(|batch| {
            batch.unwrap()["id"].as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(ids.is_sorted() && ids.len() == 300_000, "{} ids", ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_may_come_and_widen_and_goes_only_when_it_is_said() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let refused = async |what: &str| {
        let context = shop.open().await;
        let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
        let run = run_night(&context, &request).await.unwrap_err();
        let plan = plan_night(&context, &request).await.unwrap_err();
        for error in [&run, &plan] {
            assert_eq!(error.kind(), crate::error::ErrorKind::User);
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains("buho run --select marts.daily --full-refresh"), "{error}");
        }
    };
    let wider = "select ordered_on, cast(sum(amount) as decimal(28, 4)) as revenue, cast(count(*) as bigint) as orders
        from staging.stg_shop__orders group by ordered_on";
    let columns = |revenue: &str, orders: &str| {
        format!(
            "columns:\n  - {{ name: ordered_on, type: DATE }}\n  - {{ name: revenue, type: '{revenue}' }}\n{orders}"
        )
    };
    let orders = "  - { name: orders, type: BIGINT }\n";
    shop.write("sql/marts/shop/daily.sql", wider);
    shop.write("sql/marts/shop/daily.yml", &columns("DECIMAL(28,4)", orders));
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    shop.write("sql/marts/shop/daily.sql", &wider.replace("28, 4", "20, 4"));
    shop.write("sql/marts/shop/daily.yml", &columns("DECIMAL(20,4)", orders));
    refused("column `revenue` of marts.daily was DECIMAL(28,4) and would be DECIMAL(20,4)").await;
    shop.write("sql/marts/shop/daily.sql", &wider.replace(", cast(count(*) as bigint) as orders", ""));
    shop.write("sql/marts/shop/daily.yml", &columns("DECIMAL(28,4)", ""));
    refused("column `orders` of marts.daily goes").await;
    let context = shop.open().await;
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    assert_eq!(run_night(&context, &request).await.unwrap().status, RunStatus::Done);
    assert!(!shop.ask("select * from marts.daily").await.contains("orders"));
}

/// Orders by window, by key and as a history, under one question.
pub(super) fn every_kind() -> Shop {
    let shop = Shop::new();
    let columns = "
columns:
  - { name: order_id, type: VARCHAR }
  - { name: amount, type: 'DECIMAL(18,2)' }
  - { name: delivered_on, type: DATE }
";
    let staged = format!("materialized: view{columns}");
    shop.write(
        "sql/staging/shop/stg_shop__orders.sql",
        "select order_id, amount, _night as delivered_on from bronze.orders",
    );
    shop.write("sql/staging/shop/stg_shop__orders.yml", &staged);
    let sql = "select order_id, amount, delivered_on from staging.stg_shop__orders where ";
    let window = format!("{sql} delivered_on >= $window_start and delivered_on < $window_end");
    shop.write("sql/core/shop/by_window.sql", &window);
    shop.write(
        "sql/core/shop/by_window.yml",
        &format!("materialized: incremental\nincremental: {{ time: delivered_on }}{columns}"),
    );
    shop.write("sql/core/shop/by_key.sql", &window);
    shop.write(
        "sql/core/shop/by_key.yml",
        &format!("materialized: merge\nmerge: {{ time: delivered_on }}\nkey: [order_id]{columns}"),
    );
    shop.write(
        "sql/core/shop/states.sql",
        "select order_id, amount from staging.stg_shop__orders where delivered_on = $night",
    );
    let states = columns.replace("delivered_on", "valid_from") + "  - { name: valid_to, type: DATE }\n";
    shop.write("sql/core/shop/states.yml", &format!("materialized: scd2\nkey: [order_id]{states}"));
    shop.write(
        "sql/marts/shop/daily.sql",
        "select delivered_on, cast(sum(amount) as decimal(18, 2)) as revenue from core.by_key group by delivered_on",
    );
    shop.write(
        "sql/marts/shop/daily.yml",
        "columns:\n  - { name: delivered_on, type: DATE }\n  - { name: revenue, type: 'DECIMAL(18,2)' }\n",
    );
    shop
}

pub(super) const EVERY_KIND: &str =
    "select 'window' as kind, order_id, amount, delivered_on, null as valid_to from core.by_window
union all select 'key', order_id, amount, delivered_on, null from core.by_key
union all select 'state', order_id, amount, valid_from, valid_to from core.states order by 1, 2, 4";

const PRICED: &str =
    "select cast(events.happened_at as date) as day, cast(sum(events.amount * prices.price) as bigint) as amount
from staging.stg_shop__events as events
cross join core.prices as prices
where events.happened_at >= $window_start and events.happened_at < $window_end
group by cast(events.happened_at as date)";
const PRICES: &str =
    "select cast(1 as integer) as id, max(amount) as price, count(*) as days from staging.stg_shop__prices";

/// A table by day that reads the highest of all prices whole.
fn priced() -> Shop {
    let shop = shop();
    shop.write("sql/sources/prices.yml", &EVENTS.replace("events", "prices"));
    shop.write("sql/staging/shop/stg_shop__prices.sql", &STG_EVENTS.replace("events", "prices"));
    shop.write("sql/staging/shop/stg_shop__prices.yml", STG_EVENTS_YML);
    shop.write("sql/core/shop/prices.sql", PRICES);
    let columns =
        "columns: [ { name: id, type: INTEGER }, { name: price, type: BIGINT }, { name: days, type: BIGINT } ]\n";
    shop.write("sql/core/shop/prices.yml", columns);
    shop.write("sql/marts/shop/by_day.sql", PRICED);
    shop.write("sql/marts/shop/by_day.yml", BY_DAY_YML);
    shop
}

fn prices(shop: &Shop, day: &str, amount: i64) {
    let rows = format!("id,happened_at,amount\np,{day} 00:00:00,{amount}\n");
    shop.write(&format!("raw/prices/prices_{day}.csv"), &rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_read_whole_rebuilds_all_windows_only_where_the_columns_that_are_read_changed() {
    let shop = priced();
    for day in 1..=3 {
        prices(&shop, &february(day), 10);
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
    }
    let before = files(&shop, "marts.by_day").await;
    assert_eq!(before.len(), 3, "the table that is read whole grew each night, in a column that is not read");
    prices(&shop, &february(4), 20);
    events(&shop, &february(4), &[("a", "2026-02-04 10:00:00", 4)]);
    assert_eq!(shop.night(&february(4)).await.status, RunStatus::Done);
    assert!(files(&shop, "marts.by_day").await.is_disjoint(&before));
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(4), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_asks_for_the_night_is_looked_at_anew_each_night() {
    let shop = windowed();
    let due = "select id, happened_at, case when cast(happened_at as date) < $night then amount else 0 end as amount
        from bronze.events";
    shop.write("sql/staging/shop/stg_shop__events.sql", due);
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
        shop.night(&february(day)).await;
    }
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(3), DAYS).await);
}
