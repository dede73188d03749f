//! Exports agree with each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::export::tables::Source;
use super::reading::{Row, amount, rows, text};
use super::{Demo, demo};

fn shop() -> Demo {
    demo(1_500, |_| {}, 2)
}

fn keys(rows: &[Row], column: &str) -> HashSet<String> {
    rows.iter().filter_map(|row| row.get(column).cloned()).collect()
}

fn assert_within(rows: &[Row], column: &str, keys: &HashSet<String>, what: &str) {
    for row in rows {
        if let Some(key) = row.get(column) {
            assert!(keys.contains(key), "{what}: {column} {key} is nowhere");
        }
    }
}

fn day(row: &Row, column: &str) -> String {
    text(row, column).chars().take(10).collect()
}

#[test]
fn every_reference_leads_somewhere() {
    let demo = shop();
    let customers = keys(&rows(&demo, Source::Customers), "customer_id");
    let products = keys(&rows(&demo, Source::Products), "product_id");
    let orders = keys(&rows(&demo, Source::Orders), "order_id");
    let sessions = keys(&rows(&demo, Source::Sessions), "session_id");
    let suppliers = keys(&rows(&demo, Source::Products), "supplier_id");
    assert_eq!(customers.len(), 1_500);
    let mut used = HashSet::new();
    for source in Source::EXPORTS {
        let rows = rows(&demo, source);
        assert!(!rows.is_empty(), "{source:?}");
        let name = source.shape().name;
        assert_within(&rows, "customer_id", &customers, name);
        assert_within(&rows, "product_id", &products, name);
        assert_within(&rows, "order_id", &orders, name);
        assert_within(&rows, "session_id", &sessions, name);
        assert_within(&rows, "supplier_id", &suppliers, name);
        if source == Source::ExperimentAssignments {
            used = keys(&rows, "subject_id");
            assert_within(&rows, "subject_id", &customers, name);
        }
        if source == Source::ExperimentExposures {
            assert_within(&rows, "subject_id", &used, name);
        }
        if source == Source::OrderItems {
            assert_eq!(keys(&rows, "order_id"), orders, "every order has a line");
        }
    }
}

#[test]
fn keys_are_unique() {
    let demo = shop();
    let unique: [(Source, &[&str]); 12] = [
        (Source::OrderItems, &["order_id", "line_number"]),
        (Source::Payments, &["payment_id"]),
        (Source::Refunds, &["refund_id"]),
        (Source::Sessions, &["session_id"]),
        (Source::PageEvents, &["event_id"]),
        (Source::PageSummaries, &["day", "page"]),
        (Source::Messages, &["event_id"]),
        (Source::Reviews, &["review_id"]),
        (Source::LoyaltyPoints, &["entry_id"]),
        (Source::InventorySnapshots, &["day", "product_id", "location"]),
        (Source::CompetitorPrices, &["day", "product_id", "competitor"]),
        (Source::ExperimentAssignments, &["experiment", "subject_id"]),
    ];
    for (source, columns) in unique {
        let mut seen = HashSet::new();
        for row in rows(&demo, source) {
            let key: Vec<String> = columns.iter().map(|column| row[column].clone()).collect();
            assert!(seen.insert(key.clone()), "{source:?}: {key:?} twice");
        }
    }
    let messages = rows(&demo, Source::Messages);
    let sent: Vec<&Row> = messages.iter().filter(|row| row["event_type"] == "sent").collect();
    let ids: HashSet<&String> = sent.iter().map(|row| &row["message_id"]).collect();
    assert_eq!(sent.len(), ids.len(), "a message is sent once");
    assert_eq!(ids, messages.iter().map(|row| &row["message_id"]).collect());
}

