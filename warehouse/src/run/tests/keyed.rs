//! Tables that build on their rows before by key: merges and histories.

use super::crash::attempt;
use super::materialize::{february, files, from_scratch, shop, status};
use super::*;
use crate::planted::{Bug, plant};
use crate::store::faults::Rule;

const CUSTOMERS: &str = "
description: Customers that changed.
path: 'customers/customers_{date:%Y-%m-%d}.csv'
key: [customer_id]
delivery: append
columns:
  - { name: customer_id, type: VARCHAR, required: true }
  - { name: city, type: VARCHAR }
  - { name: gone, type: BOOLEAN }
";
const STG_CUSTOMERS: &str = "select customer_id, city, gone, _night as delivered_on from bronze.customers";
const STG_CUSTOMERS_YML: &str = "
materialized: view
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: city, type: VARCHAR }
  - { name: gone, type: BOOLEAN }
  - { name: delivered_on, type: DATE }
";
const MERGED: &str = "select customer_id, city, gone, delivered_on from staging.stg_shop__customers
where delivered_on >= $window_start and delivered_on < $window_end";
const MERGED_YML: &str = "
materialized: merge
merge: { time: delivered_on, deleted: gone }
key: [customer_id]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: city, type: VARCHAR }
  - { name: gone, type: BOOLEAN }
  - { name: delivered_on, type: DATE }
";

pub(super) fn customers(shop: &Shop, day: u32, rows: &[(&str, &str, &str)]) {
    let rows: String = rows.iter().map(|(id, city, gone)| format!("{id},{city},{gone}\n")).collect();
    let text = format!("customer_id,city,gone\n{rows}");
    shop.write(&format!("raw/customers/customers_{}.csv", february(day)), &text);
}

fn with_customers() -> Shop {
    let shop = shop();
    shop.write("sql/sources/customers.yml", CUSTOMERS);
    shop.write("sql/staging/shop/stg_shop__customers.sql", STG_CUSTOMERS);
    shop.write("sql/staging/shop/stg_shop__customers.yml", STG_CUSTOMERS_YML);
    shop
}

pub(super) fn merging() -> Shop {
    let shop = with_customers();
    shop.write("sql/core/shop/dim_customer.sql", MERGED);
    shop.write("sql/core/shop/dim_customer.yml", MERGED_YML);
    shop
}

