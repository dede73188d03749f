//! Exports about the shop itself: catalogue, stock, purchases, competitors, page summaries.

mod catalogue;
mod competitors;
mod inventory;
mod pages;
mod restock;

use super::desk::{Desk, Tally};
use super::world::World;

/// Exports what does not depend on customers.
pub fn open(world: &World, desk: &mut Desk<'_>) {
    catalogue::export(world, desk);
    competitors::export(world, desk);
}

/// Exports what sums up what customers did.
pub fn close(world: &World, tally: &Tally, desk: &mut Desk<'_>) {
    inventory::export(world, tally, desk);
    pages::export(world, tally, desk);
}
