//! Backfills of nights that were run before, and what comes with them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::materialize::{DAYS, events, february, from_scratch, windowed};
use super::*;
use crate::graph;
use crate::store::faults::{FaultyStore, Rule};

const CUSTOMERS: &str = "
description: Customers that changed.
path: 'customers/*.csv'
key: [customer_id]
delivery: append
columns:
  - { name: customer_id, type: VARCHAR, required: true }
  - { name: city, type: VARCHAR }
  - { name: version, type: INTEGER }
";
const STAGED: &str = "select customer_id, city, version, _night as delivered_on from bronze.customers";
const PEOPLE_SQL: &str = "select customer_id, city, version, delivered_on from staging.stg_shop__customers
where delivered_on >= $window_start and delivered_on < $window_end";
const PEOPLE_COLUMNS: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: city, type: VARCHAR }
  - { name: version, type: INTEGER }
  - { name: delivered_on, type: DATE }
";
const ARRIVALS: &str = "select delivered_on, count(*) as customers from staging.stg_shop__customers
where delivered_on >= $window_start and delivered_on < $window_end group by delivered_on";
const ARRIVALS_YML: &str = "
materialized: incremental
incremental: { time: delivered_on }
columns: [{ name: delivered_on, type: DATE }, { name: customers, type: BIGINT }]
";
const PEOPLE: &str = "select city, delivered_on from core.people";

fn customers(shop: &Shop, file: &str, city: &str, version: u32) {
    shop.write(&format!("raw/customers/{file}.csv"), &format!("customer_id,city,version\na,{city},{version}\n"));
}

/// Eight nights of events, and customers in files without a date.
async fn eight_nights() -> Shop {
    let shop = windowed();
    shop.write("sql/sources/customers.yml", CUSTOMERS);
    shop.write("sql/staging/shop/stg_shop__customers.sql", STAGED);
    shop.write("sql/staging/shop/stg_shop__customers.yml", &format!("materialized: view\n{PEOPLE_COLUMNS}"));
    shop.write("sql/core/shop/people.sql", PEOPLE_SQL);
    let merge = "materialized: merge\nmerge: { time: delivered_on, newest: [version] }\nkey: [customer_id]\n";
    shop.write("sql/core/shop/people.yml", &format!("{merge}{PEOPLE_COLUMNS}"));
    shop.write("sql/marts/shop/arrivals.sql", ARRIVALS);
    shop.write("sql/marts/shop/arrivals.yml", ARRIVALS_YML);
    for day in 1..=8 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
    }
    customers(&shop, "first", "Vigo", 1);
    assert_eq!(shop.night(&february(8)).await.status, RunStatus::Done);
    shop
}

async fn backfilled(context: &RunContext, from: &str, to: &str, select: Option<&BTreeSet<String>>) -> Vec<RunStatus> {
    let mut ended = Vec::new();
    let tell = |report: RunReport| ended.push(report.status);
    backfill(context, from.parse().unwrap(), to.parse().unwrap(), 1, select, tell).await.unwrap();
    ended
}

/// Runs the backfill that a message names.
async fn run_as_told(shop: &Shop, message: &str) -> Vec<RunStatus> {
    let command = message.split('`').find(|quoted| quoted.starts_with("buho backfill")).unwrap();
    let words: Vec<&str> = command.split_whitespace().collect();
    let ["buho", "backfill", "--from", from, "--to", to, "--select", selector] = words[..] else {
        panic!("{command}");
    };
    let context = shop.open().await;
    let select = graph::select(selector, &context.graph).unwrap();
    backfilled(&context, from, to, Some(&select)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_a_refused_correction_names_mends_the_table_and_leaves_old_nights_alone() {
    let shop = eight_nights().await;
    shop.write("sql/marts/shop/total.sql", "select cast(sum(amount) as bigint) as amount from marts.by_day");
    shop.write("sql/marts/shop/total.yml", "columns: [{ name: amount, type: BIGINT }]\n");
    shop.night(&february(8)).await;
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 5)]);
    }
    let told = shop.night(&february(8)).await.failed.unwrap().message;
    customers(&shop, "second", "Lugo", 2);
    assert_eq!(run_as_told(&shop, &told).await, [RunStatus::Done], "{told}");
    for question in [DAYS, "select amount from marts.total"] {
        assert_eq!(shop.ask(question).await, from_scratch(&shop, &february(8), question).await);
    }
    assert_eq!(shop.night(&february(8)).await.status, RunStatus::Done);
    assert!(shop.ask(PEOPLE).await.contains("| Lugo | 2026-02-08 "), "{}", shop.ask(PEOPLE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_date_that_comes_with_older_nights_is_of_the_night_that_is_built() {
    let shop = eight_nights().await;
    customers(&shop, "second", "Lugo", 2);
    let older = RunRequest { night: february(3).parse().unwrap(), ..RunRequest::default() };
    let plan = plan_night(&shop.open().await, &older).await.unwrap();
    let arrivals = plan.nodes.iter().find(|planned| planned.node == "marts.arrivals").unwrap();
    assert_eq!(arrivals.windows[0].first, Some(february(8).parse().unwrap()), "{arrivals:?}");
    backfilled(&shop.open().await, &february(1), &february(8), None).await;
    assert!(shop.ask(PEOPLE).await.contains("| Lugo | 2026-02-08 "), "{}", shop.ask(PEOPLE).await);
    customers(&shop, "third", "Olot", 3);
    shop.night(&february(3)).await;
    assert!(shop.ask(PEOPLE).await.contains("| Olot | 2026-02-08 "), "{}", shop.ask(PEOPLE).await);
    assert!(shop.ask("select customers from marts.arrivals").await.contains("| 3 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_lists_a_source_once_for_all_nights_that_bring_nothing() {
    let shop = eight_nights().await;
    let mut context = shop.open().await;
    let raw = FaultyStore::new(Arc::clone(&context.raw), Rule::Never);
    let requests = AtomicUsize::new(0);
    raw.watch(move || requests.fetch_add(1, Ordering::SeqCst) + 1);
    context.raw = Arc::new(raw.clone());
    let nights = [february(1), february(8)];
    assert_eq!(backfilled(&context, &nights[0], &nights[1], None).await, [RunStatus::Skipped]);
    // Three sources, once for the seven nights before and once for the eighth.
    assert_eq!(raw.highest(), 6);
    // What came late for one of them is not passed over.
    events(&shop, &february(3), &[("a", "2026-02-03 10:00:00", 7)]);
    shop.orders(&february(4), &[("a", "2026-02-04 10:00:00", "1.00")]);
    assert_eq!(backfilled(&shop.open().await, &nights[0], &nights[1], None).await, [RunStatus::Done]);
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(8), DAYS).await);
}
