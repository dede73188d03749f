//! Views and marts over tables that a run was not asked to build, though the project makes them otherwise by now.

use super::materialize::status;
use super::*;

const A: &str = "select order_id, amount from staging.stg_shop__orders";
const COLUMNS: &str = "columns:
  - { name: order_id, type: VARCHAR, audits: [not_null] }
  - { name: amount, type: 'DECIMAL(18,2)' }
";
const OTHER: &str = "select cast(count(*) as bigint) as orders from staging.stg_shop__orders";
const OTHER_YML: &str = "columns: [ { name: orders, type: BIGINT } ]\n";
const C: &str = "  - { name: c, type: BIGINT, audits: [not_null] }\n";

fn model(shop: &Shop, path: &str, sql: &str, yml: &str) {
    shop.write(&format!("sql/{path}.sql"), sql);
    shop.write(&format!("sql/{path}.yml"), yml);
}

/// A view over a table, a view over that, a mart over both, and a mart that has nothing to do with them; one night.
async fn shop() -> Shop {
    let shop = Shop::new();
    let view = format!("materialized: view\n{COLUMNS}");
    model(&shop, "core/shop/a", A, COLUMNS);
    model(&shop, "core/shop/v", "select order_id, amount from core.a", &view);
    model(&shop, "core/shop/w", "select order_id, amount from core.v", &view);
    model(&shop, "marts/shop/over", "select order_id, amount from core.w", COLUMNS);
    model(&shop, "marts/shop/unrelated", OTHER, OTHER_YML);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    shop
}

/// The project has a column more, in the table and in what reads it.
fn with_a_column(shop: &Shop) {
    let view = format!("materialized: view\n{COLUMNS}{C}");
    model(shop, "core/shop/a", &A.replace("amount", "amount, cast(7 as bigint) as c"), &format!("{COLUMNS}{C}"));
    model(shop, "core/shop/v", "select order_id, amount, c from core.a", &view);
    model(shop, "core/shop/w", "select order_id, amount, c from core.v", &view);
    model(shop, "marts/shop/over", "select order_id, amount, c from core.w", &format!("{COLUMNS}{C}"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 10:00:00", "1.00")]);
}

async fn only(shop: &Shop, nodes: &[&str]) -> RunReport {
    let select = Some(nodes.iter().map(|node| (*node).to_owned()).collect());
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), select, ..RunRequest::default() };
    run_night(&shop.open().await, &request).await.unwrap()
}

