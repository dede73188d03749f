//! Chance from a seed. Bounded draws and shuffles are ours: those of a library may change with its version, and with
//! them every model that was fitted from a seed.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator whose draws are a function of its seed and stream, today and after every upgrade.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Independent draws for one part of the work (a bootstrap round, a column): parts may run in any order.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in `0..bound` without bias (Lemire 2019, algorithm 5); 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            if wide as u64 >= threshold {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Uniform in [0, 1) with 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    #[cfg(test)]
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A permutation in place (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_below_a_bound_are_even() {
        let mut random = Random::new(7);
        let mut counts = [0_usize; 6];
        for _ in 0..60_000 {
            counts[random.below(6)] += 1;
        }
        // Chi-squared with 5 degrees of freedom: 20.5 is its 99.9 % point.
        let chi: f64 = counts.iter().map(|count| (*count as f64 - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 20.5, "{counts:?}");
    }

    #[test]
    fn a_seed_gives_these_draws_for_ever() {
        let mut random = Random::new(42);
        let mut items: Vec<usize> = (0..8).collect();
        random.shuffle(&mut items);
        assert_eq!(items, SHUFFLED_BY_42);
    }

    /// What seed 42 gave when this was written.
    const SHUFFLED_BY_42: [usize; 8] = [4, 7, 0, 1, 3, 2, 6, 5];
}
