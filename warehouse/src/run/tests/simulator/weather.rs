//! What befalls an attempt.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::Rng;
use rand::rngs::StdRng;

use crate::store::storm::Storm;

/// Faults of one attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Weather {
    seed: u64,
    /// Of an operation on the lake to go wrong, in a thousand.
    lake: u64,
    /// Of an operation on the raw location.
    raw: u64,
    death: Option<(u64, bool)>,
    pause: Option<u64>,
}

/// Writes among which a process dies or hangs: about as many as a night of a small project has.
const WRITES: u64 = 60;

impl Weather {
    /// Nothing goes wrong.
    pub(super) fn calm() -> Self {
        Self::default()
    }

    /// By chance: death at a write, errors of storage, or both.
    pub(super) fn random(random: &mut StdRng, seed: u64, attempt: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, attempt).hash(&mut hasher);
        let drawn = Self { seed: hasher.finish(), ..Self::default() };
        let death = (random.random_range(1..WRITES), random.random_bool(0.5));
        match random.random_range(0..10) {
            0..=3 => Self { death: Some(death), ..drawn },
            4 => Self { death: Some(death), lake: 10, ..drawn },
            5 => Self { raw: 150, ..drawn },
            _ => Self { lake: random.random_range(5..40), raw: 20, ..drawn },
        }
    }

    /// One write hangs.
    pub(super) fn pausing(random: &mut StdRng) -> Self {
        Self { pause: Some(random.random_range(1..WRITES)), ..Self::default() }
    }

    pub(super) fn lake(&self) -> Storm {
        let mut storm = Storm::new(self.seed, self.lake);
        if let Some((write, applied)) = self.death {
            storm = storm.dies_at(write, applied);
        }
        if let Some(write) = self.pause {
            storm = storm.pauses_at(write);
        }
        storm
    }

    pub(super) fn raw(&self) -> Storm {
        Storm::new(self.seed.wrapping_add(1), self.raw)
    }

    pub(super) fn says(&self) -> String {
        match (self.death, self.pause, self.lake, self.raw) {
            (Some((write, applied)), _, lake, _) => {
                let when = if applied { "after" } else { "at" };
                format!("dies {when} write {write}, {lake} of 1000 operations fail")
            }
            (_, Some(write), ..) => format!("hangs at write {write}"),
            (None, None, 0, 0) => "calm".to_owned(),
            (None, None, lake, raw) => format!("of 1000 operations fail {lake} on the lake, {raw} on raw"),
        }
    }
}
