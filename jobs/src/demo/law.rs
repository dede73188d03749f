//! The law by which customers come, buy, spend and leave. All its constants are here, and in the truth.
//!
//! Purchases follow BG/NBD (Fader, Hardie, Lee 2005, "Counting your customers the easy way"): a
//! customer's purchases after the first come at rate λ ~ Gamma(r, α) a day while alive, and after
//! each of them the customer leaves for good with probability p ~ Beta(a, b). Time is operational:
//! the shop's season, trend and campaigns stretch and shrink days (see [`super::tempo`]), with mean 1
//! over the exported days. The value of baskets follows Gamma-Gamma (Fader, Hardie 2013): a
//! transaction's target is Gamma(shape q₀, ν) with 1/ν ~ Gamma(q, 1/γ), so its mean differs by
//! customer. Products with prices fill the target, so amounts are near it, not equal to it.
//! Acquisition channels and sales types multiply λ, p and the mean basket.

use serde_json::{Value, json};

use super::random::{Random, beta, between, chance, gamma, pick, pick_name, weighted};

/// Shape of the purchase rate's law (r).
const RATE_SHAPE: f64 = 0.9;
/// Mean purchases a day of a customer who is alive (r/α).
const RATE_MEAN: f64 = 1.0 / 55.0;
/// Beta law of leaving after a purchase (a, b).
const DROPOUT: (f64, f64) = (0.9, 4.5);
/// Shape of a transaction's target around the customer's mean.
const BASKET_SHAPE: f64 = 6.0;
/// Shape of the mean's law across customers; its mean is `BASKET_MEAN`.
const BASKET_SPREAD: f64 = 4.0;
/// Mean target of a basket, before tax, in the shop's currency.
const BASKET_MEAN: f64 = 46.0;
/// Shape and mean of visits a day without a purchase, while alive.
const VISITS: (f64, f64) = (1.4, 0.022);
/// Share of the visit rate that is left once a customer has left.
pub const VISITS_AFTER_LEAVING: f64 = 0.12;
/// Share of the open rate that is left once a customer has left.
pub const OPENS_AFTER_LEAVING: f64 = 0.35;
/// Beta law of opening an e-mail.
const OPENS: (f64, f64) = (2.2, 5.0);
/// Share of customers whose account begins with their first purchase.
const BUYS_ON_ARRIVAL: f64 = 0.74;
/// Mean days from account to first purchase for the others.
const FIRST_PURCHASE_DELAY: f64 = 32.0;
/// Share of the others who never buy.
const NEVER_BUYS: f64 = 0.22;
/// Visits of strangers for each customer, over a year.
pub const STRANGERS_A_YEAR: f64 = 11.0;

/// Where customers and visits come from.
#[derive(Debug)]
pub struct Channel {
    /// As exports name it.
    pub name: &'static str,
    /// The source an order is credited to.
    pub utm_source: Option<&'static str>,
    /// Weight among new customers.
    acquires: f64,
    /// Weight among visits.
    visits: f64,
    /// Multiplies the purchase rate.
    rate: f64,
    /// Multiplies the probability of leaving.
    dropout: f64,
    /// Multiplies the mean basket.
    basket: f64,
}

/// Marketing channels. Referred customers are the best, social ones the quickest to leave.
pub static CHANNELS: [Channel; 7] = [
    channel("organic_search", Some("google"), [0.26, 0.26, 1.0, 1.0, 1.0]),
    channel("paid_search", Some("google_ads"), [0.22, 0.17, 0.95, 1.1, 1.0]),
    channel("paid_social", Some("instagram"), [0.20, 0.17, 0.8, 1.45, 0.85]),
    channel("direct", None, [0.12, 0.21, 1.1, 0.9, 1.05]),
    channel("referral", Some("amigos"), [0.09, 0.05, 1.35, 0.6, 1.1]),
    channel("affiliate", Some("blogs"), [0.07, 0.05, 0.85, 1.2, 0.95]),
    channel("email", Some("newsletter"), [0.04, 0.09, 1.1, 0.85, 1.0]),
];

/// The channel of those who click in an e-mail.
pub static EMAIL: &Channel = &CHANNELS[6];

const fn channel(name: &'static str, utm_source: Option<&'static str>, of: [f64; 5]) -> Channel {
    let [acquires, visits, rate, dropout, basket] = of;
    Channel { name, utm_source, acquires, visits, rate, dropout, basket }
}

/// To whom a customer's orders are sold.
#[derive(Debug)]
pub struct SalesType {
    /// As exports name it.
    pub name: &'static str,
    weight: f64,
    rate: f64,
    dropout: f64,
    /// Multiplies the mean basket.
    basket: f64,
}

/// Consumers, businesses (gyms, clinics), and businesses that sell on.
pub static SALES_TYPES: [SalesType; 3] = [
    SalesType { name: "b2c", weight: 0.94, rate: 1.0, dropout: 1.0, basket: 1.0 },
    SalesType { name: "b2b", weight: 0.045, rate: 1.2, dropout: 0.5, basket: 4.5 },
    SalesType { name: "b2b2c", weight: 0.015, rate: 1.1, dropout: 0.6, basket: 3.0 },
];

