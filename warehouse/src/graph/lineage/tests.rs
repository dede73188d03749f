//! Promises of lineage: every construct of SQL lets a value through, and a filter is not a value.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Influence, Lineage, Step};
use crate::graph::fixtures::{contract, contract_map, model, model_map};
use crate::graph::standard_tests::standard;
use crate::graph::{build, resolve};
use crate::project::SOURCES;
use crate::project::model::Model;

const ORDERS: &str = "[{ name: id, from: OrderID, type: VARCHAR }, { name: customer, type: VARCHAR }, { name: amount, type: BIGINT }, { name: day, type: DATE }]";

fn night() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 31).unwrap()
}

/// The lineage of a model `core.m` over `staging.o`, which reads the orders as they are.
async fn lineage(sql: &str, columns: &str) -> Lineage {
    let staged = "columns: [{ name: id, type: VARCHAR }, { name: customer, type: VARCHAR }, { name: amount, type: BIGINT }, { name: day, type: DATE }]";
    let models = model_map(vec![
        model("staging.o", "select id, customer, amount, day from bronze.orders", staged),
        model("staging.c", "select id, customer, amount, day from bronze.orders where amount > 0", staged),
        model("core.m", sql, &format!("columns: [{columns}]")),
    ]);
    let contracts = contract_map(vec![contract("orders", ORDERS)]);
    let graph = build(&models, &contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night())
        .await
        .unwrap_or_else(|errors| panic!("{errors}"));
    Lineage::of(&graph, &resolved, &contracts).unwrap()
}

fn show(steps: Vec<Step>, depth: usize, influence: Influence) -> String {
    let wanted = |step: &Step| step.depth == depth && step.influence == influence;
    steps.into_iter().filter(wanted).map(|step| step.from.to_string()).collect::<Vec<_>>().join(" ")
}

/// Direct inputs by value of `x` of `core.m`, and the columns that decide its rows.
async fn direct(sql: &str, kind: &str) -> (String, String) {
    let lineage = lineage(sql, &format!("{{ name: x, type: {kind} }}")).await;
    let steps = lineage.upstream("core.m", Some("x")).unwrap();
    (show(steps.clone(), 1, Influence::Value), show(steps, 1, Influence::Rows))
}

#[tokio::test]
async fn a_column_is_traced_back_to_the_raw_file() {
    let lineage = lineage("select upper(id) as x from staging.o", "{ name: x, type: VARCHAR }").await;
    let steps = lineage.upstream("core.m", Some("x")).unwrap();
    let path: Vec<String> = steps.iter().map(|step| format!("{} {} > {}", step.depth, step.from, step.to)).collect();
    assert_eq!(
        path,
        [
            "1 staging.o.id > core.m.x",
            "2 bronze.orders.id > staging.o.id",
            "3 orders/*.csv [OrderID] > bronze.orders.id"
        ]
    );
    let down = lineage.downstream("bronze.orders", Some("id")).unwrap();
    let ends: Vec<String> = down.iter().map(|step| step.to.to_string()).collect();
    assert_eq!(ends, ["staging.c.id", "staging.o.id", "core.m.x"]);
}

#[tokio::test]
async fn expressions_and_ctes_join_their_columns() {
    let sql = "with a as (select amount as n, customer as c from staging.o) select case when c = 'x' then n + 1 end as x from a as b where n > 3";
    assert_eq!(direct(sql, "BIGINT").await, ("staging.o.amount staging.o.customer".into(), "staging.o.amount".into()));
}

#[tokio::test]
async fn a_join_takes_values_from_its_side_and_rows_from_its_condition() {
    let sql = "select c.amount as x from staging.o as o left join staging.c as c on c.id = o.id and o.day > $night";
    assert_eq!(
        direct(sql, "BIGINT").await,
        ("staging.c.amount".into(), "staging.c.id staging.o.day staging.o.id".into())
    );
}

