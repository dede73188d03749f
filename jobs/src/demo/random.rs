//! Randomness that depends on the seed and on what it is for, never on who asks first.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};

/// The generator of everything random in a demo.
pub type Random = ChaCha8Rng;

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// Products, suppliers, campaigns.
    World = 1,
    /// All that one customer does; numbered by customer.
    Customer = 2,
    /// Visits of people who never register; numbered by the customer they are generated with.
    Strangers = 3,
    /// Inventory and purchase orders; numbered by product.
    Inventory = 4,
    /// Competitors' prices; numbered by product.
    Competitors = 5,
    /// Heat maps; numbered by page.
    Pages = 6,
}

/// The `number`-th stream of its kind: a counter-based generator of its own, so that any customer
/// can be generated without those before.
pub fn stream(seed: u64, kind: Stream, number: u64) -> Random {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((kind as u64) << 56) | number);
    random
}

/// Uniform in [0, 1).
pub fn unit(random: &mut Random) -> f64 {
    random.random()
}

/// Uniform in [low, high).
pub fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(random)
}

/// True with the given probability.
pub fn chance(random: &mut Random, probability: f64) -> bool {
    unit(random) < probability
}

/// A whole number from `low` to `high`, both included.
pub fn whole(random: &mut Random, low: i32, high: i32) -> i32 {
    random.random_range(low..=high.max(low))
}

/// A position below `count`; 0 if there is none.
pub fn below(random: &mut Random, count: usize) -> usize {
    if count == 0 { 0 } else { random.random_range(0..count) }
}

/// One of `values`; the fallback of an empty list is its first, so lists must not be empty.
pub fn one<'a>(random: &mut Random, values: &[&'a str]) -> &'a str {
    values.get(below(random, values.len())).copied().unwrap_or_default()
}

/// A position drawn by weight.
pub fn weighted(random: &mut Random, weights: &[f64]) -> usize {
    let mut rest = unit(random) * weights.iter().sum::<f64>();
    for (position, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return position;
        }
    }
    weights.len().saturating_sub(1)
}

/// An entry of a table drawn by weight.
#[expect(clippy::indexing_slicing, reason = "a weighted position lies within the weights it is drawn by")]
pub fn pick<'t, T, const N: usize>(random: &mut Random, table: &'t [T; N], weight: impl Fn(&T) -> f64) -> &'t T {
    let weights: [f64; N] = table.each_ref().map(weight);
    &table[weighted(random, &weights)]
}

/// The name of an entry of a table of names and weights.
pub fn pick_name<T: Copy, const N: usize>(random: &mut Random, table: &[(T, f64); N]) -> T {
    pick(random, table, |(_, weight)| *weight).0
}

/// Exponential with mean 1.
pub fn exponential(random: &mut Random) -> f64 {
    -(1.0 - unit(random)).ln()
}

/// Standard normal.
pub fn normal(random: &mut Random) -> f64 {
    StandardNormal.sample(random)
}

/// Gamma with the given shape and scale; its mean where these are not positive.
pub fn gamma(random: &mut Random, shape: f64, scale: f64) -> f64 {
    Gamma::new(shape, scale).map_or(shape * scale, |law| law.sample(random))
}

/// Beta(a, b), from two gammas.
pub fn beta(random: &mut Random, a: f64, b: f64) -> f64 {
    let x = gamma(random, a, 1.0);
    let y = gamma(random, b, 1.0);
    if x + y > 0.0 { x / (x + y) } else { a / (a + b) }
}

/// Poisson with a small mean, by counting exponentials.
pub fn poisson(random: &mut Random, mean: f64) -> u32 {
    let mut count = 0;
    let mut reached = exponential(random);
    while reached < mean {
        count += 1;
        reached += exponential(random);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_whoever_asks_first() {
        let draw = |number| unit(&mut stream(7, Stream::Customer, number));
        let (a, b) = (draw(1), draw(2));
        assert_eq!((b, a), (draw(2), draw(1)));
        assert!((a - b).abs() > 0.0);
        assert!((unit(&mut stream(7, Stream::Strangers, 1)) - a).abs() > 0.0);
    }

    #[test]
    fn laws_have_their_means() {
        let mut random = stream(1, Stream::World, 0);
        let mut mean =
            |law: &mut dyn FnMut(&mut Random) -> f64| (0..20_000).map(|_| law(&mut random)).sum::<f64>() / 20_000.0;
        assert!((mean(&mut |random| gamma(random, 0.8, 2.0)) - 1.6).abs() < 0.1);
        assert!((mean(&mut |random| beta(random, 1.0, 4.0)) - 0.2).abs() < 0.02);
        assert!((mean(&mut |random| f64::from(poisson(random, 3.0))) - 3.0).abs() < 0.1);
        assert!((mean(&mut |random| weighted(random, &[1.0, 3.0]) as f64) - 0.75).abs() < 0.02);
    }
}