/// What the law gave one customer.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Where the customer came from.
    pub channel: &'static Channel,
    /// To whom the orders are sold.
    pub sales_type: &'static SalesType,
    /// Purchases a day while alive (λ).
    pub rate: f64,
    /// Probability of leaving after a repeat purchase (p).
    pub dropout: f64,
    /// Mean of the basket's target, in the shop's currency.
    pub mean_basket: f64,
    /// Days from account to first purchase; none for those who never buy.
    pub first_purchase: Option<f64>,
    /// Visits without a purchase a day while alive.
    pub visit_rate: f64,
    /// Probability that an e-mail is opened while alive.
    pub open_rate: f64,
}

impl Traits {
    /// Draws a customer.
    pub fn draw(random: &mut Random) -> Self {
        let channel = pick(random, &CHANNELS, |channel| channel.acquires);
        let sales_type = pick(random, &SALES_TYPES, |kind| kind.weight);
        let rate = gamma(random, RATE_SHAPE, RATE_MEAN / RATE_SHAPE) * channel.rate * sales_type.rate;
        let dropout = beta(random, DROPOUT.0, DROPOUT.1) * channel.dropout * sales_type.dropout;
        // The mean of a transaction is q0 / nu; nu ~ Gamma(q, rate g) makes it inverse gamma.
        let spread = gamma(random, BASKET_SPREAD, 1.0).max(0.2);
        let mean_basket = BASKET_MEAN * (BASKET_SPREAD - 1.0) / spread * channel.basket * sales_type.basket;
        let arrives = chance(random, BUYS_ON_ARRIVAL);
        let never = chance(random, NEVER_BUYS);
        let delay = super::random::exponential(random) * FIRST_PURCHASE_DELAY;
        Self {
            channel,
            sales_type,
            rate,
            dropout: dropout.min(0.95),
            mean_basket: mean_basket.clamp(9.0, 2_500.0),
            first_purchase: if arrives { Some(0.0) } else { Some(delay).filter(|_| !never) },
            visit_rate: gamma(random, VISITS.0, VISITS.1 / VISITS.0) + rate * 0.6,
            open_rate: beta(random, OPENS.0, OPENS.1),
        }
    }

    /// Draws the target of one basket, in cents.
    pub fn basket_target(&self, random: &mut Random) -> i64 {
        (gamma(random, BASKET_SHAPE, self.mean_basket / BASKET_SHAPE) * 100.0).round() as i64
    }

    /// The shape of a transaction's target around its mean.
    pub fn basket_shape() -> f64 {
        BASKET_SHAPE
    }
}

/// The marketing channel of a visit.
pub fn visit_channel(random: &mut Random) -> &'static Channel {
    pick(random, &CHANNELS, |channel| channel.visits)
}

/// The sales channel of an order, given that the customer's device is an app or not.
pub fn sales_channel(random: &mut Random, app: bool) -> &'static str {
    let [web, in_app, marketplace, phone] = if app { [0.12, 0.82, 0.04, 0.02] } else { [0.84, 0.0, 0.11, 0.05] };
    pick_name(random, &[("web", web), ("app", in_app), ("marketplace", marketplace), ("phone", phone)])
}

/// A second of the day at which people shop: a lunch peak and an evening peak, never at night, so
/// that a visit begins and ends on the same business day.
pub fn shopping_second(random: &mut Random) -> u32 {
    const BY_HOUR: [f64; 16] = [1.0, 2.2, 3.4, 4.4, 5.0, 5.2, 5.4, 5.0, 4.2, 4.0, 4.4, 5.2, 6.2, 7.4, 7.0, 4.6];
    let hour = 7.0 + weighted(random, &BY_HOUR) as f64;
    ((hour + between(random, 0.0, 0.98)) * 3600.0) as u32
}

/// The law in words that a model's test can read.
pub fn describe() -> Value {
    json!({
        "purchases": {
            "law": "BG/NBD in operational time",
            "rate_shape": RATE_SHAPE,
            "rate_mean_per_day": RATE_MEAN,
            "dropout_a": DROPOUT.0,
            "dropout_b": DROPOUT.1,
            "dropout_applies": "after every repeat purchase that happened, not after the first",
        },
        "basket": {
            "law": "Gamma-Gamma of the target; products with prices fill it",
            "shape": BASKET_SHAPE,
            "spread": BASKET_SPREAD,
            "mean_amount": BASKET_MEAN,
        },
        "first_purchase": {
            "on_arrival": BUYS_ON_ARRIVAL,
            "mean_delay_days_of_others": FIRST_PURCHASE_DELAY,
            "never_of_others": NEVER_BUYS,
        },
        "visits": {
            "shape": VISITS.0,
            "mean_per_day": VISITS.1,
            "factor_after_leaving": VISITS_AFTER_LEAVING,
            "strangers_a_year_and_customer": STRANGERS_A_YEAR,
        },
        "email": { "open_a": OPENS.0, "open_b": OPENS.1, "factor_after_leaving": OPENS_AFTER_LEAVING },
        "channels": CHANNELS.iter().map(|channel| json!({
            "name": channel.name, "weight": channel.acquires, "rate": channel.rate,
            "dropout": channel.dropout, "basket": channel.basket,
        })).collect::<Vec<_>>(),
        "sales_types": SALES_TYPES.iter().map(|kind| json!({
            "name": kind.name, "weight": kind.weight, "rate": kind.rate,
            "dropout": kind.dropout, "basket": kind.basket,
        })).collect::<Vec<_>>(),
    })
}
