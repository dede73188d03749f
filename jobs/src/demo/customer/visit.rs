//! Visits: what is planned, and what happens in them, event by event.
//!
//! Sessions, page events and carts of a visit are drawn together, so they agree: a session's page
//! views are its page-like events, a cart belongs to a session with `add_to_cart`, and the only
//! purchases are those of orders.

use super::super::calendar::{Day, Moment};
use super::super::law::{Channel, VISITS_AFTER_LEAVING, shopping_second, visit_channel};
use super::super::names::Country;
use super::super::random::{Random, chance, exponential, pick_name, poisson, weighted, whole};
use super::super::world::{Pages, World};
use super::order::Order;
use super::profile::Profile;
use super::purchases::Purchases;

/// How far a visit gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// One page.
    Bounce,
    /// Some pages.
    Browse,
    /// Something is put in a cart.
    Cart,
    /// The checkout is entered.
    Checkout,
    /// An order is placed.
    Purchase,
}

/// A visit that will happen.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// First event.
    pub start: Moment,
    /// Last event.
    pub end: Moment,
    /// In the app, else on the web.
    pub app: bool,
    /// With the customer logged in.
    pub logged_in: bool,
    /// Marketing channel.
    pub via: &'static Channel,
    /// Position of the campaign it came by.
    pub campaign: Option<usize>,
    /// How far it gets.
    pub depth: Depth,
    /// Position of the order it places, or whose cart it fills if it gets no further than that.
    pub order: Option<usize>,
    /// Product that is looked at because it was wanted, though it is out of stock.
    pub looks_at: Option<usize>,
}

/// Who visits.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Number of the cookie or device.
    pub visitor: u64,
    /// Number of the customer, where logged in.
    pub customer: Option<u64>,
    /// Where from.
    pub country: &'static str,
    /// With what.
    pub device: &'static str,
}

impl Person {
    /// A customer in a visit.
    pub fn customer(profile: &Profile, visit: &Visit) -> Self {
        Self {
            visitor: profile.number * 1_000 + u64::from(visit.app),
            customer: visit.logged_in.then_some(profile.number),
            country: profile.country.code,
            device: if visit.app { "mobile" } else { profile.device },
        }
    }

    /// Somebody who never registers; `number` counts those generated with a customer.
    pub fn stranger(customer: u64, number: u64, country: &Country, device: &'static str) -> Self {
        let visitor = customer * 1_000 + 100 + number;
        Self { visitor, customer: None, country: country.code, device }
    }
}

impl Visit {
    /// A visit on `day` that places no order.
    pub fn idle(day: Day, depth: Depth, random: &mut Random) -> Self {
        let start = day.at(shopping_second(random));
        let seconds = if depth == Depth::Bounce { whole(random, 2, 40) } else { whole(random, 70, 1_300) };
        Self {
            start,
            end: start.plus(i64::from(seconds)),
            app: false,
            logged_in: false,
            via: visit_channel(random),
            campaign: None,
            depth,
            order: None,
            looks_at: None,
        }
    }
}

const IDLE: [(Depth, f64); 4] =
    [(Depth::Bounce, 0.25), (Depth::Browse, 0.48), (Depth::Cart, 0.16), (Depth::Checkout, 0.11)];

/// Plans a customer's visits: those that place orders, those that fill a cart for one, those that
/// found nothing in stock, and all the idle ones.
pub fn plan(
    world: &World,
    profile: &Profile,
    purchases: &Purchases,
    orders: &[Order],
    random: &mut Random,
) -> Vec<Visit> {
    let mut visits = Vec::new();
    for (position, order) in orders.iter().enumerate().filter(|(_, order)| order.online()) {
        let visit = Visit {
            start: order.visit_began,
            end: order.at,
            app: order.channel == "app",
            logged_in: true,
            via: order.via,
            campaign: order.campaign,
            depth: Depth::Purchase,
            order: Some(position),
            looks_at: None,
        };
        visits.push(visit);
        let before = order.at.day().plus(-whole(random, 1, 2));
        if chance(random, 0.12) && before >= world.calendar.first.max(purchases.registered.plus(1)) {
            let earlier = Visit::idle(before, Depth::Cart, random);
            visits.push(Visit { app: visit.app, logged_in: true, order: Some(position), ..earlier });
        }
    }
    for &(day, product) in &purchases.lost_on {
        let visit = Visit::idle(day, Depth::Browse, random);
        let logged_in = visit.start >= profile.registered;
        visits.push(Visit { app: profile.app, logged_in, looks_at: Some(product), ..visit });
    }
    plan_before_registration(world, purchases, &mut visits, random);
    plan_idle(world, profile, purchases, &mut visits, random);
    visits
}

