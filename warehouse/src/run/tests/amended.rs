//! Merges of deliveries that come late or are corrected: the keys that they touch alone, whatever comes in whatever
//! order.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::keyed::{PEOPLE, customers, merging};
use super::materialize::{february, files, from_scratch, status};
use super::*;

/// A customer as a file has it: city, gone.
type State = (String, bool);
/// What the files of each day hold.
type Deliveries = BTreeMap<u32, BTreeMap<String, State>>;

fn deliver(shop: &Shop, day: u32, rows: &BTreeMap<String, State>) {
    let rows: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|(id, (city, gone))| (id.as_str(), city.as_str(), if *gone { "true" } else { "false" }))
        .collect();
    customers(shop, day, &rows);
}

/// Each key's last delivery, without the keys that are gone.
fn expected(deliveries: &Deliveries) -> Vec<String> {
    let mut last: BTreeMap<&str, (u32, &State)> = BTreeMap::new();
    for (day, rows) in deliveries {
        last.extend(rows.iter().map(|(id, state)| (id.as_str(), (*day, state))));
    }
    let stays = last.into_iter().filter(|(_, (_, (_, gone)))| !gone);
    stays.map(|(id, (day, (city, _)))| format!("{id} {city} {}", february(day))).collect()
}

async fn seen(shop: &Shop) -> Vec<String> {
    let rows = shop.ask(PEOPLE).await;
    let cells =
        |line: &str| line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ");
    rows.lines().filter(|line| line.starts_with("| k")).map(cells).collect()
}

/// A file with some of a dozen customers.
fn random_rows(random: &mut StdRng, deletes: bool) -> BTreeMap<String, State> {
    let size = random.random_range(0..7);
    let row = |_| {
        let city = format!("c{:04}", random.random_range(0..10_000));
        (format!("k{:02}", random.random_range(0..12)), (city, deletes && random.random_bool(0.3)))
    };
    (0..size).map(row).collect()
}

/// The next days come; days that were left out come late; files are corrected, with other keys and rows.
fn change(random: &mut StdRng, deliveries: &mut Deliveries, today: u32, deletes: bool) -> BTreeSet<u32> {
    let mut changed = BTreeSet::new();
    for _ in 0..random.random_range(1..4) {
        let day = random.random_range(1..=today);
        let rows = match deliveries.get(&day) {
            // Corrected by what it lacks.
            Some(rows) if random.random_bool(0.4) => {
                let mut rows = rows.clone();
                rows.retain(|_, _| random.random_bool(0.6));
                rows
            }
            _ => random_rows(random, deletes),
        };
        deliveries.insert(day, rows);
        changed.insert(day);
    }
    changed
}

async fn lives(seed: u64, deletes: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let shop = merging();
    let place = "sql/core/shop/dim_customer.yml";
    let mut yml = std::fs::read_to_string(shop.root.path().join(place)).unwrap();
    if !deletes {
        yml = yml.replace(", deleted: gone", "");
    }
    if seed % 2 == 1 {
        // Its files do not have the column by which they are kept apart.
        yml = format!("partition_by: [city]\n{yml}");
    }
    shop.write(place, &yml);
    let mut deliveries = Deliveries::new();
    let mut today = 1;
    for round in 0..6 {
        today += random.random_range(0..3);
        let changed = change(&mut random, &mut deliveries, today, deletes);
        for day in &changed {
            deliver(&shop, *day, &deliveries[day]);
        }
        let report = shop.night(&february(today)).await;
        let at = format!("seed {seed}, round {round}, night {today}, changed {changed:?}: {deliveries:#?}");
        assert!(matches!(report.status, RunStatus::Done | RunStatus::Skipped), "{at}: {report:#?}");
        assert_eq!(seen(&shop).await, expected(&deliveries), "{at}");
        if seed % 2 == 1 {
            assert!(files_of_the_log(&shop, "city") > 0 || expected(&deliveries).is_empty(), "{at}");
        }
    }
    assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(today), PEOPLE).await, "seed {seed}");
}

