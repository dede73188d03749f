//! Promises of unit tests: exact fixtures, rows in any order, differences one can read.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{TestOutcome, run_unit_tests};
use crate::graph::fixtures::{contract, contract_map, model, model_map};
use crate::graph::standard_tests::standard;
use crate::graph::{build, resolve};

const ORDERS: &str = "[{ name: order_id, type: VARCHAR }, { name: quantity, type: INTEGER }, { name: amount, type: \"DECIMAL(18,2)\" }, { name: share, type: DOUBLE }, { name: ordered_at, type: TIMESTAMP }, { name: paid, type: BOOLEAN }]";
const SQL: &str =
    "select order_id, sum(amount) as amount, cast(max(share) as double) as share, max(cast(ordered_at as date)) as day
    from bronze.orders where ordered_at < $night + interval '1 day' group by order_id";

async fn outcomes(tests: &str) -> Vec<TestOutcome> {
    let yml = format!(
        "columns: [{{ name: order_id, type: VARCHAR }}, {{ name: amount, type: \"DECIMAL(28,2)\" }}, {{ name: share, type: DOUBLE, tolerance: 0 }}, {{ name: day, type: DATE }}]
tests:\n{tests}"
    );
    let models = model_map(vec![model("staging.z", SQL, &yml)]);
    let contracts = contract_map(vec![contract("orders", ORDERS)]);
    let graph = build(&models, &contracts).unwrap();
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await.unwrap();
    let names = models.keys().cloned().collect();
    run_unit_tests(&graph, &models, &resolved, &names, 2).await
}

async fn message(test: &str) -> String {
    let outcomes = outcomes(&format!("- {{ name: t, night: 2026-01-31, {test} }}")).await;
    assert_eq!(outcomes[0].passed, outcomes[0].message.is_empty());
    outcomes[0].message.clone()
}

#[tokio::test]
async fn rows_that_come_out_as_expected_pass_in_any_order() {
    let tests = "
  - name: sums
    night: 2026-01-31
    given:
      bronze.orders:
        - { order_id: b, amount: 0.1, share: 0.1, ordered_at: 2026-01-31 23:59:59.5 }
        - { order_id: b, amount: '0.20', share: 0.30000000000000004, ordered_at: 2026-01-01 }
        - { order_id: 7, amount: 12345678901234.56, ordered_at: '2026-01-02T10:00:00', paid: true, quantity: 3 }
        - { order_id: b, amount: 99, ordered_at: 2026-02-01 }
    expect:
      - { order_id: 7, amount: '12345678901234.56', day: 2026-01-02, share: null }
      - { order_id: b, amount: 0.3, share: 0.3, day: 2026-01-31 }
  - { name: nothing_in_nothing_out, night: 2026-01-31, expect: [] }";
    let outcomes = outcomes(tests).await;
    assert!(outcomes.iter().all(|outcome| outcome.passed), "{outcomes:#?}");
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.test.as_str()).collect::<Vec<_>>(),
        ["sums", "nothing_in_nothing_out"]
    );
    assert_eq!((outcomes[0].at.file.as_str(), outcomes[0].at.line), ("sql/staging/z.yml", 4));
}

#[tokio::test]
async fn a_difference_shows_the_row_that_came_instead_and_the_columns_that_differ() {
    let text = message("given: { bronze.orders: [{ order_id: a, amount: 1.50, ordered_at: 2026-01-01 }] }, expect: [{ order_id: a, amount: 2.5 }]").await;
    assert_eq!(
        text,
        "expected 1 row, got 1; - is missing, + is there instead:\n  - order_id: a, amount: 2.50\n  + order_id: a, amount: 1.50   (differs in amount)"
    );
}

#[tokio::test]
async fn a_row_too_many_and_a_row_twice_are_found() {
    let given = "given: { bronze.orders: [{ order_id: a, amount: 1, ordered_at: 2026-01-01 }, { order_id: b, amount: 1, ordered_at: 2026-01-01 }] }";
    assert!(message(&format!("{given}, expect: [{{ order_id: a }}]")).await.contains("+ order_id: b"));
    assert!(message(&format!("{given}, expect: [{{ amount: 1 }}]")).await.contains("expected 1 row, got 2"));
    assert!(message(&format!("{given}, expect: [{{ amount: 1 }}, {{ amount: 1 }}]")).await.is_empty());
    assert!(message(&format!("{given}, expect: []")).await.contains("expected 0 rows, got 2"));
}

