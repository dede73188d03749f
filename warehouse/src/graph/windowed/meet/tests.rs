//! Promises of what may be asked for at once: never rows of two windows that meet, and whatever is by the day itself.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::graph::fixtures::{contract, contract_map, model, model_map};
use crate::graph::standard_tests::standard;
use crate::graph::{Cut, build, resolve};
use crate::project::contract::Contract;
use crate::project::model::Model;

const COLUMNS: &str = "[{ name: id, type: VARCHAR }, { name: at, type: TIMESTAMP }, { name: day, type: DATE }, { name: month, type: DATE }, { name: amount, type: BIGINT }]";
const DAYS: &str = "incremental\nincremental: { time: day }";
const MONTHS: &str = "incremental\nincremental: { time: day, window: month }";
const MERGE: &str = "merge\nmerge: { time: day }\nkey: [id]";

/// How many windows a model over two alike tables, `bronze.a` and `bronze.b`, may be asked for at once.
async fn cut(stored: &str, sql: &str) -> Cut {
    let id = if stored == MERGE { "{ name: id, type: VARCHAR }, " } else { "" };
    let yml =
        format!("materialized: {stored}\ncolumns: [{id}{{ name: day, type: DATE }}, {{ name: n, type: BIGINT }}]");
    let models = model_map(vec![model("staging.z", sql, &yml)]);
    let contracts = contract_map(vec![contract("a", COLUMNS), contract("b", COLUMNS)]);
    let graph = build(&models, &contracts).unwrap_or_else(|errors| panic!("{sql}\n{errors}"));
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved = resolve(&graph, &models, &contracts, &BTreeMap::new(), night).await;
    resolved.unwrap_or_else(|errors| panic!("{sql}\n{errors}")).windows["staging.z"].cut
}

