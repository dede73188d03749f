//! What readers are shown, and what is asked, where an earlier release is restored or a view is held.

use super::materialize::{events, february, shop};
use super::*;

const OF_TONIGHT: &str = "select id from bronze.events where cast(happened_at as date) = $night";
const OF_TONIGHT_YML: &str = "materialized: view\ncolumns: [ { name: id, type: VARCHAR } ]\n";

/// Nights of one event each, seen by a view that asks for the night.
async fn of_nights(last: u32) -> Shop {
    let shop = shop();
    shop.write("sql/staging/shop/of_tonight.sql", OF_TONIGHT);
    shop.write("sql/staging/shop/of_tonight.yml", OF_TONIGHT_YML);
    for day in 1..=last {
        events(&shop, &february(day), &[(&format!("e{day}"), &format!("{} 10:00:00", february(day)), 1)]);
        shop.night(&february(day)).await;
    }
    shop
}

async fn answer(shop: &Shop, release: Option<&str>, sql: &str) -> String {
    let context = shop.open().await;
    let release = release.map(|id| id.parse().unwrap());
    let reader =
        Reader::open(&context.project, &context.lake, &context.engine, release, context.clock.as_ref()).await.unwrap();
    pretty_format_batches(&reader.query(sql).await.unwrap().collect().await.unwrap()).unwrap().to_string()
}

const QUESTIONS: [&str; 4] = [
    "select id from staging.of_tonight",
    "select id from staging.stg_shop__events order by id",
    "select id from bronze.events order by id",
    "select id from bronze.events where cast(happened_at as date) = $night",
];

async fn shows(shop: &Shop, restored: &str) {
    for question in QUESTIONS {
        assert_eq!(answer(shop, None, question).await, answer(shop, Some(restored), question).await, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_shows_views_and_bronze_as_of_the_night_that_it_restores() {
    let shop = of_nights(5).await;
    rollback(&shop.open().await, "2026-02-02.1".parse().unwrap()).await.unwrap();
    shows(&shop, "2026-02-02.1").await;
    assert!(answer(&shop, None, QUESTIONS[0]).await.contains("e2"));
    // One that restores a rollback is of the night which that one restored.
    rollback(&shop.open().await, "2026-02-04.1".parse().unwrap()).await.unwrap();
    shows(&shop, "2026-02-04.1").await;
    rollback(&shop.open().await, "2026-02-05.2".parse().unwrap()).await.unwrap();
    shows(&shop, "2026-02-02.1").await;
    let forward = shop.night(&february(5)).await;
    assert_eq!(forward.release.as_deref(), Some("2026-02-05.5"), "{forward:#?}");
    shows(&shop, "2026-02-05.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_of_a_version_that_did_not_say_its_night_shows_that_of_the_release_which_it_names() {
    let shop = of_nights(3).await;
    let restored = rollback(&shop.open().await, "2026-02-02.1".parse().unwrap()).await.unwrap();
    let file = shop.root.path().join("lake").join(restored.id().file());
    let text = std::fs::read_to_string(&file).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said.as_object_mut().unwrap().remove("shows"), Some("2026-02-02".into()));
    std::fs::write(&file, said.to_string()).unwrap();
    shows(&shop, "2026-02-02.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_held_is_shown_at_the_night_of_its_last_release() {
    let shop = of_nights(0).await;
    let contract = super::materialize::EVENTS;
    shop.write("sql/sources/events.yml", &format!("{contract}expect: {{ every: 1 day, missing: hold }}\n"));
    shop.write("sql/staging/shop/over.sql", "select id from staging.of_tonight");
    shop.write("sql/staging/shop/over.yml", OF_TONIGHT_YML);
    events(&shop, &february(1), &[("e1", "2026-02-01 10:00:00", 1)]);
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "1.00")]);
    shop.night(&february(1)).await;
    shop.orders("2026-02-03", &[("b", "2026-02-03 10:00:00", "1.00")]);
    let report = shop.night(&february(3)).await;
    assert_eq!(report.release.as_deref(), Some("2026-02-03.1"), "{report:#?}");
    let both = "select over.id, daily.ordered_on from staging.over as over cross join marts.daily as daily";
    let seen = answer(&shop, None, both).await;
    assert!(seen.contains("e1") && seen.contains("2026-02-03"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_passes_over_audits_of_what_its_release_does_not_have_and_names_them() {
    let shop = Shop::new();
    let days = |day: u32| {
        shop.orders(&february(day), &[("a", &format!("{} 10:00:00", february(day)), "10.50")]);
    };
    let view = |columns: &str, more: &str| {
        let yml = format!("columns:\n  - {{ name: order_id, type: VARCHAR }}\n{more}");
        let base = columns.replace("late", "cast(1 as bigint) as late");
        shop.write("sql/core/shop/base.sql", &format!("select {base} from staging.stg_shop__orders"));
        shop.write("sql/core/shop/base.yml", &yml);
        shop.write("sql/core/shop/seen.sql", &format!("select {columns} from core.base"));
        shop.write("sql/core/shop/seen.yml", &format!("materialized: view\n{yml}"));
    };
    view("order_id", "");
    let seen = "  - { name: seen, sql: \"select * from core.seen where order_id = 'none'\" }\n";
    shop.write("sql/marts/shop/daily.yml", &format!("{DAILY_YML}{seen}"));
    days(1);
    shop.night(&february(1)).await;
    days(2);
    // Columns and a table that come later.
    view("order_id, late", "  - { name: late, type: BIGINT }\n");
    let more = DAILY_SQL.replace("as revenue", "as revenue, cast(count(*) as bigint) as orders");
    let yml = DAILY_YML.replace("audits:", "  - { name: orders, type: BIGINT, audits: [not_null] }\naudits:");
    let audits = format!(
        "{seen}  - {{ relationships: {{ column: ordered_on, to: core.calendar, field: day }} }}
  - {{ name: none_late, sql: 'select * from core.seen where late < 0' }}\n"
    );
    shop.write("sql/marts/shop/daily.sql", &more);
    shop.write("sql/marts/shop/daily.yml", &format!("{yml}{audits}"));
    shop.write("sql/core/shop/calendar.sql", "select distinct ordered_on as day from staging.stg_shop__orders");
    shop.write("sql/core/shop/calendar.yml", "columns: [ { name: day, type: DATE } ]\n");
    let second = shop.night(&february(2)).await;
    assert_eq!(second.status, RunStatus::Done, "{second:#?}");

    let to = "2026-02-01.1".parse().unwrap();
    let (restored, said) = crate::run::rollback::told(&shop.open().await, to).await.unwrap();
    assert_eq!(restored.restores.as_deref(), Some("2026-02-01.1"));
    let told = "the audits not_null_orders of marts.daily, relationships_ordered_on of marts.daily, none_late of \
                marts.daily are not asked: the release that is restored does not have what they ask for";
    assert_eq!(said.into_iter().collect::<Vec<_>>(), [told]);
    let days = shop.ask("select * from marts.daily").await;
    assert!(days.contains("2026-02-01") && !days.contains("orders") && !days.contains("2026-02-02"), "{days}");
    // What can be asked of it is.
    let strict = yml.replace("revenue < 0", "revenue > 5");
    assert_ne!(strict, yml);
    shop.write("sql/marts/shop/daily.yml", &format!("{strict}{audits}"));
    let refused = rollback(&shop.open().await, "2026-02-02.1".parse().unwrap()).await.unwrap_err().to_string();
    assert!(refused.contains("audit revenue_is_positive failed"), "{refused}");
}