#[test]
fn amounts_add_up_to_the_cent() {
    let demo = shop();
    let mut lines: HashMap<String, i64> = HashMap::new();
    for row in rows(&demo, Source::OrderItems) {
        let quantity: i64 = row["quantity"].parse().expect("a number");
        let net = quantity * amount(&row, "unit_price") - amount(&row, "discount_amount");
        assert!(net > 0);
        *lines.entry(row["order_id"].clone()).or_default() += net;
    }
    let mut captured: HashMap<String, i64> = HashMap::new();
    for row in rows(&demo, Source::Payments).iter().filter(|row| row["status"] == "captured") {
        assert!(captured.insert(row["order_id"].clone(), amount(row, "amount")).is_none());
    }
    for order in rows(&demo, Source::Orders) {
        let total = lines[&order["order_id"]] - amount(&order, "discount_amount")
            + amount(&order, "shipping_amount")
            + amount(&order, "tax_amount");
        assert_eq!(total, amount(&order, "total_amount"), "{}", order["order_id"]);
        let paid = matches!(text(&order, "status"), "paid" | "shipped" | "delivered");
        let wanted = paid.then_some(&total);
        assert_eq!(captured.get(&order["order_id"]), wanted, "{order:?}");
    }
    let mut refunded: HashMap<String, i64> = HashMap::new();
    for row in rows(&demo, Source::Refunds) {
        *refunded.entry(row["order_id"].clone()).or_default() += amount(&row, "amount");
    }
    assert!(refunded.iter().all(|(order, back)| *back > 0 && *back <= lines[order]));
}

#[test]
fn a_visit_a_cart_and_an_order_tell_the_same_story() {
    let demo = shop();
    let mut events: HashMap<String, Vec<Row>> = HashMap::new();
    for row in rows(&demo, Source::PageEvents) {
        events.entry(row["session_id"].clone()).or_default().push(row);
    }
    let sessions = rows(&demo, Source::Sessions);
    assert_eq!(sessions.len(), events.len(), "every session has events");
    let mut purchases: HashMap<String, i32> = HashMap::new();
    for session in &sessions {
        let mut events = events[&session["session_id"]].clone();
        events.sort_by_key(|event| event["occurred_at"].clone());
        assert_eq!(events[0]["occurred_at"], session["started_at"]);
        assert!(events.iter().all(|event| event["occurred_at"] <= session["ended_at"]));
        assert_eq!(day(session, "started_at"), day(session, "ended_at"));
        let loads = events.iter().filter(|event| event["event_type"] != "add_to_cart").count();
        assert_eq!(session["page_views"], loads.to_string());
        for event in events.iter().filter(|event| event["event_type"] == "purchase") {
            let customer = session["customer_id"].clone();
            *purchases.entry(format!("{customer} {}", event["occurred_at"])).or_default() += 1;
        }
    }
    let carts = rows(&demo, Source::Carts);
    let mut bought: HashMap<&str, &Row> = HashMap::new();
    for cart in &carts {
        assert!(text(cart, "created_at") <= text(cart, "updated_at"));
        assert_eq!(cart.contains_key("order_id"), cart.contains_key("converted_at"));
        if let Some(order) = cart.get("order_id") {
            assert!(bought.insert(order, cart).is_none(), "one cart an order");
            assert!(cart.contains_key("checkout_started_at"));
        }
    }
    let orders = rows(&demo, Source::Orders);
    let online = |order: &&Row| matches!(text(order, "channel"), "web" | "app");
    for order in orders.iter().filter(online) {
        let key = format!("{} {}", order["customer_id"], order["ordered_at"]);
        assert_eq!(purchases.remove(&key), Some(1), "{key}");
        assert_eq!(bought[order["order_id"].as_str()]["converted_at"], order["ordered_at"]);
    }
    assert!(purchases.is_empty(), "no purchase without an order");
    assert_eq!(bought.len(), orders.iter().filter(online).count());
    let resumed = bought.values().filter(|cart| day(cart, "created_at") < day(cart, "converted_at"));
    assert!(resumed.count() > 10, "some carts are bought on a later day");
    let share = bought.len() as f64 / carts.len() as f64;
    assert!((0.2..0.75).contains(&share), "carts that convert: {share}");
}

