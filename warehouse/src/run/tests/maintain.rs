//! What maintenance takes, and what it never takes.

use std::collections::{BTreeSet, HashSet};

use arrow::array::cast::AsArray;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future;
use object_store::ObjectStoreExt;

use super::*;
use crate::lease::Holder;
use crate::release::{Keep, Pin, ReleaseId};
use crate::run::hold::holding;
use crate::run::maintain::{Limits, work};
use crate::store::faults::{FaultyStore, Rule};
use crate::table::{Lake, Reclaimed, vacuum};

/// Long after the nights; what lies in the lake is then as old ([`Shop::later`]).
pub(super) const LATER: &str = "2096-01-01T03:00:00Z";
pub(super) const TWO_HOURS_LATER: &str = "2096-01-01T05:00:00Z";
pub(super) const KEEP: Keep = Keep { nights: 2, months: 1 };
const DAYS: [&str; 5] = ["2026-02-01", "2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05"];

pub(super) async fn five_nights() -> Shop {
    let shop = Shop::new();
    for day in DAYS {
        shop.orders(day, &[(day, &format!("{day} 10:00:00"), "1.00")]);
        shop.night(day).await;
    }
    shop
}

fn id(text: &str) -> ReleaseId {
    text.parse().unwrap()
}

async fn revenue(shop: &Shop, release: &str) -> Result<String, RunError> {
    let context = shop.open().await;
    let reader =
        Reader::open(&context.project, &context.lake, &context.engine, Some(id(release)), context.clock.as_ref())
            .await?;
    let rows = reader.query("select sum(revenue) as revenue from marts.daily").await?.collect().await.unwrap();
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_and_pinned_releases_are_read_after_the_others_are_gone() {
    let shop = five_nights().await;
    let pin = Pin { reason: "the first".to_owned(), at: LATER.parse().unwrap() };
    release::pin(&shop.open().await.lake, id("2026-02-01.1"), &pin).await.unwrap();

    let first = maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    assert_eq!((first.releases_kept, first.releases_dropped), (3, 2), "{first:?}");
    assert_eq!(first.files_removed, 0, "who began to read a dropped release goes on: {first:?}");
    let second = maintain(&shop.later(TWO_HOURS_LATER).await, KEEP).await.unwrap();
    assert!(second.files_removed > 0, "{second:?}");

    for (release, sum) in [("2026-02-01.1", "1.00"), ("2026-02-04.1", "4.00"), ("2026-02-05.1", "5.00")] {
        let seen = revenue(&shop, release).await.unwrap();
        assert!(seen.contains(sum), "{release}: {seen}");
    }
    let gone = revenue(&shop, "2026-02-03.1").await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_keeps_its_release_also_where_no_listing_shows_it() {
    let shop = five_nights().await;
    let pin = Pin { reason: "the first".to_owned(), at: LATER.parse().unwrap() };
    release::pin(&shop.open().await.lake, id("2026-02-01.1"), &pin).await.unwrap();
    for now in [LATER, TWO_HOURS_LATER] {
        let mut context = shop.later(now).await;
        let behind = FaultyStore::new(Arc::clone(context.lake.store()), Rule::Unlisted("_buho/pins"));
        context.lake = context.lake.over(Arc::new(behind));
        maintain(&context, KEEP).await.unwrap();
    }
    let seen = revenue(&shop, "2026-02-01.1").await.unwrap();
    assert!(seen.contains("1.00"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_releases_lose_nothing_where_no_listing_shows_them() {
    let shop = five_nights().await;
    for now in [LATER, TWO_HOURS_LATER] {
        let mut context = shop.later(now).await;
        let short = FaultyStore::new(Arc::clone(context.lake.store()), Rule::Unlisted("_buho/releases"));
        context.lake = context.lake.over(Arc::new(short));
        let done = maintain(&context, KEEP).await.unwrap();
        assert_eq!(done.releases_kept, 2, "{done:?}");
    }
    for (release, sum) in [("2026-02-04.1", "4.00"), ("2026-02-05.1", "5.00")] {
        let seen = revenue(&shop, release).await.unwrap();
        assert!(seen.contains(sum), "{release}: {seen}");
    }
    let gone = revenue(&shop, "2026-02-03.1").await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_goes_on_after_maintenance_as_if_there_had_been_none() {
    let shop = five_nights().await;
    for now in [LATER, TWO_HOURS_LATER] {
        maintain(&shop.later(now).await, KEEP).await.unwrap();
    }
    assert_eq!(shop.night("2026-02-05").await.status, RunStatus::Skipped);
    shop.orders("2026-02-06", &[("z", "2026-02-06 10:00:00", "1.00")]);
    assert_eq!(shop.night("2026-02-06").await.status, RunStatus::Done);
    assert!(shop.ask("select sum(revenue) as revenue from marts.daily").await.contains("6.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_dead_run_left_are_removed_and_those_of_the_lake_are_not() {
    let shop = five_nights().await;
    let dead = [
        "part-00000-dead-1.zstd.parquet",
        "part-00000-dead-2.zstd.parquet#1",
        "_delta_log/00000000000000000099.json#12",
    ];
    for file in dead {
        shop.write(&format!("lake/marts/daily/{file}"), "half a file");
    }
    let first = maintain(&shop.later(LATER).await, Keep { nights: 35, months: 13 }).await.unwrap();
    assert_eq!(first.files_removed, 3, "{first:?}");
    assert!(dead.iter().all(|file| !shop.root.path().join("lake/marts/daily").join(file).exists()));
    let again = maintain(&shop.later(TWO_HOURS_LATER).await, Keep { nights: 35, months: 13 }).await.unwrap();
    assert_eq!((again.files_removed, again.releases_dropped), (0, 0), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_took_up_a_version_that_was_the_newest_until_now_reads_it_to_its_end() {
    let shop = five_nights().await;
    let context = shop.open().await;
    let table = async |version| TableSnapshot::load(&context.lake, "marts.daily", version).await.unwrap().unwrap();
    let newest = table(None).await.version;
    let before: Vec<String> = table(Some(newest - 1)).await.files.iter().map(|file| file.path.clone()).collect();
    assert!(table(None).await.files.iter().all(|file| !before.contains(&file.path)), "the last commit replaces them");
    let commit = context.lake.path(&format!("marts/daily/_delta_log/{newest:020}.json"));
    let committed = context.lake.store().head(&commit).await.unwrap().last_modified;
    let are_there = async |paths: &[String]| {
        let places = paths.iter().map(|path| context.lake.path(&format!("marts/daily/{path}")));
        future::join_all(places.map(async |place| context.lake.store().head(&place).await.is_ok())).await
    };
    // No release is kept: what stays does so for who reads the newest version alone.
    let vacuumed = async |before| {
        vacuum(&context.lake, "marts.daily", &BTreeSet::new(), &HashSet::new(), before).await.unwrap().files
    };
    assert!(vacuumed(committed).await > 0, "what left before may go");
    assert_eq!(are_there(&before).await, vec![true; before.len()]);
    assert_eq!(vacuumed(committed + TimeDelta::seconds(1)).await, before.len() as u64);
    assert_eq!(are_there(&before).await, vec![false; before.len()]);
}

/// A table whose newest commit took files out, wrote a checkpoint, and is the only one that is young.
#[tokio::test(flavor = "multi_thread")]
async fn maintenance_after_maintenance_finds_what_the_newest_commit_took_over_from() {
    let shop = Shop::new();
    let checkpoint =
        |version: u64| shop.root.path().join(format!("lake/marts/daily/_delta_log/{version:020}.checkpoint.parquet"));
    let mut newest = 0;
    for number in 1..=28 {
        let day = format!("2026-02-{number:02}");
        shop.orders(&day, &[(&day, &format!("{day} 10:00:00"), "1.00")]);
        shop.night(&day).await;
        let lake = shop.open().await.lake;
        newest = TableSnapshot::load(&lake, "marts.daily", None).await.unwrap().unwrap().version;
        if newest > 0 && checkpoint(newest).exists() {
            break;
        }
    }
    assert!(checkpoint(newest).exists(), "{newest}");
    let context = shop.open().await;
    let commit = context.lake.path(&format!("marts/daily/_delta_log/{newest:020}.json"));
    let committed = context.lake.store().head(&commit).await.unwrap().last_modified;
    for _ in 0..2 {
        let found = vacuum(&context.lake, "marts.daily", &BTreeSet::new(), &HashSet::new(), committed).await;
        assert!(found.is_ok(), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_below_a_version_that_no_listing_shows() {
    let shop = five_nights().await;
    let context = shop.open().await;
    let newest = TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().unwrap().version;
    assert_eq!(newest, 4);
    // The checkpoint of the version goes with its entry: a listing that is behind shows neither.
    let hidden = Rule::Unlisted("marts/daily/_delta_log/00000000000000000004");
    let note = "marts/daily/_delta_log/_last_checkpoint";
    context.lake.store().delete(&context.lake.path(note)).await.unwrap();
    let behind = context.lake.over(Arc::new(FaultyStore::new(Arc::clone(context.lake.store()), hidden)));
    let listed = TableSnapshot::load(&behind, "marts.daily", None).await.unwrap().unwrap();
    assert_eq!(listed.version, 3);
    let later: DateTime<Utc> = LATER.parse().unwrap();
    let vacuumed = async |lake: &Lake| vacuum(lake, "marts.daily", &BTreeSet::new(), &HashSet::new(), later).await;
    assert_eq!(vacuumed(&behind).await.unwrap(), Reclaimed::default());
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 5 "));
    assert!(vacuumed(&context.lake).await.unwrap().files > 0);
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 5 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_not_written_at_its_commit_is_written_by_maintenance() {
    let shop = five_nights().await;
    let context = shop.open().await;
    let log = shop.root.path().join("lake/marts/daily/_delta_log");
    let checkpoint = log.join("00000000000000000004.checkpoint.parquet");
    assert!(checkpoint.exists());
    let before = shop.ask("select * from marts.daily order by ordered_on").await;
    // As where the storage failed just then.
    std::fs::remove_file(&checkpoint).unwrap();
    std::fs::remove_file(log.join("_last_checkpoint")).unwrap();
    let first = maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    assert!(checkpoint.exists(), "{first:?}");
    assert_eq!(first.checkpoints_written, 1, "{first:?}");
    let newest = TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().unwrap();
    assert_eq!(newest.version, 4);
    assert_eq!(shop.ask("select * from marts.daily order by ordered_on").await, before);
    let second = maintain(&shop.later(TWO_HOURS_LATER).await, KEEP).await.unwrap();
    assert_eq!(second.checkpoints_written, 0, "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_another_tool_cleaned_is_said_to_be_cleaned_where_a_release_needs_it() {
    let shop = five_nights().await;
    let log = shop.root.path().join("lake/marts/daily/_delta_log");
    let checkpoint = "00000000000000000004.checkpoint.parquet";
    assert!(log.join(checkpoint).exists());
    for entry in std::fs::read_dir(&log).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap() < checkpoint {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    assert!(revenue(&shop, "2026-02-05.1").await.unwrap().contains("5.00"));
    let error = revenue(&shop, "2026-02-01.1").await.unwrap_err().to_string();
    assert!(error.contains("is not in its log") && error.contains("another tool may have cleaned the log"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_many_runs_become_few_files_with_the_same_rows() {
    let shop = Shop::new();
    for number in 0..20 {
        shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", &format!("{number}.00"))]);
        shop.night("2026-02-01").await;
    }
    let count = "select count(*) as n, count(distinct run_id) as runs from ops.runs";
    let before = shop.ask(count).await;
    let done = maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    assert!(done.files_compacted >= 20, "{done:?}");
    let context = shop.open().await;
    let runs = TableSnapshot::load(&context.lake, "ops.runs", None).await.unwrap().unwrap();
    assert_eq!(runs.files.len(), 1);
    assert_eq!(shop.ask(count).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_rows_are_still_found_after_maintenance() {
    let shop = Shop::new();
    for number in 1..=20 {
        let day = format!("2026-01-{number:02}");
        let bad = (format!("b{number}"), format!("{day} 11:00:00"));
        shop.orders(&day, &[("a", &format!("{day} 10:00:00"), "1.00"), (&bad.0, &bad.1, "bad")]);
        shop.night(&day).await;
    }
    maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    let choice = Choice::default();
    let discarded = discard(&shop.later(TWO_HOURS_LATER).await, "orders", &choice, "tests", "ana").await.unwrap();
    assert_eq!(discarded, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_of_a_table_that_grows_become_larger_and_the_next_night_builds_on_them() {
    let shop = super::materialize::every_kind();
    let day = |day: u32| format!("2026-01-{day:02}");
    let question = super::materialize::EVERY_KIND;
    for number in 1..=22 {
        let (id, at) = (format!("o{number}"), format!("{} 10:00:00", day(number)));
        shop.orders(&day(number), &[(&id, &at, "1.00")]);
        shop.night(&day(number)).await;
    }
    let before = shop.ask(question).await;
    let context = shop.open().await;
    let files = async |table: &str| TableSnapshot::load(&context.lake, table, None).await.unwrap().unwrap().files.len();
    assert_eq!(files("core.by_window").await, 22);
    let done = maintain(&context, Keep { nights: 35, months: 13 }).await.unwrap();
    // 22 windows less the last and its lookback of three; by key there is no such thing.
    assert!(done.files_compacted >= 18 + 22, "{done:?}");
    assert_eq!((files("core.by_window").await, files("core.by_key").await), (22 - 18 + 1, 1));
    assert_eq!(shop.ask(question).await, before);
    // Nothing is to be built because of it, and a correction of the past finds its rows.
    assert_eq!(shop.night(&day(22)).await.status, RunStatus::Skipped);
    shop.orders(&day(5), &[("o5", &format!("{} 10:00:00", day(5)), "9.00")]);
    shop.night(&day(22)).await;
    let fresh = super::materialize::every_kind();
    for number in 1..=22 {
        let (id, at) = (format!("o{number}"), format!("{} 10:00:00", day(number)));
        fresh.orders(&day(number), &[(&id, &at, if number == 5 { "9.00" } else { "1.00" })]);
        fresh.night(&day(number)).await;
    }
    assert_eq!(shop.ask(question).await, fresh.ask(question).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_made_of_small_ones_has_its_rows_in_the_declared_order() {
    let shop = super::materialize::every_kind();
    let yml = std::fs::read_to_string(shop.root.path().join("sql/core/shop/by_window.yml")).unwrap();
    shop.write("sql/core/shop/by_window.yml", &yml.replace("columns:", "sort: [amount]\ncolumns:"));
    for number in 1..=22 {
        let day = format!("2026-01-{number:02}");
        let (id, at, amount) = (format!("o{number}"), format!("{day} 10:00:00"), format!("{}.00", number * 7 % 23));
        shop.orders(&day, &[(&id, &at, &amount)]);
        shop.night(&day).await;
    }
    let maintained = async |layout: &str| {
        shop.write("sql/core/shop/by_window.yml", &yml.replace("columns:", layout));
        let context = shop.open().await;
        maintain(&context, Keep { nights: 35, months: 13 }).await.unwrap();
        TableSnapshot::load(&context.lake, "core.by_window", None).await.unwrap().unwrap()
    };
    // Other partitions are the next night's to lay out.
    let parted = maintained("partition_by: [delivered_on]\nsort: [amount]\ncolumns:").await;
    assert_eq!(parted.files.len(), 22);
    let table = maintained("sort: [amount]\ncolumns:").await;
    let file = table.files.iter().find(|file| file.rows == Some(18)).unwrap();
    let path = shop.root.path().join("lake/core/by_window").join(&file.path);
    let file = std::fs::File::open(path).unwrap();
    let rows = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let amounts: Vec<i128> = rows
        .flat_map(|batch| batch.unwrap()["amount"].as_primitive::<arrow::datatypes::Decimal128Type>().values().to_vec())
        .collect();
    assert!(amounts.is_sorted() && amounts.len() == 18, "{amounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_deliveries_share_files_and_one_that_comes_again_replaces_its_own_rows_alone() {
    let day = |day: u32| format!("2026-02-{day:02}");
    let question = super::materialize::EVERY_KIND;
    let rows = "select _file, _record, _delivery, _night, order_id, amount from bronze.orders order by 1, 2";
    let deliver = |shop: &Shop, number: u32, amount: &str| {
        let ids = [format!("o{number}"), format!("p{number}")];
        let at = format!("{} 10:00:00", day(number));
        shop.orders(&day(number), &[(&ids[0], &at, amount), (&ids[1], &at, "2.00")]);
    };
    let nights = async |amount_of_the_third: &str| {
        let shop = super::materialize::every_kind();
        for number in 1..=8 {
            deliver(&shop, number, if number == 3 { amount_of_the_third } else { "1.00" });
            shop.night(&day(number)).await;
        }
        shop
    };
    let shop = nights("1.00").await;
    let before = (shop.ask(rows).await, shop.ask(question).await);
    let context = shop.later(LATER).await;
    let files = async || TableSnapshot::load(&context.lake, "bronze.orders", None).await.unwrap().unwrap().files.len();
    assert_eq!(files().await, 8);
    maintain(&context, Keep { nights: 35, months: 13 }).await.unwrap();
    // The last may still come again.
    assert_eq!(files().await, 2);
    assert_eq!((shop.ask(rows).await, shop.ask(question).await), before);
    assert_eq!(shop.night(&day(8)).await.status, RunStatus::Skipped, "readers see nothing new");
    maintain(&shop.later(TWO_HOURS_LATER).await, KEEP).await.unwrap();
    deliver(&shop, 3, "7.00");
    shop.night(&day(8)).await;
    let corrected = nights("7.00").await;
    let told = "select _file, _record, _night, order_id, amount from bronze.orders order by 1, 2";
    assert_eq!(shop.ask(told).await, corrected.ask(told).await);
    assert_eq!(shop.ask(question).await, corrected.ask(question).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_ends_with_maintenance_for_as_long_as_the_project_says() {
    let shop = five_nights().await;
    let settings = |minutes: u32| format!("{BUHO}keep_nights = 2\nkeep_months = 1\nmaintain_minutes = {minutes}\n");
    let night = async |day: &str| {
        shop.orders(day, &[(day, &format!("{day} 10:00:00"), "1.00")]);
        let request = RunRequest { night: day.parse().unwrap(), ..RunRequest::default() };
        run_night(&shop.open().await, &request).await.unwrap()
    };
    shop.write("buho.toml", &settings(0));
    night("2026-02-06").await;
    assert_eq!(release::list(&shop.open().await.lake).await.unwrap().len(), 6);
    shop.write("buho.toml", &settings(5));
    assert_eq!(night("2026-02-07").await.status, RunStatus::Done);
    assert_eq!(release::list(&shop.open().await.lake).await.unwrap().len(), 2);
    // A night that published nothing leaves the lake as it is.
    assert_eq!(shop.night("2026-02-07").await.status, RunStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_that_has_no_time_left_begins_no_table_and_says_how_many_are_left() {
    let shop = five_nights().await;
    maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    let context = shop.later(TWO_HOURS_LATER).await;
    let until = |milliseconds: i64| {
        Some(TWO_HOURS_LATER.parse::<DateTime<Utc>>().unwrap() + TimeDelta::milliseconds(milliseconds))
    };
    let within = async |limits: Limits| {
        holding(&context, Holder::this_process("test", "maintain"), async |lease| {
            work(&context, lease, KEEP, "test", limits).await
        })
        .await
        .unwrap()
    };
    let none = within(Limits { until: until(0), first: 3 }).await;
    assert!(none.tables_left > 3 && none.files_removed == 0, "{none:?}");
    let all = within(Limits { until: None, first: 3 }).await;
    assert_eq!((all.tables_left, all.files_removed > 0), (0, true), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_night_that_got_worse_the_release_before_that_is_kept_as_long_as_the_night() {
    let shop = Shop::new();
    shop.orders(DAYS[0], &[("a", "2026-02-01 10:00:00", "1.00")]);
    shop.night(DAYS[0]).await;
    for amount in ["-1.00", "-2.00"] {
        shop.orders(DAYS[0], &[("a", "2026-02-01 10:00:00", amount)]);
        assert_eq!(shop.night(DAYS[0]).await.status, RunStatus::Partial);
    }
    shop.orders(DAYS[0], &[("a", "2026-02-01 10:00:00", "2.00")]);
    shop.orders(DAYS[1], &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.night(DAYS[1]).await;
    let done = maintain(&shop.open_at(LATER).await, KEEP).await.unwrap();
    let listed = release::list(&shop.open().await.lake).await.unwrap();
    assert_eq!(listed, ["2026-02-01.1", "2026-02-01.3", "2026-02-02.1"].map(id));
    assert_eq!((done.releases_kept, done.releases_dropped), (3, 1));
    maintain(&shop.open_at(TWO_HOURS_LATER).await, KEEP).await.unwrap();
    assert!(revenue(&shop, "2026-02-01.1").await.unwrap().contains("1.00"));
}
