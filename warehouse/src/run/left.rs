//! Runs that were cut short. Those that could not record themselves were killed, or ended by what forbids a record too,
//! such as a full disk: the chain of the lease knows of them, and the next holder writes down what it says.

use chrono::{DateTime, Utc};

use super::context::RunContext;
use super::error::RunError;
use super::report::{Failure, RunReport, RunStatus};
use super::{ops, records};
use crate::lease::{Errand, Holder, Lease, LeaseError, Link, Step, cut_short_before, last_heard};
use crate::release;
use crate::table::Lake;

/// What a run came to. With its release the night is done: a lease that is lost after that, or a signal, ends its record
/// and its maintenance alone. What was told to stop ends as stopped all the same.
pub(super) async fn ended(
    context: &RunContext,
    mut report: RunReport,
    ran: Result<(), RunError>,
) -> Result<RunReport, RunError> {
    let Err(error) = ran else { return Ok(report) };
    let why = match &error {
        RunError::Stopped => "was told to stop".to_owned(),
        RunError::Lease(LeaseError::Lost { holder }) => format!("lost the lake to {holder}"),
        RunError::Lease(LeaseError::Expired { .. }) => "could not renew its lease".to_owned(),
        _ => String::new(),
    };
    // The report may name a release that stood before.
    let Some(release) = report.release.clone().filter(|_| report.is_released && !why.is_empty()) else {
        cut_short(context, report, &error).await;
        return Err(error);
    };
    let said = format!(
        "release {release} stands, and night {} is done; the run {why} after that, so maintenance is left to the next night, or to `buho maintain`",
        report.night
    );
    tracing::warn!("{said}");
    report.warnings.push(said);
    if !report.is_recorded {
        report.is_cut_short = true;
        report.seconds = (context.clock.now() - report.started_at).as_seconds_f64();
        write_late(context, &mut report).await;
    }
    if matches!(error, RunError::Stopped) { Err(error) } else { Ok(report) }
}

/// Records a run whose work was dropped where it stood: it was told to end, or lost the lake.
async fn cut_short(context: &RunContext, mut report: RunReport, error: &RunError) {
    report.status = match error {
        RunError::Stopped => RunStatus::Stopped,
        RunError::Lease(LeaseError::Lost { .. }) => RunStatus::Failed,
        _ => return,
    };
    if report.is_recorded {
        return;
    }
    report.is_cut_short = true;
    report.seconds = (context.clock.now() - report.started_at).as_seconds_f64();
    report.failed = Some(Failure { node: "run".to_owned(), message: error.to_string() });
    // It may have been dropped while its release came into being.
    report.release = released_by(&context.lake, &report.run_id).await.unwrap_or_default();
    write_late(context, &mut report).await;
}

/// Records a run that holds the lake no longer.
async fn write_late(context: &RunContext, report: &mut RunReport) {
    match write(context, report).await {
        Ok(()) => report.is_recorded = true,
        Err(error) => tracing::warn!("the run could not be recorded: {error}"),
    }
}

/// Records the run before, where that was cut short, and those before it that it could not record itself. This run is
/// worth more than the records: what cannot be written is said, and the run goes on.
pub(super) async fn record(context: &RunContext, lease: &Lease) {
    let mut left = lease.left().cloned();
    while let Some(link) = left {
        left = match record_one(context, &link).await {
            Ok(before) => before,
            Err(error) => {
                tracing::warn!("{} died and could not be recorded: {error}", link.holder);
                None
            }
        };
    }
}

/// The last link of the holder before, unless all before are recorded.
async fn record_one(context: &RunContext, link: &Link) -> Result<Option<Link>, RunError> {
    if records::is_there(&context.lake, &link.holder.run_id).await? {
        return Ok(None);
    }
    if let Some(report) = told_by(&context.lake, link, RunStatus::Died).await? {
        write(context, &report).await?;
    }
    Ok(cut_short_before(&context.lake, link).await?)
}

/// Writes the record of a run that was cut short, which may have been cut short while it wrote one.
pub(super) async fn write(context: &RunContext, report: &RunReport) -> Result<(), RunError> {
    if !ops::has_run(context, &report.run_id).await? {
        ops::append_run(context, report).await?;
    }
    records::store(&context.lake, report).await
}

/// The run that has the lease, or had it last and left no record.
pub(super) async fn present(lake: &Lake, now: DateTime<Utc>) -> Result<Option<RunReport>, RunError> {
    let Some((link, holds)) = last_heard(lake).await?.filter(|(link, _)| link.is_cut_short()) else {
        return Ok(None);
    };
    let is_gone = link.holder.is_gone(&Holder::this_process("", "runs list"));
    let works = holds && !is_gone && !link.is_expired(now);
    if records::is_there(lake, &link.holder.run_id).await? {
        return Ok(None);
    }
    told_by(lake, &link, if works { RunStatus::Running } else { RunStatus::Died }).await
}

/// What the chain says of a run; nothing of what is none of a night.
async fn told_by(lake: &Lake, last: &Link, status: RunStatus) -> Result<Option<RunReport>, RunError> {
    let Link { holder, at, .. } = last;
    let Some(Errand { night, began }) = holder.errand else { return Ok(None) };
    let mut report = RunReport::begun(holder, night, began);
    report.release = released_by(lake, &holder.run_id).await?;
    report.phase.clone_from(&last.phase);
    report.seconds = (*at - began).as_seconds_f64();
    report.failed = (status == RunStatus::Died).then(|| Failure { node: "run".to_owned(), message: epitaph(last) });
    report.status = status;
    Ok(Some(report))
}

/// The release that readers get, where it is of this run.
pub(super) async fn released_by(lake: &Lake, run_id: &str) -> Result<Option<String>, RunError> {
    let released = release::latest(lake).await?.filter(|release| release.run_id == run_id);
    Ok(released.map(|release| release.id().to_string()))
}

fn epitaph(last: &Link) -> String {
    let Link { holder: Holder { process, host, .. }, at, .. } = last;
    let how = match last.step {
        Step::GiveBack { .. } => "ended and could not record how",
        _ => "is gone without a word",
    };
    let doing = last.phase.as_deref().map(|phase| format!(", at `{phase}`")).unwrap_or_default();
    format!(
        "process {process} on {host} {how}, last heard of {}{doing} — the next run of the night goes on from there",
        at.format("%Y-%m-%d %H:%M:%SZ")
    )
}
