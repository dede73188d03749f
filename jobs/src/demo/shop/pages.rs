//! Heat-map and recording summaries: counted from the page events.

use super::super::desk::{Desk, Tally};
use super::super::export::cell::Cell;
use super::super::export::tables::Source;
use super::super::random::{Stream, between, stream};
use super::super::world::World;

/// Exports a row for each day and page that was seen.
pub fn export(world: &World, tally: &Tally, desk: &mut Desk<'_>) {
    for page in 0..world.pages.count() {
        let mut random = stream(world.seed, Stream::Pages, page as u64);
        let clicks_a_view = between(&mut random, 0.6, 2.6);
        let rage_a_click = between(&mut random, 0.002, 0.03);
        for (day, views) in world.calendar.iter().zip(tally.views(page)) {
            if views.count == 0 {
                continue;
            }
            let noise = between(&mut random, 0.85, 1.15);
            let clicks = views.count as f64 * clicks_a_view * noise;
            desk.sink.row(
                Source::PageSummaries,
                day,
                &[
                    Cell::Date(day),
                    Cell::Text(world.pages.path(page)),
                    Cell::Integer(views.count as i64),
                    Cell::Integer(clicks.round() as i64),
                    Cell::Integer((clicks * rage_a_click).round() as i64),
                    Cell::Integer((views.count as i64 + 4) / 5),
                    Cell::Double(views.scroll as f64 / 1000.0 / views.count as f64),
                ],
            );
        }
    }
}
