//! The lease of a run, and the fence that goes up where a run before may still be at work.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::context::RunContext;
use super::error::RunError;
use super::left;
use crate::failpoint;
use crate::lease::{Holder, Lease};
use crate::planted::{Bug, planted};
use crate::table::fence;

/// Logs fenced beside each other.
const FENCES_AT_ONCE: usize = 8;

/// Takes the lake's lease for a command, fences where it must, and does the work while the lease is held, until the work
/// ends, the lease is lost or the run is told to stop. The lease is given back in each case.
///
/// # Errors
/// The work's own; [`RunError::Lease`] where another has the lake, or took it; [`RunError::Stopped`].
pub(super) async fn holding<T>(
    context: &RunContext,
    holder: Holder,
    work: impl AsyncFnOnce(&Lease) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let run_id = holder.run_id.clone();
    let lease = Lease::acquire(&context.lake, holder, context.clock.clone()).await?;
    let fenced = async {
        fence_tables(context, &lease, &run_id).await?;
        failpoint::reached("tables.fenced");
        left::record(context, &lease).await;
        work(&lease).await
    };
    let result = tokio::select! {
        biased;
        () = context.stop.asked() => Err(RunError::Stopped),
        result = lease.keep(fenced) => result,
    };
    // What was cut short may have writes under way: whoever comes next fences them off.
    lease.give_back(result.is_err()).await;
    result
}

/// Makes the commits of every earlier holder fail, in every table that a run can commit to, and in those that one
/// was about to create.
async fn fence_tables(context: &RunContext, lease: &Lease, run_id: &str) -> Result<(), RunError> {
    if !lease.must_fence() || planted(Bug::NoFence) {
        return Ok(());
    }
    let previous = lease.latest(&context.lake).await?;
    let sources = context.project.contracts.values().map(|contract| contract.table.clone());
    let nodes = context.graph.nodes.iter().map(|node| node.name.clone());
    let released = previous.iter().flat_map(|release| release.tables.keys().cloned());
    let quarantine = std::iter::once(super::quarantine::TABLE.to_owned());
    let unborn = lease.unborn().iter().cloned();
    let tables: BTreeSet<String> = sources.chain(nodes).chain(released).chain(quarantine).chain(unborn).collect();
    let by = (run_id, context.clock.now());
    stream::iter(context.turns.order(tables))
        .map(|table| async move {
            let is_unborn = lease.unborn().contains(&table);
            fence(&context.lake, &table, lease.token(), is_unborn, by).await
        })
        .buffer_unordered(context.turns.at_once(FENCES_AT_ONCE))
        .try_collect::<()>()
        .await?;
    lease.fenced().await;
    Ok(())
}
