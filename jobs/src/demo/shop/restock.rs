//! When and how much of a product arrives, given what was sold and when there was none.
//!
//! Customers are generated first and independently, so stock is planned backwards: deliveries bring
//! what will be sold until the next one and a reserve, except before a stock-out, where they bring
//! exactly what is sold until its first day. So stock is never negative, and nil when it must be.

use super::super::random::{Random, between, whole};
use super::super::world::catalogue::Product;

/// An arrival of goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Day on which it arrives, as an offset from the first.
    pub offset: usize,
    /// Units in stock right after it, before that day's sales.
    pub level: u32,
    /// It ends a stock-out: it should have come when that began.
    pub expected: Option<usize>,
}

/// Plans the arrivals of `product`, whose sales by day are `sold`; the first is the opening stock,
/// on the day `opens`. `outages` are offsets: first day without stock, first day with stock again.
pub fn plan(
    product: &Product,
    sold: &[u32],
    opens: usize,
    outages: &[(usize, usize)],
    random: &mut Random,
) -> Vec<Arrival> {
    let mut offsets = vec![(opens, None)];
    let cycle = 18 + (product.number % 4) as i32 * 5;
    let mut next = opens + usize::try_from(whole(random, 8, cycle)).unwrap_or(8);
    let mut ahead = outages.iter().peekable();
    while next < sold.len() {
        if let Some(&&(from, back)) = ahead.peek()
            && next + 4 >= from
        {
            ahead.next();
            if back < sold.len() {
                offsets.push((back, Some(from)));
            }
            next = back;
        } else {
            offsets.push((next, None));
        }
        next += usize::try_from(whole(random, cycle - 4, cycle + 4)).unwrap_or(14);
    }
    levels(&offsets, sold, outages, random)
}

/// Works backwards from the last arrival: what is left over at an arrival must not be more than what
/// is needed after it.
fn levels(
    offsets: &[(usize, Option<usize>)],
    sold: &[u32],
    outages: &[(usize, usize)],
    random: &mut Random,
) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let mut needed_next = u32::MAX;
    for (position, &(offset, expected)) in offsets.iter().enumerate().rev() {
        let end = offsets.get(position + 1).map_or(sold.len(), |(next, _)| *next);
        let demand: u32 = sold.get(offset..end).unwrap_or_default().iter().sum();
        let runs_out = outages.iter().any(|&(from, _)| (offset..end).contains(&from));
        let share = between(random, 0.15, 0.6);
        let reserve = if runs_out { 0 } else { (f64::from(demand) * share).round() as u32 + 2 };
        let level = demand + reserve.min(needed_next);
        arrivals.push(Arrival { offset, level, expected });
        needed_next = level;
    }
    arrivals.reverse();
    arrivals
}

#[cfg(test)]
mod tests {
    use super::super::super::calendar::Day;
    use super::super::super::random::{Stream, stream};
    use super::super::super::world::catalogue::SUPPLIERS;
    use super::*;

    #[test]
    fn stock_is_never_negative_and_nil_in_a_stock_out() {
        let product = Product {
            number: 3,
            name: String::new(),
            category: 0,
            category_name: "",
            kind: "",
            brand: "",
            supplier: &SUPPLIERS[0],
            unit_cost: 1,
            prices: Vec::new(),
            launched: Day(0),
            retired: None,
            popularity: 1.0,
            elasticity: -1.0,
            quality: 1.0,
            outages: Vec::new(),
        };
        let outages = [(40, 47), (110, 113), (295, 310)];
        for number in 0..50 {
            let mut random = stream(1, Stream::Inventory, number);
            let mut sold: Vec<u32> = (0..300).map(|day| day * 7 % 5).collect();
            for &(from, back) in &outages {
                sold[from..back.min(300)].fill(0);
            }
            let arrivals = plan(&product, &sold, 0, &outages, &mut random);
            let mut stock = 0;
            for (day, sales) in sold.iter().enumerate() {
                if let Some(arrival) = arrivals.iter().find(|arrival| arrival.offset == day) {
                    assert!(arrival.level >= stock, "goods arrive, they do not vanish");
                    stock = arrival.level;
                }
                stock = stock.checked_sub(*sales).expect("never negative");
                let out = outages.iter().any(|(from, back)| (*from..*back).contains(&day));
                assert!(!out || stock == 0, "day {day}: {stock}");
            }
        }
    }
}
