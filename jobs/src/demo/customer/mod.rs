//! One customer's life: registers, visits, buys, gets messages, writes reviews, leaves.
//!
//! Everything about a customer is drawn from the customer's own stream of random numbers, so that
//! customers can be generated in any order and by any thread.

mod after;
mod basket;
mod campaigns;
mod experiments;
mod order;
mod profile;
mod purchases;
mod session;
mod strangers;
mod visit;

use super::calendar::Moment;
use super::desk::Desk;
use super::export::cell::{Cell, Id};
use super::law::Traits;
use super::random::{Random, Stream, stream};
use super::world::World;
use experiments::Subject;
use order::Order;
use profile::Profile;
use purchases::Purchases;
use session::{OpenCart, Scene};
use visit::{Person, Visit};

/// Generates customer `number` (from 1) and the strangers who are generated along.
pub fn live(world: &World, number: u64, desk: &mut Desk<'_>) {
    let mut random = stream(world.seed, Stream::Customer, number);
    let traits = Traits::draw(&mut random);
    let purchases = purchases::draw(world, number, &traits, &mut random);
    let mut profile = Profile::draw(world, number, &traits, &purchases, &mut random);
    let orders: Vec<Order> = purchases
        .baskets
        .iter()
        .enumerate()
        .map(|(sequence, basket)| Order::place(world, &profile, sequence, basket, &mut random))
        .collect();
    if let Some(first) = orders.first() {
        profile.register_before(first.visit_began);
    }
    let mut visits = visit::plan(world, &profile, &purchases, &orders, &mut random);
    campaigns::send_all(world, &mut profile, &purchases, &mut visits, desk, &mut random);
    attend(world, &profile, visits, &orders, desk, &mut random);
    let mut points = after::Points::default();
    for order in &orders {
        order.export(world, desk);
        after::follow_up(world, &profile, order, &mut points, desk, &mut random);
    }
    profile.export(desk);
    tell_truth(number, &traits, &purchases, &orders, desk);
    strangers::visit(world, number, desk);
}

/// Lets the customer's visits happen, in order, and reminds of the carts left behind.
fn attend(
    world: &World,
    profile: &Profile,
    mut visits: Vec<Visit>,
    orders: &[Order],
    desk: &mut Desk<'_>,
    random: &mut Random,
) {
    visits.sort_by_key(|visit| visit.start);
    let mut subject = Subject::default();
    let mut open: Vec<(usize, OpenCart)> = Vec::new();
    for (sequence, planned) in visits.iter().enumerate().take(4_999) {
        let visit = Visit { depth: subject.change(planned.depth, random), ..*planned };
        let person = Person::customer(profile, &visit);
        subject.assign(world, person.customer, visit.start, desk, random);
        let resumed = open.iter().rfind(|(order, _)| visit.order == Some(*order));
        let scene = Scene {
            world,
            person,
            visit: &visit,
            order: visit.order.and_then(|position| orders.get(position)),
            session: profile.number * 10_000 + sequence as u64,
            resumes: resumed.map(|(_, cart)| *cart),
        };
        let Some(cart) = scene.play(&subject, desk, random) else { continue };
        if let Some(order) = visit.order {
            open.push((order, cart));
        }
        if person.customer.is_some() {
            campaigns::remind(profile, cart, desk, random);
        }
    }
}

fn tell_truth(number: u64, traits: &Traits, purchases: &Purchases, orders: &[Order], desk: &mut Desk<'_>) {
    let first = orders.first().map(|order| order.at.day());
    desk.sink.truth(&[
        Cell::Id(customer_id(number)),
        Cell::Date(purchases.registered),
        Cell::Text(traits.channel.name),
        Cell::Text(traits.sales_type.name),
        Cell::date(first),
        Cell::Double(traits.rate),
        Cell::Double(traits.dropout),
        Cell::Double(traits.mean_basket),
        Cell::Double(Traits::basket_shape()),
        Cell::Double(traits.visit_rate),
        Cell::Double(traits.open_rate),
        Cell::date(purchases.left),
        Cell::Boolean(purchases.left.is_none()),
        Cell::Integer(i64::from(purchases.earlier)),
        Cell::Integer(orders.len() as i64),
        Cell::Integer(i64::from(purchases.lost)),
    ]);
}

/// Key of a customer.
pub fn customer_id(number: u64) -> Id {
    Id::new("C", number)
}

/// Whether a moment lies after a customer left, if the customer did.
fn has_left(purchases: &Purchases, at: Moment) -> bool {
    purchases.left.is_some_and(|left| at.day() > left)
}
