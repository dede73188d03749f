//! Windows that nights in order build: the same table as one build of all that was delivered.

use super::materialize::{events, february, files, from_scratch, shop, status, windowed};
use super::*;

const DAYS: &str = "select day, amount from marts.by_day order by day";

fn by_day(sql: &str) -> Shop {
    let shop = windowed();
    shop.write("sql/marts/shop/by_day.sql", sql);
    shop
}

/// Of which any number of windows may be corrected.
fn without_limit(sql: &str) -> Shop {
    let shop = by_day(sql);
    with_lookups(&shop, ", max_rebuild: 100");
    shop
}

async fn plan(shop: &Shop, night: &str) -> NightPlan {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await.unwrap()
}

fn planned<'a>(plan: &'a NightPlan, node: &str) -> (&'a str, &'a str) {
    let found = plan.nodes.iter().find(|planned| planned.node == node).unwrap();
    (&found.action, &found.why)
}

/// Runs nights, and holds the table after each against one that is built from nothing.
async fn nights_give_what_one_build_does(shop: &Shop, nights: impl IntoIterator<Item = u32>) {
    for night in nights.into_iter().map(february) {
        let report = shop.night(&night).await;
        assert_eq!(report.nodes.failed, 0, "{report:#?}");
        assert_eq!(shop.ask(DAYS).await, from_scratch(shop, &night, DAYS).await, "night {night}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_reads_days_before_it_is_built_once_its_day_has_come() {
    let shop = by_day(
        "select cast(happened_at as date) + 7 as day, cast(sum(amount) as bigint) as amount
        from staging.stg_shop__events
        where cast(happened_at as date) >= $window_start - interval '7' day
            and cast(happened_at as date) < $window_end - interval '7' day
        group by cast(happened_at as date)",
    );
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 1)]);
    events(&shop, &february(2), &[("a", "2026-02-02 10:00:00", 2)]);
    nights_give_what_one_build_does(&shop, 1..=7).await;
    let due = plan(&shop, &february(8)).await;
    let windows = &due.nodes.iter().find(|planned| planned.node == "marts.by_day").unwrap().windows;
    assert!(windows[0].why.contains("its day has come") && windows[0].last == windows[0].first, "{windows:?}");
    nights_give_what_one_build_does(&shop, 8..=10).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-09 | 2 "));
    // Nothing is due any more.
    assert!(plan(&shop, &february(10)).await.is_empty());
    assert_eq!(shop.night(&february(10)).await.status, RunStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_selects_its_window_has_a_row_of_each_however_many_are_built_at_once() {
    let shop = by_day(
        "select $window_start as day, cast(count(distinct id) as bigint) as amount
        from staging.stg_shop__events
        where cast(happened_at as date) >= $window_start - interval '2' day
            and cast(happened_at as date) < $window_end",
    );
    for (day, id) in [(1, "a"), (2, "b"), (6, "c")] {
        events(&shop, &february(day), &[(id, &format!("{} 10:00:00", february(day)), 1)]);
    }
    nights_give_what_one_build_does(&shop, 1..=9).await;
    let seen = shop.ask(DAYS).await;
    for row in ["2026-02-02 | 2 ", "2026-02-03 | 2 ", "2026-02-04 | 1 ", "2026-02-05 | 0 ", "2026-02-08 | 1 "] {
        assert!(seen.contains(row), "{row} in {seen}");
    }
    assert!(seen.contains("2026-02-09 | 0 "), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_day_does_not_have_a_model_built_for_a_century_of_windows() {
    let shop = by_day(
        "select $window_start as day, cast(count(*) as bigint) as amount from staging.stg_shop__events
        where happened_at >= $window_start and happened_at < $window_end",
    );
    events(&shop, &february(1), &[("a", "1900-01-01 10:00:00", 1), ("b", "2026-02-01 10:00:00", 1)]);
    let failed = shop.night(&february(1)).await.failed.unwrap().message;
    assert!(failed.contains("from 1900-01-01 to 2026-02-02") && failed.contains("stray days"), "{failed}");
    assert!(failed.contains("build it by `window: month`"), "real days have a way out too: {failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_begins_at_six_has_the_rows_of_the_night_after_it() {
    let shop = by_day(
        "select cast(happened_at - interval '6' hour as date) as day, cast(sum(amount) as bigint) as amount
        from staging.stg_shop__events
        where happened_at >= cast($window_start as timestamp) + interval '6' hour
            and happened_at < cast($window_end as timestamp) + interval '6' hour
        group by cast(happened_at - interval '6' hour as date)",
    );
    for day in 1..=4 {
        let at = |hour: &str| format!("{} {hour}:00:00", february(day));
        events(&shop, &february(day), &[("a", &at("02"), 1), ("b", &at("12"), 10)]);
    }
    nights_give_what_one_build_does(&shop, 1..=4).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-02 | 11 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_after_midnight_reads_its_own_day() {
    let shop = by_day(
        "select cast(happened_at as date) as day, cast(sum(amount) as bigint) as amount
        from staging.stg_shop__events
        where happened_at > $window_start and happened_at < $window_end
        group by cast(happened_at as date)",
    );
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
    }
    nights_give_what_one_build_does(&shop, 1..=3).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-03 | 3 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_moves_a_value_to_another_column_is_seen() {
    let shop = by_day(
        "select cast(happened_at as date) as day, cast(count(source) * 10 + count(term) as bigint) as amount
        from staging.stg_shop__events
        where happened_at >= $window_start and happened_at < $window_end
        group by cast(happened_at as date)",
    );
    let columns = "columns:
  - { name: happened_at, type: TIMESTAMP }
  - { name: source, type: VARCHAR }
  - { name: term, type: VARCHAR }
";
    let path = "path: 'events/events_{date:%Y-%m-%d}.csv'\nevent_time: happened_at";
    shop.write("sql/sources/events.yml", &format!("description: Events.\n{path}\n{columns}"));
    shop.write("sql/staging/shop/stg_shop__events.sql", "select happened_at, source, term from bronze.events");
    shop.write("sql/staging/shop/stg_shop__events.yml", &format!("materialized: view\n{columns}"));
    let deliver = |row: &str| {
        shop.write(
            "raw/events/events_2026-02-01.csv",
            &format!("happened_at,source,term\n2026-02-01 10:00:00,{row}\n"),
        );
    };
    deliver("spring,");
    nights_give_what_one_build_does(&shop, [1]).await;
    deliver(",spring");
    nights_give_what_one_build_does(&shop, [1, 2]).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-01 | 1 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_that_a_run_found_nothing_changed_in_what_a_table_reads() {
    let shop = windowed();
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 1)]);
    shop.night(&february(1)).await;
    events(&shop, &february(1), &[("b", "2026-02-01 10:00:00", 1)]);
    assert_eq!(status(&shop.night(&february(1)).await, "marts.by_day"), "skipped");
    let after = plan(&shop, &february(1)).await;
    assert_eq!(planned(&after, "marts.by_day"), ("skip", "nothing that its rows are made of changed"));
    assert!(after.is_empty(), "{after:#?}");
}

/// A table by day with a price that it looks up, and a table of its total.
pub(super) fn priced(lookups: &str) -> Shop {
    let shop = shop();
    shop.write(
        "sql/core/shop/prices.sql",
        "select cast(1 as integer) as id, max(amount) as price from staging.stg_shop__events",
    );
    shop.write("sql/core/shop/prices.yml", "columns: [{ name: id, type: INTEGER }, { name: price, type: BIGINT }]\n");
    let sql = "select cast(events.happened_at as date) as day, cast(sum(prices.price) as bigint) as amount
        from staging.stg_shop__events as events
        cross join core.prices as prices
        where events.happened_at >= $window_start and events.happened_at < $window_end
        group by cast(events.happened_at as date)";
    shop.write("sql/marts/shop/by_day.sql", sql);
    with_lookups(&shop, lookups);
    shop.write("sql/marts/shop/total.sql", "select cast(sum(amount) as bigint) as amount from marts.by_day");
    shop.write("sql/marts/shop/total.yml", "columns: [{ name: amount, type: BIGINT }]\n");
    shop
}

fn with_lookups(shop: &Shop, lookups: &str) {
    let yml = format!(
        "materialized: incremental\nincremental: {{ time: day{lookups} }}\nkey: [day]\n\
         columns: [{{ name: day, type: DATE }}, {{ name: amount, type: BIGINT }}]\n"
    );
    shop.write("sql/marts/shop/by_day.yml", &yml);
}

pub(super) const LOOKUPS: &str = ", lookups: [core.prices]";

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_a_table_that_looks_up_is_built_again_after_its_full_refresh() {
    let shop = priced(LOOKUPS);
    for (day, amount) in [(1, 1), (2, 5)] {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), amount)]);
        shop.night(&february(day)).await;
    }
    let total = "select amount from marts.total";
    assert!(shop.ask(total).await.contains("| 6 "), "rows keep what was true when their window was built");
    let select = Some(BTreeSet::from(["marts.by_day".to_owned()]));
    let night = february(2).parse().unwrap();
    let request = RunRequest { night, select, full_refresh: true, ..RunRequest::default() };
    run_night(&shop.open().await, &request).await.unwrap();
    assert_eq!(planned(&plan(&shop, &february(2)).await, "marts.total").0, "build");
    shop.night(&february(2)).await;
    assert!(shop.ask(total).await.contains("| 10 "), "{}", shop.ask(total).await);
    assert!(plan(&shop, &february(2)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_no_lookup_any_more_has_its_rows_followed() {
    let shop = priced(LOOKUPS);
    for (day, amount) in [(1, 1), (2, 5)] {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), amount)]);
        shop.night(&february(day)).await;
    }
    with_lookups(&shop, "");
    assert_eq!(planned(&plan(&shop, &february(2)).await, "marts.by_day"), ("build", "changed: its lookups"));
    let before = files(&shop, "marts.by_day").await;
    nights_give_what_one_build_does(&shop, [2]).await;
    assert!(files(&shop, "marts.by_day").await.is_disjoint(&before), "all rows are made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_reads_from_the_begin_of_its_month_is_built_anew_when_a_day_of_it_changes() {
    let shop = without_limit(
        "with days as (
            select distinct cast(happened_at as date) as day from staging.stg_shop__events
            where happened_at >= $window_start and happened_at < $window_end
        ), m as (
            select cast(happened_at as date) as day, amount from staging.stg_shop__events
            where happened_at >= date_trunc('month', $window_start) and happened_at < $window_end
        )
        select days.day, cast(sum(m.amount) as bigint) as amount from days
        inner join m on m.day <= days.day and m.day >= cast(date_trunc('month', days.day) as date)
        group by days.day",
    );
    for day in 1..=4 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
    }
    nights_give_what_one_build_does(&shop, 1..=4).await;
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 100)]);
    nights_give_what_one_build_does(&shop, [5]).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-02-04 | 109 "), "{}", shop.ask(DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_two_windows_do_not_meet_where_both_are_built_at_once() {
    let bounds = "where happened_at >= $window_start and happened_at < $window_end";
    for sql in [
        &format!(
            "select cast(happened_at as date) as day, amount from staging.stg_shop__events {bounds}
            order by amount desc nulls last limit 1"
        ),
        &format!(
            "with ranked as (
                select cast(happened_at as date) as day, amount,
                    row_number() over (partition by id order by happened_at desc nulls last) as place
                from staging.stg_shop__events {bounds}
            ) select day, cast(sum(amount) as bigint) as amount from ranked where place = 1 group by day"
        ),
    ] {
        let shop = by_day(sql);
        for day in 1..=3 {
            let at = format!("{} 10:00:00", february(day));
            events(&shop, &february(day), &[("a", &at, i64::from(day)), ("b", &at, 1)]);
        }
        nights_give_what_one_build_does(&shop, 1..=3).await;
        assert!(shop.ask(DAYS).await.contains("| 2026-02-01 | "), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_were_built_at_once_though_their_rows_may_meet_are_built_anew_and_a_plan_says_so() {
    let shop = by_day(
        "select cast(happened_at as date) as day, amount from staging.stg_shop__events
        where happened_at >= $window_start and happened_at < $window_end order by amount desc nulls last limit 1",
    );
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), i64::from(day))]);
    }
    shop.night(&february(2)).await;
    // As an older buho left it.
    let records = shop.root.path().join("lake/_buho/windows/marts.by_day");
    for record in std::fs::read_dir(records).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(text.contains("\"apart\":true"), "{text}");
        std::fs::write(&record, text.replace("\"apart\":true", "\"apart\":false")).unwrap();
    }
    let before = files(&shop, "marts.by_day").await;
    let plan = plan(&shop, &february(3)).await;
    let windows = &plan.nodes.iter().find(|planned| planned.node == "marts.by_day").unwrap().windows;
    assert!(windows[0].why.contains("this version of buho builds it one window at a time"), "{windows:?}");
    nights_give_what_one_build_does(&shop, [3]).await;
    assert!(files(&shop, "marts.by_day").await.is_disjoint(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_has_a_row_of_a_quiet_day_has_it_by_night_as_in_one_build() {
    let shop = without_limit(
        "select $window_start as day, cast(count(*) as bigint) as amount from staging.stg_shop__events
        where happened_at >= $window_start and happened_at < $window_end",
    );
    // A night before any row, two with one, a quiet one, and two more that nothing is delivered for.
    for day in [2, 3, 5] {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
    }
    nights_give_what_one_build_does(&shop, 1..=7).await;
    let seen = shop.ask(DAYS).await;
    assert!(seen.contains("| 2026-02-04 | 0 ") && seen.contains("| 2026-02-07 | 0 "), "{seen}");
    assert!(!seen.contains("2026-02-01"), "{seen}");
    let due = plan(&shop, &february(8)).await;
    let windows = &due.nodes.iter().find(|planned| planned.node == "marts.by_day").unwrap().windows;
    assert!(windows[0].why.contains("its day has come") && windows.len() == 1, "{windows:?}");
    // A row before all others comes, and goes again.
    events(&shop, &february(8), &[("late", "2026-01-30 10:00:00", 1)]);
    nights_give_what_one_build_does(&shop, [8]).await;
    assert!(shop.ask(DAYS).await.contains("| 2026-01-31 | 0 "));
    events(&shop, &february(8), &[("late", "2026-02-03 10:00:00", 1)]);
    nights_give_what_one_build_does(&shop, [8, 9]).await;
    assert!(!shop.ask(DAYS).await.contains("2026-01-30"));
    assert!(plan(&shop, &february(9)).await.is_empty());
}
