//! What a plan is given to run with.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The share of the budget that all sorts of a plan together set aside for merging what they spill.
const MERGES_SHARE: usize = 2;

/// The task of a plan. Every sort sets the same bytes aside before it takes its first row, whether or not it will
/// spill: those of a plan with many sorts get less each, so that they leave room for rows. (Of a table of 20 M rows
/// behind three sort-merge joins and two windows, sixteen sorts set 64 MiB aside each, out of 1 GiB.)
///
/// # Errors
/// Where the plan cannot be walked.
pub(crate) fn task_of(plan: &Arc<dyn ExecutionPlan>, session: &SessionContext) -> Result<Arc<TaskContext>> {
    let task = session.task_ctx();
    let MemoryLimit::Finite(budget) = task.memory_pool().memory_limit() else {
        return Ok(task);
    };
    let mut sorts = 0;
    plan.apply(|node| {
        if node.downcast_ref::<SortExec>().is_some() {
            sorts += node.output_partitioning().partition_count();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut config = task.session_config().clone();
    let most = budget / MERGES_SHARE / sorts.max(1);
    if config.options().execution.sort_spill_reservation_bytes <= most {
        return Ok(task);
    }
    config.options_mut().execution.sort_spill_reservation_bytes = most;
    Ok(Arc::new(TaskContext::from(session).with_session_config(config)))
}

#[cfg(test)]
mod tests {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::collect;

    use super::*;
    use crate::functions;

    const MEMORY: usize = 64 << 20;
    const ASIDE: usize = 10 << 20;

    /// A session with sort-merge joins and a plan of so many of them, each with sorts of both sides.
    async fn joins(joins: usize) -> (SessionContext, Arc<dyn ExecutionPlan>) {
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(MEMORY, 1.0).build_arc().unwrap();
        let mut config = functions::session_config(2).with_sort_spill_reservation_bytes(ASIDE);
        config.options_mut().optimizer.prefer_hash_join = false;
        let session = functions::session(config, runtime);
        let more: String = (0..joins)
            .map(|join| format!(" join generate_series(1, 5000) as j{join} (n) on j{join}.n % 4999 = first.n + {join}"))
            .collect();
        let query = format!("select count(*) from generate_series(1, 4000) as first (n){more}");
        let plan = session.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
        (session, plan)
    }

    fn aside(task: &TaskContext) -> usize {
        task.session_config().options().execution.sort_spill_reservation_bytes
    }

    #[tokio::test]
    async fn many_sorts_share_what_is_set_aside_for_merging() {
        let (session, plan) = joins(6).await;
        let task = task_of(&plan, &session).unwrap();
        assert!(aside(&task) * 12 <= MEMORY / MERGES_SHARE, "{} each", aside(&task));
        assert_eq!(collect(plan, task).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn few_sorts_set_aside_what_they_are_told() {
        let (session, plan) = joins(0).await;
        assert_eq!(aside(&task_of(&plan, &session).unwrap()), ASIDE);
    }
}
