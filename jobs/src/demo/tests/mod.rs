//! Promises of the demo, checked on its files as a stranger reads them.

mod agreement;
mod bytes;
mod dirt;
mod law;
mod reading;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::NaiveDate;

use super::{DemoOptions, DemoSummary, run};

/// A folder that is removed with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("buho-demo-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_or_not = std::fs::remove_dir_all(&self.0);
    }
}

/// A demo in a folder of its own.
pub struct Demo {
    pub options: DemoOptions,
    pub summary: DemoSummary,
    _scratch: Scratch,
}

pub fn options(scratch: &Scratch, customers: u64) -> DemoOptions {
    DemoOptions {
        raw: scratch.0.join("raw"),
        truth: scratch.0.join("truth"),
        customers,
        days: 150,
        nights: 4,
        last_night: NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date"),
        seed: 7,
    }
}

pub fn demo(customers: u64, change: impl FnOnce(&mut DemoOptions), threads: usize) -> Demo {
    let scratch = Scratch::new();
    let mut options = options(&scratch, customers);
    change(&mut options);
    let summary = run::write(&options, threads).expect("a demo");
    Demo { options, summary, _scratch: scratch }
}
