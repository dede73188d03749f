//! Window functions that need their whole input, within the memory budget.
//!
//! `WindowAggExec` gathers every row of its partition before it computes, and asks no memory pool.
//! An exec before it asks for both: without it a large window would take the machine down where any
//! other operator fails with its name.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use futures::{Stream, StreamExt, ready};

/// The gathered batches, and the one batch they are joined into.
const COPIES: usize = 2;

/// Puts a [`GatheredExec`] before every window that gathers.
#[derive(Debug, Default)]
pub(crate) struct CountGatheredWindows;

impl PhysicalOptimizerRule for CountGatheredWindows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<WindowAggExec>() {
            Some(window) => {
                let counted: Arc<dyn ExecutionPlan> = Arc::new(GatheredExec { input: Arc::clone(window.input()) });
                replace_children_if_necessary(node, vec![counted]).map(Transformed::yes)
            }
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "count_gathered_windows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Passes rows on and holds a reservation for all of them until the stream is dropped.
#[derive(Debug)]
struct GatheredExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for GatheredExec {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatheredExec")
    }
}

impl ExecutionPlan for GatheredExec {
    fn name(&self) -> &str {
        "GatheredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self { input }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new(format!("WindowAggExec[{partition}]")).register(context.memory_pool());
        let rows = self.input.execute(partition, context)?;
        Ok(Box::pin(Gathered { rows, reservation }))
    }
}

struct Gathered {
    rows: SendableRecordBatchStream,
    reservation: MemoryReservation,
}

impl Stream for Gathered {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.rows.poll_next_unpin(context));
        Poll::Ready(match next {
            Some(Ok(batch)) => Some(self.reservation.try_grow(batch.get_array_memory_size() * COPIES).map(|()| batch)),
            other => other,
        })
    }
}

impl RecordBatchStream for Gathered {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
