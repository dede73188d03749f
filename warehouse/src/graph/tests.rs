//! Promises of `build`: order, inputs, and errors that name file, line and the way out.

use std::collections::BTreeMap;

use super::build::{Graph, build};
use super::error::{GraphError, GraphErrors};
use super::fixtures::{contract, model, model_map};
use crate::project::contract::Contract;
use crate::project::model::Model;

fn sources() -> BTreeMap<String, Contract> {
    [(
        "orders".to_owned(),
        contract("orders", "[{ name: order_id, type: VARCHAR }, { name: amount, type: \"DECIMAL(18,2)\" }]"),
    )]
    .into()
}

fn built(models: Vec<Model>) -> Result<Graph, GraphErrors> {
    build(&model_map(models), &sources())
}

fn errors(models: Vec<Model>) -> Vec<GraphError> {
    built(models).unwrap_err().0
}

fn columns() -> &'static str {
    "columns: [{ name: order_id, type: VARCHAR }]"
}

#[test]
fn a_model_comes_after_what_it_reads() {
    let graph = built(vec![
        model("core.a", "select order_id from staging.z", columns()),
        model("marts.b", "with c as (select order_id from core.a) select order_id from c", columns()),
        model(
            "staging.z",
            "select order_id from bronze.orders where order_id in (select order_id from ops.runs)",
            columns(),
        ),
    ])
    .unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["staging.z", "core.a", "marts.b"]);
    let inputs: Vec<&str> = graph.nodes[0].inputs.iter().map(String::as_str).collect();
    assert_eq!(inputs, ["bronze.orders", "ops.runs"]);
    assert_eq!(graph.ancestors(["marts.b"]).len(), 5);
    assert!(graph.descendants(["bronze.orders"]).contains("marts.b"));
}

#[test]
fn a_cte_hides_no_table_and_is_no_input() {
    let sql = "with orders as (select order_id from bronze.orders), twice as (select order_id from orders)
        select t.order_id from twice as t where exists (select 1 from orders as o where o.order_id = t.order_id)";
    let graph = built(vec![model("staging.z", sql, columns())]).unwrap();
    assert_eq!(graph.nodes[0].inputs.len(), 1);
}

#[test]
fn an_unknown_table_is_named_with_its_place_and_the_nearest() {
    let found = errors(vec![model("staging.z", "select order_id\nfrom bronze.ordres", columns())]);
    assert_eq!(
        found[0].to_string(),
        "sql/staging/z.sql:2:6: there is no table `bronze.ordres` — did you mean `bronze.orders`?"
    );
}

#[test]
fn a_table_without_layer_is_refused_and_the_layer_suggested() {
    let found = errors(vec![model("staging.z", "select order_id from orders", columns())]);
    assert_eq!(
        found[0].to_string(),
        "sql/staging/z.sql:1:22: table `orders` has no layer — did you mean `bronze.orders`?"
    );
}

#[test]
fn a_circle_is_named_in_full() {
    let found = errors(vec![
        model("core.a", "select order_id from core.b", columns()),
        model("core.b", "select order_id from core.c", columns()),
        model("core.c", "select order_id from core.a", columns()),
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("core.a reads core.b reads core.c reads core.a"), "{}", found[0]);
}

#[test]
fn a_model_that_reads_itself_is_a_circle() {
    let found = errors(vec![model("core.a", "select order_id from core.a", columns())]);
    assert!(found[0].to_string().contains("core.a reads core.a"), "{}", found[0]);
}

#[test]
fn reading_upwards_or_bronze_past_staging_is_refused() {
    let found = errors(vec![
        model("staging.z", "select order_id from bronze.orders", columns()),
        model("core.a", "select order_id from marts.b", columns()),
        model("marts.b", "select order_id from bronze.orders", columns()),
    ]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|error| matches!(error, GraphError::WrongLayer { .. })));
}

#[test]
fn only_one_plain_select_is_a_model() {
    for sql in ["", "-- nothing", "select 1; select 2", "drop table x", "create table x as select 1", "selec 1"] {
        assert_eq!(errors(vec![model("staging.z", sql, columns())]).len(), 1, "{sql}");
    }
}