/// `{by_X}` stands for the bounds of the window on a column `X`.
async fn are(expected: Cut, stored: &str, models: &[&str]) {
    for sql in models {
        let mut sql = (*sql).to_owned();
        for column in ["day", "at", "month", "a.day", "b.day"] {
            let bounds = format!("{column} >= $window_start and {column} < $window_end");
            sql = sql.replace(&format!("{{by_{column}}}"), &bounds);
        }
        assert_eq!(cut(stored, &sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn windows_whose_rows_would_meet_are_asked_for_one_at_a_time() {
    are(
        Cut::Apart,
        DAYS,
        &[
            "select day, amount as n from bronze.a where {by_day} order by amount desc nulls last limit 10",
            "select day, n from (select day, amount as n, row_number() over (partition by id order by day desc nulls last) \
             as place from bronze.a where {by_day}) as ranked where place = 1",
            "select day, sum(amount) over (order by day nulls last) as n from bronze.a where {by_day}",
            "select max(day) as day, count(*) as n from bronze.a where {by_day} group by id",
            "select max(day) as day, count(distinct id) as n from bronze.a where {by_day}",
            "select a.day, b.amount as n from bronze.a as a inner join bronze.b as b on b.id = a.id \
             where {by_a.day} and {by_b.day}",
            "select day, amount as n from bronze.a where {by_day} and id not in (select id from bronze.b where {by_day})",
            "select day, amount as n from bronze.a where {by_day} \
             and amount > (select avg(amount) from bronze.b where {by_day})",
            // Of an order of one day that was shipped on another only its own window knows.
            "select day, amount as n from bronze.a where {by_day} and at < $window_end",
            "select day, count(*) as n from bronze.a where {by_at} group by day",
            // The days before are there for the first of two windows alone.
            "select a.day, sum(b.amount) over (partition by a.day) as n from bronze.a as a inner join bronze.b as b \
             on b.day < a.day where {by_a.day} and b.day >= $window_start - interval '6' day and b.day < $window_end",
        ],
    )
    .await;
}

#[tokio::test]
async fn windows_whose_rows_are_by_the_day_are_asked_for_together() {
    are(
        Cut::Together,
        DAYS,
        &[
            "select day, amount as n from bronze.a where {by_day}",
            "select cast(at as date) as day, count(distinct id) as n from bronze.a where {by_at} group by cast(at as date)",
            "select distinct day, amount as n from bronze.a where {by_day}",
            "with days as (select cast(at as date) as day, id, amount from bronze.a), \
             firsts as (select day, amount as n, row_number() over (partition by id, day order by amount nulls last) as place \
             from days where {by_day}) select day, n from firsts where place = 1",
            "select a.day, b.amount as n from bronze.a as a left join bronze.b as b on b.id = a.id and b.day = a.day \
             and {by_b.day} where {by_a.day}",
            "select a.day, sum(b.amount) as n from (select distinct day from bronze.a where {by_day}) as a \
             inner join bronze.b as b on b.day <= a.day and b.day > a.day - interval '7' day \
             where b.day >= $window_start - interval '6' day and b.day < $window_end group by a.day",
            "select a.day, sum(b.amount) as n from (select distinct day from bronze.a where {by_day}) as a \
             inner join bronze.b as b on b.day <= a.day where b.day < $window_end group by a.day",
            "select day, sum(n) as n from (select day, amount as n from bronze.a where {by_day} union all \
             select cast(at as date), 0 from bronze.b where {by_at}) as all_days group by day",
            "select coalesce(a.day, b.day) as day, sum(a.n + b.n) as n from \
             (select day, count(*) as n from bronze.a where {by_day} group by day) as a full join \
             (select day, count(*) as n from bronze.b where {by_day} group by day) as b on b.day = a.day \
             group by coalesce(a.day, b.day)",
            "select cast(at as date) + 7 as day, count(*) as n from bronze.a \
             where at >= $window_start - interval '7' day and at < $window_end - interval '7' day group by cast(at as date)",
            "select cast(at - interval '6' hour as date) as day, count(*) as n from bronze.a \
             where at >= cast($window_start as timestamp) + interval '6' hour \
             and at < cast($window_end as timestamp) + interval '6' hour group by cast(at - interval '6' hour as date)",
            "select a.day, b.amount as n from bronze.a as a cross join \
             (select amount from bronze.b order by amount nulls last limit 1) as b where {by_a.day}",
            "select day, amount as n from bronze.a where {by_day} and amount > (select avg(amount) from bronze.b)",
        ],
    )
    .await;
    let by_month = "select cast(date_trunc('month', day) as date) as day, count(*) as n from bronze.a where {by_day} \
                    group by date_trunc('month', day)";
    are(
        Cut::Together,
        MONTHS,
        &[by_month, "select month as day, count(*) as n from bronze.a where {by_month} group by month"],
    )
    .await;
    are(Cut::Apart, MONTHS, &["select max(day) as day, count(*) as n from bronze.a where {by_day} group by id"]).await;
}

#[tokio::test]
async fn a_merge_may_take_the_last_row_of_a_key_and_no_sum_over_windows() {
    are(
        Cut::Together,
        MERGE,
        &[
            "select distinct id, day, amount as n from bronze.a where {by_day}",
            "select id, day, amount as n from (select id, day, amount, row_number() over (partition by id \
             order by day desc nulls last, amount nulls last) as place from bronze.a where {by_day}) as ranked \
             where place = 1 and amount > 0",
            "with last as (select id, max(day) as day from bronze.a where {by_day} group by id) \
             select last.id, last.day, sum(b.amount) over (partition by last.id) as n \
             from last inner join bronze.b as b on b.id = last.id",
            "with last as (select id, max(at) as at from bronze.a where {by_at} group by id) \
             select last.id, cast(last.at as date) as day, a.amount as n from last \
             inner join bronze.a as a on a.id = last.id and a.at = last.at where a.at >= $window_start and a.at < $window_end",
        ],
    )
    .await;
    are(
        Cut::Apart,
        MERGE,
        &[
            "select id, day, amount as n from (select id, day, amount, row_number() over (partition by id \
             order by amount desc nulls last) as place from bronze.a where {by_day}) as ranked where place = 1",
            "select id, max(day) as day, sum(amount) as n from bronze.a where {by_day} group by id",
            "select id, day, amount as n from bronze.a where {by_day} order by amount nulls last limit 10",
            "with last as (select id, max(day) as day from bronze.a where {by_day} group by id) \
             select last.id, last.day, b.amount as n from last inner join bronze.b as b on b.id = last.id and b.day <= last.day",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_author_may_vouch_that_rows_of_two_windows_never_meet() {
    let sql = "select max(day) as day, count(*) as n from bronze.a where {by_day} group by id";
    are(Cut::Together, "incremental\nincremental: { time: day, windows_together: true }", &[sql]).await;
    // Nobody can vouch for a row that says for which window it was asked.
    let asks = "select $window_start as day, count(*) as n from bronze.a where {by_day}";
    are(Cut::Each, "incremental\nincremental: { time: day, windows_together: true }", &[asks]).await;
}

/// The standard models that are not built for any windows at once.
async fn one_by_one(models: &BTreeMap<String, Model>, contracts: &BTreeMap<String, Contract>) -> Vec<String> {
    let graph = build(models, contracts).unwrap_or_else(|errors| panic!("{errors}"));
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let resolved = resolve(&graph, models, contracts, &BTreeMap::new(), night).await;
    let windows = resolved.unwrap_or_else(|errors| panic!("{errors}")).windows;
    assert!(windows.len() > 15);
    windows.into_iter().filter(|(_, windowing)| windowing.cut != Cut::Together).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn the_standard_models_are_built_for_any_windows_at_once_and_vouch_only_where_they_must() {
    let (mut models, contracts) = standard();
    assert_eq!(one_by_one(&models, &contracts).await, [""; 0]);
    let mut vouched = Vec::new();
    for (name, model) in &mut models {
        if model.spec.windows_together() {
            vouched.push(name.clone());
        }
        model.spec.incremental.iter_mut().for_each(|spec| spec.windows_together = false);
        model.spec.merge.iter_mut().for_each(|spec| spec.windows_together = false);
    }
    assert_eq!(one_by_one(&models, &contracts).await, vouched);
}
