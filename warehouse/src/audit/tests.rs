//! Promises of audits: which rows fail, how many, and what is said of them.

use datafusion::execution::context::SessionContext;

use super::{Asked, AuditOutcome, checks, checks_at, fingerprint, run, tables_read};
use crate::functions::{session, session_config};
use crate::graph::fixtures::model;
use crate::project::model::{Model, Severity};

fn audited(yml: &str) -> Model {
    let columns = "columns: [{ name: id, type: VARCHAR }, { name: status, type: VARCHAR }, { name: amount, type: \"DECIMAL(18,2)\" }]";
    model("marts.x", "select 1", &format!("{columns}\n{yml}"))
}

async fn tables(x: &str) -> SessionContext {
    let context = session(session_config(2), Default::default());
    for sql in [
        "create schema marts".to_owned(),
        "create schema core".to_owned(),
        format!("create table marts.x as select * from (values {x}) as t(id, status, amount)"),
        "create table core.y as select * from (values ('a', 10.00), ('b', 5.50)) as t(id, total)".to_owned(),
    ] {
        context.sql(&sql).await.unwrap().collect().await.unwrap();
    }
    context
}

const ROWS: &str = "('a', 'paid', 10.00), ('b', 'open', 5.50), ('b', 'lost', NULL), (NULL, NULL, 1.00)";

async fn outcomes(yml: &str) -> Vec<AuditOutcome> {
    let context = tables(ROWS).await;
    run(&context, &checks(&audited(yml)), &Asked::default()).await.unwrap()
}

#[tokio::test]
async fn each_rule_counts_its_failing_rows_and_shows_some() {
    let found = outcomes(
        "audits:
  - { not_null: [id] }
  - { unique: [id] }
  - { accepted_values: { column: status, values: [paid, open] }, severity: warn }
  - { relationships: { column: id, to: core.y, field: id } }
  - { row_count: { min: 5 } }
  - { reconcile: { sum: amount, to: core.y, to_sum: total } }
  - { reconcile: { sum: amount, where: id is not null, to: core.y, to_sum: total } }
  - { sql: 'select * from marts.x where amount > 9;', name: nothing_over_nine }",
    )
    .await;
    let seen: Vec<(&str, bool, u64)> =
        found.iter().map(|outcome| (outcome.audit.as_str(), outcome.passed, outcome.failing_rows)).collect();
    assert_eq!(
        seen,
        [
            ("not_null_id", false, 1),
            ("unique_id", false, 1),
            ("accepted_values_status", false, 1),
            ("relationships_id", true, 0),
            ("row_count", false, 1),
            ("reconcile_core_y", false, 1),
            ("reconcile_core_y_2", true, 0),
            ("nothing_over_nine", false, 1),
        ]
    );
    assert_eq!(found[1].examples, "id=b, rows=2");
    assert_eq!(found[2].severity, Severity::Warn);
    assert_eq!(found[2].message, "status is one of paid, open: 1 row fails, such as id=b, status=lost, amount=NULL");
    assert_eq!(found[4].message, "there are at least 5 rows: rows=4");
    assert_eq!(found[5].examples, "sum of marts.x=16.50, sum of core.y=15.50, difference=1.00");
}

#[tokio::test]
async fn a_key_is_never_null_and_never_twice() {
    let found = outcomes("key: [id]").await;
    let names: Vec<&str> = found.iter().map(|outcome| outcome.audit.as_str()).collect();
    assert_eq!(names, ["key_not_null", "key_unique"]);
    assert!(found.iter().all(|outcome| !outcome.passed && outcome.severity == Severity::Error));
}

#[test]
fn what_a_key_implies_is_not_asked_twice_and_a_milder_word_of_the_yml_wins() {
    let declared = audited("key: [id]\naudits:\n  - { not_null: [id] }\n  - { unique: [id], severity: warn }");
    let names: Vec<(String, Severity)> =
        checks(&declared).into_iter().map(|check| (check.name, check.severity)).collect();
    assert_eq!(names, [("not_null_id".to_owned(), Severity::Error), ("unique_id".to_owned(), Severity::Warn)]);
    let pair = audited("key: [id, status]\naudits:\n  - { unique: [status, id] }");
    let names: Vec<String> = checks(&pair).into_iter().map(|check| check.name).collect();
    assert_eq!(names, ["unique_status_id", "key_not_null"]);
}

