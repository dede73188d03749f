//! What customers do follows the law, and the truth tells it.

use std::collections::HashMap;
use std::fs::File;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::calendar::Day;
use super::super::export::tables::Source;
use super::reading::{amount, rows};
use super::{Demo, demo};

struct Truth {
    id: String,
    registered: i32,
    rate: f64,
    dropout: f64,
    mean_basket: f64,
    left: Option<i32>,
    earlier: i32,
    orders: i32,
    lost: i32,
}

fn truth(demo: &Demo) -> Vec<Truth> {
    let file = File::open(demo.options.truth.join("customers.parquet")).expect("the truth");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
    let mut all = Vec::new();
    for batch in reader.expect("a reader") {
        let batch = batch.expect("a batch");
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let double = |name: &str, row| column(name).as_primitive::<Float64Type>().value(row);
        let whole = |name: &str, row| column(name).as_primitive::<Int32Type>().value(row);
        let left = column("left_on");
        let left = left.as_primitive::<Date32Type>();
        for row in 0..batch.num_rows() {
            all.push(Truth {
                id: column("customer_id").as_string::<i32>().value(row).to_owned(),
                registered: column("registered_on").as_primitive::<Date32Type>().value(row),
                rate: double("purchase_rate_per_day", row),
                dropout: double("dropout_probability", row),
                mean_basket: double("mean_basket_amount", row),
                left: left.is_valid(row).then(|| left.value(row)),
                earlier: whole("purchases_before_exports", row),
                orders: whole("orders", row),
                lost: whole("orders_lost_to_stock_outs", row),
            });
        }
    }
    all
}

#[test]
fn the_truth_is_what_the_exports_show() {
    let demo = demo(2_500, |_| {}, 2);
    let mut last: HashMap<String, (i32, i32)> = HashMap::new();
    for order in rows(&demo, Source::Orders) {
        let date = order["ordered_at"][..10].parse().expect("a date");
        let entry = last.entry(order["customer_id"].clone()).or_default();
        *entry = (entry.0 + 1, entry.1.max(Day::from_date(date).0));
    }
    let truth = truth(&demo);
    assert_eq!(truth.len(), 2_500);
    for customer in &truth {
        let (orders, newest) = last.get(&customer.id).copied().unwrap_or_default();
        assert_eq!(customer.orders, orders, "{}", customer.id);
        if let Some(left) = customer.left {
            assert!(newest <= left, "{} bought after leaving", customer.id);
            assert!(orders == 0 || newest == left, "{} left with a purchase", customer.id);
            assert!(customer.orders + customer.earlier > 1, "nobody leaves at the first purchase");
        }
    }
    let left = truth.iter().filter(|customer| customer.left.is_some()).count();
    assert!((500..2_000).contains(&left), "{left} have left");
    assert!(truth.iter().map(|customer| customer.lost).sum::<i32>() > 5);
}

#[test]
fn rates_dropout_and_baskets_have_their_means() {
    let demo = demo(4_000, |options| options.days = 400, 2);
    let truth = truth(&demo);
    let mean = |of: &dyn Fn(&Truth) -> f64| truth.iter().map(of).sum::<f64>() / truth.len() as f64;
    assert!((mean(&|customer| customer.rate) * 55.0 - 1.0).abs() < 0.1);
    assert!((mean(&|customer| customer.dropout) - 0.17).abs() < 0.03);
    assert!((40.0..70.0).contains(&mean(&|customer| customer.mean_basket)));

    let mut spent: HashMap<String, (f64, f64)> = HashMap::new();
    let owner: HashMap<String, String> = rows(&demo, Source::Orders)
        .iter()
        .map(|order| (order["order_id"].clone(), order["customer_id"].clone()))
        .collect();
    let mut orders = std::collections::HashSet::new();
    for line in rows(&demo, Source::OrderItems) {
        let quantity: f64 = line["quantity"].parse().expect("a number");
        let net = quantity * amount(&line, "unit_price") as f64 - amount(&line, "discount_amount") as f64;
        let entry = spent.entry(owner[&line["order_id"]].clone()).or_default();
        entry.0 += net / 10_000.0;
        entry.1 += f64::from(u8::from(orders.insert(line["order_id"].clone())));
    }
    // Baskets are near their targets on the whole, and follow them from customer to customer.
    let pairs: Vec<(f64, f64)> = truth
        .iter()
        .filter_map(|customer| {
            let (sum, count) = spent.get(&customer.id).filter(|(_, count)| *count >= 4.0)?;
            Some((customer.mean_basket.ln(), (sum / count).ln()))
        })
        .collect();
    let n = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / n, y + pair.1 / n));
    let covariance: f64 = pairs.iter().map(|pair| (pair.0 - x) * (pair.1 - y)).sum();
    let spread = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>().sqrt();
    let correlation = covariance / (spread(&|pair| (pair.0 - x).powi(2)) * spread(&|pair| (pair.1 - y).powi(2)));
    assert!(n > 300.0);
    assert!((x - y).abs() < 0.25, "log means: target {x}, spent {y}");
    assert!(correlation > 0.6, "correlation {correlation}");
}

#[test]
fn purchases_come_at_their_rates() {
    let demo = demo(6_000, |options| options.days = 400, 2);
    let tempo = std::fs::read_to_string(demo.options.truth.join("tempo.csv")).expect("the tempo");
    let factors: Vec<(i32, f64)> = tempo
        .lines()
        .skip(1)
        .map(|line| {
            let (day, factor) = line.split_once(',').expect("two fields");
            let date = day.parse().expect("a date");
            (Day::from_date(date).0, factor.parse().expect("a number"))
        })
        .collect();
    let first = factors[0].0;
    let mut ends: HashMap<String, (i32, i32)> = HashMap::new();
    for order in rows(&demo, Source::Orders) {
        let day = Day::from_date(order["ordered_at"][..10].parse().expect("a date")).0;
        let entry = ends.entry(order["customer_id"].clone()).or_insert((day, day));
        *entry = (entry.0.min(day), entry.1.max(day));
    }
    // Repeat purchases (and those lost to stock-outs) against rate x operational time while alive.
    let (mut seen, mut expected) = (0.0, 0.0);
    for customer in truth(&demo).iter().filter(|customer| customer.registered >= first) {
        let Some(&(begin, _)) = ends.get(&customer.id) else { continue };
        let end = customer.left.unwrap_or(factors[factors.len() - 1].0);
        let days = factors.iter().filter(|(day, _)| (begin..end).contains(day));
        expected += customer.rate * days.map(|(_, factor)| factor).sum::<f64>();
        seen += f64::from(customer.orders - 1 + customer.lost);
    }
    assert!(expected > 3_000.0);
    // One order a day at most, and a first purchase lost to a stock-out, bias this by little.
    assert!((seen / expected - 1.0).abs() < 0.08, "{seen} seen, {expected} expected");
}
