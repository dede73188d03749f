//! What two releases say of each other.

use super::keyed::keeping_history;
use super::*;

const SQL: &str = "select ordered_on, cast(sum(amount) as decimal(18, 2)) as revenue,
    cast(count(*) as bigint) as orders from staging.stg_shop__orders group by ordered_on";
const YML: &str = "key: [ordered_on]
columns:
  - { name: ordered_on, type: DATE }
  - { name: revenue, type: 'DECIMAL(18,2)' }
  - { name: orders, type: BIGINT }
";

async fn compared(shop: &Shop, table: &str) -> TableDiff {
    let context = shop.open().await;
    let ids = release::list(&context.lake).await.unwrap();
    let (before, after) = (ids[ids.len() - 2], ids[ids.len() - 1]);
    let before = release::read(&context.lake, before).await.unwrap();
    let after = release::read(&context.lake, after).await.unwrap();
    let tables = BTreeSet::from([table.to_owned()]);
    let with = Comparison { lake: &context.lake, engine: &context.engine, models: &context.project.models };
    diff(with, &before, &after, &tables).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_compared_though_a_text_became_a_number() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let text = "case when count(*) > 1 then 'many' else 'one' end as orders";
    shop.write("sql/marts/shop/daily.sql", &SQL.replace("cast(count(*) as bigint) as orders", text));
    shop.write("sql/marts/shop/daily.yml", &YML.replace("BIGINT", "VARCHAR"));
    shop.night("2026-02-01").await;
    let night = async |night: &str| {
        let request = RunRequest { night: night.parse().unwrap(), full_refresh: true, ..RunRequest::default() };
        assert_eq!(run_night(&shop.open().await, &request).await.unwrap().status, RunStatus::Done);
    };
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    shop.write("sql/marts/shop/daily.sql", SQL);
    shop.write("sql/marts/shop/daily.yml", YML);
    night("2026-02-02").await;
    let found = compared(&shop, "marts.daily").await;
    assert_eq!(found.columns, ["~ orders VARCHAR -> BIGINT"]);
    assert_eq!((found.added, found.removed, found.changed), (Some(1), Some(0), Some(0)));
    // Of a key that is of another type by now, no row is another's.
    shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "1.00")]);
    let day = "cast(ordered_on as varchar) as ordered_on";
    shop.write("sql/marts/shop/daily.sql", &SQL.replace("select ordered_on", &format!("select {day}")));
    shop.write("sql/marts/shop/daily.yml", &YML.replace("type: DATE", "type: VARCHAR"));
    night("2026-02-03").await;
    let found = compared(&shop, "marts.daily").await;
    assert_eq!(found.columns, ["~ ordered_on DATE -> VARCHAR"]);
    assert_eq!((found.rows_before, found.rows_after), (2, 3));
    assert_eq!((found.added, found.removed, found.changed), (None, None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_a_key_are_compared_each_with_itself() {
    let shop = keeping_history();
    for day in ["2026-02-01", "2026-02-02"] {
        shop.night(day).await;
    }
    // The second night closes a state of `b`, and begins another of it and one of `c`.
    let found = compared(&shop, "core.customer_history").await;
    assert_eq!((found.rows_before, found.rows_after), (2, 4));
    assert_eq!((found.added, found.removed, found.changed), (Some(2), Some(0), Some(1)));
    shop.night("2026-02-03").await;
    let found = compared(&shop, "core.customer_history").await;
    assert_eq!((found.added, found.removed, found.changed), (Some(0), Some(0), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_that_is_told_with_more_digits_did_not_move() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    shop.write("sql/marts/shop/daily.sql", &DAILY_SQL.replace("decimal(18, 2)", "decimal(28, 4)"));
    shop.write("sql/marts/shop/daily.yml", &DAILY_YML.replace("DECIMAL(18,2)", "DECIMAL(28,4)"));
    shop.night("2026-02-01").await;
    let found = compared(&shop, "marts.daily").await;
    assert_eq!(found.columns, ["~ revenue DECIMAL(18,2) -> DECIMAL(28,4)"]);
    assert_eq!(found.totals, []);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.5000")]);
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "0.05")]);
    shop.night("2026-02-02").await;
    let moved = compared(&shop, "marts.daily").await.totals;
    assert_eq!(moved.iter().map(|sum| sum.after.as_str()).collect::<Vec<_>>(), ["10.5500"]);
}
