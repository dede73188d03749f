//! Nights of some nodes alone: what nobody asked to be built is missing, and is no failure.

use super::*;
use crate::release::TableState;

/// The shop of compared tables with two orders, and more audits.
fn counted(more: &str) -> Shop {
    let shop = pairs::counted("");
    let place = "sql/marts/shop/counted.yml";
    let yml = std::fs::read_to_string(shop.root.path().join(place)).unwrap();
    shop.write(place, &format!("{yml}{more}\n"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 11:00:00", "1.00")]);
    shop
}

async fn only(shop: &Shop, node: &str) -> RunReport {
    let context = shop.open().await;
    let select = Some(BTreeSet::from([node.to_owned()]));
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), select, ..RunRequest::default() };
    run_night(&context, &request).await.unwrap()
}

fn became(report: &RunReport, node: &str) -> (String, String) {
    let found = report.node_reports.iter().find(|report| report.node == node).unwrap();
    (found.status.clone(), found.message.clone().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_needs_a_table_nobody_asked_for_is_not_asked_and_the_run_says_what_builds_it() {
    let shop = counted("");
    let report = only(&shop, "marts.counted").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let said = "marts.daily was never built and is not selected, so the audit relationships_ordered_on of \
                marts.counted is not asked — `buho run --night 2026-02-01 --select +daily` builds it";
    assert!(report.warnings.iter().any(|warning| warning.contains(said)), "{:?}", report.warnings);
    assert!(shop.ask("select orders from marts.counted").await.contains("| 2 "));
    let daily = only(&shop, "marts.daily").await;
    assert_eq!((&daily.status, daily.nodes.failed), (&RunStatus::Done, 0), "{daily:#?}");
    assert!(daily.audits.iter().any(|audit| audit.audit == "relationships_ordered_on" && audit.passed), "{daily:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_audits_of_such_a_table_are_asked() {
    let shop = counted("  - { name: one_order, sql: 'select * from marts.counted where orders > 1' }");
    let report = only(&shop, "marts.counted").await;
    assert_eq!(became(&report, "marts.counted").0, "failed", "{report:#?}");
    assert_eq!(report.failed.map(|failed| failed.node).as_deref(), Some("marts.counted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_asked_is_asked_once_the_other_table_is_there_though_its_own_rows_are_as_they_were() {
    let shop = counted("");
    only(&shop, "marts.counted").await;
    // No day of it has an order of a hundred.
    shop.write(
        "sql/marts/shop/daily.sql",
        &DAILY_SQL.replace("group by", "where amount > cast(100 as decimal(18, 2)) group by"),
    );
    let report = shop.night("2026-02-01").await;
    assert_eq!(report.status, RunStatus::Partial, "{report:#?}");
    assert_eq!(
        (became(&report, "marts.counted").0, became(&report, "marts.daily").0),
        ("failed".into(), "held".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_compared_with_a_table_which_failed_does_not_go_out() {
    let shop = Shop::new();
    let audit = "audits:\n  - { relationships: { column: ordered_on, to: marts.daily, field: ordered_on } }\n";
    shop.write("sql/staging/shop/stg_shop__orders.yml", &format!("{STAGED_YML}{audit}"));
    shop.write("sql/marts/shop/daily.sql", &DAILY_SQL.replace("decimal(18, 2)", "decimal(3, 2)"));
    shop.write("sql/marts/shop/daily.yml", &DAILY_YML.replace("DECIMAL(18,2)", "DECIMAL(3,2)"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let report = shop.night("2026-02-01").await;
    assert_eq!(became(&report, "marts.daily").0, "failed", "{report:#?}");
    assert_eq!(became(&report, "staging.stg_shop__orders").0, "held", "{report:#?}");
    assert_eq!(report.exit_kind.as_deref(), Some("data"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_names_the_node_where_it_began_and_not_the_whole_cause() {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", &format!("{ORDERS}expect: {{ every: 1 day, missing: hold }}\n"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let report = shop.night("2026-02-03").await;
    assert!(became(&report, "bronze.orders").1.contains("the last delivery is of 2026-02-01"), "{report:#?}");
    for node in ["staging.stg_shop__orders", "marts.daily"] {
        assert_eq!(became(&report, node), ("held".to_owned(), "bronze.orders".to_owned()), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_line_has_a_failure_where_a_node_failed_and_a_hold_where_none_did() {
    let shop = Shop::new();
    shop.write("sql/sources/orders.yml", &format!("{ORDERS}expect: {{ every: 1 day, missing: hold }}\n"));
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let line = shop.night("2026-02-03").await.result_line();
    assert_eq!((&line["failed"], &line["nodes"]["failed"]), (&serde_json::Value::Null, &0.into()), "{line}");
    assert_eq!((&line["held"]["node"], &line["exit_kind"]), (&"bronze.orders".into(), &"data".into()), "{line}");
    // A view that fails its audit is a node that failed.
    let audit = "audits:\n  - { name: none, sql: 'select * from staging.stg_shop__orders' }\n";
    shop.write("sql/staging/shop/stg_shop__orders.yml", &format!("{STAGED_YML}{audit}"));
    shop.orders("2026-02-03", &[("b", "2026-02-03 10:00:00", "10.50")]);
    let line = shop.night("2026-02-03").await.result_line();
    assert_eq!(line["failed"]["node"], "staging.stg_shop__orders", "{line}");
    assert_eq!(line["nodes"]["failed"], 1, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_not_asked_for_stays_of_its_own_night_and_plan_and_release_say_so() {
    const WHY: &str = "not selected; changed: staging.stg_shop__orders";
    let shop = Shop::new();
    shop.write("sql/marts/shop/all.sql", "select cast(count(*) as bigint) as orders from staging.stg_shop__orders");
    shop.write("sql/marts/shop/all.yml", "columns: [{ name: orders, type: BIGINT }]\n");
    shop.write("sql/marts/shop/total.sql", "select cast(count(*) as bigint) as days from marts.daily");
    shop.write("sql/marts/shop/total.yml", "columns: [{ name: days, type: BIGINT }]\n");
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("c", "2026-02-02 10:00:00", "5.00")]);
    let night = "2026-02-02".parse().unwrap();
    let select = Some(BTreeSet::from(["marts.all".to_owned()]));
    let request = RunRequest { night, select, ..RunRequest::default() };
    let context = shop.open().await;
    let report = run_night(&context, &request).await.unwrap();
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(became(&report, "marts.daily"), ("skipped".into(), WHY.into()));
    let released = async |table: &str| release::latest(&context.lake).await.unwrap().unwrap().tables[table].clone();
    for table in ["marts.daily", "marts.total"] {
        let stays = released(table).await;
        assert_eq!((stays.night.to_string().as_str(), stays.state), ("2026-02-01", TableState::Held), "{table}");
    }
    assert_eq!(released("marts.all").await.state, TableState::Fresh);
    let plan = plan_night(&context, &request).await.unwrap();
    let planned = plan.nodes.iter().find(|planned| planned.node == "marts.daily").unwrap();
    assert_eq!((planned.action.as_str(), planned.why.as_str()), ("skip", WHY));
    // What reads it is not of tonight either.
    let total = plan.nodes.iter().find(|planned| planned.node == "marts.total").unwrap();
    assert_eq!((total.action.as_str(), total.why.as_str()), ("skip", "not of this night, with marts.daily"));
    // Asked for again, nothing changed of what was asked for: it is still not of tonight.
    run_night(&context, &request).await.unwrap();
    assert_eq!(released("marts.daily").await.state, TableState::Held);
    shop.night("2026-02-02").await;
    for table in ["marts.daily", "marts.total"] {
        let built = released(table).await;
        assert_eq!((built.night, built.state), (night, TableState::Fresh), "{table}");
    }
}
