//! Models and audits over `ops` tables.

use super::materialize::{february, status};
use super::*;
use crate::error::ErrorKind;
use crate::graph::lineage::Lineage;
use crate::testing::run_unit_tests;

const RUNS: &str = "select run_id, night, status from ops.runs";
const RUNS_YML: &str = "
key: [run_id]
columns:
  - { name: run_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: status, type: VARCHAR }
tests:
  - name: a_run_is_a_row
    night: 2026-01-31
    given: { ops.runs: [{ run_id: a, night: 2026-01-30, status: done }] }
    expect: [{ run_id: a, night: 2026-01-30, status: done }]
";
const BY_NIGHT: &str = "select night, cast(count(*) as bigint) as nodes from ops.nodes
where night >= $window_start and night < $window_end group by night";
const BY_NIGHT_YML: &str = "
materialized: incremental
incremental: { time: night }
key: [night]
columns:
  - { name: night, type: DATE }
  - { name: nodes, type: BIGINT }
";
const HELD: &str = "select source, file, reason from ops.quarantine";
const HELD_YML: &str = "
materialized: view
columns:
  - { name: source, type: VARCHAR }
  - { name: file, type: VARCHAR }
  - { name: reason, type: VARCHAR }
audits:
  - not_null: [file]
";
const MISFITS: &str = "select file, cast(count(*) as bigint) as n from staging.stg_buho__held group by file";
const MISFITS_YML: &str = "
key: [file]
columns:
  - { name: file, type: VARCHAR }
  - { name: n, type: BIGINT }
audits:
  - { name: no_run_is_in_the_future, sql: 'select run_id from ops.runs where seconds < 0' }
";

fn watching() -> Shop {
    let shop = Shop::new();
    for (path, sql, yml) in [
        ("marts/shop/runs", RUNS, RUNS_YML),
        ("marts/shop/by_night", BY_NIGHT, BY_NIGHT_YML),
        ("staging/shop/stg_buho__held", HELD, HELD_YML),
        ("marts/shop/misfits", MISFITS, MISFITS_YML),
    ] {
        shop.write(&format!("sql/{path}.sql"), sql);
        shop.write(&format!("sql/{path}.yml"), yml);
    }
    shop
}

async fn planned(shop: &Shop, night: &str) -> NightPlan {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await.unwrap()
}

async fn is_in(shop: &Shop, sql: &str, row: &str) {
    let found = shop.ask(sql).await;
    assert!(found.contains(row), "{sql}\n{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_over_ops_tables_is_built_once_a_night_from_what_runs_before_left() {
    let shop = watching();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-31 10:00:00", "1.00")]);
    assert!(!planned(&shop, "2026-02-01").await.is_empty());
    let first = shop.night("2026-02-01").await;
    assert_eq!(first.status, RunStatus::Done, "{first:#?}");
    is_in(&shop, "select count(*) as n from marts.runs", "| 0 |").await;
    is_in(&shop, "select n from marts.misfits", "| 1 |").await;
    assert!(planned(&shop, "2026-02-01").await.is_empty());
    let again = shop.night("2026-02-01").await;
    assert_eq!(again.status, RunStatus::Skipped, "{again:#?}");
    let plan = planned(&shop, "2026-02-02").await;
    let built: Vec<&str> =
        plan.nodes.iter().filter(|node| node.action == "build").map(|node| node.node.as_str()).collect();
    assert_eq!(built, ["marts.by_night", "marts.runs", "marts.misfits"]);
    let second = shop.night("2026-02-02").await;
    assert_eq!((second.status.name(), status(&second, "marts.daily").as_str()), ("done", "skipped"), "{second:#?}");
    is_in(&shop, "select night, status from marts.runs", "| 2026-02-01 | done   |").await;
    is_in(&shop, "select count(*) as n from marts.by_night where night = date '2026-02-01'", "| 1 |").await;
    let context = shop.open().await;
    rollback(&context, "2026-02-01.1".parse().unwrap()).await.unwrap();
    is_in(&shop, "select count(*) as n from marts.runs", "| 0 |").await;
    let forward = shop.night("2026-02-03").await;
    assert_eq!(forward.status, RunStatus::Done, "{forward:#?}");
    is_in(&shop, "select count(*) as n from marts.by_night", "| 2 |").await;
}

#[tokio::test]
async fn a_model_over_ops_tables_is_tested_and_traced_as_any_other() {
    let context = watching().open().await;
    let (graph, resolved) = (&context.graph, &context.resolved);
    let all: BTreeSet<String> = graph.tables().map(str::to_owned).collect();
    let tests = run_unit_tests(graph, &context.project.models, resolved, &all, 1).await;
    assert!(tests.len() == 1 && tests[0].passed, "{tests:?}");
    let lineage = Lineage::of(graph, resolved, &context.project.contracts).unwrap();
    let steps = lineage.upstream("marts.runs", Some("status")).unwrap();
    assert!(steps.iter().any(|step| step.from.to_string() == "ops.runs.status"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_for_what_nothing_makes_ends_the_run_and_is_named() {
    let shop = Shop::new();
    shop.orders(&february(1), &[("a", "2026-02-01 10:00:00", "10.50")]);
    let mut context = shop.open().await;
    let nodes = &mut Arc::make_mut(&mut context.graph).nodes;
    nodes.last_mut().unwrap().inputs.insert("core.nowhere".to_owned());
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    let error = run_night(&context, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Defect);
    assert!(error.to_string().contains("marts.daily for core.nowhere"), "{error}");
}
