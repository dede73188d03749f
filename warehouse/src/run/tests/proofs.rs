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
    assert_eq!((report.status, failed(&report)), (RunStatus::Done, vec![]));
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
