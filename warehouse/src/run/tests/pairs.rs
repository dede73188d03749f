//! Tables that an audit compares: never one of them new and the other old, unless that is wanted.

use super::*;

const COUNT_SQL: &str =
    "select ordered_on, cast(count(*) as bigint) as orders from staging.stg_shop__orders group by ordered_on";

/// A shop with a second mart, an audit of which looks for its days in `marts.daily`.
pub(super) fn counted(when_held: &str) -> Shop {
    let shop = Shop::new();
    shop.write("sql/marts/shop/counted.sql", COUNT_SQL);
    let yml = format!(
        "key: [ordered_on]
columns:
  - {{ name: ordered_on, type: DATE }}
  - {{ name: orders, type: BIGINT }}
audits:
  - {{ {when_held} relationships: {{ column: ordered_on, to: marts.daily, field: ordered_on }} }}
"
    );
    shop.write("sql/marts/shop/counted.yml", &yml);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop
}

const COUNTED: &str = "select sum(orders) as orders from marts.counted";

/// The night in which the other table of the pair fails its own audit.
async fn second_night(shop: &Shop) -> RunReport {
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "-1.00")]);
    shop.night("2026-02-02").await
}

fn message<'a>(report: &'a RunReport, node: &str) -> &'a str {
    let found = report.node_reports.iter().find(|report| report.node == node).unwrap();
    found.message.as_deref().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_table_is_held_with_the_held_one_it_is_compared_with() {
    let shop = counted("");
    let report = second_night(&shop).await;
    assert_eq!((report.nodes.failed, report.nodes.held), (1, 1), "{report:#?}");
    assert!(message(&report, "marts.counted").contains("compares it with `marts.daily`, which is held"));
    assert!(shop.ask(COUNTED).await.contains("| 1 "));
    // Once the other is right, both go out.
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    assert!(shop.ask(COUNTED).await.contains("| 2 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_table_is_held_too_where_the_one_with_the_audit_is() {
    let shop = counted("");
    let daily = DAILY_YML.replace(
        "audits:",
        "audits:\n  - { relationships: { column: ordered_on, to: marts.counted, field: ordered_on } }",
    );
    shop.write("sql/marts/shop/daily.yml", &daily);
    let report = second_night(&shop).await;
    assert_eq!((report.nodes.failed, report.nodes.held), (1, 1), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_may_part_goes_out_with_a_warning() {
    for part in ["when_held: warn,", "severity: warn,"] {
        let shop = counted(part);
        let report = second_night(&shop).await;
        assert_eq!((report.nodes.failed, report.nodes.held), (1, 0), "{report:#?}");
        let warned = report.warnings.iter().any(|said| said.contains("marts.counted") && said.contains("uncompared"));
        assert!(warned, "{:?}", report.warnings);
        assert!(shop.ask(COUNTED).await.contains("| 2 "));
    }
}

/// Two nights: in the second, the day that `marts.counted` counts is gone from the table it is compared with.
async fn a_day_that_only_one_of_them_loses(shop: &Shop) -> RunReport {
    count_one_day(shop).await;
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "0.50")]);
    shop.night("2026-02-02").await
}

/// The first night of a shop in which `marts.counted` has one day whatever comes, and the other table has no small orders.
async fn count_one_day(shop: &Shop) {
    shop.write("sql/marts/shop/daily.sql", &DAILY_SQL.replace("group by", "where amount > 1 group by"));
    shop.write(
        "sql/marts/shop/counted.sql",
        "select cast('2026-02-01' as date) as ordered_on, cast(1 as bigint) as orders",
    );
    shop.night("2026-02-01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_asked_of_a_table_that_stays_where_only_what_it_compares_with_changed() {
    let shop = counted("");
    let report = a_day_that_only_one_of_them_loses(&shop).await;
    assert_eq!((report.nodes.failed, report.nodes.held), (1, 1), "{report:#?}");
    assert_eq!(report.exit_kind.as_deref(), Some("data"));
    assert!(message(&report, "marts.counted").contains("relationships_ordered_on failed on 1 row"), "{report:#?}");
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 1 "), "readers see a pair");
    // It is asked again until it is mended, and then no more.
    let again = shop.night("2026-02-02").await;
    assert_eq!(again.exit_kind.as_deref(), Some("data"), "{again:#?}");
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "2.50")]);
    let mended = shop.night("2026-02-02").await;
    assert_eq!(mended.status, RunStatus::Done, "{mended:#?}");
    assert!(mended.audits.iter().any(|audit| audit.node == "marts.counted"), "{:#?}", mended.audits);
    let idle = shop.night("2026-02-02").await;
    assert_eq!((&idle.status, idle.audits.len()), (&RunStatus::Skipped, 0), "{idle:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_is_added_is_asked_of_the_rows_that_are_there() {
    let shop = counted("");
    shop.night("2026-02-01").await;
    let daily = |audit: &str| {
        shop.write("sql/marts/shop/daily.yml", &DAILY_YML.replace("audits:", &format!("audits:\n  - {audit}")));
    };
    daily("{ name: none_above_ten, sql: 'select * from marts.daily where revenue > 10' }");
    let context = shop.open().await;
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    let plan = plan_night(&context, &request).await.unwrap();
    let action = plan.nodes.iter().find(|node| node.node == "marts.daily").map(|node| node.action.as_str());
    assert_eq!((action, plan.is_empty()), (Some("audit"), false), "{plan:#?}");
    for _ in 0..2 {
        let report = shop.night("2026-02-01").await;
        assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
        assert!(message(&report, "marts.daily").contains("none_above_ten failed on 1 row"), "{report:#?}");
    }
    daily("{ name: none_above_ten, sql: 'select * from marts.daily where revenue > 20' }");
    let report = shop.night("2026-02-01").await;
    assert_eq!((&report.status, report.nodes.built), (&RunStatus::Done, 0), "{report:#?}");
    assert!(report.audits.iter().any(|audit| audit.audit == "none_above_ten" && audit.passed), "{report:#?}");
    let idle = shop.night("2026-02-01").await;
    assert_eq!((&idle.status, idle.audits.len()), (&RunStatus::Skipped, 0), "{idle:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_stays_does_not_fail_for_one_that_does_not_go_out() {
    let shop = counted("");
    count_one_day(&shop).await;
    // The day is gone from the other table, and that one fails by itself.
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "0.50")]);
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "4.00")]);
    let daily = DAILY_YML.replace(
        "audits:",
        "audits:\n  - { name: none_above_three, sql: 'select * from marts.daily where revenue between 3 and 5' }",
    );
    shop.write("sql/marts/shop/daily.yml", &daily);
    let report = shop.night("2026-02-02").await;
    assert_eq!((report.nodes.failed, report.nodes.held), (1, 0), "{report:#?}");
    assert!(message(&report, "marts.daily").contains("none_above_three failed"), "{report:#?}");
    let told =
        report.warnings.iter().any(|said| said.contains("relationships_ordered_on of marts.counted failed beside"));
    assert!(told, "{report:#?}");
    // Once the other one goes out, it is asked again.
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "2.00")]);
    let report = shop.night("2026-02-02").await;
    assert!(message(&report, "marts.counted").contains("relationships_ordered_on failed on 1 row"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_asks_nothing_of_tables_that_it_leaves_as_they_are() {
    let shop = counted("");
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.write(
        "sql/marts/shop/counted.sql",
        "select cast('2026-02-01' as date) as ordered_on, cast(1 as bigint) as orders",
    );
    shop.night("2026-02-01").await;
    shop.night("2026-02-02").await;
    // An audit that its rows fail, and a table to compare with that the release does not have.
    let yml = std::fs::read_to_string(shop.root.path().join("sql/marts/shop/counted.yml")).unwrap();
    let more = "  - { relationships: { column: orders, to: marts.numbers, field: n } }\n  - { name: none, sql: 'select * from marts.counted' }\n";
    shop.write("sql/marts/shop/counted.yml", &format!("{yml}{more}"));
    shop.write("sql/marts/shop/numbers.sql", "select cast(2 as bigint) as n");
    shop.write("sql/marts/shop/numbers.yml", "key: [n]\ncolumns:\n  - { name: n, type: BIGINT }\n");
    let latest = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    assert_eq!(latest.id().to_string(), "2026-02-02.1");
    let restored = rollback(&shop.open().await, "2026-02-01.2".parse().unwrap()).await.unwrap();
    assert_eq!(restored.restores.as_deref(), Some("2026-02-01.2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_holds_the_fresh_table_of_a_pair_as_its_run_does() {
    for (part, action) in [("", "hold"), ("when_held: warn,", "build")] {
        let shop = counted(part);
        shop.write("sql/sources/orders.yml", &format!("{ORDERS}expect: {{ every: 1 day, missing: hold }}\n"));
        shop.write("sql/sources/others.yml", &ORDERS.replace("orders/orders_", "others/others_"));
        shop.write("sql/staging/shop/stg_shop__others.sql", &STAGED_SQL.replace("bronze.orders", "bronze.others"));
        shop.write("sql/staging/shop/stg_shop__others.yml", STAGED_YML);
        shop.write("sql/marts/shop/counted.sql", &COUNT_SQL.replace("stg_shop__orders", "stg_shop__others"));
        shop.write("sql/marts/shop/below.sql", "select cast(sum(orders) as bigint) as orders from marts.counted");
        shop.write("sql/marts/shop/below.yml", "columns: [{ name: orders, type: BIGINT }]\n");
        let others = |night: &str| {
            let text =
                format!("order_id,ordered_at,amount\nx,2026-02-01 10:00:00,1.00\n{night},2026-02-01 11:00:00,1.00\n");
            shop.write(&format!("raw/others/others_{night}.csv"), &text);
        };
        others("2026-02-01");
        assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
        others("2026-02-03");
        let request = RunRequest { night: "2026-02-03".parse().unwrap(), ..RunRequest::default() };
        let plan = plan_night(&shop.open().await, &request).await.unwrap();
        let planned = |name: &str| {
            let node = plan.nodes.iter().find(|node| node.node == name).unwrap();
            (node.action.as_str(), node.why.as_str())
        };
        assert_eq!((planned("marts.daily").0, planned("marts.counted").0), ("hold", action), "{plan:#?}");
        assert_eq!(planned("marts.below").0, action, "{plan:#?}");
        let report = shop.night("2026-02-03").await;
        let became = |name: &str| report.node_reports.iter().find(|node| node.node == name).unwrap().status.clone();
        let as_planned = if action == "hold" { "held" } else { "built" };
        assert_eq!((became("marts.counted").as_str(), became("marts.below").as_str()), (as_planned, as_planned));
        if action == "hold" {
            assert_eq!(planned("marts.counted").1, message(&report, "marts.counted"));
            assert_eq!(planned("marts.below").1, "with marts.counted");
        }
    }
}
