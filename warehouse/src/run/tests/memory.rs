//! A node that runs out of memory: alone, then with joins that spill.

use super::*;
use crate::error::ErrorKind;

const KEYS_SQL: &str = "select order_id, amount, repeat(order_id, 96) as note from bronze.orders";
const KEYS_YML: &str = "
materialized: view
columns:
  - { name: order_id, type: VARCHAR }
  - { name: amount, type: 'DECIMAL(18,2)' }
  - { name: note, type: VARCHAR }
";
const PAIRS_SQL: &str = "select one.order_id, one.note, other.note as other_note
from staging.stg_shop__notes as one
inner join staging.stg_shop__notes as other on one.order_id = other.order_id";
const PAIRS_YML: &str = "
key: [order_id]
columns:
  - { name: order_id, type: VARCHAR }
  - { name: note, type: VARCHAR }
  - { name: other_note, type: VARCHAR }
";
const ROWS: usize = 400_000;

/// A join whose build side, some 320 MB, is more than the budget.
fn wide_join(memory: &str) -> Shop {
    let shop = Shop::new();
    shop.write("buho.toml", &BUHO.replace("256MiB", memory));
    shop.write("sql/staging/shop/stg_shop__notes.sql", KEYS_SQL);
    shop.write("sql/staging/shop/stg_shop__notes.yml", KEYS_YML);
    shop.write("sql/marts/shop/pairs.sql", PAIRS_SQL);
    shop.write("sql/marts/shop/pairs.yml", PAIRS_YML);
    let mut text = String::from("order_id,ordered_at,amount\n");
    for row in 0..ROWS {
        text.push_str(&format!("{row:08},2026-02-01 10:00:00,1.00\n"));
    }
    shop.write("raw/orders/orders_2026-02-01.csv", &text);
    shop
}

/// The attempts that left files in a table: the last part of their names.
async fn attempts(shop: &Shop, table: &str) -> BTreeSet<String> {
    let context = shop.open().await;
    let snapshot = TableSnapshot::load(&context.lake, table, None).await.unwrap().unwrap();
    let attempt = |path: &str| path.split('.').next().unwrap().rsplit('-').next().unwrap().to_owned();
    snapshot.files.iter().map(|file| attempt(&file.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_larger_than_memory_is_computed_by_joins_that_spill() {
    let shop = wide_join("256MiB");
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(attempts(&shop, "marts.pairs").await, BTreeSet::from(["3".to_owned()]));
    assert_eq!(attempts(&shop, "marts.daily").await, BTreeSet::from(["1".to_owned()]));
    let answer = shop.ask("select count(*) as n, count(distinct order_id) as ids from marts.pairs").await;
    assert!(answer.contains("| 400000 | 400000 |"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fits_is_tried_once() {
    let shop = wide_join("4GiB");
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(attempts(&shop, "marts.pairs").await, BTreeSet::from(["1".to_owned()]));
}

/// The audit's join has the keys of all rows on its build side.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_larger_than_memory_is_asked_again_alone() {
    let shop = wide_join("128MiB");
    let keys = "select order_id, note, cast('' as varchar) as other_note from staging.stg_shop__notes";
    shop.write("sql/marts/shop/pairs.sql", keys);
    let to = "{ column: note, to: staging.stg_shop__notes, field: note }";
    shop.write("sql/marts/shop/pairs.yml", &format!("{PAIRS_YML}audits:\n  - {{ relationships: {to} }}\n"));
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let asked = |audit: &&AuditReport| audit.node == "marts.pairs" && audit.audit.starts_with("relationships");
    assert!(report.audits.iter().find(asked).unwrap().passed, "{report:#?}");
}

/// Window functions hold whole partitions and cannot spill: the third attempt fails too.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_fits_fails_naming_the_operator_and_the_rest_goes_out() {
    let shop = wide_join("64MiB");
    let ranked = "select one.order_id, one.note,
    cast(max(one.note) over (partition by one.amount) as varchar) as other_note
from staging.stg_shop__notes as one";
    shop.write("sql/marts/shop/pairs.sql", ranked);
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Partial, "{report:#?}");
    let failed = report.failed.as_ref().unwrap();
    assert_eq!(failed.node, "marts.pairs");
    assert!(failed.message.contains("Window"), "{}", failed.message);
    assert!(failed.message.contains("raise `memory` in buho.toml"), "{}", failed.message);
    assert_eq!(report.exit_kind.as_deref(), Some(ErrorKind::Retry.name()));
    assert!(shop.ask("select * from marts.daily").await.contains("400000.00"));
}

/// Keys of nearly two kilobytes, by which deliveries are merged.
fn wide_keys(memory: &str) -> Shop {
    let shop = Shop::new();
    shop.write("buho.toml", &BUHO.replace("256MiB", memory));
    shop.write(
        "sql/staging/shop/stg_shop__notes.sql",
        "select repeat(order_id, 220) as note, amount, _night as delivered_on from bronze.orders",
    );
    let columns = "
columns:
  - { name: note, type: VARCHAR }
  - { name: amount, type: 'DECIMAL(18,2)' }
  - { name: delivered_on, type: DATE }
";
    shop.write("sql/staging/shop/stg_shop__notes.yml", &format!("materialized: view{columns}"));
    shop.write(
        "sql/core/shop/notes.sql",
        "select note, amount, delivered_on from staging.stg_shop__notes
where delivered_on >= $window_start and delivered_on < $window_end",
    );
    shop.write(
        "sql/core/shop/notes.yml",
        &format!("materialized: merge\nmerge: {{ time: delivered_on }}\nkey: [note]{columns}"),
    );
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_more_keys_than_memory_holds_is_made_by_a_join() {
    let deliver = |shop: &Shop, day: u32, rows: std::ops::Range<usize>| {
        let rows = rows.map(|row| format!("{row:08},2026-02-0{day} 10:00:00,{day}.00\n"));
        let text = format!("order_id,ordered_at,amount\n{}", rows.collect::<String>());
        shop.write(&format!("raw/orders/orders_2026-02-0{day}.csv"), &text);
    };
    // 264 MB of keys: more than the budget and what the last attempt may take beyond it.
    let shop = wide_keys("64MiB");
    deliver(&shop, 1, 0..150_000);
    shop.night("2026-02-01").await;
    deliver(&shop, 2, 10..150_000);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let totals = shop.ask("select amount, count(*) as n from core.notes group by amount order by amount").await;
    assert!(totals.contains("| 1.00   | 10     |") && totals.contains("| 2.00   | 149990 |"), "{totals}");
    let context = shop.open().await;
    let table = TableSnapshot::load(&context.lake, "core.notes", None).await.unwrap().unwrap();
    let rest: Vec<&str> =
        table.files.iter().map(|file| file.path.as_str()).filter(|path| path.contains("-rest")).collect();
    // A file that is looked at by itself has its number in the name of the rest.
    assert!(!rest.is_empty() && rest.iter().all(|path| path.contains("-rest.")), "{rest:?}");
}
