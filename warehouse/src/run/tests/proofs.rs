//! What audits proved of files is not asked again, and what it proves is no less.

use super::*;

const KEYED_YML: &str = "
materialized: view
key: [order_id]
columns:
  - { name: order_id, type: VARCHAR }
  - { name: ordered_on, type: DATE }
  - { name: amount, type: 'DECIMAL(18,2)' }
audits:
  - { name: worth_something, sql: 'select order_id from staging.stg_shop__orders where amount <= 0' }
  - { name: some, row_count: { min: 9, max: 10 }, severity: warn }
  - { name: none_is_old, severity: warn,
      sql: \"select order_id from staging.stg_shop__orders where ordered_on < $night - 3\" }
";

/// A shop with a night of eight orders behind it: one more is a small change.
async fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("sql/staging/shop/stg_shop__orders.yml", KEYED_YML);
    let ids: Vec<String> = (0..8).map(|number| format!("o{number}")).collect();
    let rows: Vec<(&str, &str, &str)> = ids.iter().map(|id| (id.as_str(), "2026-02-01 10:00:00", "1.00")).collect();
    shop.orders("2026-02-01", &rows);
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    shop
}

fn failed(report: &RunReport) -> Vec<(&str, u64)> {
    let failed = report.audits.iter().filter(|audit| !audit.passed);
    failed.map(|audit| (audit.audit.as_str(), audit.failing_rows)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_there_before_and_comes_again_fails() {
    let shop = shop().await;
    shop.orders("2026-02-02", &[("o3", "2026-02-02 10:00:00", "1.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Partial, "{report:#?}");
    assert!(failed(&report).contains(&("key_unique", 1)), "{:?}", failed(&report));
    let example = report.audits.iter().find(|audit| audit.audit == "key_unique").unwrap().examples.clone().unwrap();
    assert!(example.contains("o3"), "{example}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_fails_though_all_before_it_passed_and_stays_known_the_night_after() {
    let shop = shop().await;
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "-1.00")]);
    let report = shop.night("2026-02-02").await;
    assert!(failed(&report).contains(&("worth_something", 1)), "{:?}", failed(&report));
    shop.orders("2026-02-03", &[("o9", "2026-02-03 10:00:00", "1.00")]);
    let report = shop.night("2026-02-03").await;
    assert!(failed(&report).contains(&("worth_something", 1)), "{:?}", failed(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_of_the_whole_and_what_asks_for_the_night_is_asked_of_the_whole() {
    let shop = shop().await;
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "1.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!((&report.status, failed(&report)), (&RunStatus::Done, vec![]));
    shop.orders("2026-02-05", &[("o9", "2026-02-05 10:00:00", "1.00")]);
    let report = shop.night("2026-02-05").await;
    assert_eq!(failed(&report), [("none_is_old", 8)], "{:?}", report.audits);
    shop.orders("2026-02-06", &[("o10", "2026-02-06 10:00:00", "1.00")]);
    let report = shop.night("2026-02-06").await;
    assert!(failed(&report).contains(&("some", 1)), "{:?}", report.audits);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_audit_is_asked_of_all_rows() {
    let shop = shop().await;
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "9.00")]);
    let stricter = KEYED_YML.replace("amount <= 0", "amount < 5");
    shop.write("sql/staging/shop/stg_shop__orders.yml", &stricter);
    let report = shop.night("2026-02-02").await;
    assert!(failed(&report).contains(&("worth_something", 8)), "{:?}", report.audits);
}

const RETURNS: &str = "
description: Returns.
path: 'returns/returns_{date:%Y-%m-%d}.csv'
columns:
  - { name: return_id, type: VARCHAR, required: true }
  - { name: order_id, type: VARCHAR, required: true }
";
const RETURNS_SQL: &str = "select return_id, order_id from bronze.returns";
const RETURNS_YML: &str = "
materialized: view
columns:
  - { name: return_id, type: VARCHAR }
  - { name: order_id, type: VARCHAR }
audits:
  - { relationships: { column: order_id, to: staging.stg_shop__orders, field: order_id } }
";

/// The shop with a return of each of its eight orders.
async fn shop_with_returns() -> Shop {
    let shop = Shop::new();
    shop.write("sql/sources/returns.yml", RETURNS);
    shop.write("sql/staging/shop/stg_shop__returns.sql", RETURNS_SQL);
    shop.write("sql/staging/shop/stg_shop__returns.yml", RETURNS_YML);
    let ids: Vec<String> = (0..8).map(|number| format!("o{number}")).collect();
    let orders: Vec<(&str, &str, &str)> = ids.iter().map(|id| (id.as_str(), "2026-02-01 10:00:00", "1.00")).collect();
    shop.orders("2026-02-01", &orders);
    returns(&shop, "2026-02-01", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let report = shop.night("2026-02-01").await;
    assert_eq!((&report.status, failed(&report)), (&RunStatus::Done, vec![]));
    shop
}

fn returns(shop: &Shop, day: &str, orders: &[&str]) {
    let rows: Vec<String> = orders.iter().map(|order| format!("r{day}{order},{order}\n")).collect();
    shop.write(&format!("raw/returns/returns_{day}.csv"), &format!("return_id,order_id\n{}", rows.concat()));
}

/// Whoever reads these rows again fails.
fn lose_returns(shop: &Shop) {
    let folder = shop.root.path().join("lake/bronze/returns");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "parquet")).collect();
    assert!(!files.is_empty());
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_rows_look_for_their_parent_while_it_loses_no_key() {
    let shop = shop_with_returns().await;
    lose_returns(&shop);
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "1.00")]);
    returns(&shop, "2026-02-02", &["o3", "o8"]);
    let report = shop.night("2026-02-02").await;
    assert_eq!((&report.status, failed(&report)), (&RunStatus::Done, vec![]), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_without_its_parent_fails_though_all_before_it_found_theirs() {
    let shop = shop_with_returns().await;
    returns(&shop, "2026-02-02", &["o3", "lost"]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(failed(&report), [("relationships_order_id", 1)], "{:?}", report.audits);
    let example = report.audits.iter().find(|audit| !audit.passed).unwrap().examples.clone().unwrap();
    assert!(example.contains("lost"), "{example}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_loses_a_key_fails_the_rows_that_had_found_it() {
    let shop = shop_with_returns().await;
    // A corrected delivery without the order that was returned on another day.
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "1.00")]);
    returns(&shop, "2026-02-02", &["o8"]);
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    shop.orders("2026-02-02", &[("o9", "2026-02-02 10:00:00", "1.00")]);
    returns(&shop, "2026-02-03", &["o9"]);
    let report = shop.night("2026-02-03").await;
    assert_eq!(failed(&report), [("relationships_order_id", 1)], "{:?}", report.audits);
    let example = report.audits.iter().find(|audit| !audit.passed).unwrap().examples.clone().unwrap();
    assert!(example.contains("o8"), "{example}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_whose_file_was_written_anew_with_the_same_keys_is_not_asked_again() {
    let shop = shop_with_returns().await;
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "1.00")]);
    returns(&shop, "2026-02-02", &["o8"]);
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    lose_returns(&shop);
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "7.00")]);
    returns(&shop, "2026-02-03", &["o1"]);
    let report = shop.night("2026-02-03").await;
    assert_eq!((&report.status, failed(&report)), (&RunStatus::Done, vec![]), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_not_run_for_a_key_that_it_groups_by() {
    let shop = shop_with_returns().await;
    shop.write(
        "sql/core/shop/int_returned_orders.sql",
        "select order_id, count(*) as returns from staging.stg_shop__returns where order_id > '' group by order_id",
    );
    shop.write(
        "sql/core/shop/int_returned_orders.yml",
        "materialized: view\nkey: [order_id]\ncolumns:\n  - { name: order_id, type: VARCHAR }\n  - { name: returns, type: BIGINT }\n",
    );
    lose_returns(&shop);
    shop.orders("2026-02-02", &[("o8", "2026-02-02 10:00:00", "1.00")]);
    returns(&shop, "2026-02-02", &["o8"]);
    let report = shop.night("2026-02-02").await;
    assert_eq!((&report.status, failed(&report)), (&RunStatus::Done, vec![]), "{report:#?}");
    let asked = report.audits.iter().filter(|audit| audit.node == "core.int_returned_orders");
    assert_eq!(asked.map(|audit| audit.audit.as_str()).collect::<Vec<_>>(), ["key_not_null", "key_unique"]);
}