#[test]
fn stock_falls_by_what_is_sold_and_rises_by_what_arrives() {
    let demo = shop();
    let mut change: HashMap<(String, String), i64> = HashMap::new();
    let orders: HashMap<String, Row> =
        rows(&demo, Source::Orders).into_iter().map(|row| (row["order_id"].clone(), row)).collect();
    let last = "2026-01-31".to_owned();
    for line in rows(&demo, Source::OrderItems) {
        let order = &orders[&line["order_id"]];
        // An order of the last days may still be cancelled: those are left out below.
        if order["status"] != "cancelled" {
            let key = (line["product_id"].clone(), day(order, "ordered_at"));
            *change.entry(key).or_default() -= line["quantity"].parse::<i64>().expect("a number");
        }
    }
    for row in rows(&demo, Source::PurchaseOrders) {
        if let Some(received) = row.get("received_on") {
            let key = (row["product_id"].clone(), received.clone());
            let quantity: i64 = row["quantity_received"].parse().expect("a number");
            assert!(quantity > 0 && quantity <= row["quantity_ordered"].parse().expect("a number"));
            assert!(row["ordered_on"] < row["expected_on"]);
            *change.entry(key).or_default() += quantity;
        }
    }
    let mut stock: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in rows(&demo, Source::InventorySnapshots) {
        let on_hand: i64 = row["on_hand"].parse().expect("a number");
        assert!(on_hand >= 0);
        *stock.entry((row["product_id"].clone(), row["day"].clone())).or_default() += on_hand;
    }
    let mut before: Option<(&str, i64)> = None;
    let mut empty = 0;
    for ((product, day), &units) in &stock {
        let moved = change.get(&(product.clone(), day.clone())).copied().unwrap_or(0);
        if let Some((_, then)) = before.filter(|(same, _)| same == product)
            && day[..7] < last[..7]
        {
            assert_eq!(units, then + moved, "{product} on {day}");
        }
        empty += i32::from(units == 0);
        before = Some((product, units));
    }
    assert!(empty > 20, "there are stock-outs: {empty}");
}

#[test]
fn what_is_out_of_stock_is_not_ordered() {
    let demo = shop();
    let text_of = |name| std::fs::read_to_string(demo.options.truth.join(name)).expect("the truth");
    let outages: Vec<(String, String, String)> = text_of("stock_outs.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].to_owned(), fields[1].to_owned(), fields[2].to_owned())
        })
        .collect();
    assert!(outages.len() > 5);
    let ordered: HashMap<String, String> =
        rows(&demo, Source::Orders).iter().map(|row| (row["order_id"].clone(), day(row, "ordered_at"))).collect();
    for line in rows(&demo, Source::OrderItems) {
        let day = &ordered[&line["order_id"]];
        let out =
            outages.iter().any(|(product, from, back)| *product == line["product_id"] && from <= day && day < back);
        assert!(!out, "{} on {day}", line["product_id"]);
    }
}

#[test]
fn a_changed_order_is_sent_again_and_a_day_holds_its_own_rows() {
    let demo = shop();
    let mut states: HashMap<String, Vec<String>> = HashMap::new();
    for (file, records) in super::reading::files(&demo, Source::Orders) {
        let date = file[file.len() - 17..file.len() - 7].to_owned();
        for row in records.into_iter().flatten() {
            assert!(day(&row, "ordered_at") <= date, "{file}");
            let states = states.entry(row["order_id"].clone()).or_default();
            states.push(row["status"].clone());
        }
    }
    let again = states.values().filter(|states| states.len() > 1 && states[0] != states[1]);
    assert!(again.count() > 10);
    for (file, records) in super::reading::files(&demo, Source::Payments).iter().skip(1) {
        for row in records.iter().flatten() {
            assert!(file.contains(&day(row, "paid_at")), "{file}");
        }
    }
}

#[test]
fn columns_are_those_of_the_contracts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/sources");
    for source in Source::EXPORTS {
        let shape = source.shape();
        let path = folder.join(format!("{}.yml", shape.name));
        // A checkout without the standard SQL has no contracts to compare with.
        let Ok(contract) = std::fs::read_to_string(&path) else { continue };
        let names: Vec<&str> =
            contract.lines().filter_map(|line| line.trim().strip_prefix("- { name: ")?.split(',').next()).collect();
        let ours: Vec<&str> = shape.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, ours, "{}", shape.name);
        let required: Vec<bool> = contract
            .lines()
            .filter(|line| line.trim().starts_with("- { name: "))
            .map(|line| line.contains("required: true"))
            .collect();
        let ours: Vec<bool> = shape.columns.iter().map(|column| column.required).collect();
        assert_eq!(required, ours, "{}", shape.name);
        assert!(contract.contains(&format!("*{}\"", shape.extension())), "{}", shape.name);
    }
}
