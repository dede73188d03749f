//! Experiments of the web shop, on customers who are logged in.

use super::super::calendar::Moment;
use super::super::desk::Desk;
use super::super::export::cell::Cell;
use super::super::export::tables::Source;
use super::super::random::{Random, chance};
use super::super::world::World;
use super::customer_id;
use super::visit::Depth;

struct Experiment {
    name: &'static str,
    /// When it starts, as a share of the exported days.
    starts: f64,
    /// Share of the checkouts left without an order that the treatment prevents.
    prevents: f64,
}

static EXPERIMENTS: [Experiment; 2] = [
    Experiment { name: "checkout_one_page", starts: 0.35, prevents: 0.3 },
    Experiment { name: "free_shipping_bar", starts: 0.85, prevents: 0.0 },
];

/// Variants of one customer, by experiment.
#[derive(Debug, Default)]
pub struct Subject {
    variants: [Option<&'static str>; EXPERIMENTS.len()],
}

/// Every experiment that runs at a moment, in its place; none for those that do not.
fn running(world: &World, at: Moment) -> impl Iterator<Item = Option<&'static Experiment>> {
    let calendar = &world.calendar;
    let days = calendar.days() as f64;
    let gone = f64::from(at.day().0 - calendar.first.0);
    EXPERIMENTS.iter().map(move |experiment| (gone >= experiment.starts * days).then_some(experiment))
}

impl Subject {
    /// Assigns a variant of each experiment that runs, once.
    pub fn assign(
        &mut self,
        world: &World,
        customer: Option<u64>,
        at: Moment,
        desk: &mut Desk<'_>,
        random: &mut Random,
    ) {
        let Some(customer) = customer else { return };
        for (experiment, assigned) in running(world, at).zip(&mut self.variants) {
            if let Some(experiment) = experiment
                && assigned.is_none()
            {
                let variant = if chance(random, 0.5) { "treatment" } else { "control" };
                *assigned = Some(variant);
                desk.sink.row(
                    Source::ExperimentAssignments,
                    at.day(),
                    &[
                        Cell::Text(experiment.name),
                        Cell::Id(customer_id(customer)),
                        Cell::Text(variant),
                        Cell::Time(at),
                    ],
                );
            }
        }
    }

    /// Notes that the customer saw the variants, at the checkout.
    pub fn expose(&self, world: &World, customer: Option<u64>, at: Moment, desk: &mut Desk<'_>) {
        let Some(customer) = customer else { return };
        for (experiment, assigned) in running(world, at).zip(&self.variants) {
            if let Some(experiment) = experiment
                && assigned.is_some()
            {
                desk.sink.row(
                    Source::ExperimentExposures,
                    at.day(),
                    &[Cell::Text(experiment.name), Cell::Id(customer_id(customer)), Cell::Time(at)],
                );
            }
        }
    }

    /// How far a visit gets that would have left the checkout without an order.
    pub fn change(&self, depth: Depth, random: &mut Random) -> Depth {
        let prevented = EXPERIMENTS
            .iter()
            .zip(&self.variants)
            .any(|(experiment, variant)| *variant == Some("treatment") && chance(random, experiment.prevents));
        if depth == Depth::Checkout && prevented { Depth::Browse } else { depth }
    }
}
