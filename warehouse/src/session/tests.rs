//! Sessions under memory that is too small.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, collect};

use crate::functions;

/// Too few for a repartition, enough for the groups.
const MEMORY: usize = 4 << 20;
/// The bare engine hangs within a few.
const ATTEMPTS: usize = 40;
/// A guard against a hang, no measure: an attempt takes half a second.
const HANGS: Duration = Duration::from_secs(120);

/// Batches that the repartitions of a plan spilled.
fn spilled(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut spilled = 0;
    let counted = plan.apply(|node| {
        if node.downcast_ref::<RepartitionExec>().is_some() {
            spilled += node.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or(0);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    counted.unwrap();
    spilled
}

/// Counts distinct texts by group, in small batches; `None` where memory did not do. Also how often it spilled.
async fn distinct_by_group() -> Option<(usize, usize)> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(MEMORY, 1.0).build_arc().unwrap();
    let session = functions::session(functions::session_config(2).with_batch_size(64), runtime);
    let table = "create table events as select n % 13 as g, md5(cast(n % 337 as varchar)) as trace \
                 from generate_series(1, 40000) as numbers (n)";
    session.sql(table).await.unwrap().collect().await.unwrap();
    let query = "select g, count(distinct trace) from (select g, arrow_cast(trace, 'Utf8View') as trace from events) \
                 group by g";
    let plan = session.sql(query).await.unwrap().create_physical_plan().await.unwrap();
    let groups = collect(Arc::clone(&plan), session.task_ctx()).await.ok()?;
    Some((groups.iter().map(|batch| batch.num_rows()).sum(), spilled(&plan)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_inputs_of_a_repartition_that_spill_at_once_do_not_wait_for_each_other() {
    let mut all_spilled = 0;
    for attempt in 0..ATTEMPTS {
        let done = tokio::time::timeout(HANGS, distinct_by_group()).await;
        if let Some((groups, spilled)) = done.unwrap_or_else(|_| panic!("attempt {attempt} hangs")) {
            assert_eq!(groups, 13);
            all_spilled += spilled;
        }
    }
    assert!(all_spilled > 0, "nothing was spilled, so nothing was tried");
}