pub(super) const PEOPLE: &str = "select customer_id, city, delivered_on from core.dim_customer order by customer_id";

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_delivery_of_a_key_wins_and_a_deleted_key_goes_and_may_come_back() {
    let shop = merging();
    let deliveries: [&[(&str, &str, &str)]; 4] = [
        &[("a", "Madrid", "false"), ("b", "Lugo", "false"), ("c", "Vigo", "")],
        &[("b", "Jaca", "false"), ("d", "Soria", "false")],
        &[("b", "", "true"), ("a", "Ronda", "false")],
        &[("b", "Olot", "false")],
    ];
    for (day, rows) in (1..).zip(deliveries) {
        customers(&shop, day, rows);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done);
        assert_eq!(shop.ask(PEOPLE).await, from_scratch(&shop, &february(day), PEOPLE).await, "night {day}");
    }
    let seen = shop.ask(PEOPLE).await;
    assert!(
        seen.contains("| a           | Ronda ") && seen.contains("| b           | Olot ") && !seen.contains("Jaca"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_changed_key_are_not_written_anew_by_a_merge() {
    let shop = merging();
    customers(&shop, 1, &[("a", "Madrid", ""), ("b", "Lugo", "")]);
    shop.night(&february(1)).await;
    let first = files(&shop, "core.dim_customer").await;
    customers(&shop, 2, &[("x", "Vigo", ""), ("y", "Jaca", "")]);
    shop.night(&february(2)).await;
    let second = files(&shop, "core.dim_customer").await;
    assert!(first.is_subset(&second));
    customers(&shop, 3, &[("y", "Soria", "")]);
    shop.night(&february(3)).await;
    let third = files(&shop, "core.dim_customer").await;
    assert!(first.is_subset(&third) && !second.is_subset(&third), "{first:?} {second:?} {third:?}");
}

/// What a merge hands on of files is as proven as they were; that a key went from it is not taken on trust.
#[tokio::test]
async fn a_key_that_a_merge_did_not_take_out_of_a_file_fails_the_audit() {
    let shop = merging();
    let names: Vec<String> = (0..20).map(|number| format!("c{number:02}")).collect();
    let all: Vec<(&str, &str, &str)> = names.iter().map(|name| (name.as_str(), "Madrid", "")).collect();
    customers(&shop, 1, &all);
    assert_eq!(shop.night(&february(1)).await.status, RunStatus::Done);
    customers(&shop, 2, &[("c07", "Vigo", "")]);
    let context = shop.open().await;
    let request = RunRequest { night: february(2).parse().unwrap(), ..RunRequest::default() };
    plant(Some(Bug::MergeKeepsOldRows));
    let report = run_night(&context, &request).await.unwrap();
    plant(None);
    assert_eq!(status(&report, "core.dim_customer"), "failed", "{report:#?}");
    let repeated = report.audits.iter().find(|audit| audit.audit == "key_unique" && !audit.passed).unwrap();
    assert!(repeated.examples.as_ref().is_some_and(|found| found.contains("c07")), "{repeated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_corrected_or_comes_late_gives_the_table_of_all_deliveries_in_order() {
    let shop = merging();
    customers(&shop, 1, &[("a", "Madrid", ""), ("b", "Lugo", "")]);
    shop.night(&february(1)).await;
    customers(&shop, 3, &[("a", "Vigo", "")]);
    shop.night(&february(3)).await;
    // The second came late: the third still wins. The first did never have a `b`.
    customers(&shop, 2, &[("a", "Jaca", ""), ("c", "Olot", "")]);
    customers(&shop, 1, &[("a", "Madrid", "")]);
    shop.night(&february(3)).await;
    let seen = shop.ask(PEOPLE).await;
    assert!(seen.contains("Vigo") && seen.contains("Olot") && !seen.contains("Lugo"), "{seen}");
    assert_eq!(seen, from_scratch(&shop, &february(3), PEOPLE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_a_key_that_nothing_tells_apart_fail_the_audit_of_the_key() {
    let shop = merging();
    customers(&shop, 1, &[("a", "Madrid", ""), ("a", "Lugo", "")]);
    let report = shop.night(&february(1)).await;
    assert_eq!(status(&report, "core.dim_customer"), "failed");
}

const HISTORY_YML: &str = "
materialized: scd2
key: [customer_id]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: city, type: VARCHAR }
  - { name: valid_from, type: DATE }
  - { name: valid_to, type: DATE }
";
const HISTORY: &str = "select customer_id, city from staging.stg_shop__customers where delivered_on = $night";
pub(super) const STATES: &str =
    "select customer_id, city, valid_from, valid_to from core.customer_history order by 1, 3";

pub(super) fn keeping_history() -> Shop {
    let shop = with_customers();
    shop.write("sql/core/shop/customer_history.sql", HISTORY);
    shop.write("sql/core/shop/customer_history.yml", HISTORY_YML);
    let states: [&[(&str, &str, &str)]; 5] = [
        &[("a", "Madrid", ""), ("b", "Lugo", "")],
        &[("a", "Madrid", ""), ("b", "Jaca", ""), ("c", "Vigo", "")],
        &[("a", "Madrid", ""), ("c", "Vigo", "")],
        &[("a", "Ronda", ""), ("b", "Jaca", ""), ("c", "Vigo", "")],
        &[("a", "Madrid", ""), ("b", "Jaca", ""), ("c", "", "")],
    ];
    for (day, rows) in (1..).zip(states) {
        customers(&shop, day, rows);
    }
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_the_same_in_whatever_order_its_nights_are_seen() {
    let in_order = keeping_history();
    for day in 1..=5 {
        assert_eq!(in_order.night(&february(day)).await.status, RunStatus::Done, "night {day}");
    }
    let expected = in_order.ask(STATES).await;
    // Gone on the third night and back on the fourth.
    assert!(expected.contains("| b           | Jaca   | 2026-02-02 | 2026-02-03 |"), "{expected}");
    assert!(expected.contains("| b           | Jaca   | 2026-02-04 |            |"), "{expected}");
    assert!(expected.contains("| a           | Madrid | 2026-02-01 | 2026-02-04 |"), "{expected}");
    for order in [[5, 4, 3, 2, 1], [3, 1, 5, 2, 4], [2, 5, 1, 4, 3], [1, 5, 3, 4, 2]] {
        let shop = keeping_history();
        for day in order {
            shop.night(&february(day)).await;
        }
        assert_eq!(shop.ask(STATES).await, expected, "{order:?}");
    }
    let at_once = keeping_history();
    let context = at_once.open().await;
    let earlier = (1..=4).map(|day| february(day).parse().unwrap()).collect();
    let request = RunRequest { night: february(5).parse().unwrap(), earlier, ..RunRequest::default() };
    run_night(&context, &request).await.unwrap();
    assert_eq!(at_once.ask(STATES).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_has_a_state_for_each_change_of_any_of_its_columns() {
    let shop = with_customers();
    shop.write("sql/core/shop/customer_history.sql", &HISTORY.replace("city", "city, gone"));
    let gone = "  - { name: gone, type: BOOLEAN }\n  - { name: valid_from";
    shop.write("sql/core/shop/customer_history.yml", &HISTORY_YML.replace("  - { name: valid_from", gone));
    let states =
        [("Madrid", "false"), ("Madrid", "true"), ("Madrid", "true"), ("Vigo", "true"), ("Vigo", ""), ("Vigo", "")];
    for (day, (city, gone)) in (1..).zip(states) {
        customers(&shop, day, &[("a", city, gone), ("b", "Lugo", "false")]);
        assert_eq!(shop.night(&february(day)).await.status, RunStatus::Done, "night {day}");
    }
    let query = "select customer_id || ' ' || city || ' ' || coalesce(cast(gone as varchar), '?') || ' ' || valid_from \
                 as state from core.customer_history order by 1";
    let found = shop.ask(query).await;
    for state in
        ["a Madrid false 2026-02-01", "a Madrid true 2026-02-02", "a Vigo true 2026-02-04", "a Vigo ? 2026-02-05"]
    {
        assert!(found.contains(state), "{state}: {found}");
    }
    assert_eq!(found.matches("2026-02-").count(), 5, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_delivery_corrects_the_history_of_its_night() {
    let shop = keeping_history();
    for day in 1..=5 {
        shop.night(&february(day)).await;
    }
    customers(&shop, 2, &[("a", "Madrid", ""), ("b", "Lugo", ""), ("c", "Vigo", "")]);
    shop.night(&february(5)).await;
    let corrected = shop.ask(STATES).await;
    assert!(corrected.contains("| b           | Lugo   | 2026-02-01 | 2026-02-03 |"), "{corrected}");
    let context = shop.open().await;
    let request = RunRequest { night: february(5).parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    run_night(&context, &request).await.unwrap();
    assert_eq!(shop.ask(STATES).await, corrected);
}

/// The later night's deliveries are in the lake when the earlier one is run again, and its table is ahead.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_night_has_the_keys_again_that_a_dead_run_of_a_later_one_had_deleted() {
    let request = |day: u32| RunRequest { night: february(day).parse().unwrap(), ..RunRequest::default() };
    let delivered = async || {
        let shop = merging();
        let deliveries: [&[(&str, &str, &str)]; 4] = [
            &[("a", "Madrid", ""), ("b", "Lugo", ""), ("c", "Vigo", "")],
            &[("b", "Jaca", "")],
            &[("d", "Soria", "")],
            &[("b", "", "true"), ("c", "Olot", "")],
        ];
        for (day, rows) in (1..).zip(deliveries) {
            customers(&shop, day, rows);
            if day < 4 {
                shop.night(&february(day)).await;
            }
        }
        shop
    };
    let reference = delivered().await;
    let expected = reference.ask(PEOPLE).await;
    let (context, store) = attempt(&reference, 0, Rule::Never).await;
    run_night(&context, &request(4)).await.unwrap();
    let writes = store.writes();
    let mut ahead = 0;
    for write in writes.saturating_sub(12)..=writes {
        let shop = delivered().await;
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let _died = run_night(&context, &request(4)).await;
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        let left = TableSnapshot::load(&context.lake, "core.dim_customer", None).await.unwrap().unwrap();
        run_night(&context, &request(3)).await.unwrap();
        // Its link was in the chain: then it is released.
        if release::latest(&context.lake).await.unwrap().unwrap().night == request(4).night {
            continue;
        }
        ahead += u32::from(left.version > 2);
        assert_eq!(shop.ask(PEOPLE).await, expected, "died at write {write} of {writes}");
    }
    assert!(ahead > 0, "no run died behind the commit of the table");
}
