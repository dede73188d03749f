//! Mail and SMS: campaigns, reminders of carts, requests for reviews; and what comes of them.

use super::super::calendar::{Day, Moment};
use super::super::desk::Desk;
use super::super::export::cell::{Cell, Id};
use super::super::export::tables::Source;
use super::super::law::{EMAIL, OPENS_AFTER_LEAVING};
use super::super::random::{Random, chance, whole};
use super::super::world::World;
use super::super::world::campaigns::Campaign;
use super::customer_id;
use super::order::Order;
use super::profile::Profile;
use super::purchases::Purchases;
use super::session::OpenCart;
use super::visit::{Depth, Visit};

/// A message to one person.
struct Message<'a> {
    number: u64,
    customer: u64,
    campaign: Option<&'a Campaign>,
    medium: &'static str,
    sent: Moment,
}

/// What a reader did.
#[derive(Default)]
struct Reaction {
    clicked: Option<Moment>,
    unsubscribed: Option<Moment>,
}

/// Sends every campaign to the customers who consented; clicks become visits, and some unsubscribe.
pub fn send_all(
    world: &World,
    profile: &mut Profile,
    purchases: &Purchases,
    visits: &mut Vec<Visit>,
    desk: &mut Desk<'_>,
    random: &mut Random,
) {
    for (position, campaign) in world.campaigns.iter().enumerate() {
        let sent = campaign.from.at(9 * 3_600 + u32::try_from(whole(random, 0, 7_000)).unwrap_or(0));
        let sms = campaign.medium == "sms";
        let accepts = if sms { profile.consent_sms && sent >= profile.registered } else { profile.accepts_email(sent) };
        if !accepts || sent.day() > world.calendar.last || !chance(random, campaign.audience) {
            continue;
        }
        let number = profile.number * 10_000 + position as u64;
        let message =
            Message { number, customer: profile.number, campaign: Some(campaign), medium: campaign.medium, sent };
        let left = super::has_left(purchases, sent);
        let interest = profile.traits.open_rate * if left { OPENS_AFTER_LEAVING } else { 1.0 };
        let reaction = message.send(interest, desk, random);
        if let Some(at) = reaction.clicked {
            visits.push(click(position, at, profile, random));
        }
        if !sms {
            profile.unsubscribed = reaction.unsubscribed.or(profile.unsubscribed);
        }
    }
}

fn click(campaign: usize, at: Moment, profile: &Profile, random: &mut Random) -> Visit {
    let depth = if chance(random, 0.12) { Depth::Cart } else { Depth::Browse };
    let end = at.plus(i64::from(whole(random, 40, 700)));
    let visit = Visit::idle(at.day(), depth, random);
    let logged_in = chance(random, 0.5);
    Visit { start: at, end, via: EMAIL, campaign: Some(campaign), app: profile.app, logged_in, ..visit }
}

/// Reminds a customer of a cart, some hours after it was left.
pub fn remind(profile: &Profile, cart: OpenCart, desk: &mut Desk<'_>, random: &mut Random) {
    let sent = cart.touched.plus(i64::from(whole(random, 3, 20)) * 3_600);
    // One reminder in a session's number; campaigns have the numbers below 5,000.
    let number = profile.number * 10_000 + 5_000 + cart.session % 10_000 % 2_500;
    if profile.accepts_email(sent) && chance(random, 0.8) {
        let message = Message { number, customer: profile.number, campaign: None, medium: "email", sent };
        let _visit_is_another_one = message.send(profile.traits.open_rate * 1.3, desk, random);
    }
}

/// Asks for a review of an order.
pub fn ask_for_review(profile: &Profile, order: &Order, sent: Moment, desk: &mut Desk<'_>, random: &mut Random) {
    let number = profile.number * 10_000 + 7_500 + order.number % 1_000;
    if profile.accepts_email(sent) && sent.day() <= desk.sink.calendar().last {
        let message = Message { number, customer: profile.number, campaign: None, medium: "email", sent };
        let _nothing_follows = message.send(profile.traits.open_rate * 1.15, desk, random);
    }
}

impl Message<'_> {
    /// Sends the message to somebody who opens mail with probability `interest`.
    fn send(&self, interest: f64, desk: &mut Desk<'_>, random: &mut Random) -> Reaction {
        let mut log = Log { message: self, events: 0, desk };
        let mut reaction = Reaction::default();
        log.event("sent", self.sent);
        if chance(random, 0.012) {
            log.event("bounced", self.sent.plus(2));
            return reaction;
        }
        log.event("delivered", self.sent.plus(i64::from(whole(random, 1, 30))));
        let sms = self.medium == "sms";
        let interest = interest.min(0.9);
        if !sms && !chance(random, interest) {
            return reaction;
        }
        // Until the evening of the same day, so that a click's visit stays on it.
        let evening = self.sent.day().at(22 * 3_600).0.max(self.sent.0 + 600);
        let until_evening = i32::try_from(evening - self.sent.0).unwrap_or(600);
        let opened = self.sent.plus(i64::from(whole(random, 60, until_evening)));
        if !sms {
            log.event("opened", opened);
            if chance(random, 0.2) {
                log.event("opened", opened.plus(i64::from(whole(random, 3_600, 40_000))));
            }
        }
        let clicks = if sms { 0.04 } else { 0.05 + 0.2 * interest };
        if chance(random, clicks) {
            let at = opened.plus(i64::from(whole(random, 5, 90)));
            log.event("clicked", at);
            reaction.clicked = Some(at);
        } else if !sms && chance(random, 0.012 * (1.2 - interest)) {
            let at = opened.plus(30);
            log.event("unsubscribed", at);
            reaction.unsubscribed = Some(at);
        } else if chance(random, 0.000_8) {
            log.event("complained", opened.plus(60));
        }
        reaction
    }
}

struct Log<'l, 'm, 'w> {
    message: &'l Message<'m>,
    events: u64,
    desk: &'l mut Desk<'w>,
}

impl Log<'_, '_, '_> {
    fn event(&mut self, kind: &str, at: Moment) {
        let message = self.message;
        let number = message.number * 10 + self.events;
        self.events += 1;
        let day: Day = at.day();
        self.desk.sink.row(
            Source::Messages,
            day,
            &[
                Cell::Id(Id::new("ME", number)),
                Cell::Id(Id::new("M", message.number)),
                Cell::Id(customer_id(message.customer)),
                Cell::text(message.campaign.map(|campaign| campaign.id.as_str())),
                Cell::Text(message.medium),
                Cell::Text(kind),
                Cell::Time(at),
            ],
        );
    }
}
