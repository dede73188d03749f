//! Whether a source is there in time and in full, and what the log says of it.

use chrono::NaiveDate;

use super::context::RunContext;
use super::outcome::{Blocked, SourceOutcome};
use crate::error::ErrorKind;
use crate::ingest::{self, Freshness, FreshnessState, IngestError};
use crate::project::contract::{Contract, Missing};

/// Asks the contract whether the source is there in time and in full, and notes what follows.
pub(super) fn judge_freshness(
    context: &RunContext,
    contract: &Contract,
    night: NaiveDate,
    outcome: &mut SourceOutcome,
) -> Result<(), IngestError> {
    let now = context.clock.now().with_timezone(&context.project.settings.time_zone).naive_local();
    let Freshness { state, action, message } = ingest::freshness(contract, &outcome.ledger.ledger, night, now)?;
    let failed_already = outcome.blocked.is_some();
    outcome.report.freshness = if failed_already { "failed" } else { state_name(&state) }.to_owned();
    let because = outcome.blocked.as_ref().map(|blocked| blocked.because.clone());
    outcome.report.message = because.or_else(|| action.map(|_| message.clone()));
    let never = matches!(state, FreshnessState::Never);
    match action {
        _ if failed_already => {}
        None => outcome.warnings.extend(ingest::doubtful(contract, &outcome.ledger.ledger, night)?),
        // Every standard export is optional: one that never came is not used, and what reads it is
        // built without it. Only a contract that says `fail` insists.
        Some(Missing::Warn | Missing::Hold) if never => outcome.report.message = None,
        Some(Missing::Warn) => outcome.warnings.push(message),
        Some(Missing::Hold) => outcome.blocked = Some(Blocked { because: message, failed: None }),
        Some(Missing::Fail) => {
            outcome.blocked = Some(Blocked { because: message, failed: Some(ErrorKind::Data) });
        }
    }
    Ok(())
}

fn state_name(state: &FreshnessState) -> &'static str {
    match state {
        FreshnessState::Unwatched => "unwatched",
        FreshnessState::Fresh { .. } => "fresh",
        FreshnessState::NotDue { .. } => "not_due",
        FreshnessState::Late { .. } => "late",
        FreshnessState::Never => "absent",
        FreshnessState::Thin { .. } => "thin",
    }
}

pub(super) fn announce(outcome: &SourceOutcome) {
    let report = &outcome.report;
    for warning in &outcome.warnings {
        tracing::warn!(source = %outcome.source, "{warning}");
    }
    match &outcome.blocked {
        Some(Blocked { because, failed: Some(_) }) => {
            tracing::error!(source = %outcome.source, seconds = report.seconds, "{because}");
        }
        Some(Blocked { because, failed: None }) => tracing::warn!(source = %outcome.source, "{because}"),
        None if report.deliveries > 0 => tracing::info!(
            source = %outcome.source,
            deliveries = report.deliveries,
            rows = report.rows,
            quarantined = report.quarantined,
            seconds = report.seconds,
            "ingested"
        ),
        None => tracing::debug!(source = %outcome.source, freshness = %report.freshness, "nothing new"),
    }
}
