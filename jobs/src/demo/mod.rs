//! A demo: raw exports as a shop would export them, and the truth behind them.
//!
//! A shop for sports supplements with customers who differ in how often they buy, how much, and for
//! how long; see [`law`](self::law) for the law they follow and `truth.md` for what is told of it.
//! Every export of the commerce pack is written in the format of its contract: one historical
//! delivery, then one a day (see [`calendar`](self::calendar)). Exports agree with each other: an
//! order has its lines, payment, parcel, session, events and cart; stock falls by what is sold.
//!
//! The same options give the same bytes, on any number of threads. Memory does not grow with the
//! number of customers: each is generated apart, and their rows go to their files chunk by chunk.

mod calendar;
mod customer;
mod desk;
mod error;
mod export;
mod law;
mod names;
mod random;
mod run;
mod shop;
mod summary;
mod tempo;
mod texts;
mod truth;
mod world;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use chrono::{Datelike, NaiveDate};

pub use error::DemoError;
pub use summary::DemoSummary;

/// What to write.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Folder of the raw exports; made if it is not there.
    pub raw: PathBuf,
    /// Folder of the truth; made if it is not there. Not below `raw`.
    pub truth: PathBuf,
    /// Number of customers, at least 1.
    pub customers: u64,
    /// Business days up to and including the last night; 30 to 1,500. 400 are thirteen months.
    pub days: u32,
    /// Of these, nights that come as daily deliveries to be run one by one; at least 1.
    pub nights: u32,
    /// The last business day.
    pub last_night: NaiveDate,
    /// Seed of everything random.
    pub seed: u64,
}

/// Customers beyond this number would need wider keys.
const MOST_CUSTOMERS: u64 = 100_000_000;

impl DemoOptions {
    fn check(&self) -> Result<(), DemoError> {
        let fail = |option, reason: String| Err(DemoError::Option { option, reason });
        if !(1..=MOST_CUSTOMERS).contains(&self.customers) {
            let reason = format!("{} is not between 1 and {MOST_CUSTOMERS}", self.customers);
            return fail("customers", reason);
        }
        if !(30..=1_500).contains(&self.days) {
            return fail("days", format!("{} is not between 30 and 1,500", self.days));
        }
        if !(1..=self.days).contains(&self.nights) {
            let reason = format!("{} is not between 1 and the {} days", self.nights, self.days);
            return fail("nights", reason);
        }
        if !(1980..=2200).contains(&self.last_night.year()) {
            return fail("last_night", format!("{} is not between 1980 and 2200", self.last_night));
        }
        if self.truth.starts_with(&self.raw) {
            return fail("truth", "it must not be inside the folder of the raw exports".to_owned());
        }
        Ok(())
    }
}

/// Writes the raw exports of a demo and the truth behind them.
///
/// Files of an earlier demo with the same options are written again, with the same bytes.
///
/// # Errors
/// [`DemoError::Option`] where an option makes no sense, [`DemoError::Foreign`] where the raw folder
/// holds files that are not part of this demo, and the others where a file cannot be written.
pub fn write_exports(options: &DemoOptions) -> Result<DemoSummary, DemoError> {
    run::write(options, std::thread::available_parallelism().map_or(1, usize::from))
}