#[tokio::test]
async fn a_fixture_that_does_not_fit_is_named_with_the_nearest() {
    assert_eq!(
        message("given: { bronze.ordres: [] }, expect: []").await,
        "`given` names table `bronze.ordres`, which staging.z does not read — did you mean `bronze.orders`?"
    );
    assert_eq!(
        message("given: { bronze.orders: [{ order_di: a }] }, expect: []").await,
        "row 1 of `bronze.orders` names column `order_di`, which is not there — did you mean `order_id`?"
    );
    assert!(message("expect: [{ amuont: 1 }]").await.contains("did you mean `amount`?"));
}

#[tokio::test]
async fn a_value_is_never_rounded_to_fit() {
    for (value, kind) in [
        ("amount: 1.005", "DECIMAL(18,2)"),
        ("quantity: 1.5", "INTEGER"),
        ("quantity: 3000000000", "INTEGER"),
        ("ordered_at: 31/01/2026", "TIMESTAMP"),
        ("paid: 1", "BOOLEAN"),
        ("amount: .", "DECIMAL(18,2)"),
    ] {
        let text = message(&format!("given: {{ bronze.orders: [{{ {value} }}] }}, expect: []")).await;
        assert!(text.contains(&format!("is no {kind}")), "{value}: {text}");
    }
}

#[tokio::test]
async fn the_unit_tests_of_the_standard_models_pass() {
    let (models, contracts) = standard();
    let graph = build(&models, &contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved =
        resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await.unwrap_or_else(|errors| panic!("{errors}"));
    let names = models.keys().cloned().collect();
    let outcomes = run_unit_tests(&graph, &models, &resolved, &names, 2).await;
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| format!("{}: {} of {}: {}", outcome.at, outcome.test, outcome.model, outcome.message))
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
}

/// One test of one model that is stored as `stored` says.
async fn stored(stored: &str, sql: &str, columns: &str, test: &str) -> String {
    let yml = format!("{stored}\ncolumns: [{columns}]\ntests:\n- {{ name: t, night: 2026-01-31, {test} }}");
    let models = model_map(vec![model("staging.z", sql, &yml)]);
    let contracts = contract_map(vec![contract("orders", ORDERS)]);
    let graph = build(&models, &contracts).unwrap();
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await.unwrap();
    let names = models.keys().cloned().collect();
    run_unit_tests(&graph, &models, &resolved, &names, 1).await.remove(0).message
}

const WINDOW: &str = "ordered_at >= $window_start and ordered_at < $window_end";

#[tokio::test]
async fn an_incremental_table_keeps_what_is_outside_the_windows() {
    let sql = format!(
        "select cast(ordered_at as date) as day, cast(count(*) as bigint) as n from bronze.orders where {WINDOW} group by 1"
    );
    let columns = "{ name: day, type: DATE }, { name: n, type: BIGINT }";
    let given = "given: { bronze.orders: [{ ordered_at: 2026-01-30 10:00:00 }, { ordered_at: 2026-01-31 }, { ordered_at: 2026-01-01 }] },
      prior: [{ day: 2026-01-29, n: 7 }, { day: 2026-01-30, n: 7 }, { day: 2026-01-31, n: 7 }]";
    let incremental = "materialized: incremental\nincremental: { time: day }";
    let night = "expect: [{ day: 2026-01-29, n: 7 }, { day: 2026-01-30, n: 7 }, { day: 2026-01-31, n: 1 }]";
    assert_eq!(stored(incremental, &sql, columns, &format!("{given}, {night}")).await, "");
    let two = "window: [2026-01-30, 2026-01-31], expect: [{ day: 2026-01-29, n: 7 }, { day: 2026-01-30, n: 1 }, { day: 2026-01-31, n: 1 }]";
    assert_eq!(stored(incremental, &sql, columns, &format!("{given}, {two}")).await, "");
    assert_ne!(
        stored(incremental, &sql, columns, &format!("{given}, window: [2026-01-30, 2026-01-30], {night}")).await,
        ""
    );
}

#[tokio::test]
async fn windows_whose_rows_may_meet_are_tested_one_by_one_as_a_run_builds_them() {
    let sql = format!(
        "select cast(ordered_at as date) as day, quantity as n from bronze.orders where {WINDOW} order by quantity desc nulls last limit 1"
    );
    let columns = "{ name: day, type: DATE }, { name: n, type: INTEGER }";
    let test = "window: [2026-01-30, 2026-01-31], given: { bronze.orders: [{ ordered_at: 2026-01-30, quantity: 1 },
        { ordered_at: 2026-01-30, quantity: 2 }, { ordered_at: 2026-01-31, quantity: 7 }] },
      expect: [{ day: 2026-01-30, n: 2 }, { day: 2026-01-31, n: 7 }]";
    assert_eq!(stored("materialized: incremental\nincremental: { time: day }", &sql, columns, test).await, "");
}

