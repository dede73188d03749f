//! What competitors ask for the same products.

use super::super::desk::Desk;
use super::super::export::cell::Cell;
use super::super::export::tables::Source;
use super::super::random::{Stream, between, chance, normal, stream};
use super::super::world::World;

const COMPETITORS: [(&str, f64); 3] = [("MyFitShop", 0.97), ("Músculo24", 1.02), ("Prozone", 1.06)];

/// Exports a price for each day, product and competitor that carries it. A competitor's price stays
/// near ours, changes now and then, and falls when there is an offer.
pub fn export(world: &World, desk: &mut Desk<'_>) {
    for product in &world.products {
        let mut random = stream(world.seed, Stream::Competitors, product.number);
        for (competitor, level) in COMPETITORS {
            if !chance(&mut random, 0.35) {
                continue;
            }
            let mut factor = level * (1.0 + 0.05 * normal(&mut random));
            let mut offer = 1.0;
            for day in world.calendar.iter() {
                if chance(&mut random, 0.03) {
                    factor = level * (1.0 + 0.06 * normal(&mut random));
                    offer = if chance(&mut random, 0.3) { between(&mut random, 0.8, 0.95) } else { 1.0 };
                }
                if product.on_sale(day) {
                    let price = product.price(day) as f64 * factor * offer;
                    desk.sink.row(
                        Source::CompetitorPrices,
                        day,
                        &[
                            Cell::Date(day),
                            Cell::Id(product.id()),
                            Cell::Text(competitor),
                            Cell::Cents((price.round() as i64).max(10)),
                        ],
                    );
                }
            }
        }
    }
}
