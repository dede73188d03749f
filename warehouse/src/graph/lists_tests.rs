//! Promises of plans made by parts: they are the plans that the planner makes whole.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as PlanStatement;
use datafusion::sql::sqlparser::ast::Statement;

use super::lists::{Planner, plan_statement};
use super::parse::parse;
use super::schemas::{empty, register};
use crate::functions::{session, session_config};

const COLUMNS: usize = 300;

fn names() -> Vec<String> {
    (0..COLUMNS).map(|number| format!("c{number}")).collect()
}

fn wide() -> SchemaRef {
    let columns = names().into_iter().map(|name| Field::new(name, DataType::Float64, true));
    Arc::new(Schema::new([Field::new("id", DataType::Utf8, true)].into_iter().chain(columns).collect::<Vec<_>>()))
}

fn context() -> SessionContext {
    let context = session(session_config(1), Arc::default());
    let tables = ["staging.wide", "staging.other"]
        .map(|name| -> (String, Arc<dyn TableProvider>) { (name.to_owned(), empty(&wide())) });
    register(&context, tables).unwrap();
    context
}

fn list(item: impl Fn(&str) -> String) -> String {
    names().iter().map(|name| item(name)).collect::<Vec<_>>().join(", ")
}

fn statement(sql: &str) -> Statement {
    parse("x.sql", sql).unwrap().statement
}

/// The plan by parts, where there is one, and the planner's own.
async fn both(sql: &str) -> (Option<LogicalPlan>, LogicalPlan) {
    let state = context().state();
    let Statement::Query(query) = statement(sql) else { panic!("{sql}") };
    let by_parts = Planner::over(&state).unwrap().parts_of(*query).await.unwrap();
    let whole = state.statement_to_plan(PlanStatement::Statement(Box::new(statement(sql)))).await.unwrap();
    let plan = plan_statement(&state, statement(sql)).await.unwrap();
    assert_eq!(plan.schema(), whole.schema(), "{sql}");
    assert_eq!(plan.display_indent().to_string(), whole.display_indent().to_string());
    (by_parts, whole)
}

#[tokio::test]
async fn long_lists_over_joins_filters_and_all_columns_come_to_the_very_plan_that_is_made_whole() {
    let joined =
        "from staging.wide as w left join staging.other as o on o.id = w.id and o.c1 > 0 where w.c2 is not null";
    for sql in [
        format!("select id, {} from staging.wide", list(str::to_owned)),
        format!("select w.id, {} {joined}", list(|name| format!("w.{name} * 2 + coalesce(o.{name}, 1) as {name}"))),
        "select * from staging.wide where c7 > 1".to_owned(),
        "select *, c1 + c2 as total from staging.wide".to_owned(),
        format!(
            "select id, coalesce({0}, 1.5) as first, coalesce(c1, {0}) as second from staging.wide",
            list(str::to_owned)
        ),
        format!(
            "select w.id, (select max(c1) from staging.other) as most, {} {joined}",
            list(|name| format!("w.{name}"))
        ),
    ] {
        let (by_parts, whole) = both(&sql).await;
        assert_eq!(by_parts.unwrap_or_else(|| panic!("planned whole: {sql}")), whole);
    }
}

#[tokio::test]
async fn lists_whose_parts_do_not_stand_on_the_same_plan_are_planned_whole() {
    for sql in [
        format!("select id, {} from staging.wide group by id", list(|name| format!("sum({name}) as {name}"))),
        format!("select {} from staging.wide", list(|name| format!("sum({name}) over (order by id) as {name}"))),
        format!("select distinct {} from staging.wide", list(str::to_owned)),
        format!("select {} from staging.wide order by id limit 3", list(str::to_owned)),
        format!("select {} from (select * from staging.wide) as w", list(str::to_owned)),
        "select w.id from staging.wide as w join staging.other as o on o.id = w.id".to_owned(),
    ] {
        assert!(both(&sql).await.0.is_none(), "planned by parts: {sql}");
    }
}

#[tokio::test]
async fn long_lists_of_ctes_are_planned_once_and_leave_no_view_behind() {
    let sql = format!(
        "with wide as (select * from staging.wide), twice as (select id, {} from wide) \
         select t.id, {} from twice as t left join wide as w on w.id = t.id",
        list(|name| format!("{name} * 2 as {name}")),
        list(|name| format!("t.{name} + w.{name} as {name}"))
    );
    let context = context();
    let state = context.state();
    let plan = plan_statement(&state, statement(&sql)).await.unwrap();
    let whole = state.statement_to_plan(PlanStatement::Statement(Box::new(statement(&sql)))).await.unwrap();
    assert_eq!(plan, whole);
    let views = state.catalog_list().catalog(crate::functions::CATALOG).unwrap().schema("public").unwrap();
    assert_eq!(views.table_names(), [""; 0]);
}

#[tokio::test]
async fn a_mistake_in_a_long_list_is_told_in_the_planners_own_words() {
    let state = context().state();
    for sql in [
        format!("select {}, c400 from staging.wide", list(str::to_owned)),
        format!("select {}, c1 from staging.wide", list(str::to_owned)),
        // A CTE within another is not seen outside of it.
        format!(
            "with whole as (with inside as (select * from staging.wide) select * from inside) select {} from inside",
            list(str::to_owned)
        ),
    ] {
        let whole = state.statement_to_plan(PlanStatement::Statement(Box::new(statement(&sql)))).await.unwrap_err();
        let said = plan_statement(&state, statement(&sql)).await.unwrap_err();
        assert_eq!(said.strip_backtrace(), whole.strip_backtrace());
    }
}
