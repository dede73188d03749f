//! How fast business goes on each day: season, week, trend and campaigns.
//!
//! The tempo of a day multiplies what customers do on it. Operational time is its sum: a customer
//! who buys once in 30 operational days buys sooner in January than in August.

use super::calendar::{Calendar, Day};
use super::world::campaigns::Campaign;

/// Days before the exports begin in which older customers registered.
pub const EARLIER_DAYS: i32 = 720;

/// Mid-month factors: new year's resolutions, before summer, August, Black Friday.
const BY_MONTH: [f64; 12] = [1.28, 1.08, 1.02, 1.02, 1.12, 1.08, 0.94, 0.76, 1.06, 1.02, 1.10, 0.98];
/// Factors from Monday on.
const BY_WEEKDAY: [f64; 7] = [1.16, 1.06, 1.0, 0.98, 0.9, 0.82, 1.08];
/// Growth of each customer's activity in a year.
const YEARLY_GROWTH: f64 = 0.08;
/// How much more new customers come at the end than at the beginning.
const ACQUISITION_GROWTH: f64 = 0.6;
/// Share of customers who registered before the exports begin.
const EARLIER_CUSTOMERS: f64 = 0.3;

/// Tempo of every day, and its sum.
#[derive(Debug)]
pub struct Tempo {
    begin: Day,
    /// Operational time at the beginning of each day from `begin` on, and at the end of the last.
    elapsed: Vec<f64>,
    /// Share of customers registered before each day from `begin` on; ends with 1.
    registered: Vec<f64>,
    factors: Vec<f64>,
}

impl Tempo {
    /// The tempo of a calendar's days and those before it.
    pub fn new(calendar: &Calendar, campaigns: &[Campaign]) -> Self {
        let begin = calendar.first.plus(-EARLIER_DAYS);
        let raw: Vec<f64> = calendar.iter().map(|day| factor(day, calendar, campaigns)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
        let factors: Vec<f64> = raw.into_iter().map(|factor| factor / mean).collect();
        let earlier = (begin.0..calendar.first.0).map(|_| 1.0);
        let elapsed = sums(earlier.chain(factors.iter().copied()));
        let days = factors.len().max(1) as f64;
        let earlier_share = EARLIER_CUSTOMERS / f64::from(EARLIER_DAYS);
        let arrivals: Vec<f64> = factors
            .iter()
            .enumerate()
            .map(|(offset, factor)| factor * (1.0 + ACQUISITION_GROWTH * offset as f64 / days))
            .collect();
        let scale = (1.0 - EARLIER_CUSTOMERS) / arrivals.iter().sum::<f64>().max(1e-9);
        let earlier = (begin.0..calendar.first.0).map(|_| earlier_share);
        let registered = sums(earlier.chain(arrivals.iter().map(|weight| weight * scale)));
        Self { begin, elapsed, registered, factors }
    }

    /// Operational time at `time`, a day and its fraction.
    pub fn at(&self, time: f64) -> f64 {
        let offset = (time - f64::from(self.begin.0)).max(0.0);
        let index = (offset as usize).min(self.elapsed.len().saturating_sub(2));
        match self.elapsed.get(index..index + 2) {
            Some(&[from, to]) => from + (to - from) * (offset - index as f64).min(1.0),
            _ => 0.0,
        }
    }

    /// The day and fraction at which operational time reaches `operational`; none after the end.
    pub fn when(&self, operational: f64) -> Option<f64> {
        invert(&self.elapsed, operational).map(|offset| f64::from(self.begin.0) + offset)
    }

    /// When a customer registers who comes after the share `quantile` of all customers.
    pub fn registration(&self, quantile: f64) -> f64 {
        let offset = invert(&self.registered, quantile);
        f64::from(self.begin.0) + offset.unwrap_or(self.registered.len() as f64 - 1.001)
    }

    /// The day reached when the share `quantile` of the exported days' business is done.
    pub fn business_day(&self, quantile: f64) -> Day {
        let first = self.elapsed.get(EARLIER_DAYS as usize).copied().unwrap_or(0.0);
        let last = self.elapsed.last().copied().unwrap_or(0.0);
        let time = self.when(first + (last - first) * quantile.min(0.999_999));
        Day(time.unwrap_or(f64::from(self.begin.0 + EARLIER_DAYS)) as i32)
    }

    /// Tempo of each exported day, with mean 1.
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }
}

fn factor(day: Day, calendar: &Calendar, campaigns: &[Campaign]) -> f64 {
    let (_, month, date) = day.civil();
    // Between the middle of one month and the next the season moves in a straight line.
    let place = f64::from(month) - 1.0 + (f64::from(date) - 15.5) / 30.5;
    let low = place.floor();
    let of = |month: f64| BY_MONTH.get(month.rem_euclid(12.0) as usize).copied().unwrap_or(1.0);
    let season = of(low) + (of(low + 1.0) - of(low)) * (place - low);
    let trend = 1.0 + YEARLY_GROWTH * f64::from(day.0 - calendar.first.0) / 365.0;
    let uplift: f64 =
        campaigns.iter().filter(|campaign| campaign.runs_on(day)).map(|campaign| campaign.uplift).product();
    season * BY_WEEKDAY.get(day.weekday()).copied().unwrap_or(1.0) * trend * uplift
}

/// Running sums, beginning with 0.
fn sums(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut total = 0.0;
    let mut sums = vec![0.0];
    for value in values {
        total += value;
        sums.push(total);
    }
    sums
}

/// The fractional index at which rising `sums` reach `value`.
fn invert(sums: &[f64], value: f64) -> Option<f64> {
    let above = sums.partition_point(|&sum| sum <= value);
    let (low, high) = (*sums.get(above.checked_sub(1)?)?, *sums.get(above)?);
    Some((above - 1) as f64 + (value - low) / (high - low))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn tempo() -> (Calendar, Tempo) {
        let last = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date");
        let calendar = Calendar::new(last, 400, 3, 100);
        let tempo = Tempo::new(&calendar, &[]);
        (calendar, tempo)
    }

    #[test]
    fn operational_time_runs_forward_and_back() {
        let (calendar, tempo) = tempo();
        let time = f64::from(calendar.first.0) + 123.4;
        let back = tempo.when(tempo.at(time)).expect("within the days");
        assert!((back - time).abs() < 1e-6);
        assert!(tempo.when(1e9).is_none());
        let mean = tempo.factors().iter().sum::<f64>() / 400.0;
        assert!((mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn customers_register_in_order_and_never_after_the_last_night() {
        let (calendar, tempo) = tempo();
        let days: Vec<f64> = (0..1000).map(|n| tempo.registration(f64::from(n) / 1000.0)).collect();
        assert!(days.is_sorted());
        assert!(days.iter().all(|&day| day < f64::from(calendar.last.0 + 1)));
        let earlier = days.iter().filter(|&&day| day < f64::from(calendar.first.0)).count();
        assert!((250..350).contains(&earlier));
    }
}
