//! An order from the moment it is placed to the parcel at the door.

use super::super::calendar::{Day, Moment};
use super::super::desk::Desk;
use super::super::export::cell::{Cell, Id};
use super::super::export::tables::Source;
use super::super::law::{Channel, sales_channel, shopping_second, visit_channel};
use super::super::random::{Random, chance, one, pick_name, whole};
use super::super::world::World;
use super::basket::{Basket, Line};
use super::customer_id;
use super::profile::Profile;

/// Value of the goods, after discounts, from which parcels are free, in cents.
const FREE_SHIPPING: i64 = 4_500;
const SHIPPING: i64 = 495;

/// How consumers pay, and how many of them.
const METHODS: [(&str, f64); 4] = [("card", 0.58), ("paypal", 0.22), ("bizum", 0.15), ("cash_on_delivery", 0.05)];

/// An order and what became of it.
#[derive(Debug)]
pub struct Order {
    /// Number in the key.
    pub number: u64,
    /// Customer's number.
    pub customer: u64,
    /// When the visit in which it was placed began, for web and app.
    pub visit_began: Moment,
    /// When it was placed.
    pub at: Moment,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// web, app, marketplace or phone.
    pub channel: &'static str,
    /// Marketing channel it is credited to.
    pub via: &'static Channel,
    /// Position of the campaign it is credited to.
    pub campaign: Option<usize>,
    /// What became of it.
    pub fate: Fate,
    sales_type: &'static str,
    country: &'static str,
    coupon: Option<usize>,
    welcome: bool,
    /// Amounts in cents.
    pub amounts: Amounts,
}

/// What an order costs, in cents.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// Lines after their own discounts, without tax.
    pub lines: i64,
    /// Discount on the order as a whole.
    pub discount: i64,
    /// Shipping charged, without tax.
    pub shipping: i64,
    /// Tax on lines - discount + shipping.
    pub tax: i64,
}

impl Amounts {
    /// What the customer pays.
    pub fn total(&self) -> i64 {
        self.lines - self.discount + self.shipping + self.tax
    }
}

/// When what happened to an order.
#[derive(Debug)]
pub struct Fate {
    /// Attempts to pay that failed.
    failed: Vec<Moment>,
    method: &'static str,
    /// When it was paid; never for cancelled orders.
    paid: Option<Moment>,
    cancelled: Option<Moment>,
    chargeback: Option<Moment>,
    shipped: Option<Moment>,
    promised: Day,
    /// When it was handed over; never for parcels that were lost.
    pub delivered: Option<Moment>,
    /// When a lost parcel was given up.
    pub lost: Option<Moment>,
    wrong_units: i64,
    carrier: &'static str,
}

impl Order {
    /// Places the order of a basket; `sequence` counts the customer's orders from 0.
    pub fn place(world: &World, profile: &Profile, sequence: usize, basket: &Basket, random: &mut Random) -> Self {
        let visit_began = basket.day.at(shopping_second(random));
        let at = visit_began.plus(i64::from(whole(random, 300, 1_500)));
        let channel = sales_channel(random, profile.app);
        let via = visit_channel(random);
        let running = world.campaigns.iter().position(|campaign| campaign.runs_on(basket.day));
        let campaign = running.filter(|_| chance(random, 0.35));
        let coupon = world.coupon_on(basket.day).filter(|_| chance(random, 0.55));
        let welcome = coupon.is_none() && sequence == 0 && chance(random, 0.25);
        let lines: i64 = basket.lines.iter().map(Line::net).sum();
        let percent = match coupon.and_then(|position| world.campaigns.get(position)) {
            Some(campaign) => campaign.discount_percent,
            None => i64::from(welcome) * 10,
        };
        let discount = (lines * percent + 50) / 100;
        let free = profile.sales_type != "b2c" || lines - discount >= FREE_SHIPPING;
        let shipping = if free { 0 } else { SHIPPING };
        let tax = ((lines - discount + shipping) * profile.country.tax_percent + 50) / 100;
        Self {
            number: profile.number * 1_000 + sequence as u64,
            customer: profile.number,
            visit_began,
            at,
            lines: basket.lines.clone(),
            channel,
            via,
            campaign,
            fate: Fate::draw(profile, at, random),
            sales_type: profile.sales_type,
            country: profile.country.code,
            coupon,
            welcome,
            amounts: Amounts { lines, discount, shipping, tax },
        }
    }

