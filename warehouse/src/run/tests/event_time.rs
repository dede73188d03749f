//! A contract that names another column, or none, by which rows wait for their night.

use super::materialize::february;
use super::*;

const EVENTS: &str = "
description: Events.
path: 'events/events_{date:%Y-%m-%d}.csv'
columns:
  - { name: id, type: VARCHAR, required: true }
  - { name: happened_at, type: TIMESTAMP, required: true }
  - { name: seen_at, type: TIMESTAMP, required: true }
  - { name: amount, type: BIGINT, required: true }
";
const COLUMNS: &str = "
columns:
  - { name: id, type: VARCHAR }
  - { name: happened_at, type: TIMESTAMP }
  - { name: amount, type: BIGINT }
  - { name: delivered_on, type: DATE }
";
const KEYED: &str = "
columns:
  - { name: id, type: VARCHAR }
  - { name: amount, type: BIGINT }
";
const EVERYTHING: &str = "select 'whole' as kind, id, amount, null as since, null as until from marts.whole
union all select 'day', cast(day as varchar), amount, null, null from marts.by_day
union all select 'key', id, amount, null, null from core.by_key
union all select 'state', id, amount, valid_from, valid_to from core.states order by 1, 2, 4";

fn names(shop: &Shop, event_time: Option<&str>) {
    let line = event_time.map(|name| format!("event_time: {name}\n")).unwrap_or_default();
    shop.write("sql/sources/events.yml", &format!("{EVENTS}{line}"));
}

/// Events in a table of every kind.
fn shop(event_time: Option<&str>) -> Shop {
    let shop = Shop::new();
    names(&shop, event_time);
    let staged = "select id, happened_at, amount, _night as delivered_on from bronze.events";
    let by_day = "select cast(happened_at as date) as day, cast(sum(amount) as bigint) as amount
        from staging.stg_shop__events where happened_at >= $window_start and happened_at < $window_end
        group by cast(happened_at as date)";
    let by_day_yml = "materialized: incremental\nincremental: { time: day }\nkey: [day]
columns: [ { name: day, type: DATE }, { name: amount, type: BIGINT } ]\n";
    let by_key = "select id, amount, delivered_on from staging.stg_shop__events
        where delivered_on >= $window_start and delivered_on < $window_end";
    let by_key_yml = format!(
        "materialized: merge\nmerge: {{ time: delivered_on }}\nkey: [id]{KEYED}  - {{ name: delivered_on, type: DATE }}\n"
    );
    let states_yml = format!(
        "materialized: scd2\nkey: [id]{KEYED}  - {{ name: valid_from, type: DATE }}\n  - {{ name: valid_to, type: DATE }}\n"
    );
    let all = "select id, amount from staging.stg_shop__events";
    for (path, sql, yml) in [
        ("staging/shop/stg_shop__events", staged, format!("materialized: view{COLUMNS}")),
        ("marts/shop/whole", all, KEYED.to_owned()),
        ("marts/shop/by_day", by_day, by_day_yml.to_owned()),
        ("core/shop/by_key", by_key, by_key_yml),
        ("core/shop/states", all, states_yml),
    ] {
        shop.write(&format!("sql/{path}.sql"), sql);
        shop.write(&format!("sql/{path}.yml"), &yml);
    }
    let file = |day: u32, rows: &str| {
        let text = format!("id,happened_at,seen_at,amount\n{rows}");
        shop.write(&format!("raw/events/events_{}.csv", february(day)), &text);
    };
    file(
        1,
        "a,2026-02-01 10:00:00,2026-02-04 10:00:00,1\nb,2026-02-04 10:00:00,2026-02-01 10:00:00,2\n\
         c,2026-02-02 10:00:00,2026-02-02 10:00:00,4\n",
    );
    file(3, "d,2026-02-03 10:00:00,2026-02-03 10:00:00,8\n");
    shop
}

/// What the tables are after nights under one contract and the same night again under another, and a night later.
async fn seen(before: Option<&str>, now: Option<&str>) -> [String; 2] {
    let shop = shop(before);
    for day in [1, 3] {
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
    }
    names(&shop, now);
    let mut seen = [String::new(), String::new()];
    for (day, seen) in [3, 5].into_iter().zip(&mut seen) {
        let report = shop.night(&february(day)).await;
        assert_eq!(report.worst(), None, "{report:#?}");
        *seen = shop.ask(EVERYTHING).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_kind_follow_the_event_time_of_a_contract_as_if_it_had_always_been_that() {
    let (happened, other) = (Some("happened_at"), Some("seen_at"));
    for (before, now) in [(happened, None), (happened, other), (None, happened)] {
        let (followed, always) = (seen(before, now).await, seen(now, now).await);
        assert_ne!(always[0], seen(before, before).await[0]);
        for (followed, always) in followed.iter().zip(&always) {
            assert_eq!(followed, always, "{before:?}, then {now:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_waited_for_their_night_come_once_nothing_waits_and_the_same_night_again_has_nothing_to_do() {
    let shop = super::materialize::windowed();
    let early = [("a", "2026-02-01 10:00:00", 1), ("early", "2026-02-03 10:00:00", 50)];
    super::materialize::events(&shop, &february(1), &early);
    shop.night(&february(1)).await;
    let days = super::materialize::DAYS;
    assert!(!shop.ask(days).await.contains("2026-02-03"));
    let contract = super::materialize::EVENTS.replace("event_time: happened_at\n", "");
    shop.write("sql/sources/events.yml", &contract);
    shop.night(&february(1)).await;
    assert!(shop.ask(days).await.contains("| 2026-02-03 | 50 "), "{}", shop.ask(days).await);
    assert_eq!(shop.night(&february(1)).await.status, RunStatus::Skipped);
}