#[tokio::test]
async fn an_aggregate_takes_values_from_its_argument_and_rows_from_its_groups() {
    let sql =
        "select sum(amount) filter (where day = $night) as x from staging.o group by customer having count(id) > 1";
    assert_eq!(
        direct(sql, "BIGINT").await,
        ("staging.o.amount staging.o.day".into(), "staging.o.customer staging.o.id".into())
    );
}

#[tokio::test]
async fn a_window_takes_values_from_argument_partition_and_order() {
    let sql = "select lag(amount) over (partition by customer order by day nulls last) as x from staging.o";
    assert_eq!(direct(sql, "BIGINT").await.0, "staging.o.amount staging.o.customer staging.o.day");
}

#[tokio::test]
async fn a_union_takes_values_from_every_branch() {
    let sql = "select id as x from staging.o union all select customer as x from staging.c where amount > 1";
    assert_eq!(direct(sql, "VARCHAR").await, ("staging.c.customer staging.o.id".into(), "staging.c.amount".into()));
}

#[tokio::test]
async fn subqueries_bring_values_and_decide_rows() {
    let scalar = "select (select max(c.amount) from staging.c as c where c.id = o.id) as x from staging.o as o";
    assert_eq!(direct(scalar, "BIGINT").await, ("staging.c.amount".into(), "staging.c.id staging.o.id".into()));
    let exists =
        "select id as x from staging.o as o where exists (select 1 from staging.c as c where c.customer = o.customer)";
    assert_eq!(
        direct(exists, "VARCHAR").await,
        ("staging.o.id".into(), "staging.c.customer staging.o.customer".into())
    );
    let within = "select id as x from staging.o where id in (select id from staging.c where amount > 1)";
    assert_eq!(
        direct(within, "VARCHAR").await,
        ("staging.o.id".into(), "staging.c.amount staging.c.id staging.o.id".into())
    );
}

#[tokio::test]
async fn grouping_sets_distinct_and_series_are_traced() {
    let sets = "select sum(amount) as x from staging.o group by grouping sets ((customer), (day), ())";
    assert_eq!(direct(sets, "BIGINT").await.0, "staging.o.amount");
    let distinct =
        "select distinct on (customer) amount as x from staging.o order by customer nulls last, day nulls last";
    assert_eq!(direct(distinct, "BIGINT").await.0, "staging.o.amount");
    let series = "select cast(d as date) as x from (select unnest(generate_series(min(day), max(day), interval '1 day')) as d from staging.o) as s";
    assert_eq!(direct(series, "DATE").await.0, "staging.o.day");
}

#[tokio::test]
async fn a_recursive_cte_ends_and_keeps_its_origin() {
    let sql = "with recursive r as (select id as k, 1 as n from staging.o union all select k, n + 1 from r where n < 3) select k as x from r";
    assert_eq!(direct(sql, "VARCHAR").await.0, "staging.o.id");
}

#[tokio::test]
async fn a_question_about_what_is_not_there_names_the_nearest() {
    let lineage = lineage("select id as x from staging.o", "{ name: x, type: VARCHAR }").await;
    assert!(lineage.upstream("core.n", None).unwrap_err().to_string().contains("did you mean `core.m`"));
    assert!(lineage.downstream("staging.o", Some("amuont")).unwrap_err().to_string().contains("did you mean `amount`"));
    assert!(lineage.upstream("core.m", None).is_ok());
}

#[tokio::test]
async fn every_standard_column_that_is_no_constant_comes_from_somewhere() {
    let (models, contracts) = standard();
    let graph = build(&models, &contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night())
        .await
        .unwrap_or_else(|errors| panic!("{errors}"));
    let lineage = Lineage::of(&graph, &resolved, &contracts).unwrap();
    let declared = |model: &&Model| [SOURCES, "staging.stg_shop__data_begins"].contains(&model.name.as_str());
    for model in models.values().filter(|model| model.layer == "staging" && !declared(model)) {
        for column in &model.spec.columns {
            let steps = lineage.upstream(&model.name, Some(&column.name)).unwrap();
            assert!(steps.iter().any(|step| step.influence == Influence::Value), "{}.{}", model.name, *column.name);
        }
    }
}
