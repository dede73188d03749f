//! Campaigns of the shop: what they are called, when they run, how much they move.

use super::super::calendar::{Calendar, Day};
use super::super::random::{Random, between, chance, whole};

/// A campaign and what it does.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Key in the exports.
    pub id: String,
    /// Name in sessions and orders.
    pub name: String,
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// `email` or `sms`.
    pub medium: &'static str,
    /// Multiplies the tempo of its days.
    pub uplift: f64,
    /// Discount in percent of the lines, with the coupon.
    pub discount_percent: i64,
    /// Coupon that gives the discount.
    pub coupon: Option<String>,
    /// Share of those who consented that get a message.
    pub audience: f64,
}

impl Campaign {
    /// Whether it runs on `day`.
    pub fn runs_on(&self, day: Day) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

/// Campaigns of every year: month, day, days, uplift, discount, name.
const YEARLY: [(u32, u32, i32, f64, i64, &str); 6] = [
    (1, 2, 10, 1.25, 15, "Año nuevo"),
    (5, 4, 7, 1.2, 10, "Operación verano"),
    (8, 20, 5, 1.15, 10, "Últimos días de verano"),
    (9, 7, 7, 1.2, 10, "Vuelta al gimnasio"),
    (11, 24, 7, 1.9, 25, "Black Friday"),
    (12, 10, 6, 1.2, 10, "Navidad"),
];

/// Plans the campaigns of the exported days: the yearly ones, and a newsletter every two weeks or so.
pub fn plan(calendar: &Calendar, random: &mut Random) -> Vec<Campaign> {
    let mut campaigns = Vec::new();
    let (first_year, ..) = calendar.first.civil();
    let (last_year, ..) = calendar.last.civil();
    for year in first_year..=last_year {
        for (month, date, days, uplift, percent, name) in YEARLY {
            let Some(from) = Day::from_civil(year, month, date) else { continue };
            if from >= calendar.first && from <= calendar.last {
                campaigns.push(yearly(year, from, days, uplift, percent, name));
            }
        }
    }
    let mut from = calendar.first.plus(whole(random, 3, 12));
    while from <= calendar.last {
        campaigns.push(newsletter(from, random));
        from = from.plus(whole(random, 11, 19));
    }
    campaigns.sort_by_key(|campaign| campaign.from);
    for (position, campaign) in campaigns.iter_mut().enumerate() {
        campaign.id = format!("CMP{:04}", position + 1);
    }
    campaigns
}

fn yearly(year: i32, from: Day, days: i32, uplift: f64, percent: i64, name: &str) -> Campaign {
    let initials: String = name.split(' ').filter_map(|word| word.chars().next()).collect();
    Campaign {
        id: String::new(),
        name: format!("{name} {year}"),
        from,
        to: from.plus(days - 1),
        medium: "email",
        uplift,
        discount_percent: percent,
        coupon: Some(format!("{}{percent}-{year}", initials.to_uppercase().replace('Ú', "U"))),
        audience: 0.8,
    }
}

fn newsletter(from: Day, random: &mut Random) -> Campaign {
    let (year, month, date) = from.civil();
    let sms = chance(random, 0.2);
    let discount = chance(random, 0.4);
    let percent = if discount { i64::from(whole(random, 1, 3)) * 5 } else { 0 };
    let kind = if sms { "SMS" } else { "Newsletter" };
    Campaign {
        id: String::new(),
        name: format!("{kind} {year}-{month:02}-{date:02}"),
        from,
        to: from.plus(whole(random, 1, 3)),
        medium: if sms { "sms" } else { "email" },
        uplift: between(random, 1.02, 1.15) + percent as f64 / 100.0,
        discount_percent: percent,
        coupon: discount.then(|| format!("HOLA{percent}-{month:02}{date:02}")),
        audience: if sms { 0.35 } else { 0.45 },
    }
}