/// Files that the table's log names, each of which has the one value of the column that the log says: told by the log's
/// own lines and the rows of the files, by none of the engine's code.
fn files_of_the_log(shop: &Shop, column: &str) -> usize {
    let folder = shop.root.path().join("lake/core/dim_customer");
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder.join("_delta_log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|entry| entry.extension().is_some_and(|end| end == "json"));
    entries.sort();
    let mut named: BTreeMap<String, Value> = BTreeMap::new();
    for entry in entries {
        for line in std::fs::read_to_string(&entry).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            let path = |of: &Value| of["path"].as_str().unwrap().to_owned();
            if let Some(remove) = action.get("remove") {
                named.remove(&path(remove));
            } else if let Some(add) = action.get("add") {
                named.insert(path(add), add["partitionValues"].clone());
            }
        }
    }
    for (path, said) in &named {
        let file = std::fs::File::open(folder.join(path)).unwrap();
        let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let values: BTreeSet<String> = rows
            .flat_map(|batch| {
                let values = batch.unwrap()[column].as_string::<i32>().clone();
                values.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let told = said.as_object().and_then(|said| said.get(column)).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(values, BTreeSet::from_iter(told), "{path} is said to be of {said}");
    }
    named.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_in_any_order_with_any_corrections_merge_into_the_table_of_a_full_build() {
    for seed in 0..8 {
        lives(seed, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_deletions_is_that_of_a_full_build_in_any_order_too() {
    for seed in 100..106 {
        lives(seed, false).await;
    }
}

/// Four nights of two customers each, each in a file of its own.
async fn of_four_nights(shop: Shop) -> Shop {
    for day in 1..=4 {
        customers(&shop, day, &[(&format!("k{day}a"), "Madrid", ""), (&format!("k{day}b"), "Lugo", "")]);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
    }
    shop
}

/// The files of the table that stay, and those that go.
async fn kept(shop: &Shop, before: &BTreeSet<String>) -> (usize, usize) {
    let after = files(shop, "core.dim_customer").await;
    (before.intersection(&after).count(), before.difference(&after).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_delivery_leaves_the_files_without_its_keys() {
    let shop = merging();
    for day in [1, 2, 4, 5] {
        customers(&shop, day, &[(&format!("k{day}a"), "Madrid", ""), (&format!("k{day}b"), "Lugo", "")]);
        shop.night(&february(day)).await;
    }
    let before = files(&shop, "core.dim_customer").await;
    // One key that a later night has newer, one that an earlier one has, one that is new.
    customers(&shop, 3, &[("k5a", "Vigo", ""), ("k1a", "Jaca", ""), ("k3a", "Olot", "")]);
    let report = shop.night(&february(5)).await;
    assert_eq!(status(&report, "core.dim_customer"), "built");
    assert_eq!(kept(&shop, &before).await, (2, 2), "the files of the first and the fifth night have its keys");
    let now = seen(&shop).await;
    assert!(now.contains(&"k5a Madrid 2026-02-05".to_owned()) && now.contains(&"k1a Jaca 2026-02-03".to_owned()));
    assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(5), PEOPLE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_correction_drops_has_its_older_row_again_and_the_other_files_stay() {
    let shop = of_four_nights(merging()).await;
    customers(&shop, 5, &[("k1a", "Vigo", ""), ("k2a", "", "true"), ("k5a", "Olot", "")]);
    shop.night(&february(5)).await;
    let before = files(&shop, "core.dim_customer").await;
    assert!(!seen(&shop).await.iter().any(|row| row.starts_with("k2a")));
    customers(&shop, 5, &[("k5a", "Olot", "")]);
    shop.night(&february(5)).await;
    let now = seen(&shop).await;
    assert!(now.contains(&"k1a Madrid 2026-02-01".to_owned()) && now.contains(&"k2a Madrid 2026-02-02".to_owned()));
    let (stay, _) = kept(&shop, &before).await;
    assert!(stay >= 2, "{stay} of {} files stay", before.len());
    assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(5), PEOPLE).await);
}

const REGIONS: &str = "
description: Which region a city is of.
path: 'regions/regions_{date:%Y-%m-%d}.csv'
key: [city]
columns:
  - { name: city, type: VARCHAR, required: true }
  - { name: region, type: VARCHAR, required: true }
";
const STG_REGIONS: &str = "select city, max(region) as region from bronze.regions group by city";
const STG_REGIONS_YML: &str = "
materialized: view
columns:
  - { name: city, type: VARCHAR }
  - { name: region, type: VARCHAR }
";
const LOOKED_UP: &str = "select customers.customer_id, regions.region as city, customers.gone, customers.delivered_on
from staging.stg_shop__customers as customers
inner join staging.stg_shop__regions as regions on regions.city = customers.city
where customers.delivered_on >= $window_start and customers.delivered_on < $window_end";

/// A customer's region is looked up, and whether they are there at all: a change of it rebuilds nothing by itself, and
/// bears on rows of days that did not change.
#[tokio::test(flavor = "multi_thread")]
async fn late_days_with_a_gap_give_a_merge_with_lookups_the_rows_of_a_full_build() {
    let shop = merging();
    shop.write("sql/sources/regions.yml", REGIONS);
    shop.write("sql/staging/shop/stg_shop__regions.sql", STG_REGIONS);
    shop.write("sql/staging/shop/stg_shop__regions.yml", STG_REGIONS_YML);
    shop.write("sql/core/shop/dim_customer.sql", LOOKED_UP);
    let yml = std::fs::read_to_string(shop.root.path().join("sql/core/shop/dim_customer.yml")).unwrap();
    let with = "deleted: gone, lookups: [staging.stg_shop__regions]";
    shop.write("sql/core/shop/dim_customer.yml", &yml.replace("deleted: gone", with));
    let regions = |day: u32, rows: &str| {
        shop.write(&format!("raw/regions/regions_{}.csv", february(day)), &format!("city,region\n{rows}"));
    };
    regions(1, "Madrid,a1\nLugo,b1\n");
    for day in [1, 2, 4, 5, 7, 8] {
        customers(&shop, day, &[(&format!("k{day}a"), "Madrid", ""), (&format!("k{day}b"), "Vigo", "")]);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
    }
    let before = seen(&shop).await;
    assert!(before.len() == 6 && before.iter().all(|row| row.contains(" a1 ")), "{before:?}");
    regions(8, "Madrid,a2\nVigo,c1\n");
    shop.night(&february(8)).await;
    assert_eq!(seen(&shop).await, before, "a lookup that changed rebuilds nothing");

    customers(&shop, 3, &[("k3a", "Lugo", "")]);
    customers(&shop, 6, &[("k6a", "Madrid", ""), ("k2a", "Lugo", "")]);
    let report = shop.night(&february(8)).await;
    assert_eq!(status(&report, "core.dim_customer"), "built", "{report:#?}");
    assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(8), PEOPLE).await);
    assert_eq!(seen(&shop).await.len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_key_in_a_late_delivery_fails_the_audit_of_the_key() {
    let shop = merging();
    let contract = "sql/sources/customers.yml";
    let text = std::fs::read_to_string(shop.root.path().join(contract)).unwrap();
    shop.write(contract, &text.replace("customer_id, type: VARCHAR, required: true", "customer_id, type: VARCHAR"));
    let shop = of_four_nights(shop).await;
    customers(&shop, 3, &[("", "Vigo", ""), ("k3a", "Vigo", "")]);
    let report = shop.night(&february(4)).await;
    assert_eq!(status(&report, "core.dim_customer"), "failed", "{report:#?}");
}

/// A merge that sums up what was delivered of a key: of one night, whichever are built beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_sums_a_delivery_sums_none_of_another_night() {
    let shop = merging();
    let sql = "select customer_id, cast(count(*) as varchar) as city, false as gone, max(delivered_on) as delivered_on
        from staging.stg_shop__customers
        where delivered_on >= $window_start and delivered_on < $window_end group by customer_id";
    shop.write("sql/core/shop/dim_customer.sql", sql);
    for day in [1, 3, 4] {
        customers(&shop, day, &[("k01", "Vigo", "false")]);
        shop.night(&february(day)).await;
        assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(day), PEOPLE).await, "night {day}");
    }
    // One comes late.
    customers(&shop, 2, &[("k01", "Vigo", "false"), ("k02", "Jaca", "false")]);
    shop.night(&february(4)).await;
    assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(4), PEOPLE).await);
    assert_eq!(seen(&shop).await, ["k01 1 2026-02-04", "k02 1 2026-02-02"]);
}
