//! What a worker has before it while it generates a part of the shop: the sink and the counts.

use super::calendar::{Calendar, Day};
use super::export::sink::{Plan, Sink};
use super::world::World;

/// Views of a page on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// Times it was seen.
    pub count: u64,
    /// Sum of the deepest points reached, in thousandths.
    pub scroll: u64,
}

/// Counts that customers leave behind for the exports that sum over all of them. Whole numbers, so
/// that it does not matter who is counted first.
#[derive(Debug)]
pub struct Tally {
    days: usize,
    sold: Vec<u32>,
    views: Vec<Views>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(world: &World) -> Self {
        let days = world.calendar.days();
        Self {
            days,
            sold: vec![0; days * world.products.len()],
            views: vec![Views::default(); days * world.pages.count()],
        }
    }

    /// Counts `quantity` units of a product sold.
    pub fn sell(&mut self, calendar: &Calendar, product: usize, day: Day, quantity: u32) {
        if let Some(offset) = calendar.offset(day)
            && let Some(sold) = self.sold.get_mut(product * self.days + offset)
        {
            *sold += quantity;
        }
    }

    /// Counts a view of a page and how far it was scrolled, 0 to 1.
    pub fn view(&mut self, calendar: &Calendar, page: usize, day: Day, scroll: f64) {
        if let Some(offset) = calendar.offset(day)
            && let Some(views) = self.views.get_mut(page * self.days + offset)
        {
            views.count += 1;
            views.scroll += (scroll * 1000.0).round() as u64;
        }
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        for (sold, more) in self.sold.iter_mut().zip(&other.sold) {
            *sold += more;
        }
        for (views, more) in self.views.iter_mut().zip(&other.views) {
            views.count += more.count;
            views.scroll += more.scroll;
        }
    }

    /// Units of a product sold on each day.
    pub fn sold(&self, product: usize) -> &[u32] {
        self.sold.get(product * self.days..(product + 1) * self.days).unwrap_or_default()
    }

    /// Views of a page on each day.
    pub fn views(&self, page: usize) -> &[Views] {
        self.views.get(page * self.days..(page + 1) * self.days).unwrap_or_default()
    }
}

/// A worker's desk.
pub struct Desk<'w> {
    /// Where rows go.
    pub sink: Sink<'w>,
    /// What is counted.
    pub tally: Tally,
}

impl<'w> Desk<'w> {
    /// An empty desk.
    pub fn new(world: &'w World, plan: Plan) -> Self {
        Self { sink: Sink::new(&world.calendar, plan), tally: Tally::new(world) }
    }
}
