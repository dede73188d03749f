//! What two releases say of each other.

use super::*;

const SQL: &str = "select ordered_on, cast(sum(amount) as decimal(18, 2)) as revenue,
    cast(count(*) as bigint) as orders from staging.stg_shop__orders group by ordered_on";
const YML: &str = "key: [ordered_on]
columns:
  - { name: ordered_on, type: DATE }
  - { name: revenue, type: 'DECIMAL(18,2)' }
  - { name: orders, type: BIGINT }
";

async fn compared(shop: &Shop) -> TableDiff {
    let context = shop.open().await;
    let ids = release::list(&context.lake).await.unwrap();
    let (before, after) = (ids[ids.len() - 2], ids[ids.len() - 1]);
    let before = release::read(&context.lake, before).await.unwrap();
    let after = release::read(&context.lake, after).await.unwrap();
    let tables = BTreeSet::from(["marts.daily".to_owned()]);
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
    let found = compared(&shop).await;
    assert_eq!(found.columns, ["~ orders VARCHAR -> BIGINT"]);
    assert_eq!((found.added, found.removed, found.changed), (Some(1), Some(0), Some(0)));
    // Of a key that is of another type by now, no row is another's.
    shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "1.00")]);
    let day = "cast(ordered_on as varchar) as ordered_on";
    shop.write("sql/marts/shop/daily.sql", &SQL.replace("select ordered_on", &format!("select {day}")));
    shop.write("sql/marts/shop/daily.yml", &YML.replace("type: DATE", "type: VARCHAR"));
    night("2026-02-03").await;
    let found = compared(&shop).await;
    assert_eq!(found.columns, ["~ ordered_on DATE -> VARCHAR"]);
    assert_eq!((found.rows_before, found.rows_after), (2, 3));
    assert_eq!((found.added, found.removed, found.changed), (None, None, None));
}
