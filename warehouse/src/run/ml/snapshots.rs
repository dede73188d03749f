//! Which past nights are learnt from.

use chrono::{Days, Months, NaiveDate};

use crate::project::ml::Snapshots;

/// The last night whose horizon has passed and those whole months before it, oldest first.
///
/// A horizon of no days has the label known at its night, which is then the last itself.
pub(super) fn nights(night: NaiveDate, horizon_days: u32, spec: &Snapshots) -> Vec<NaiveDate> {
    let Some(last) = night.checked_sub_days(Days::new(horizon_days.into())) else { return Vec::new() };
    let mut nights: Vec<NaiveDate> = (0..spec.count.value)
        .filter_map(|months| last.checked_sub_months(Months::new(months)))
        .filter(|night| spec.begins.is_none_or(|begins| *night >= begins))
        .collect();
    nights.reverse();
    nights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn no_snapshot_is_of_a_night_whose_horizon_has_not_passed_and_none_is_from_before_data_began() {
        let spec = Snapshots { begins: Some(day("2025-11-15")), ..Snapshots::default() };
        let found = nights(day("2026-05-31"), 90, &spec);
        assert_eq!(found, ["2025-12-02", "2026-01-02", "2026-02-02", "2026-03-02"].map(day));
        assert_eq!(nights(day("2026-05-31"), 0, &Snapshots::default()).last(), Some(&day("2026-05-31")));
        assert_eq!(nights(day("2026-05-31"), 0, &Snapshots::default()).len(), 24);
    }
}
