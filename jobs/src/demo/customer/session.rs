//! A visit as exports show it: a session, its page events, its cart.

use super::super::calendar::Moment;
use super::super::desk::Desk;
use super::super::export::cell::{Cell, Id};
use super::super::export::tables::Source;
use super::super::random::{Random, between, chance, whole};
use super::super::world::World;
use super::basket::Line;
use super::customer_id;
use super::experiments::Subject;
use super::order::Order;
use super::visit::{Depth, Person, Step, Visit, steps};

/// A cart that was filled and not bought in the same visit.
#[derive(Clone, Copy, Debug)]
pub struct OpenCart {
    /// Session it was filled in; also its number.
    pub session: u64,
    /// When the first product was put in.
    pub created: Moment,
    /// When it was last touched.
    pub touched: Moment,
}

/// A visit about to happen.
pub struct Scene<'a> {
    /// The shop.
    pub world: &'a World,
    /// Who comes.
    pub person: Person,
    /// What is planned.
    pub visit: &'a Visit,
    /// The order that is placed, or prepared.
    pub order: Option<&'a Order>,
    /// Number of the session.
    pub session: u64,
    /// The cart of an earlier visit that is bought in this one.
    pub resumes: Option<OpenCart>,
}

impl Scene<'_> {
    /// Lets the visit happen; gives the cart that is left behind.
    pub fn play(&self, subject: &Subject, desk: &mut Desk<'_>, random: &mut Random) -> Option<OpenCart> {
        let lines = self.lines(random);
        let products: Vec<usize> = lines.iter().map(|line| line.product).collect();
        let steps = steps(self.world, self.visit, &products, self.resumes.is_some(), random);
        let times = self.times(steps.len());
        self.export_events(&steps, &times, desk, random);
        self.export_session(&steps, desk);
        let at = |kind: &str| steps.iter().zip(&times).find(|(step, _)| step.kind == kind).map(|(_, &at)| at);
        let checkout = at("checkout");
        if let Some(at) = checkout {
            subject.expose(self.world, self.person.customer, at, desk);
        }
        let filled = at("add_to_cart").map(|created| OpenCart {
            session: self.session,
            created,
            touched: times.last().copied().unwrap_or(created),
        });
        let cart = self.resumes.or(filled)?;
        self.export_cart(&cart, &lines, checkout, desk);
        (self.visit.depth != Depth::Purchase).then_some(cart)
    }

    /// What goes into the cart: the order's lines, or a product or two that are in stock.
    fn lines(&self, random: &mut Random) -> Vec<Line> {
        if let Some(order) = self.order {
            return order.lines.clone();
        }
        let mut lines: Vec<Line> = Vec::new();
        if self.visit.depth < Depth::Cart {
            return lines;
        }
        let day = self.visit.start.day();
        for _ in 0..6 {
            let Some(product) = self.world.shelf.pick(random, day, None) else { continue };
            let Some(found) = self.world.products.get(product) else { continue };
            if found.out_of_stock(day) || lines.iter().any(|line| line.product == product) {
                continue;
            }
            let quantity = i64::from(whole(random, 1, 2));
            lines.push(Line { product, quantity, unit_price: found.price(day), discount: 0 });
            if lines.len() == 3 || chance(random, 0.55) {
                break;
            }
        }
        lines
    }

    /// Times of `count` steps, from the visit's first moment to its last.
    fn times(&self, count: usize) -> Vec<Moment> {
        let seconds = self.visit.end.0 - self.visit.start.0;
        let gaps = i64::try_from(count).unwrap_or(1).saturating_sub(1).max(1);
        (0..count as i64).map(|step| self.visit.start.plus(seconds * step / gaps)).collect()
    }

    fn export_events(&self, steps: &[Step], times: &[Moment], desk: &mut Desk<'_>, random: &mut Random) {
        for (position, (step, &at)) in steps.iter().zip(times).enumerate() {
            let scroll = (between(random, 0.08, 1.0).sqrt() * 1000.0).round() / 1000.0;
            let day = at.day();
            if step.loads() {
                desk.tally.view(&self.world.calendar, step.page, day, scroll);
            }
            let product = step.product.and_then(|product| self.world.products.get(product));
            desk.sink.row(
                Source::PageEvents,
                day,
                &[
                    Cell::Id(Id::new("E", self.session * 100 + position as u64)),
                    Cell::Id(Id::new("S", self.session)),
                    Cell::Time(at),
                    Cell::Text(step.kind),
                    Cell::Text(self.world.pages.path(step.page)),
                    Cell::id(product.map(|product| product.id())),
                    if step.loads() { Cell::Double(scroll) } else { Cell::Null },
                ],
            );
        }
    }

    fn export_session(&self, steps: &[Step], desk: &mut Desk<'_>) {
        let visit = self.visit;
        let campaign = visit.campaign.and_then(|position| self.world.campaigns.get(position));
        let landing = steps.first().map(|step| self.world.pages.path(step.page));
        let views = steps.iter().filter(|step| step.loads()).count();
        desk.sink.row(
            Source::Sessions,
            visit.start.day(),
            &[
                Cell::Id(Id::new("S", self.session)),
                Cell::Id(Id::new("V", self.person.visitor)),
                Cell::id(self.person.customer.map(customer_id)),
                Cell::Time(visit.start),
                Cell::Time(visit.end),
                Cell::Text(if visit.app { "app" } else { "web" }),
                Cell::Text(self.person.device),
                Cell::Text(visit.via.name),
                Cell::text(campaign.map(|campaign| campaign.name.as_str())),
                Cell::text(landing),
                Cell::Text(self.person.country),
                Cell::Integer(views as i64),
            ],
        );
    }

    fn export_cart(&self, cart: &OpenCart, lines: &[Line], checkout: Option<Moment>, desk: &mut Desk<'_>) {
        let bought = self.order.filter(|_| self.visit.depth == Depth::Purchase);
        let calendar = &self.world.calendar;
        let delivery = |at: Moment| calendar.delivery_of(at.day());
        let later = self.order.filter(|_| bought.is_none());
        if later.is_some_and(|order| delivery(order.at) == delivery(cart.touched)) {
            // The delivery that shows the cart shows it as the later visit leaves it.
            return;
        }
        let updated = bought.map_or(cart.touched, |order| order.at);
        let customer = bought.map(|order| order.customer).or(self.person.customer);
        let value: i64 = lines.iter().map(|line| line.quantity * line.unit_price).sum();
        desk.sink.row(
            Source::Carts,
            updated.day(),
            &[
                Cell::Id(Id::new("CA", cart.session)),
                Cell::id(customer.map(customer_id)),
                Cell::Id(Id::new("S", cart.session)),
                Cell::Time(cart.created),
                Cell::Time(updated),
                Cell::time(checkout),
                Cell::time(bought.map(|order| order.at)),
                Cell::id(bought.map(Order::id)),
                Cell::Integer(lines.iter().map(|line| line.quantity).sum()),
                Cell::Cents(value),
            ],
        );
    }
}
