//! Stock at the close of each day, and the purchase orders that filled it.

use super::super::calendar::Day;
use super::super::desk::{Desk, Tally};
use super::super::export::cell::{Cell, Id};
use super::super::export::tables::Source;
use super::super::random::{Random, Stream, between, chance, stream, whole};
use super::super::world::World;
use super::super::world::catalogue::Product;
use super::restock::{self, Arrival};

/// Exports stock and purchase orders of every product.
pub fn export(world: &World, tally: &Tally, desk: &mut Desk<'_>) {
    for (position, product) in world.products.iter().enumerate() {
        let mut random = stream(world.seed, Stream::Inventory, product.number);
        let sold = while_on_sale(world, product, tally.sold(position));
        let calendar = &world.calendar;
        let opens = calendar.offset(product.launched.max(calendar.first)).unwrap_or(0);
        let outages: Vec<(usize, usize)> =
            product.outages.iter().map(|(from, back)| (offset(world, *from), offset(world, *back))).collect();
        let arrivals = restock::plan(product, sold, opens, &outages, &mut random);
        export_stock(world, product, sold, &arrivals, desk);
        let mut stock = 0;
        for (index, arrival) in arrivals.iter().enumerate() {
            let from = index.checked_sub(1).and_then(|last| arrivals.get(last));
            let since = from.map_or(arrival.offset, |from| from.offset);
            let gone: u32 = sold.get(since..arrival.offset).unwrap_or_default().iter().sum();
            stock = u32::saturating_sub(stock, gone);
            let quantity = arrival.level - stock.min(arrival.level);
            stock = arrival.level;
            if index > 0 && quantity > 0 {
                received(world, product, arrival, quantity, &mut random, desk);
            }
        }
        on_the_way(world, product, stock, &mut random, desk);
    }
}

/// Sales by day up to the day on which the product is retired.
fn while_on_sale<'s>(world: &World, product: &Product, sold: &'s [u32]) -> &'s [u32] {
    let end = product.retired.map_or(sold.len(), |retired| offset(world, retired));
    sold.get(..end.min(sold.len())).unwrap_or_default()
}

fn offset(world: &World, day: Day) -> usize {
    usize::try_from(day.0 - world.calendar.first.0).unwrap_or(0)
}

/// Two buildings: three units in ten are kept in the second.
fn export_stock(world: &World, product: &Product, sold: &[u32], arrivals: &[Arrival], desk: &mut Desk<'_>) {
    let days = sold.len().max(1) as f64;
    let a_day = f64::from(sold.iter().sum::<u32>()) / days;
    let lead = f64::from(product.supplier.lead_days);
    let reorder_point = (a_day * (lead + 4.0)).ceil() as i64;
    let mut arrivals = arrivals.iter().peekable();
    let mut stock = 0_i64;
    for ((offset, day), sales) in world.calendar.iter().enumerate().zip(sold) {
        if let Some(arrival) = arrivals.next_if(|arrival| arrival.offset == offset) {
            stock = i64::from(arrival.level);
        }
        let sales = i64::from(*sales);
        stock -= sales;
        if day < product.launched {
            continue;
        }
        let second = stock * 3 / 10;
        // What is sold today leaves tomorrow; it is no longer counted as stock.
        let shares = [("MAD1", stock - second, 7), ("BCN1", second, 3)];
        for (location, on_hand, tenths) in shares {
            desk.sink.row(
                Source::InventorySnapshots,
                day,
                &[
                    Cell::Date(day),
                    Cell::Id(product.id()),
                    Cell::Text(location),
                    Cell::Integer(on_hand),
                    Cell::Integer((sales * tenths / 10).min(on_hand)),
                    Cell::Integer((reorder_point * tenths + 9) / 10),
                ],
            );
        }
    }
}

/// The purchase order behind an arrival, as it was sent and as it was received.
fn received(
    world: &World,
    product: &Product,
    arrival: &Arrival,
    quantity: u32,
    random: &mut Random,
    desk: &mut Desk<'_>,
) {
    let supplier = product.supplier;
    let day = |offset: usize| world.calendar.first.plus(i32::try_from(offset).unwrap_or(0));
    let received_on = day(arrival.offset);
    let late = if chance(random, supplier.late) { whole(random, 1, 6) } else { 0 };
    let expected_on = arrival.expected.map_or(received_on.plus(-late), |from| day(from).plus(-1));
    let short = if chance(random, supplier.short) { between(random, 1.05, 1.3) } else { 1.0 };
    let purchase = Purchase {
        ordered_on: expected_on.plus(-supplier.lead_days),
        expected_on,
        ordered: (f64::from(quantity) * short).ceil() as i64,
        unit_cost: cost(product, random),
    };
    desk.sink.versions(&[purchase.ordered_on, received_on], |sink, position| {
        let arrived = (position > 0).then_some((received_on, i64::from(quantity)));
        purchase.export(product, arrived, sink);
    });
}

/// An order that has not arrived yet, where stock is low.
fn on_the_way(world: &World, product: &Product, stock: u32, random: &mut Random, desk: &mut Desk<'_>) {
    let last = world.calendar.last;
    let out = product.out_of_stock(last);
    if !product.on_sale(last) || !(out || chance(random, 0.3)) {
        return;
    }
    let lead = product.supplier.lead_days;
    // Behind a stock-out there is an order that is overdue.
    let ordered_on = last.plus(if out { -lead - whole(random, 1, 3) } else { -whole(random, 0, lead - 1) });
    let purchase = Purchase {
        ordered_on,
        expected_on: ordered_on.plus(lead),
        ordered: i64::from(stock.max(12)),
        unit_cost: cost(product, random),
    };
    purchase.export(product, None, &mut desk.sink);
}

fn cost(product: &Product, random: &mut Random) -> i64 {
    (product.unit_cost as f64 * between(random, 0.97, 1.03)).round() as i64
}

struct Purchase {
    ordered_on: Day,
    expected_on: Day,
    ordered: i64,
    unit_cost: i64,
}

impl Purchase {
    fn export(&self, product: &Product, arrived: Option<(Day, i64)>, sink: &mut super::super::export::sink::Sink<'_>) {
        // What is ordered from a supplier on one day is one order with several products.
        let number = (product.supplier.number - 1) * 100_000 + u64::try_from(self.ordered_on.0).unwrap_or(0);
        let day = arrived.map_or(self.ordered_on, |(day, _)| day);
        sink.row(
            Source::PurchaseOrders,
            day,
            &[
                Cell::Id(Id::new("PO", number)),
                Cell::Id(product.supplier.id()),
                Cell::Text(product.supplier.name),
                Cell::Id(product.id()),
                Cell::Date(self.ordered_on),
                Cell::Date(self.expected_on),
                Cell::date(arrived.map(|(day, _)| day)),
                Cell::Integer(self.ordered),
                Cell::Integer(arrived.map_or(0, |(_, quantity)| quantity)),
                Cell::Fine(self.unit_cost),
            ],
        );
    }
}
