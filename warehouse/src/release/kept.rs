//! Which releases are kept: the last nights, the ends of months, pins.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::{Release, ReleaseError, ReleaseId, TableState};
use crate::table::Lake;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Nights, counted back from the highest that was released.
    pub nights: u32,
    /// Months, this one included, of which the last night is kept.
    pub months: u32,
}

impl Keep {
    /// The releases to keep of all there are. Of a night it is the latest sequence, and the latest of those that are
    /// whole ([`last_whole`]); of the highest night every one: what it was rolled back from is still looked at.
    pub fn of(&self, all: &[ReleaseId], pins: &[ReleaseId], whole: &BTreeSet<ReleaseId>) -> BTreeSet<ReleaseId> {
        let by_night = latest_by_night(all);
        let whole = latest_by_night(whole);
        let highest = by_night.keys().next_back().copied();
        let nights = by_night.values().rev().take(self.nights as usize);
        let by_month: BTreeMap<(i32, u32), ReleaseId> =
            by_night.values().map(|id| ((id.night.year(), id.night.month()), *id)).collect();
        let month_ends = by_month.values().rev().take(self.months as usize);
        let newest = all.iter().filter(|id| Some(id.night) == highest);
        let pinned = all.iter().filter(|id| pins.contains(id));
        let of_nights: BTreeSet<ReleaseId> = nights.chain(month_ends).copied().collect();
        let whole = of_nights.iter().filter_map(|id| whole.get(&id.night));
        of_nights.iter().chain(whole).chain(newest).chain(pinned).copied().collect()
    }
}

fn latest_by_night<'a>(ids: impl IntoIterator<Item = &'a ReleaseId>) -> BTreeMap<NaiveDate, ReleaseId> {
    let mut latest: BTreeMap<NaiveDate, ReleaseId> = BTreeMap::new();
    for id in ids {
        let kept = latest.entry(id.night).or_insert(*id);
        *kept = (*kept).max(*id);
    }
    latest
}

/// Of each night that has several releases, the highest apart, the last in which no table is held or failed. Only those
/// are read that it takes to tell.
///
/// # Errors
/// Where one of them cannot be read.
pub(crate) async fn last_whole(lake: &Lake, all: &[ReleaseId]) -> Result<BTreeSet<ReleaseId>, ReleaseError> {
    let mut found: BTreeMap<NaiveDate, ReleaseId> = BTreeMap::new();
    let highest = all.iter().max().map(|id| id.night);
    let mut counts: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    all.iter().for_each(|id| *counts.entry(id.night).or_default() += 1);
    let mut several: Vec<ReleaseId> = all.to_vec();
    several.retain(|id| Some(id.night) != highest && counts.get(&id.night).is_some_and(|count| *count > 1));
    several.sort();
    for id in several.into_iter().rev() {
        if !found.contains_key(&id.night) && super::read(lake, id).await?.is_whole() {
            found.insert(id.night, id);
        }
    }
    Ok(found.into_values().collect())
}

impl Release {
    fn is_whole(&self) -> bool {
        self.tables.values().all(|table| table.state == TableState::Fresh)
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
        let kept = Keep { nights: 3, months: 2 }.of(&all, &[pinned], &BTreeSet::new());
        let shown: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2025-03-07.1", "2026-01-31.1", "2026-02-02.1", "2026-02-03.1", "2026-02-04.1"]);
    }

    #[test]
    fn of_a_night_the_latest_sequence_stays_and_all_of_the_highest() {
        let all: Vec<ReleaseId> =
            ["2026-02-01.1", "2026-02-01.2", "2026-02-02.1", "2026-02-02.2"].map(|id| id.parse().unwrap()).to_vec();
        let kept = Keep { nights: 35, months: 13 }.of(&all, &[], &BTreeSet::new());
        let shown: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2026-02-01.2", "2026-02-02.1", "2026-02-02.2"]);
    }

    #[test]
    fn of_a_kept_night_the_last_whole_release_stays_beside_the_latest() {
        let all: Vec<ReleaseId> =
            ["2025-12-31.1", "2025-12-31.2", "2026-01-31.2", "2026-01-31.3", "2026-01-31.4", "2026-02-01.1"]
                .map(|id| id.parse().unwrap())
                .to_vec();
        let whole = ["2025-12-31.1", "2026-01-31.2", "2026-01-31.3"].map(|id| id.parse().unwrap()).into();
        let kept = Keep { nights: 2, months: 1 }.of(&all, &[], &whole);
        let shown: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2026-01-31.3", "2026-01-31.4", "2026-02-01.1"]);
    }

    #[test]
    fn a_lake_never_loses_its_last_release() {
        let all = ids("2026-02-01", 1);
        assert_eq!(Keep { nights: 1, months: 1 }.of(&all, &[], &BTreeSet::new()).len(), 1);
    }
}
