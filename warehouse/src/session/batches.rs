//! Care for what operators hand on to operators that gather it.
//!
//! `WindowAggExec` gathers every row of its partition before it computes, and asks no memory pool.
//! An exec before it asks for both: without it a large window would take the machine down where any
//! other operator fails with its name.
//!
//! A batch of a sort holds texts of hundreds of batches by reference. Whoever joins such batches to one
//! (a hash join's build side, a window) holds each reference of each, and copies them all with every batch that it
//! makes of them: a join of 4 M rows took 133 s instead of half a second. An exec after a sort copies the
//! texts together.

use std::fmt;
use std::sync::Arc;

use arrow::array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use futures::StreamExt;

/// The gathered batches, and the one batch they are joined into.
const COPIES: usize = 2;

/// Buffers of texts that a batch may refer to before they are copied into one.
const MOST_BUFFERS: usize = 8;

/// Puts a [`PassedExec`] before every window that gathers, and after every sort of texts.
#[derive(Debug, Default)]
pub(crate) struct CareForBatches;

impl PhysicalOptimizerRule for CareForBatches {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if let Some(window) = node.downcast_ref::<WindowAggExec>() {
                let counted = passed(Arc::clone(window.input()), Care::Count);
                return replace_children_if_necessary(node, vec![counted]).map(Transformed::yes);
            }
            if node.downcast_ref::<SortExec>().is_some()
                && node.schema().fields().iter().any(|f| is_view(f.data_type()))
            {
                return Ok(Transformed::yes(passed(node, Care::Compact)));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    fn name(&self) -> &str {
        "care_for_batches"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_view(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8View | DataType::BinaryView)
}

/// What is done to batches that pass.
#[derive(Clone, Copy, Debug)]
enum Care {
    /// Memory is reserved for all of them until the stream is dropped.
    Count,
    /// Texts out of many buffers are copied into one.
    Compact,
}

/// Passes rows on, with care.
#[derive(Debug)]
struct PassedExec {
    input: Arc<dyn ExecutionPlan>,
    care: Care,
}

fn passed(input: Arc<dyn ExecutionPlan>, care: Care) -> Arc<dyn ExecutionPlan> {
    Arc::new(PassedExec { input, care })
}

impl DisplayAs for PassedExec {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassedExec: {:?}", self.care)
    }
}

impl ExecutionPlan for PassedExec {
    fn name(&self) -> &str {
        "PassedExec"
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
        Ok(passed(input, self.care))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        Ok(match self.care {
            Care::Compact => Box::pin(RecordBatchStreamAdapter::new(
                rows.schema(),
                rows.map(|batch| batch.and_then(|batch| compacted(&batch))),
            )),
            Care::Count => {
                let held = MemoryConsumer::new(format!("WindowAggExec[{partition}]")).register(context.memory_pool());
                let counted = move |batch: Result<RecordBatch>| {
                    let batch = batch?;
                    held.try_grow(batch.get_array_memory_size() * COPIES).map(|()| batch)
                };
                Box::pin(RecordBatchStreamAdapter::new(rows.schema(), rows.map(counted)))
            }
        })
    }
}

/// The batch with each column's texts in few buffers.
fn compacted(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => in_few_buffers::<StringViewType>(column),
        DataType::BinaryView => in_few_buffers::<BinaryViewType>(column),
        _ => Arc::clone(column),
    });
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &rows)?)
}

fn in_few_buffers<T: ByteViewType>(column: &ArrayRef) -> ArrayRef {
    let views = column.as_byte_view::<T>();
    if views.data_buffers().len() > MOST_BUFFERS { Arc::new(views.gc()) } else { Arc::clone(column) }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use arrow::datatypes::{Field, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::functions;

    /// A hundred batches of texts, sorted: the most buffers that a batch refers to.
    async fn most_buffers(session: SessionContext) -> usize {
        let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8View, false)]));
        let batch = |batch: usize| {
            let texts = (0..10).map(|row| format!("a text of {row} too long to be kept in its view, {batch}"));
            let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
            RecordBatch::try_new(Arc::clone(&schema), vec![texts]).unwrap()
        };
        let table = MemTable::try_new(Arc::clone(&schema), vec![(0..100).map(batch).collect()]).unwrap();
        session.register_table("texts", Arc::new(table)).unwrap();
        let sorted = session.sql("select text from texts order by text").await.unwrap().collect().await.unwrap();
        let texts: Vec<&str> =
            sorted.iter().flat_map(|batch| batch.column(0).as_string_view().iter().flatten()).collect();
        assert_eq!(texts.len(), 1000);
        assert!(texts.is_sorted());
        sorted.iter().map(|batch| batch.column(0).as_string_view().data_buffers().len()).max().unwrap()
    }

    #[tokio::test]
    async fn what_a_sort_hands_on_refers_to_few_buffers() {
        let config = functions::session_config(1);
        assert!(most_buffers(functions::session(config.clone(), Arc::default())).await <= MOST_BUFFERS);
        let bare = most_buffers(SessionContext::new_with_config(config)).await;
        assert!(bare > MOST_BUFFERS, "the engine sees to it by itself: the exec after a sort can go");
    }
}
