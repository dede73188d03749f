//! Visits of people who never register: most of a shop's traffic.

use super::super::desk::Desk;
use super::super::law::STRANGERS_A_YEAR;
use super::super::names::COUNTRIES;
use super::super::random::{Stream, one, pick, pick_name, poisson, stream, unit};
use super::super::world::World;
use super::experiments::Subject;
use super::session::Scene;
use super::visit::{Depth, Person, Visit};

const DEPTHS: [(Depth, f64); 4] =
    [(Depth::Bounce, 0.54), (Depth::Browse, 0.395), (Depth::Cart, 0.05), (Depth::Checkout, 0.015)];

/// Lets the strangers come who are generated with customer `number`.
pub fn visit(world: &World, number: u64, desk: &mut Desk<'_>) {
    let mut random = stream(world.seed, Stream::Strangers, number);
    let mean = STRANGERS_A_YEAR * world.calendar.days() as f64 / 365.0;
    for sequence in 0..u64::from(poisson(&mut random, mean)).min(800) {
        let day = world.tempo.business_day(unit(&mut random));
        let depth = pick_name(&mut random, &DEPTHS);
        let visit = Visit::idle(day, depth, &mut random);
        let country = pick(&mut random, &COUNTRIES, |country| country.weight);
        let device = one(&mut random, &["mobile", "mobile", "desktop", "tablet"]);
        let scene = Scene {
            world,
            person: Person::stranger(number, sequence, country, device),
            visit: &visit,
            order: None,
            session: number * 10_000 + 5_000 + sequence,
            resumes: None,
        };
        scene.play(&Subject::default(), desk, &mut random);
    }
}
