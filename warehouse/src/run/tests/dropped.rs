//! An export that loses a column, and what is made from it.

use super::*;

const WITH_STATUS: &str = "
description: Orders.
path: 'orders/orders_{date:%Y-%m-%d}.csv'
key: [order_id]
event_time: ordered_at
dropped_columns: fail
columns:
  - { name: order_id, type: VARCHAR, required: true }
  - { name: ordered_at, type: TIMESTAMP, required: true }
  - { name: status, type: VARCHAR }
  - { name: amount, type: 'DECIMAL(18,2)', required: true }
";
const PAID_SQL: &str = "select order_id, cast(ordered_at as date) as ordered_on, amount from bronze.orders
where status is null or status <> 'cancelled'";

fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", WITH_STATUS);
    shop.write("sql/staging/shop/stg_shop__orders.sql", PAID_SQL);
    deliver(&shop, "2026-02-01", "order_id,ordered_at,status,amount\na,2026-02-01 10:00:00,paid,10.50\n");
    shop
}

fn deliver(shop: &Shop, day: &str, text: &str) {
    shop.write(&format!("raw/orders/orders_{day}.csv"), text);
}

const WITHOUT: &str = "order_id,ordered_at,amount\nb,2026-02-02 10:00:00,99.00\n";

async fn assert_stopped(shop: &Shop) {
    deliver(shop, "2026-02-02", WITHOUT);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Partial, "{report:#?}");
    let failed = report.failed.unwrap();
    assert_eq!(failed.node, "bronze.orders");
    assert!(failed.message.contains("no column `status`, which files had since 2026-02-01"), "{}", failed.message);
    assert_eq!((report.rows.ingested, report.rows.quarantined), (0, 0));
    let answer = shop.ask("select sum(revenue) as revenue from marts.daily").await;
    assert!(answer.contains("| 10.50 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_the_column_that_tells_cancelled_orders_does_not_go_out_until_somebody_says_it_may() {
    let shop = shop();
    shop.night("2026-02-01").await;
    assert_stopped(&shop).await;
    shop.write("sql/sources/orders.yml", &WITH_STATUS.replace("dropped_columns: fail", "dropped_columns: warn"));
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert!(report.warnings.iter().any(|said| said.contains("since 2026-02-01")), "{:?}", report.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_lake_of_an_earlier_version_the_columns_that_have_values_are_missed() {
    let shop = shop();
    shop.night("2026-02-01").await;
    let ledger = shop.root.path().join("lake/_buho/ledger/orders/00000001.json");
    let mut written: serde_json::Value = serde_json::from_slice(&std::fs::read(&ledger).unwrap()).unwrap();
    assert!(written.as_object_mut().unwrap().remove("columns").is_some());
    std::fs::write(&ledger, written.to_string()).unwrap();
    assert_stopped(&shop).await;
}