#[tokio::test]
async fn a_merge_takes_the_newest_row_of_a_key_and_leaves_the_others() {
    let sql =
        format!("select order_id, quantity, paid, cast(ordered_at as date) as day from bronze.orders where {WINDOW}");
    let columns = "{ name: order_id, type: VARCHAR }, { name: quantity, type: INTEGER }, { name: paid, type: BOOLEAN }, { name: day, type: DATE }";
    let merge = "materialized: merge\nmerge: { time: day, newest: [quantity], deleted: paid }\nkey: [order_id]";
    let test = "given: { bronze.orders: [
        { order_id: a, quantity: 1, ordered_at: 2026-01-31 }, { order_id: a, quantity: 2, ordered_at: 2026-01-31 },
        { order_id: b, quantity: 1, paid: true, ordered_at: 2026-01-31 }, { order_id: d, quantity: 4, ordered_at: 2026-01-31 }] },
      prior: [{ order_id: a, quantity: 9 }, { order_id: b, quantity: 9 }, { order_id: c, quantity: 9 }],
      expect: [{ order_id: a, quantity: 2 }, { order_id: c, quantity: 9 }, { order_id: d, quantity: 4 }]";
    assert_eq!(stored(merge, &sql, columns, test).await, "");
}

#[tokio::test]
async fn a_merge_takes_what_was_delivered_later_whichever_came_first_as_a_run_does() {
    let sql = format!("select order_id, quantity, cast(ordered_at as date) as day from bronze.orders where {WINDOW}");
    let columns = "{ name: order_id, type: VARCHAR }, { name: quantity, type: INTEGER }, { name: day, type: DATE }";
    let merge = "materialized: merge\nmerge: { time: day, newest: [quantity] }\nkey: [order_id]";
    let test = "window: [2026-01-30, 2026-01-30], given: { bronze.orders: [
        { order_id: a, quantity: 1, ordered_at: 2026-01-30 }, { order_id: b, quantity: 1, ordered_at: 2026-01-30 },
        { order_id: d, quantity: 2, ordered_at: 2026-01-30 }, { order_id: d, quantity: 1, ordered_at: 2026-01-30 }] },
      prior: [{ order_id: a, quantity: 9, day: 2026-01-31 }, { order_id: b, quantity: 9, day: 2026-01-29 },
        { order_id: c, quantity: 9, day: 2026-01-29 }, { order_id: d, quantity: 9, day: 2026-01-30 },
        { order_id: e, quantity: 9, day: 2026-01-30 }],
      expect: [{ order_id: a, quantity: 9, day: 2026-01-31 }, { order_id: b, quantity: 1, day: 2026-01-30 },
        { order_id: c, quantity: 9, day: 2026-01-29 }, { order_id: d, quantity: 2, day: 2026-01-30 }]";
    assert_eq!(stored(merge, &sql, columns, test).await, "");
}

#[tokio::test]
async fn a_history_closes_what_changed_and_opens_what_came() {
    let columns = "{ name: order_id, type: VARCHAR }, { name: quantity, type: INTEGER }, { name: valid_from, type: DATE }, { name: valid_to, type: DATE }";
    let sql = "select order_id, quantity from bronze.orders where cast(ordered_at as date) = $night";
    let test = "given: { bronze.orders: [
        { order_id: a, quantity: 1, ordered_at: 2026-01-31 }, { order_id: b, quantity: 2, ordered_at: 2026-01-31 },
        { order_id: d, ordered_at: 2026-01-31 }] },
      prior: [{ order_id: a, quantity: 1, valid_from: 2026-01-01 }, { order_id: b, quantity: 1, valid_from: 2026-01-01 },
        { order_id: c, quantity: 3, valid_from: 2026-01-02 }],
      expect: [{ order_id: a, quantity: 1, valid_from: 2026-01-01, valid_to: null },
        { order_id: b, quantity: 1, valid_from: 2026-01-01, valid_to: 2026-01-31 },
        { order_id: b, quantity: 2, valid_from: 2026-01-31, valid_to: null },
        { order_id: c, quantity: 3, valid_from: 2026-01-02, valid_to: 2026-01-31 },
        { order_id: d, quantity: null, valid_from: 2026-01-31, valid_to: null }]";
    assert_eq!(stored("materialized: scd2\nkey: [order_id]", sql, columns, test).await, "");
}