    /// Key in the exports.
    pub fn id(&self) -> Id {
        Id::new("O", self.number)
    }

    /// Whether it was placed in the web shop or the app.
    pub fn online(&self) -> bool {
        matches!(self.channel, "web" | "app")
    }

    /// Units ordered.
    pub fn units(&self) -> i64 {
        self.lines.iter().map(|line| line.quantity).sum()
    }

    /// Exports the order, its lines, payments and shipment, as far as they have happened.
    pub fn export(&self, world: &World, desk: &mut Desk<'_>) {
        let day = self.at.day();
        self.export_versions(world, desk);
        for (position, line) in self.lines.iter().enumerate() {
            let product = world.products.get(line.product).map(|product| product.id());
            desk.sink.row(
                Source::OrderItems,
                day,
                &[
                    Cell::Id(self.id()),
                    Cell::Integer(position as i64 + 1),
                    Cell::id(product),
                    Cell::Integer(line.quantity),
                    Cell::Fine(line.unit_price * 100),
                    Cell::Cents(line.discount),
                ],
            );
            if self.fate.cancelled.is_none() {
                let quantity = u32::try_from(line.quantity).unwrap_or(0);
                desk.tally.sell(&world.calendar, line.product, day, quantity);
            }
        }
        self.export_payments(desk);
        self.export_shipment(desk);
    }

    fn export_versions(&self, world: &World, desk: &mut Desk<'_>) {
        let fate = &self.fate;
        let steps: Vec<(Moment, &str)> = [
            (Some(self.at), "pending"),
            (fate.paid, "paid"),
            (fate.shipped, "shipped"),
            (fate.delivered, "delivered"),
            (fate.cancelled, "cancelled"),
        ]
        .into_iter()
        .filter_map(|(at, status)| at.map(|at| (at, status)))
        .collect();
        let days: Vec<Day> = steps.iter().map(|(at, _)| at.day()).collect();
        let campaign = self.campaign.and_then(|position| world.campaigns.get(position));
        let coupon = self.coupon.and_then(|position| world.campaigns.get(position));
        let coupon = coupon.and_then(|campaign| campaign.coupon.as_deref());
        let welcome = self.welcome.then_some("BIENVENIDA10");
        let source = self.via.utm_source.filter(|_| self.online());
        desk.sink.versions(&days, |sink, position| {
            let Some(&(at, status)) = steps.get(position) else { return };
            sink.row(
                Source::Orders,
                at.day(),
                &[
                    Cell::Id(self.id()),
                    Cell::Id(customer_id(self.customer)),
                    Cell::Time(self.at),
                    Cell::Text(status),
                    Cell::Text(self.channel),
                    Cell::Text(self.sales_type),
                    Cell::text(source),
                    Cell::text(campaign.filter(|_| self.online()).map(|campaign| campaign.name.as_str())),
                    Cell::text(coupon.or(welcome)),
                    Cell::Text(self.country),
                    Cell::Cents(self.amounts.discount),
                    Cell::Cents(self.amounts.shipping),
                    Cell::Cents(self.amounts.tax),
                    Cell::Cents(self.amounts.total()),
                ],
            );
        });
    }