#[test]
fn a_syntax_error_says_where() {
    let found = errors(vec![model("staging.z", "select order_id,\n  from from x", columns())]);
    assert_eq!((found[0].at().line, found[0].at().column > 0), (2, true), "{}", found[0]);
}

#[test]
fn an_unknown_parameter_is_refused_and_the_known_one_named() {
    let found = errors(vec![model("staging.z", "select order_id from bronze.orders where $day is null", columns())]);
    assert!(found[0].to_string().contains("there is no parameter `$day` — use `$night`"), "{}", found[0]);
}

#[test]
fn all_mistakes_of_all_models_come_at_once() {
    let found = errors(vec![
        model("staging.y", "select order_id from bronze.x1", columns()),
        model("staging.z", "select order_id from bronze.x2 join nowhere on $a = $b", columns()),
        model(
            "marts.v",
            "select order_id from staging.z",
            "materialized: view\ncolumns: [{ name: order_id, type: VARCHAR }]",
        ),
    ]);
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn layout_comments_and_case_do_not_change_a_fingerprint_but_meaning_does() {
    let print = |sql: &str, yml: &str| {
        let graph = built(vec![model("staging.z", sql, yml)]).unwrap();
        graph.nodes[0].fingerprint
    };
    let first = print("select order_id from bronze.orders where amount > 1", columns());
    assert_eq!(first, print("-- why\nSELECT Order_ID\nFROM bronze.orders /* x */ WHERE amount>1;", columns()));
    assert_ne!(first, print("select order_id from bronze.orders where amount > 2", columns()));
    assert_ne!(first, print("select order_id from bronze.orders where \"Amount\" > 1", columns()));
    assert_ne!(
        first,
        print(
            "select order_id from bronze.orders where amount > 1",
            "materialized: view\ncolumns: [{ name: order_id, type: VARCHAR }]"
        )
    );
    assert_eq!(
        first,
        print(
            "select order_id from bronze.orders where amount > 1",
            "columns: [{ name: order_id, type: VARCHAR, description: x }]"
        )
    );
}

#[test]
fn a_history_of_one_file_that_is_written_over_is_refused_with_the_name_to_deliver_it_under() {
    let said = |path: &str, spec: &str| {
        let columns = "[{ name: order_id, type: VARCHAR }, { name: ordered_at, type: DATE }]";
        let mut orders = contract("orders", columns);
        let yml = format!("path: '{path}'\nkey: [order_id]\n{spec}\ncolumns: {columns}");
        orders.spec = serde_saphyr::from_str(&yml).unwrap();
        let history = "materialized: scd2\nkey: [order_id]\ncolumns: [{ name: order_id, type: VARCHAR }, { name: valid_from, type: DATE }, { name: valid_to, type: DATE }]";
        let models = vec![
            model("core.h", "select order_id from staging.v", history),
            model(
                "staging.v",
                "select order_id from bronze.orders",
                &format!("materialized: view\n{}", self::columns()),
            ),
        ];
        let built = build(&model_map(models), &[("orders".to_owned(), orders)].into());
        built.err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    for spec in ["", "delivery: snapshot", "delivery: snapshot\nevent_time: ordered_at", "delivery: upsert"] {
        let refused = said("shop/orders.csv.gz", spec);
        assert!(refused.starts_with("sql/staging/v.sql:1:22: `core.h` keeps a history"), "{spec}: {refused}");
        assert!(
            refused.contains("`path: 'shop/orders_{date:%Y-%m-%d}.csv.gz'` in sql/sources/orders.yml"),
            "{refused}"
        );
    }
    assert_eq!(said("shop/orders_{date:%Y-%m-%d}.csv", "delivery: snapshot"), "");
    assert_eq!(said("shop/*.csv", "delivery: snapshot"), "");
    assert_eq!(said("shop/orders.csv", "event_time: ordered_at"), "", "a file that grows has what it had");
}
