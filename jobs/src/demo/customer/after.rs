//! What follows an order: points, refunds, reviews, and the mail that asks for them.

use super::super::calendar::Moment;
use super::super::desk::Desk;
use super::super::export::cell::{Cell, Id};
use super::super::export::tables::Source;
use super::super::random::{Random, chance, one, whole};
use super::super::texts;
use super::super::world::World;
use super::basket::Line;
use super::order::Order;
use super::profile::Profile;
use super::{campaigns, customer_id};

/// Points from which they are spent.
const SPEND: i64 = 400;

/// A member's account in the loyalty scheme.
#[derive(Debug, Default)]
pub struct Points {
    balance: i64,
    entries: u64,
}

impl Points {
    fn book(&mut self, profile: &Profile, at: Moment, points: i64, reason: &str, desk: &mut Desk<'_>) {
        if !profile.member || points == 0 {
            return;
        }
        let entry = profile.number * 10_000 + self.entries;
        self.entries += 1;
        self.balance += points;
        desk.sink.row(
            Source::LoyaltyPoints,
            at.day(),
            &[
                Cell::Id(Id::new("LP", entry)),
                Cell::Id(customer_id(profile.number)),
                Cell::Time(at),
                Cell::Integer(points),
                Cell::Text(reason),
            ],
        );
    }
}

/// Lets happen what follows an order.
pub fn follow_up(
    world: &World,
    profile: &Profile,
    order: &Order,
    points: &mut Points,
    desk: &mut Desk<'_>,
    random: &mut Random,
) {
    if points.balance >= SPEND && chance(random, 0.5) {
        points.book(profile, order.at, -SPEND, "redeemed", desk);
    }
    let mut refunds = 0;
    if let Some(lost) = order.fate.lost {
        for line in &order.lines {
            refund(world, order, line, line.quantity, lost, ("paquete perdido", refunds), desk);
            refunds += 1;
        }
    }
    let Some(delivered) = order.fate.delivered else { return };
    points.book(profile, delivered, order.amounts.total() / 100, "purchase", desk);
    let asked = delivered.day().plus(9).at(10 * 3_600);
    campaigns::ask_for_review(profile, order, asked, desk, random);
    for line in &order.lines {
        let Some(product) = world.products.get(line.product) else { continue };
        if chance(random, 0.02 + 0.06 * (1.0 - product.quality)) {
            let units = i64::from(whole(random, 1, i32::try_from(line.quantity).unwrap_or(1)));
            let at = delivered.plus(86_400 * i64::from(whole(random, 3, 18)));
            let reason = one(random, &texts::RETURN_REASONS);
            let amount = refund(world, order, line, units, at, (reason, refunds), desk);
            points.book(profile, at, -(amount / 100).min(points.balance), "refund", desk);
            refunds += 1;
        }
    }
    for (position, line) in order.lines.iter().enumerate() {
        review(world, profile, order, (position, line), delivered, desk, random);
    }
}

/// Gives back the value of `units` of a line, as it was paid without tax; the amount in cents.
fn refund(
    world: &World,
    order: &Order,
    line: &Line,
    units: i64,
    at: Moment,
    (reason, sequence): (&str, u64),
    desk: &mut Desk<'_>,
) -> i64 {
    let amounts = &order.amounts;
    let line_paid = line.net() * (amounts.lines - amounts.discount) / amounts.lines.max(1);
    let amount = line_paid * units / line.quantity.max(1);
    desk.sink.row(
        Source::Refunds,
        at.day(),
        &[
            Cell::Id(Id::new("R", order.number * 10 + sequence)),
            Cell::Id(order.id()),
            Cell::Id(customer_id(order.customer)),
            Cell::id(world.products.get(line.product).map(|product| product.id())),
            Cell::Integer(if order.fate.lost.is_some() { 0 } else { units }),
            Cell::Time(at),
            Cell::Cents(amount),
            Cell::Text(reason),
        ],
    );
    amount
}

fn review(
    world: &World,
    profile: &Profile,
    order: &Order,
    (position, line): (usize, &Line),
    delivered: Moment,
    desk: &mut Desk<'_>,
    random: &mut Random,
) {
    let Some(product) = world.products.get(line.product) else { return };
    if !chance(random, 0.09) {
        return;
    }
    let at = delivered.plus(86_400 * i64::from(whole(random, 2, 20)) + i64::from(whole(random, 0, 900)));
    let felt = product.quality * 3.2 + super::super::random::normal(random) * 0.9 + 1.6;
    let rating = (felt.round() as i64).clamp(1, 5);
    let language = if profile.language == "es" { "es" } else { "en" };
    let (title, body) = texts::review(language, rating, random);
    desk.sink.row(
        Source::Reviews,
        at.day(),
        &[
            Cell::Id(Id::new("RV", order.number * 10 + position as u64)),
            Cell::Id(product.id()),
            Cell::Id(customer_id(profile.number)),
            Cell::Integer(rating),
            Cell::Text(title),
            Cell::Text(&body),
            Cell::Text(language),
            Cell::Time(at),
        ],
    );
}