    fn export_payments(&self, desk: &mut Desk<'_>) {
        let fate = &self.fate;
        let attempts = fate.failed.iter().map(|&at| (at, "failed"));
        let captured = fate.paid.map(|at| (at, "captured"));
        let back = fate.chargeback.map(|at| (at, "chargeback"));
        for (position, (at, status)) in attempts.chain(captured).chain(back).enumerate() {
            desk.sink.row(
                Source::Payments,
                at.day(),
                &[
                    Cell::Id(Id::new("PAY", self.number * 10 + position as u64)),
                    Cell::Id(self.id()),
                    Cell::Time(at),
                    Cell::Text(fate.method),
                    Cell::Text(status),
                    Cell::Cents(self.amounts.total()),
                ],
            );
        }
    }

    fn export_shipment(&self, desk: &mut Desk<'_>) {
        let fate = &self.fate;
        let Some(shipped) = fate.shipped else { return };
        let end = fate.delivered.map(|at| (at, "delivered")).or(fate.lost.map(|at| (at, "lost")));
        let steps: Vec<(Moment, &str)> = std::iter::once((shipped, "shipped")).chain(end).collect();
        let days: Vec<Day> = steps.iter().map(|(at, _)| at.day()).collect();
        let units = self.units();
        desk.sink.versions(&days, |sink, position| {
            let Some(&(at, status)) = steps.get(position) else { return };
            let delivered = fate.delivered.filter(|_| status == "delivered");
            sink.row(
                Source::Shipments,
                at.day(),
                &[
                    Cell::Id(Id::new("SH", self.number)),
                    Cell::Id(self.id()),
                    Cell::Text(fate.carrier),
                    Cell::Time(shipped),
                    Cell::Date(fate.promised),
                    Cell::time(delivered),
                    Cell::Text(status),
                    Cell::Integer(units),
                    Cell::Integer(units - fate.wrong_units.min(units)),
                ],
            );
        });
    }
}

impl Fate {
    fn draw(profile: &Profile, at: Moment, random: &mut Random) -> Self {
        let business = profile.sales_type != "b2c";
        let method =
            if business { one(random, &["transfer", "transfer", "card"]) } else { pick_name(random, &METHODS) };
        let cancels = chance(random, 0.028);
        let fails = cancels || chance(random, 0.04);
        let failed = if fails { vec![at.plus(i64::from(whole(random, 20, 200)))] } else { Vec::new() };
        let paid = paid_at(method, at, random).filter(|_| !cancels);
        let shipped = paid.map(|paid| working_day_after(paid.day(), random));
        let (least, most) = profile.country.transit;
        let late = chance(random, 0.08);
        let transit = whole(random, least, most) + if late { whole(random, 2, 6) } else { 0 };
        let arrives = shipped.map(|at| at.day().plus(transit).at(shopping_second(random)));
        let loses = chance(random, 0.003);
        let charges_back = chance(random, 0.002) && method == "card";
        let wrong = chance(random, 0.012);
        Self {
            failed,
            method,
            paid,
            cancelled: cancels.then(|| at.plus(i64::from(whole(random, 3_600, 170_000)))),
            chargeback: paid.filter(|_| charges_back).map(|at| at.plus(86_400 * 21)),
            shipped,
            promised: at.day().plus(most + 2),
            delivered: arrives.filter(|_| !loses),
            lost: arrives.filter(|_| loses).map(|at| at.plus(86_400 * 9)),
            wrong_units: i64::from(wrong),
            carrier: one(random, &["SEUR", "MRW", "Correos Express", "GLS"]),
        }
    }
}

/// Transfers arrive after days, everything else after a minute or two.
fn paid_at(method: &str, at: Moment, random: &mut Random) -> Option<Moment> {
    let seconds = if method == "transfer" {
        86_400 * i64::from(whole(random, 1, 6)) + i64::from(whole(random, 0, 3_600))
    } else {
        i64::from(whole(random, 240, 400))
    };
    Some(at.plus(seconds))
}

/// A moment in the afternoon of the next day on which the warehouse works.
fn working_day_after(day: Day, random: &mut Random) -> Moment {
    let mut next = day.plus(1);
    while next.weekday() >= 5 {
        next = next.plus(1);
    }
    next.at(u32::try_from(whole(random, 12 * 3_600, 18 * 3_600)).unwrap_or(0))
}