fn says(report: &RunReport, what: &str) -> bool {
    report.warnings.iter().any(|said| said.contains(what))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_over_a_table_that_is_left_keeps_the_sql_that_fits_it_until_the_table_is_built() {
    let shop = shop().await;
    with_a_column(&shop);
    let report = only(&shop, &["marts.unrelated"]).await;
    assert_eq!((&report.status, report.worst()), (&RunStatus::Done, None), "{report:#?}");
    assert!(shop.ask("select orders from marts.unrelated").await.contains("| 2 "));
    for view in ["core.v", "core.w"] {
        let seen = shop.ask(&format!("select * from {view}")).await;
        assert!(seen.contains("10.50") && !seen.contains("| c"), "{seen}");
    }
    let told = "core.v goes out with the SQL that readers have, for what it asks for by now is not in core.a";
    assert!(says(&report, told) && says(&report, "`buho run --night 2026-02-01 --select +v`"), "{report:#?}");
    assert!(says(&report, "the audit not_null_c of core.v is not asked"), "{report:#?}");
    let again = only(&shop, &["marts.unrelated"]).await;
    assert_eq!((&again.status, again.audits.len()), (&RunStatus::Skipped, 0), "{again:#?}");
    let all = shop.night("2026-02-01").await;
    assert_eq!(all.status, RunStatus::Done, "{all:#?}");
    assert!(all.audits.iter().any(|audit| audit.audit == "not_null_c" && audit.node == "core.v" && audit.passed));
    for table in ["core.v", "core.w", "marts.over"] {
        let seen = shop.ask(&format!("select c from {table}")).await;
        assert_eq!(seen.matches("| 7 |").count(), 2, "{seen}");
    }
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_new_sql_fits_the_tables_that_are_left_goes_out_with_it() {
    let shop = shop().await;
    with_a_column(&shop);
    let view = format!("materialized: view\n{COLUMNS}");
    model(
        &shop,
        "core/shop/v",
        "select order_id, cast(amount + amount as decimal(18, 2)) as amount from core.a",
        &view,
    );
    model(&shop, "core/shop/w", "select order_id, amount from core.v", &view);
    model(&shop, "marts/shop/over", "select order_id, amount from core.w", COLUMNS);
    only(&shop, &["marts.unrelated"]).await;
    let seen = shop.ask("select amount from core.v").await;
    assert!(seen.contains("21.00"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mart_that_asks_more_of_what_is_left_than_it_has_fails_alone_and_is_told_what_to_select() {
    let shop = shop().await;
    with_a_column(&shop);
    let report = only(&shop, &["marts.over", "marts.unrelated"]).await;
    assert_eq!((status(&report, "marts.over"), status(&report, "marts.unrelated")), ("failed".into(), "built".into()));
    let message = report.failed.clone().unwrap().message;
    assert!(message.contains("core.w is not selected") && message.contains("`--select +over`"), "{message}");
    assert!(shop.ask("select amount from marts.over").await.contains("10.50"));
    let context = shop.open().await;
    let select = crate::graph::select("+over", &context.graph).unwrap();
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), select: Some(select), ..RunRequest::default() };
    assert_eq!(run_night(&context, &request).await.unwrap().status, RunStatus::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_view_that_does_not_fit_a_table_that_is_left_does_not_go_out_yet() {
    let shop = shop().await;
    with_a_column(&shop);
    model(&shop, "core/shop/new", "select c from core.a", &format!("materialized: view\ncolumns:\n{C}"));
    let report = only(&shop, &["marts.unrelated", "core.new"]).await;
    assert_eq!((&report.status, report.worst()), (&RunStatus::Done, None), "{report:#?}");
    let told = "core.new is held: core.a does not have yet what is asked of it, and is not selected — `--select +new`";
    assert!(says(&report, told), "{report:#?}");
    let released = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    assert!(!released.views.contains_key("core.new"));
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    assert!(shop.ask("select c from core.new").await.contains("| 7 |"));
}

/// A view is held with SQL that asks for a column which its contract has no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_beside_a_view_that_cannot_be_opened_fails_its_own_table_and_no_other() {
    let shop = Shop::new();
    let orders = |note: &str| {
        let contract = format!("{ORDERS}{note}expect: {{ every: 1 day, missing: hold }}\n");
        shop.write("sql/sources/orders.yml", &contract);
    };
    let view = |sql: &str| {
        let yml = "materialized: view\ncolumns: [ { name: order_id, type: VARCHAR } ]\n";
        model(&shop, "staging/shop/v", sql, yml);
    };
    orders("  - { name: note, type: VARCHAR }\n");
    view("select coalesce(note, order_id) as order_id from bronze.orders");
    let one = "select cast('a' as varchar) as order_id";
    let audit =
        "audits:\n  - { relationships: { column: order_id, to: staging.v, field: order_id }, when_held: warn }\n";
    let columns = "columns: [ { name: order_id, type: VARCHAR } ]\n";
    model(&shop, "marts/shop/one", one, &format!("{columns}{audit}"));
    model(&shop, "marts/shop/two", one, columns);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let first = shop.night("2026-02-01").await;
    assert_eq!(first.status, RunStatus::Done, "{first:#?}");
    orders("");
    view("select order_id from bronze.orders");
    for mart in ["one", "two"] {
        shop.write(&format!("sql/marts/shop/{mart}.sql"), &one.replace("'a'", "concat('a', '')"));
    }
    let report = shop.night("2026-02-03").await;
    assert_eq!((status(&report, "marts.one"), status(&report, "marts.two")), ("failed".into(), "built".into()));
    let failed = report.failed.clone().unwrap();
    assert!(failed.node == "marts.one" && failed.message.contains("could not be asked"), "{failed:#?}");
}
