//! When a customer buys, what is in the basket, and when the customer leaves.

use super::super::calendar::Day;
use super::super::law::Traits;
use super::super::random::{Random, chance, exponential, unit};
use super::super::world::World;
use super::basket::{self, Basket};

/// The outcome of a customer's purchase process.
#[derive(Debug)]
pub struct Purchases {
    /// Day the account was opened.
    pub registered: Day,
    /// Whether the account was opened to buy.
    /// Baskets that became orders, on different days, in order.
    pub baskets: Vec<Basket>,
    /// Day after whose purchase the customer left for good, if so.
    pub left: Option<Day>,
    /// Purchases before the exports begin.
    pub earlier: u32,
    /// Days on which nothing was bought because what was wanted was out of stock.
    pub lost_on: Vec<(Day, usize)>,
    /// Their number.
    pub lost: u32,
}

/// Runs the process of [`super::super::law`] from registration to the last night.
pub fn draw(world: &World, number: u64, traits: &Traits, random: &mut Random) -> Purchases {
    let calendar = &world.calendar;
    let quantile = (number as f64 - 1.0 + unit(random)) / world.customers.max(1) as f64;
    let time = world.tempo.registration(quantile.min(0.999_999));
    let mut purchases = Purchases {
        registered: Day(time as i32),
        baskets: Vec::new(),
        left: None,
        earlier: 0,
        lost_on: Vec::new(),
        lost: 0,
    };
    let favourite = basket::favourite(random);
    let Some(delay) = traits.first_purchase else { return purchases };
    let mut operational = world.tempo.at(time) + delay;
    let mut previous: Option<Day> = None;
    let mut repeat = false;
    while let Some(time) = world.tempo.when(operational) {
        let day = previous.map_or(Day(time as i32), |day| day.plus(1).max(Day(time as i32)));
        if day > calendar.last {
            break;
        }
        previous = Some(day);
        operational += exponential(random) / traits.rate.max(1e-6);
        if day < calendar.first {
            purchases.earlier += 1;
        } else {
            let target = traits.basket_target(random);
            match basket::fill(world, day, target, favourite, traits, random) {
                Ok(basket) => purchases.baskets.push(basket),
                Err(product) => {
                    purchases.lost += 1;
                    purchases.lost_on.extend(product.map(|product| (day, product)));
                    continue;
                }
            }
        }
        if repeat && chance(random, traits.dropout) {
            purchases.left = Some(day);
            break;
        }
        repeat = true;
    }
    purchases
}