fn plan_before_registration(world: &World, purchases: &Purchases, visits: &mut Vec<Visit>, random: &mut Random) {
    for _ in 0..poisson(random, 0.9) {
        let day = purchases.registered.plus(-whole(random, 1, 12));
        if day >= world.calendar.first {
            let depth = if chance(random, 0.4) { Depth::Bounce } else { Depth::Browse };
            visits.push(Visit::idle(day, depth, random));
        }
    }
}

fn plan_idle(world: &World, profile: &Profile, purchases: &Purchases, visits: &mut Vec<Visit>, random: &mut Random) {
    let rate = profile.traits.visit_rate.max(1e-6);
    let from = purchases.registered.max(world.calendar.first);
    let mut operational = world.tempo.at(f64::from(from.0) + 1.0);
    loop {
        operational += exponential(random) / rate;
        let Some(time) = world.tempo.when(operational) else { return };
        let day = Day(time as i32);
        if day > world.calendar.last {
            return;
        }
        let depth = pick_name(random, &IDLE);
        let visit = Visit::idle(day, depth, random);
        // Those who have left look in now and then; they are thinned out of the same stream.
        let kept = chance(random, VISITS_AFTER_LEAVING);
        if !super::has_left(purchases, visit.start) || kept {
            let logged_in = chance(random, 0.7) && visit.start >= profile.registered;
            let app = profile.app && chance(random, 0.75);
            visits.push(Visit { app, logged_in, ..visit });
        }
    }
}

/// An event of a visit, before it has a time.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// As exports name it.
    pub kind: &'static str,
    /// Position of the page.
    pub page: usize,
    /// Position of the product it is about.
    pub product: Option<usize>,
}

impl Step {
    /// A page is looked at.
    pub fn page(page: usize) -> Self {
        Self { kind: "page_view", page, product: None }
    }

    /// A product is looked at.
    pub fn product(product: usize) -> Self {
        Self { kind: "product_view", page: Pages::product(product), product: Some(product) }
    }

    /// A product is put in the cart.
    pub fn add(product: usize) -> Self {
        Self { kind: "add_to_cart", page: Pages::product(product), product: Some(product) }
    }

    /// Whether a page is loaded.
    pub fn loads(&self) -> bool {
        self.kind != "add_to_cart"
    }
}

/// The steps of a visit that puts `products` in a cart, or that `resumes` a cart.
pub fn steps(world: &World, visit: &Visit, products: &[usize], resumes: bool, random: &mut Random) -> Vec<Step> {
    let day = visit.start.day();
    let mut steps = vec![landing(world, visit, random)];
    if visit.depth > Depth::Bounce && !resumes {
        for _ in 0..whole(random, 1, 3) {
            let product = world.shelf.pick(random, day, None);
            let Some(product) = product.filter(|_| chance(random, 0.6)) else {
                steps.push(Step::page(Pages::category(super::basket::favourite(random))));
                continue;
            };
            steps.push(Step::product(product));
        }
        steps.extend(visit.looks_at.map(Step::product));
    }
    if visit.depth >= Depth::Cart && !resumes {
        steps.extend(products.iter().flat_map(|&product| [Step::product(product), Step::add(product)]));
    }
    if visit.depth >= Depth::Checkout {
        steps.push(Step::page(Pages::CART));
        steps.push(Step { kind: "checkout", page: Pages::CHECKOUT, product: None });
    }
    if visit.depth == Depth::Purchase {
        steps.push(Step { kind: "purchase", page: Pages::THANKS, product: None });
    }
    steps
}

fn landing(world: &World, visit: &Visit, random: &mut Random) -> Step {
    if visit.campaign.is_some() {
        return Step::page(Pages::OFFERS);
    }
    match weighted(random, &[0.42, 0.24, 0.26, 0.08]) {
        1 => Step::page(Pages::category(super::basket::favourite(random))),
        2 => world.shelf.pick(random, visit.start.day(), None).map_or(Step::page(Pages::HOME), Step::product),
        3 => Step::page(Pages::BLOG),
        _ => Step::page(Pages::HOME),
    }
}
