//! Held rows of files that the mended contract cuts otherwise: other quotes, a header.

use super::crash::attempt;
use super::*;
use crate::store::faults::Rule;

const DAY: &str = "2026-02-01";
const ROWS: &str = "select _record, order_id, note, amount from bronze.orders order by _record";
const HELD: &str = "select record, line, status from ops.quarantine order by record";
const HEADER: &str = "order_id,ordered_at,note,amount\n";
/// One row, on two lines.
const BROKEN: &str = "a,2026-02-01 10:00:00,\"red\nblue\",1.00\n";
const PLAIN: &str = "b,2026-02-01 11:00:00,plain,2.00\nc,2026-02-01 12:00:00,plain,3.00\n";

fn contract(shop: &Shop, format: &str) {
    let text = ORDERS
        .replace("  - { name: amount", "  - { name: note, type: VARCHAR }\n  - { name: amount")
        .replace("key: [order_id]", &format!("key: [order_id]\nformat: {{ type: csv, {format} }}"));
    shop.write("sql/sources/orders.yml", &text);
}

/// A night over a file of which some records are held.
async fn held(format: &str, text: &str, records: u64) -> Shop {
    let shop = Shop::new();
    contract(&shop, format);
    shop.write("raw/orders/orders_2026-02-01.csv", text);
    let report = shop.night(DAY).await;
    assert_eq!((&report.status, report.rows.quarantined), (&RunStatus::Done, records), "{report:#?}");
    shop
}

async fn all_tried(shop: &Shop) -> Tried {
    replay(&shop.open().await, "orders", &Choice::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_held_as_two_is_loaded_once_and_no_other_row_twice() {
    let blank = BROKEN.replace("red\n", "red\n\n");
    for (text, number) in [
        (format!("{HEADER}{BROKEN}{PLAIN}"), 1),
        (format!("{HEADER}{PLAIN}{BROKEN}"), 3),
        (format!("{HEADER}{blank}{PLAIN}"), 1),
    ] {
        let shop = held("quote: ''", &text, 2).await;
        contract(&shop, "quote: '\"'");
        assert_eq!(all_tried(&shop).await.counts(), (2, 2), "{text}");
        shop.night(DAY).await;
        let rows = shop.ask("select _record, order_id, amount from bronze.orders order by order_id").await;
        assert!(rows.contains(&format!("| {number}       | a        | 1.00")), "{rows}");
        let counts = shop.ask("select count(*) as n, count(distinct order_id) as ids from bronze.orders").await;
        assert!(counts.contains("| 3 | 3 "), "{counts}");
        assert_eq!(shop.ask(HELD).await.matches("replayed").count(), 2);
        assert_eq!(all_tried(&shop).await.counts(), (0, 0));
        assert_eq!(shop.night(DAY).await.status, RunStatus::Skipped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_half_that_was_asked_for_brings_the_whole_row() {
    let shop = held("quote: ''", &format!("{HEADER}{BROKEN}{PLAIN}"), 2).await;
    contract(&shop, "quote: '\"'");
    let second = Choice { file: None, record: Some(2) };
    let tried = replay(&shop.open().await, "orders", &second).await.unwrap();
    assert_eq!((tried.held, shop.ask(HELD).await.matches("replayed").count()), (1, 2));
    shop.night(DAY).await;
    assert!(shop.ask(ROWS).await.contains("| 1       | a "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_died_at_any_write_leaves_a_row_of_two_halves_once() {
    let mut reference = String::new();
    for write in 0.. {
        let shop = held("quote: ''", &format!("{HEADER}{BROKEN}{PLAIN}"), 2).await;
        contract(&shop, "quote: '\"'");
        let rule = if write == 0 { Rule::Never } else { Rule::DiesAt { write, applied: true } };
        let (context, store) = attempt(&shop, 0, rule).await;
        let died = replay(&context, "orders", &Choice::default()).await;
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        replay(&context, "orders", &Choice::default()).await.unwrap();
        let (context, _) = attempt(&shop, 4, Rule::Never).await;
        run_night(&context, &RunRequest { night: DAY.parse().unwrap(), ..RunRequest::default() }).await.unwrap();
        let rows = format!("{}\n{}", shop.ask(ROWS).await, shop.ask(HELD).await);
        if write == 0 {
            assert_eq!(rows.matches("replayed").count(), 2, "{rows}");
            reference = rows;
        } else if died.is_ok() && store.injected().is_empty() {
            break;
        } else {
            assert_eq!(rows, reference, "died at write {write}");
        }
    }
}

/// What stays held, and nothing in bronze moved.
async fn nothing_is_replayed(shop: &Shop, records: u64) {
    let before = shop.ask(ROWS).await;
    assert_eq!(all_tried(shop).await.counts(), (records, 0));
    shop.night(DAY).await;
    assert_eq!(shop.ask(ROWS).await, before);
    assert_eq!(shop.ask(HELD).await.matches("held").count() as u64, records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_which_a_half_was_loaded_stays_held() {
    // The second half fits as it is.
    let broken = "a,2026-02-01 10:00:00,\"red\nblue,2026-02-01 10:00:00,\",1.00\n";
    let shop = held("quote: ''", &format!("{HEADER}{broken}{PLAIN}"), 1).await;
    contract(&shop, "quote: '\"'");
    nothing_is_replayed(&shop, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_that_were_held_as_one_stay_held_rather_than_lose_one() {
    let two = "a,2026-02-01 10:00:00,\"x,1.00\nd,2026-02-01 10:00:00,y\",n/a\n";
    let shop = held("quote: '\"'", &format!("{HEADER}{two}{PLAIN}"), 1).await;
    contract(&shop, "quote: ''");
    nothing_is_replayed(&shop, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_was_held_as_a_row_does_not_bring_the_row_behind_it() {
    let shop = held("header: false", &format!("{HEADER}{PLAIN}"), 1).await;
    contract(&shop, "header: true");
    nothing_is_replayed(&shop, 1).await;
}
