//! Many nights, oldest first.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::context::{RunContext, RunRequest};
use super::error::RunError;
use super::night::run_night;
use super::report::{RunReport, RunStatus};
use crate::error::ErrorKind;
use crate::release;

/// Runs the nights from one to another; `told` hears of each run as it ends.
///
/// Nights up to the highest that was released share one run: each that has new deliveries takes them in, all add to the
/// histories, then the tables are built once, for the highest. Nights after it are released one by one, or `at_once`
/// of them share a run and a release, for the last of them; where the graph has models that learn it is one by one, for
/// these keep what each night taught them. What was run before has nothing to do, so a backfill that was stopped is
/// simply started again.
///
/// # Errors
/// [`RunError::User`] where the nights are in the wrong order or in the future; else those of [`run_night`]. A night of which
/// nothing went out ends the backfill, for the next would build on it; so does one that storage failed, for the
/// next would take its deliveries for its own, or go out without its state. The same command goes on from there.
pub async fn backfill(
    context: &RunContext,
    from: NaiveDate,
    to: NaiveDate,
    at_once: usize,
    select: Option<&BTreeSet<String>>,
    mut told: impl FnMut(RunReport),
) -> Result<(), RunError> {
    if from > to {
        return Err(RunError::User {
            message: format!("a backfill goes from the older night to the newer; write `--from {to} --to {from}`"),
        });
    }
    context.refuse_future(to)?;
    let highest = release::latest(&context.lake).await?.map(|release| release.night);
    let (mut earlier, later): (Vec<NaiveDate>, Vec<NaiveDate>) =
        from.iter_days().take_while(|night| *night <= to).partition(|night| highest.is_some_and(|top| *night <= top));
    let first = earlier.pop().map(|last| (last, earlier));
    let at_once = if context.project.ml.is_empty() { at_once.max(1) } else { 1 };
    let shared = |nights: &[NaiveDate]| nights.split_last().map(|(last, earlier)| (*last, earlier.to_vec()));
    let requests = first.into_iter().chain(later.chunks(at_once).filter_map(shared));
    for (night, earlier) in requests {
        let request = RunRequest { night, earlier, select: select.cloned(), unlimited: true, ..RunRequest::default() };
        let report = run_night(context, &request).await?;
        // A night that went out in part before says nothing new the second time: its release stands.
        let highest = release::latest(&context.lake).await?.map(|release| release.night);
        let is_missing = report.status == RunStatus::Failed && highest.is_none_or(|highest| highest < night);
        let stops = is_missing || report.kinds.contains(&ErrorKind::Retry);
        told(report);
        if stops {
            break;
        }
    }
    Ok(())
}