#[tokio::test]
async fn a_tolerance_lets_small_differences_pass() {
    let context = tables("('a', 'paid', 15.51)").await;
    let within = "audits: [{ reconcile: { sum: amount, to: core.y, to_sum: total, tolerance: 0.01 } }]";
    assert!(run(&context, &checks(&audited(within)), &Asked::default()).await.unwrap()[0].passed);
    let without = "audits: [{ reconcile: { sum: amount, to: core.y, to_sum: total, tolerance: 0.001 } }]";
    assert!(!run(&context, &checks(&audited(without)), &Asked::default()).await.unwrap()[0].passed);
}

#[tokio::test]
async fn an_empty_table_passes_all_but_a_count() {
    let context = tables(ROWS).await;
    context
        .sql("create or replace table marts.x as select id, status, amount from marts.x where false")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let yml = "key: [id]\naudits: [{ row_count: { min: 1 } }, { accepted_values: { column: status, values: [] } }]";
    let passed: Vec<bool> = run(&context, &checks(&audited(yml)), &Asked::default())
        .await
        .unwrap()
        .iter()
        .map(|outcome| outcome.passed)
        .collect();
    assert_eq!(passed, [false, true, true, true]);
}

#[tokio::test]
async fn each_check_has_a_query_of_its_own_that_returns_the_failing_rows() {
    let context = tables(ROWS).await;
    let yml = "key: [id]\naudits: [{ row_count: { min: 5 } }, { accepted_values: { column: status, values: [paid] } }]";
    let checks = checks(&audited(yml));
    let together = run(&context, &checks, &Asked::default()).await.unwrap();
    for (check, outcome) in checks.iter().zip(together) {
        let rows = context.sql(&check.sql()).await.unwrap().count().await.unwrap();
        assert_eq!(rows as u64, outcome.failing_rows, "{}", check.name);
    }
}

#[tokio::test]
async fn an_audit_that_cannot_be_asked_is_named() {
    let context = tables(ROWS).await;
    let error = run(
        &context,
        &checks(&audited("audits: [{ sql: select * from core.nowhere, name: lost }]")),
        &Asked::default(),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().starts_with("audit `lost` of `marts.x` could not be run"), "{error}");
}

#[test]
fn the_tables_an_audit_reads_are_known_before_it_runs() {
    let yml = "audits:
  - { relationships: { column: id, to: core.y, field: id } }
  - { sql: select 1 from marts.x join staging.z on true }";
    let read: Vec<String> = tables_read(&audited(yml)).into_iter().collect();
    assert_eq!(read, ["core.y", "staging.z"]);
}

#[test]
fn a_changed_audit_changes_the_fingerprint_of_the_audits_alone() {
    let first = fingerprint(&audited("audits: [{ row_count: { min: 1 } }]"));
    assert_ne!(first, fingerprint(&audited("audits: [{ row_count: { min: 2 } }]")));
    assert_ne!(first, fingerprint(&audited("audits: [{ row_count: { min: 1 }, severity: warn }]")));
    assert_eq!(first, fingerprint(&audited("description: other\naudits: [{ row_count: { min: 1 } }]")));
}

#[tokio::test]
async fn an_audit_may_ask_about_the_night() {
    let context = tables(ROWS).await;
    let model = audited("audits: [{ sql: \"select * from marts.x where date '2026-02-01' > $night\" }]");
    let passed = async |day: u32| {
        let night = chrono::NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        run(&context, &checks_at(&model, night), &Asked::default()).await.unwrap()[0].passed
    };
    assert!(!passed(31).await);
    let night = chrono::NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    assert!(run(&context, &checks_at(&model, night), &Asked::default()).await.unwrap()[0].passed);
}
