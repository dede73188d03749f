//! What befalls an attempt.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::Rng;
use rand::rngs::StdRng;

use crate::store::storm::Storm;

/// Bytes that a process may ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub budget: u64,
    /// What the last attempt of a query may take beyond it.
    pub reserve: usize,
    /// What an open file takes, which can be refused no more.
    pub file: usize,
}

/// More than anything needs, and less.
const MUCH: Memory = Memory { budget: 64 << 20, reserve: 0, file: 0 };
const LITTLE: Memory = Memory { budget: 256 << 10, reserve: 512 << 10, file: 8 << 20 };

impl Memory {
    pub(super) fn most(self) -> usize {
        self.budget as usize + self.reserve + self.file
    }
}

/// Faults of one attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Weather {
    seed: u64,
    /// Of an operation on the lake to go wrong, in a thousand.
    lake: u64,
    /// Of a put to get no answer and land much later.
    late: u64,
    /// Of a listing of the lake to be behind.
    behind: u64,
    /// Of an operation on the raw location.
    raw: u64,
    death: Option<(u64, bool)>,
    pause: Option<u64>,
    /// Whether there is little memory.
    is_short: bool,
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
            0..=2 => Self { death: Some(death), ..drawn },
            3 => Self { death: Some(death), lake: 10, late: 20, behind: 100, ..drawn },
            4 => Self { raw: 150, ..drawn },
            5..=6 => Self { lake: random.random_range(5..40), late: 10, behind: 20, raw: 20, ..drawn },
            7..=8 => Self { late: random.random_range(20..80), ..drawn },
            _ => Self { behind: random.random_range(50..400), ..drawn },
        }
    }

    /// One write hangs.
    pub(super) fn pausing(random: &mut StdRng) -> Self {
        Self { pause: Some(random.random_range(1..WRITES)), ..Self::default() }
    }

    /// With little memory now and then.
    pub(super) fn short(&self, random: &mut StdRng) -> Self {
        Self { is_short: random.random_bool(0.2), ..self.clone() }
    }

    pub(super) fn memory(&self) -> Memory {
        if self.is_short { LITTLE } else { MUCH }
    }

    pub(super) fn lake(&self) -> Storm {
        let mut storm = Storm::new(self.seed, self.lake).often(self.late, self.behind);
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
        let Self { lake, late, behind, raw, is_short, .. } = self;
        let memory = if *is_short { ", little memory" } else { "" };
        let chances =
            format!("of 1000 operations fail {lake} on the lake, {late} late, {behind} behind, {raw} on raw{memory}");
        match (self.death, self.pause) {
            (Some((write, applied)), _) => {
                let when = if applied { "after" } else { "at" };
                format!("dies {when} write {write}, {chances}")
            }
            (_, Some(write)) => format!("hangs at write {write}"),
            (None, None) if lake + late + behind + raw == 0 => format!("calm{memory}"),
            (None, None) => chances,
        }
    }
}
