//! The catalogue, whole in every delivery.

use super::super::desk::Desk;
use super::super::export::cell::Cell;
use super::super::export::tables::Source;
use super::super::world::World;

/// Exports every product as it stands on the day of each delivery.
pub fn export(world: &World, desk: &mut Desk<'_>) {
    for &day in world.calendar.deliveries() {
        for product in world.products.iter().filter(|product| product.launched <= day) {
            desk.sink.row(
                Source::Products,
                day,
                &[
                    Cell::Id(product.id()),
                    Cell::Text(&product.name),
                    Cell::Text(product.category_name),
                    Cell::Text(product.kind),
                    Cell::Text(product.brand),
                    Cell::Id(product.supplier.id()),
                    Cell::Fine(product.unit_cost),
                    Cell::Cents(product.price(day)),
                    Cell::Boolean(product.on_sale(day)),
                    Cell::Date(product.launched),
                ],
            );
        }
    }
}
