//! Chance from a seed. Bounded draws and shuffles are ours: those of a library may change with its version, and with
//! them every model that was fitted from a seed.
//!
//! [`Random`] is a stream, for work that is done in one order. [`Chance`] has no state: a number for a seed and a place,
//! whoever asks first, for rows that are divided between threads.

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
        unit(self.0.next_u64())
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

/// Uniform in [0, 1) with 53 bits.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a number is drawn for: two uses of one seed must not agree by accident.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    SampleOfRows = 1,
    RowsOfRound = 2,
    ColumnsOfRound = 3,
    Bootstrap = 4,
    ColumnsOfNode = 5,
}

/// SplitMix64's finaliser (Steele, Lea & Flood 2014, figure 16).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers for one seed, one purpose and one index (a round, a tree).
#[derive(Clone, Copy)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64, purpose: Purpose, index: usize) -> Self {
        let purpose = mix(seed.wrapping_add(GOLDEN.wrapping_mul(purpose as u64)));
        Self(mix(purpose.wrapping_add(GOLDEN.wrapping_mul(index as u64 + 1))))
    }

    pub(crate) fn bits(self, place: u64) -> u64 {
        mix(self.0.wrapping_add(GOLDEN.wrapping_mul(place + 1)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(self, place: u64) -> f64 {
        unit(self.bits(place))
    }

    /// Uniform in `0..limit` by the high half of a product (Lemire 2019, without rejection: the bias is under
    /// limit / 2^64).
    pub(crate) fn below(self, place: u64, limit: usize) -> usize {
        ((u128::from(self.bits(place)) * limit as u128) >> 64) as usize
    }

    /// `take` of `0..of`, ascending (Fisher-Yates, stopped early).
    pub(crate) fn choose(self, take: usize, of: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        let take = take.min(of);
        for place in 0..take {
            let other = place + self.below(place as u64, of - place);
            all.swap(place, other);
        }
        all.truncate(take);
        all.sort_unstable();
        all
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
