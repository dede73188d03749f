//! What goes into a basket: products near the customer's taste, up to the target.

use super::super::calendar::Day;
use super::super::law::Traits;
use super::super::random::{Random, chance, weighted, whole};
use super::super::world::World;

/// A line of a basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Position among the products.
    pub product: usize,
    /// Units.
    pub quantity: i64,
    /// Price of a unit in cents, without tax.
    pub unit_price: i64,
    /// Discount on the line in cents.
    pub discount: i64,
}

impl Line {
    /// Value of the line in cents.
    pub fn net(&self) -> i64 {
        self.quantity * self.unit_price - self.discount
    }
}

/// Lines that were, or might have been, bought together.
#[derive(Clone, Debug)]
pub struct Basket {
    /// Day of the purchase.
    pub day: Day,
    /// At least one line; no product twice.
    pub lines: Vec<Line>,
}

/// The category a customer mostly buys from.
pub fn favourite(random: &mut Random) -> usize {
    weighted(random, &[0.3, 0.1, 0.12, 0.11, 0.15, 0.1, 0.07, 0.05])
}

/// Fills a basket up to `target` cents.
///
/// A product that is out of stock is replaced half of the time, else the customer does without it.
///
/// # Errors
/// Where nothing that was wanted could be ordered, the product that was wanted first, if any.
pub fn fill(
    world: &World,
    day: Day,
    target: i64,
    favourite: usize,
    traits: &Traits,
    random: &mut Random,
) -> Result<Basket, Option<usize>> {
    let business = traits.sales_type.name != "b2c";
    let mut lines: Vec<Line> = Vec::new();
    let mut wanted = None;
    let mut rest = target;
    for attempt in 0..9 {
        if lines.len() >= 6 || (attempt > 0 && rest * 2 < 1_500) {
            break;
        }
        let category = chance(random, 0.6).then_some(favourite);
        let Some(product) = world.shelf.pick(random, day, category) else { continue };
        let Some(found) = world.products.get(product) else { continue };
        wanted = wanted.or(Some(product));
        if found.out_of_stock(day) {
            if chance(random, 0.5) {
                continue;
            }
            rest -= found.price(day);
            continue;
        }
        let unit_price = found.price(day);
        // What costs much more than what is left to spend is put back, if there is something else.
        if lines.iter().any(|line| line.product == product) || (attempt < 6 && unit_price > rest * 3 / 2) {
            continue;
        }
        let most = if business { 24 } else { 3 };
        let share = if business { rest * 2 / 3 } else { rest };
        let quantity = (share / unit_price.max(1)).clamp(1, i64::from(whole(random, 1, most)));
        let percent = if business { i64::from(whole(random, 2, 4)) * 4 } else { 0 };
        let discount = (quantity * unit_price * percent + 50) / 100;
        rest -= quantity * unit_price - discount;
        lines.push(Line { product, quantity, unit_price, discount });
    }
    if lines.is_empty() { Err(wanted) } else { Ok(Basket { day, lines }) }
}
