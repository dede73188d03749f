//! Promises of `resolve`: what a yml declares is what its SQL gives, or the line is named.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::fixtures::{contract, contract_map, model, model_map};
use super::resolve::{Resolved, resolve};
use super::{GraphError, GraphErrors, Rule, build};
use crate::project::model::Model;

const ORDERS: &str = "[{ name: order_id, type: VARCHAR }, { name: quantity, type: INTEGER }, { name: amount, type: \"DECIMAL(18,2)\" }, { name: share, type: DOUBLE }, { name: ordered_at, type: TIMESTAMP }]";

pub async fn resolved(models: Vec<Model>) -> Result<Resolved, GraphErrors> {
    let models = model_map(models);
    let contracts = contract_map(vec![contract("orders", ORDERS)]);
    let graph = build(&models, &contracts)?;
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await
}

async fn errors(sql: &str, columns: &str) -> Vec<GraphError> {
    resolved(vec![model("staging.z", sql, &format!("columns:\n{columns}"))]).await.unwrap_err().0
}

async fn first_error(sql: &str, columns: &str) -> String {
    errors(sql, columns).await[0].to_string()
}

#[tokio::test]
async fn a_model_that_gives_what_it_declares_is_planned() {
    let sql = "select order_id, cast(ordered_at as date) as day, _file, $night - cast(ordered_at as date) as age_days,
            1.5 as factor, cast('2026-01-01' as timestamp) as since, amount * 2 as twice
        from bronze.orders where ordered_at < $night + interval '1 day'";
    let columns = "
  - { name: day, type: DATE }
  - { name: order_id, type: VARCHAR }
  - { name: _file, type: VARCHAR }
  - { name: age_days, type: BIGINT }
  - { name: factor, type: \"DECIMAL(2,1)\" }
  - { name: since, type: TIMESTAMP }
  - { name: twice, type: \"DECIMAL(38,2)\" }";
    let resolved = resolved(vec![model("staging.z", sql, &format!("columns:{columns}"))]).await.unwrap();
    assert_eq!(resolved.plans.len(), 1);
}

#[tokio::test]
async fn an_unknown_column_is_named_with_line_and_nearest() {
    assert_eq!(
        first_error(
            "select\n  order_id,\n  o.amuont as amount\nfrom bronze.orders as o",
            "- { name: order_id, type: VARCHAR }"
        )
        .await,
        "sql/staging/z.sql:3:3: there is no column `o.amuont` — did you mean `o.amount`?"
    );
    assert_eq!(
        first_error("select order_id\nfrom bronze.orders\nwhere quantty > 1", "- { name: order_id, type: VARCHAR }")
            .await,
        "sql/staging/z.sql:3:7: there is no column `quantty` — did you mean `quantity`?"
    );
}

#[tokio::test]
async fn a_type_that_differs_names_the_line_of_the_yml_and_the_cast() {
    assert_eq!(
        first_error(
            "select order_id, quantity from bronze.orders",
            "- { name: order_id, type: VARCHAR }\n- { name: quantity, type: BIGINT }"
        )
        .await,
        "sql/staging/z.yml:3: column `quantity` of `staging.z` is declared BIGINT and the SQL gives INTEGER — write CAST(… AS BIGINT) AS quantity in the last select, or declare what it gives"
    );
}

#[tokio::test]
async fn missing_and_undeclared_columns_are_both_named() {
    let found =
        errors("select order_id as order_key from bronze.orders", "- { name: order_keys, type: VARCHAR }").await;
    assert_eq!(found.len(), 2);
    assert!(
        found[0].to_string().starts_with("sql/staging/z.sql:1:20: the SQL of `staging.z` gives a column `order_key`"),
        "{}",
        found[0]
    );
    assert!(found[1].to_string().ends_with("gives no column `order_keys` — did you mean `order_key`?"), "{}", found[1]);
}

#[tokio::test]
async fn an_ambiguous_column_says_how_to_tell_them_apart() {
    let sql = "select order_id from bronze.orders as a inner join bronze.orders as b on a.order_id = b.order_id";
    assert!(first_error(sql, "- { name: order_id, type: VARCHAR }").await.contains("could be of several tables"));
}

#[tokio::test]
async fn an_ops_table_that_is_not_there_is_named() {
    let sql = "select order_id from bronze.orders where order_id in (select a from ops.rnus)";
    assert!(first_error(sql, "- { name: order_id, type: VARCHAR }").await.contains("there is no table `ops.rnus`"));
}

#[tokio::test]
async fn a_mistake_in_one_model_is_not_found_again_below_it() {
    let found = resolved(vec![
        model(
            "staging.z",
            "select nothing as order_id from bronze.orders",
            "columns: [{ name: order_id, type: VARCHAR }]",
        ),
        model("core.y", "select order_id from staging.z", "columns: [{ name: order_id, type: VARCHAR }]"),
    ])
    .await
    .unwrap_err();
    assert_eq!(found.0.len(), 1, "{found}");
}

fn rules(errors: &[GraphError]) -> Vec<Rule> {
    let rule = |error: &GraphError| match error {
        GraphError::NotPortable { rule, .. } => Some(*rule),
        _ => None,
    };
    errors.iter().filter_map(rule).collect()
}

async fn rules_of(expression: &str) -> Vec<Rule> {
    let sql = format!("with o as (select * from bronze.orders) select {expression} as x from o");
    match resolved(vec![model("staging.z", &sql, "columns: [{ name: x, type: DOUBLE, tolerance: 1e-9 }]")]).await {
        Ok(_) => Vec::new(),
        Err(errors) => rules(&errors.0),
    }
}

#[tokio::test]
async fn a_division_of_whole_numbers_or_decimals_is_refused_with_its_place() {
    assert_eq!(
        first_error("select\n  cast(quantity / 2 as integer) as x from bronze.orders", "- { name: x, type: INTEGER }")
            .await,
        "sql/staging/z.sql:2:8: `quantity / 2` cuts off the fraction in DataFusion and keeps it in DuckDB — write CAST(quantity AS DOUBLE) / 2"
    );
    for refused in [
        "amount / 3",
        "sum(amount) / NULLIF(sum(quantity), 0)",
        "(amount + 1) / 100",
        "sum(quantity / 2) over ()",
        "1 / 3",
    ] {
        assert_eq!(rules_of(refused).await, [Rule::Division], "{refused}");
    }
    for allowed in [
        "cast(amount as double) / 3",
        "amount / NULLIF(cast(quantity as double), 0)",
        "share / 2",
        "cast(sum(amount) as double) / NULLIF(sum(quantity), 0)",
    ] {
        assert_eq!(rules_of(allowed).await, [], "{allowed}");
    }
}

#[tokio::test]
async fn a_grouped_division_is_judged_as_any_other() {
    let sql = "select quantity / 2 as x, count(*) as n from bronze.orders group by quantity / 2";
    let found = errors(sql, "- { name: x, type: BIGINT }\n- { name: n, type: BIGINT }").await;
    assert_eq!(rules(&found), [Rule::Division, Rule::Division], "{found:?}");
}

#[tokio::test]
async fn casts_and_averages_that_the_engines_round_differently_are_refused() {
    for refused in [
        "cast(share as integer)",
        "cast(amount as bigint)",
        "cast(share as varchar)",
        "cast(ordered_at as varchar)",
        "median(quantity)",
        "percentile_cont(0.5) within group (order by amount nulls last)",
    ] {
        assert_eq!(rules_of(refused).await, [Rule::Cast], "{refused}");
    }
    assert_eq!(rules_of("avg(amount)").await, [Rule::Division]);
    for allowed in [
        "cast(floor(share) as integer)",
        "cast(round(amount, 0) as bigint)",
        "cast(cast(ordered_at as date) as varchar)",
        "avg(quantity)",
        "avg(share)",
        "median(share)",
        "cast(amount as varchar)",
        "cast(quantity as bigint)",
    ] {
        assert_eq!(rules_of(allowed).await, [], "{allowed}");
    }
}

#[tokio::test]
async fn a_total_of_double_declares_its_tolerance() {
    let plain = "- { name: x, type: DOUBLE }";
    for sql in [
        "select sum(share) as x from bronze.orders",
        "with a as (select avg(share) over (partition by order_id) as s from bronze.orders) select s * 2 as x from a",
        "select (select sum(share) from bronze.orders) as x",
        "select stddev(quantity) as x from bronze.orders",
        "select cast(sum(cast(amount as double)) as double) as x from bronze.orders",
    ] {
        let found = errors(sql, plain).await;
        assert_eq!(rules(&found), [Rule::DoubleTotal], "{sql}: {found:?}");
        assert_eq!((found[0].at().file.as_str(), found[0].at().line), ("sql/staging/z.yml", 2));
        let yml = "columns:\n- { name: x, type: DOUBLE, tolerance: 1e-9 }";
        assert!(resolved(vec![model("staging.z", sql, yml)]).await.is_ok(), "{sql}");
    }
    for sql in [
        "select max(share) as x from bronze.orders",
        "select cast(sum(amount) as double) as x from bronze.orders",
        "select avg(quantity) as x from bronze.orders",
    ] {
        assert!(resolved(vec![model("staging.z", sql, &format!("columns:\n{plain}"))]).await.is_ok(), "{sql}");
    }
}

#[tokio::test]
async fn audits_are_planned_before_anything_runs() {
    let yml = "key: [order_id]
columns: [{ name: order_id, type: VARCHAR }]
audits:
  - { not_null: [order_di] }
  - { relationships: { column: order_id, to: bronze.orders, field: id } }
  - { sql: select * from staging.z where day > $today }
  - { sql: delete from staging.z }
  - { reconcile: { sum: 1, to: bronze.nowhere, to_sum: 1 } }
  - { sql: select * from staging.z where order_id > cast($night as varchar), name: fine }";
    let found = resolved(vec![model("staging.z", "select order_id from bronze.orders", yml)]).await.unwrap_err();
    let lines: Vec<u64> = found.0.iter().map(|error| error.at().line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 8], "{found}");
    assert_eq!(
        found.0[0].to_string(),
        "sql/staging/z.yml:4: audit `not_null_order_di` of `staging.z` cannot be asked: there is no column `order_di` — did you mean `order_id`?"
    );
}

const DAY: &str = "columns: [{ name: day, type: DATE }]";

fn incremental(sql: &str) -> Model {
    model("staging.z", sql, &format!("{DAY}\nmaterialized: incremental\nincremental: {{ time: day }}"))
}

/// How `staging.z` reads its tables: days before and after the window, or `None` where a table is read whole.
async fn windows(sql: &str) -> (Vec<(String, i64, i64)>, Vec<String>) {
    let resolved =
        resolved(vec![incremental(sql), model("staging.other", "select cast('2026-01-01' as date) as day", DAY)]);
    let windowing = resolved.await.unwrap().windows.remove("staging.z").unwrap();
    let reads = windowing.reads.iter().map(|read| (read.table.clone(), read.before, read.after)).collect();
    (reads, windowing.whole.into_keys().collect())
}

#[tokio::test]
async fn the_rows_of_a_window_are_found_in_the_where_of_the_model() {
    let cut = |at: &str| format!("{at} >= $window_start and {at} < $window_end");
    let orders = || vec![("bronze.orders".to_owned(), 0, 0)];
    for sql in [
        format!("select cast(ordered_at as date) as day from bronze.orders where {}", cut("ordered_at")),
        format!("select cast(ordered_at as date) as day from bronze.orders where {}", cut("cast(ordered_at as date)")),
        format!(
            "with days as (select cast(ordered_at as date) as day from bronze.orders) select day from days where {}",
            cut("day")
        ),
    ] {
        assert_eq!(windows(&sql).await, (orders(), vec![]), "{sql}");
    }
    // The begin of a month lies back by up to 30 days, and may be a day of a window that begins it.
    for (bound, before) in [("week", 6), ("month", 30), ("quarter", 91), ("year", 365)] {
        let sql = format!(
            "select cast(ordered_at as date) as day from bronze.orders where ordered_at >= date_trunc('{bound}', $window_start) and ordered_at < $window_end"
        );
        assert_eq!(windows(&sql).await, (vec![("bronze.orders".to_owned(), before, 0)], vec![]), "{sql}");
    }
    let ahead = "select cast(ordered_at as date) as day from bronze.orders where ordered_at >= $window_start and ordered_at < date_trunc('month', $window_end) + interval '1' month";
    assert_eq!(windows(ahead).await, (vec![("bronze.orders".to_owned(), 0, 31)], vec![]));
    let months = "select cast(ordered_at as date) as day from bronze.orders where ordered_at >= $window_start - interval '2' month and ordered_at < $window_end";
    assert_eq!(windows(months).await, (vec![("bronze.orders".to_owned(), 61, 0)], vec![]));
    let week = "select cast(ordered_at as date) as day from bronze.orders
        where cast(ordered_at as date) >= $window_start - interval '6' day and cast(ordered_at as date) < $window_end + interval '1' day";
    assert_eq!(windows(week).await, (vec![("bronze.orders".to_owned(), 6, 1)], vec![]));
    let joined = format!(
        "select others.day from bronze.orders as o inner join staging.other as others on others.day = cast(o.ordered_at as date) and o.quantity = 1 where {}",
        cut("o.ordered_at")
    );
    assert_eq!(windows(&joined).await, (orders(), vec!["staging.other".to_owned()]));
}

#[tokio::test]
async fn a_model_by_windows_that_cannot_be_cut_says_so() {
    let message = async |sql: &str| resolved(vec![incremental(sql)]).await.unwrap_err().0[0].to_string();
    let nothing = "select $window_start as day from bronze.orders where $window_end > $window_start";
    assert!(message(nothing).await.contains("no table that `staging.z` reads is cut by the window"));
    assert!(
        message("select cast(ordered_at as date) as day from bronze.orders")
            .await
            .contains("does not use `$window_start`")
    );
    let night =
        "select $night as day from bronze.orders where ordered_at >= $window_start and ordered_at < $window_end";
    assert!(
        message(night)
            .await
            .contains("`$night` in a model with `materialized: incremental` — use `$window_start`, `$window_end`")
    );
    let history = model(
        "core.h",
        "select day from core.t",
        "materialized: scd2\nkey: [day]\ncolumns: [{ name: day, type: DATE }, { name: valid_from, type: DATE }, { name: valid_to, type: DATE }]",
    );
    let table = model("core.t", "select cast(ordered_at as date) as day from staging.v", DAY);
    let view = model(
        "staging.v",
        "select ordered_at from bronze.orders",
        "materialized: view\ncolumns: [{ name: ordered_at, type: TIMESTAMP }]",
    );
    let error = resolved(vec![history, table, view]).await.unwrap_err().0[0].to_string();
    assert!(error.contains("reads `core.t`, of which only the highest night is kept"), "{error}");
}
