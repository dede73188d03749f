//! How long each phase of a run took, and which one it is at.

use chrono::{DateTime, Utc};

use super::context::RunContext;
use super::report::RunReport;
use crate::lease::Lease;

/// Takes the time of each phase, and says which one it is.
pub(super) struct PhaseClock<'a> {
    context: &'a RunContext,
    lease: &'a Lease,
    last: DateTime<Utc>,
}

impl<'a> PhaseClock<'a> {
    pub async fn start(context: &'a RunContext, lease: &'a Lease, report: &mut RunReport, phase: &str) -> Self {
        let clock = Self { context, lease, last: context.clock.now() };
        clock.enter(report, phase).await;
        clock
    }

    pub async fn next(&mut self, report: &mut RunReport, phase: &str) {
        self.end(report);
        self.enter(report, phase).await;
    }

    async fn enter(&self, report: &mut RunReport, phase: &str) {
        report.phase = Some(phase.to_owned());
        self.lease.enters(phase).await;
    }

    /// The phase is over; where none follows, the run came to its end.
    pub fn end(&mut self, report: &mut RunReport) {
        let now = self.context.clock.now();
        if let Some(phase) = report.phase.take() {
            report.phases.insert(phase, (now - self.last).as_seconds_f64());
        }
        self.last = now;
    }
}
