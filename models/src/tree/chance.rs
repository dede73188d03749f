//! Chance without state: a number for a seed and a place, whoever asks first.
//!
//! A generator with a state would give other numbers to other divisions of the rows between threads.

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
        (self.bits(place) >> 11) as f64 / (1_u64 << 53) as f64
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
