//! Which product a customer picks: popularity, moved by price, among what is on sale that day.

use std::ops::Range;

use super::super::calendar::{Calendar, Day};
use super::super::random::{Random, unit};
use super::catalogue::{CATEGORIES, Product};

/// Running sums of the products' weights, day by day.
pub struct Shelf {
    first: Day,
    products: usize,
    /// For each day, the running sum after each product.
    sums: Vec<f64>,
    categories: Vec<Range<usize>>,
}

impl Shelf {
    /// Weighs every product on every day.
    pub fn new(calendar: &Calendar, products: &[Product]) -> Self {
        let mut sums = Vec::with_capacity(calendar.days() * products.len());
        for day in calendar.iter() {
            let mut sum = 0.0;
            for product in products {
                if product.on_sale(day) {
                    let change = product.price(day) as f64 / product.price(calendar.first) as f64;
                    sum += product.popularity * change.powf(product.elasticity);
                }
                sums.push(sum);
            }
        }
        let categories = (0..CATEGORIES.len())
            .map(|category| {
                let start = products.partition_point(|product| product.category < category);
                start..products.partition_point(|product| product.category <= category)
            })
            .collect();
        Self { first: calendar.first, products: products.len(), sums, categories }
    }

    /// The position of a product drawn from all, or from one category; it may be out of stock.
    pub fn pick(&self, random: &mut Random, day: Day, category: Option<usize>) -> Option<usize> {
        let range = match category {
            Some(category) => self.categories.get(category)?.clone(),
            None => 0..self.products,
        };
        let start = usize::try_from(day.0 - self.first.0).ok()? * self.products;
        let of_day = self.sums.get(start..start + self.products)?;
        let before = if range.start == 0 { 0.0 } else { *of_day.get(range.start - 1)? };
        let after = *of_day.get(range.end.checked_sub(1)?)?;
        if after <= before {
            return None;
        }
        let wanted = before + unit(random) * (after - before);
        let found = of_day.partition_point(|&sum| sum <= wanted);
        (found < range.end).then_some(found)
    }
}
