//! Who a customer is, and how the profile changes.

use super::super::calendar::{Day, Moment};
use super::super::desk::Desk;
use super::super::export::cell::Cell;
use super::super::export::tables::Source;
use super::super::law::{Traits, shopping_second};
use super::super::names::{COUNTRIES, Country, FAMILY, FEMININE, MAIL, MASCULINE};
use super::super::random::{Random, below, chance, one, pick, pick_name, weighted, whole};
use super::super::world::World;
use super::customer_id;
use super::purchases::Purchases;

/// A customer's profile.
pub struct Profile {
    /// Number in the key.
    pub number: u64,
    /// What the law gave.
    pub traits: Traits,
    /// Sales type of the orders.
    pub sales_type: &'static str,
    /// Country of the address.
    pub country: &'static Country,
    /// Language the customer reads and writes.
    pub language: &'static str,
    /// Uses the app more than the web.
    pub app: bool,
    /// Device on the web.
    pub device: &'static str,
    /// In the loyalty scheme.
    pub member: bool,
    /// When the account was opened.
    pub registered: Moment,
    /// Accepts e-mail, from the account's opening until that ends.
    pub consent_email: bool,
    /// When the customer unsubscribed.
    pub unsubscribed: Option<Moment>,
    /// Accepts SMS.
    pub consent_sms: bool,
    imported: bool,
    moved: Option<Moment>,
    email: String,
    phone: Option<String>,
    first_name: &'static str,
    last_name: String,
    gender: Option<&'static str>,
    birth_date: Option<Day>,
    /// City and postal code, before and after moving.
    addresses: (Address, Address),
}

impl Profile {
    /// Draws a profile.
    pub fn draw(world: &World, number: u64, traits: &Traits, purchases: &Purchases, random: &mut Random) -> Self {
        let country = pick(random, &COUNTRIES, |country| country.weight);
        let feminine = chance(random, 0.45);
        let first_name = one(random, if feminine { &FEMININE } else { &MASCULINE });
        let last_name = format!("{} {}", one(random, &FAMILY), one(random, &FAMILY));
        let other = if feminine { "female" } else { "male" };
        let gender = pick_name(random, &[(Some(other), 0.72), (Some("other"), 0.02), (None, 0.26)]);
        let born = Day(purchases.registered.0 - whole(random, 18 * 365, 68 * 365));
        let registered = purchases.registered.at(shopping_second(random));
        let moves = chance(random, 0.07);
        let moved = world.calendar.first.max(purchases.registered).plus(whole(random, 5, 300));
        let addresses = (address(country, random), address(country, random));
        let english = chance(random, 0.05);
        Self {
            number,
            traits: *traits,
            sales_type: traits.sales_type.name,
            country,
            language: if english { "en" } else { country.language },
            app: chance(random, 0.3),
            device: one(random, &["mobile", "mobile", "mobile", "desktop", "desktop", "tablet"]),
            member: chance(random, 0.6),
            registered,
            consent_email: chance(random, 0.68),
            unsubscribed: None,
            consent_sms: chance(random, 0.22),
            imported: purchases.registered < world.calendar.first && chance(random, 0.3),
            moved: moves.then(|| moved.at(shopping_second(random))),
            email: email(number, first_name, &last_name, random),
            phone: phone(country, random),
            first_name,
            last_name,
            gender,
            birth_date: chance(random, 0.55).then_some(born),
            addresses,
        }
    }

    /// Whether the customer accepts e-mail at a moment.
    pub fn accepts_email(&self, at: Moment) -> bool {
        self.consent_email && at >= self.registered && self.unsubscribed.is_none_or(|until| at < until)
    }

    /// Moves the opening of the account before a moment on the same day.
    pub fn register_before(&mut self, at: Moment) {
        if self.registered.day() == at.day() {
            self.registered = self.registered.min(at.plus(-90));
        }
    }

    /// Exports the profile as it was opened and each time it changed.
    pub fn export(&self, desk: &mut Desk<'_>) {
        // What happened before the exports begin is known on their first day.
        let opened = self.registered.max(desk.sink.calendar().first.at(0));
        let mut changes: Vec<Moment> =
            [Some(opened), self.moved, self.unsubscribed].into_iter().flatten().map(|at| at.max(opened)).collect();
        changes.sort_unstable();
        let days: Vec<Day> = changes.iter().map(|at| at.day()).collect();
        desk.sink.versions(&days, |sink, position| {
            let at = changes.get(position).copied().unwrap_or(opened);
            let moved = self.moved.is_some_and(|moved| moved <= at);
            let (city, postal_code) = if moved { &self.addresses.1 } else { &self.addresses.0 };
            let email = self.consent_email && self.unsubscribed.is_none_or(|until| at < until);
            let registered = (!self.imported).then_some(self.registered);
            sink.row(
                Source::Customers,
                at.day(),
                &[
                    Cell::Id(customer_id(self.number)),
                    Cell::Text(&self.email),
                    Cell::text(self.phone.as_deref()),
                    Cell::Text(self.first_name),
                    Cell::Text(&self.last_name),
                    Cell::time(registered),
                    Cell::date(self.birth_date),
                    Cell::text(self.gender),
                    Cell::Text(self.country.code),
                    Cell::Text(city),
                    Cell::Text(postal_code),
                    Cell::Text(self.traits.channel.name),
                    Cell::Text(self.language),
                    Cell::Boolean(email),
                    Cell::Boolean(self.consent_sms),
                    Cell::Time(at),
                ],
            );
        });
    }
}

/// City and postal code.
type Address = (&'static str, String);

fn address(country: &Country, random: &mut Random) -> Address {
    let (city, begins) = country.cities.get(below(random, country.cities.len())).copied().unwrap_or(("", ""));
    let missing = 5_usize.saturating_sub(begins.len()).max(1);
    let rest = whole(random, 0, 10_i32.pow(u32::try_from(missing).unwrap_or(1)) - 1);
    (city, format!("{begins}{rest:0missing$}"))
}

/// A telephone as people type it: with or without prefix and spaces, or not at all.
fn phone(country: &Country, random: &mut Random) -> Option<String> {
    let (a, b, c) = (whole(random, 600, 699), whole(random, 0, 999), whole(random, 0, 999));
    match weighted(random, &[0.5, 0.2, 0.15, 0.15]) {
        0 => Some(format!("{}{a}{b:03}{c:03}", country.prefix)),
        1 => Some(format!("{a}{b:03}{c:03}")),
        2 => Some(format!("{a} {b:03} {c:03}")),
        _ => None,
    }
}

/// An address for mail; now and then typed with capitals, as people do.
fn email(number: u64, first: &str, last: &str, random: &mut Random) -> String {
    let plain = |text: &str| -> String { text.to_lowercase().chars().filter_map(plain_letter).collect() };
    let family = last.split(' ').next().unwrap_or_default();
    let provider = one(random, &MAIL);
    let address = format!("{}.{}{number}@{provider}", plain(first), plain(family));
    if chance(random, 0.04) { address.to_uppercase() } else { address }
}

fn plain_letter(letter: char) -> Option<char> {
    match letter {
        'á' | 'ã' | 'à' => Some('a'),
        'é' => Some('e'),
        'í' => Some('i'),
        'ó' | 'õ' => Some('o'),
        'ú' | 'ü' => Some('u'),
        'ñ' => Some('n'),
        'ç' => Some('c'),
        letter => letter.is_ascii_alphanumeric().then_some(letter),
    }
}
