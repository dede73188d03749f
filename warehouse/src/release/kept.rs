//! Which releases are kept: the last nights, the ends of months, pins.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::ReleaseId;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Nights, counted back from the highest that was released.
    pub nights: u32,
    /// Months, this one included, of which the last night is kept.
    pub months: u32,
}

impl Keep {
    /// The releases to keep of all there are. Of a night it is the latest sequence, of the highest night
    /// every one: what it was rolled back from is still looked at.
    pub fn of(&self, all: &[ReleaseId], pins: &[ReleaseId]) -> BTreeSet<ReleaseId> {
        let by_night: BTreeMap<NaiveDate, ReleaseId> =
            all.iter().fold(BTreeMap::new(), |mut latest: BTreeMap<NaiveDate, ReleaseId>, id| {
                let kept = latest.entry(id.night).or_insert(*id);
                *kept = (*kept).max(*id);
                latest
            });
        let highest = by_night.keys().next_back().copied();
        let nights = by_night.values().rev().take(self.nights as usize);
        let by_month: BTreeMap<(i32, u32), ReleaseId> =
            by_night.values().map(|id| ((id.night.year(), id.night.month()), *id)).collect();
        let month_ends = by_month.values().rev().take(self.months as usize);
        let newest = all.iter().filter(|id| Some(id.night) == highest);
        let pinned = all.iter().filter(|id| pins.contains(id));
        nights.chain(month_ends).chain(newest).chain(pinned).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    fn ids(from: &str, nights: u64) -> Vec<ReleaseId> {
        let from: NaiveDate = from.parse().unwrap();
        (0..nights).map(|day| ReleaseId { night: from + Days::new(day), sequence: 1 }).collect()
    }

    #[test]
    fn nights_month_ends_and_pins_are_kept_and_nothing_else() {
        let all = ids("2025-01-01", 400);
        let pinned: ReleaseId = "2025-03-07.1".parse().unwrap();
        let kept = Keep { nights: 3, months: 2 }.of(&all, &[pinned]);
        let shown: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2025-03-07.1", "2026-01-31.1", "2026-02-02.1", "2026-02-03.1", "2026-02-04.1"]);
    }

    #[test]
    fn of_a_night_the_latest_sequence_stays_and_all_of_the_highest() {
        let all: Vec<ReleaseId> =
            ["2026-02-01.1", "2026-02-01.2", "2026-02-02.1", "2026-02-02.2"].map(|id| id.parse().unwrap()).to_vec();
        let kept = Keep { nights: 35, months: 13 }.of(&all, &[]);
        let shown: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2026-02-01.2", "2026-02-02.1", "2026-02-02.2"]);
    }

    #[test]
    fn a_lake_never_loses_its_last_release() {
        let all = ids("2026-02-01", 1);
        assert_eq!(Keep { nights: 1, months: 1 }.of(&all, &[]).len(), 1);
    }
}
