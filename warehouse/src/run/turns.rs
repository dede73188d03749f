//! In which order, and how many beside each other, a run does things that do not depend on each other.

#[cfg(test)]
use std::hash::{DefaultHasher, Hash, Hasher};

/// How things take turns.
#[derive(Debug, Clone, Copy, Default)]
pub enum Turns {
    /// As they come, several at once.
    #[default]
    Beside,
    /// One after the other, in an order by seed: threads that read logs would else decide which write is the
    /// tenth, and a simulated crash would not happen again.
    #[cfg(test)]
    BySeed(u64),
}

impl Turns {
    /// How many are under way at once, of which there may be `most`.
    pub(super) fn at_once(self, most: usize) -> usize {
        match self {
            Self::Beside => most,
            #[cfg(test)]
            Self::BySeed(_) => 1,
        }
    }

    /// The order in which they begin.
    pub(super) fn order<T>(self, things: impl IntoIterator<Item = T>) -> Vec<T> {
        let things = things.into_iter();
        match self {
            Self::Beside => things.collect(),
            #[cfg(test)]
            Self::BySeed(seed) => {
                let place = |number: usize| {
                    let mut hasher = DefaultHasher::new();
                    (seed, number).hash(&mut hasher);
                    hasher.finish()
                };
                let mut placed: Vec<_> = things.enumerate().map(|(number, thing)| (place(number), thing)).collect();
                placed.sort_by_key(|(place, _)| *place);
                placed.into_iter().map(|(_, thing)| thing).collect()
            }
        }
    }
}
