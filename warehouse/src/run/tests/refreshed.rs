//! What follows on tables that are made anew because somebody asked for it.

use super::materialize::{february, status};
use super::*;

/// A table whose rows are others when it is made anew, though nothing that it is made from says so, and what reads it.
fn shop() -> Shop {
    let shop = Shop::new();
    let runs = "select cast(1 as integer) as id, cast(count(*) as bigint) as runs from ops.runs";
    let columns = "columns:\n  - { name: id, type: INTEGER }\n  - { name: runs, type: BIGINT }\n";
    for (path, sql, yml) in [
        ("core/shop/runs", runs, columns.to_owned()),
        ("core/shop/seen", "select id, runs from core.runs", format!("materialized: view\n{columns}")),
        ("marts/shop/total", "select id, runs from core.seen", columns.to_owned()),
    ] {
        shop.write(&format!("sql/{path}.sql"), sql);
        shop.write(&format!("sql/{path}.yml"), &yml);
    }
    shop
}

async fn refresh(shop: &Shop, select: Option<&str>) -> RunReport {
    let select = select.map(|node| BTreeSet::from([node.to_owned()]));
    let night = february(1).parse().unwrap();
    let request = RunRequest { night, select, full_refresh: true, ..RunRequest::default() };
    run_night(&shop.open().await, &request).await.unwrap()
}

async fn plan(shop: &Shop) -> NightPlan {
    let request = RunRequest { night: february(1).parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_a_table_is_built_again_after_its_full_refresh() {
    let shop = shop();
    shop.night(&february(1)).await;
    assert_eq!(status(&refresh(&shop, Some("core.runs")).await, "core.runs"), "built");
    let planned = plan(&shop).await;
    let built: Vec<&str> =
        planned.nodes.iter().filter(|node| node.action == "build").map(|node| node.node.as_str()).collect();
    assert_eq!(built, ["marts.total"]);
    shop.night(&february(1)).await;
    let total = shop.ask("select runs from marts.total").await;
    assert!(total.contains("| 1 "), "{total}");
    assert!(plan(&shop).await.is_empty(), "{:#?}", plan(&shop).await);
    assert_eq!(shop.night(&february(1)).await.status, RunStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_refresh_of_everything_there_is_nothing_to_do() {
    let shop = shop();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night(&february(1)).await;
    refresh(&shop, None).await;
    assert!(plan(&shop).await.is_empty(), "{:#?}", plan(&shop).await);
    assert_eq!(shop.night(&february(1)).await.status, RunStatus::Skipped);
}
