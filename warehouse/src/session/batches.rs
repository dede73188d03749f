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
//!
//! A join hands on references to all that its build side holds with each batch, and the next join's build side keeps
//! them of each batch: with every join on top they are as many times more as there are batches. (Three joins of 600,000
//! rows took 65 s and 4 GB instead of one second, and no memory pool knows of references.) An exec before a build side
//! copies the texts together too.
//!
//! A window that gathers hands all its rows on as one batch, and a sort takes a batch only where there is room for all
//! of it twice: it fails before it could spill. An exec before a sort cuts what is large, and copies the pieces, for a
//! slice counts as all that it is a slice of.

use std::fmt;
use std::sync::Arc;

use arrow::array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use futures::{StreamExt, TryStreamExt, stream};

/// The gathered batches, and the one batch they are joined into.
const COPIES: usize = 2;

/// Buffers of texts that a batch may refer to before they are copied into one.
const MOST_BUFFERS: usize = 8;

/// A batch that holds so many times the bytes of its rows is a slice of a larger one.
const SLICED: usize = 4;

/// Puts a [`PassedExec`] before every window that gathers, before every sort, after every sort of texts, and before
/// every side of texts that a join holds.
#[derive(Debug, Default)]
pub(crate) struct CareForBatches;

impl PhysicalOptimizerRule for CareForBatches {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if let Some(window) = node.downcast_ref::<WindowAggExec>() {
                let counted = passed(Arc::clone(window.input()), Care::Count);
                return replace_children_if_necessary(node, vec![counted]).map(Transformed::yes);
            }
            if let Some(sort) = node.downcast_ref::<SortExec>() {
                let cut = passed(Arc::clone(sort.input()), Care::Cut);
                let sort = replace_children_if_necessary(node, vec![cut])?;
                return Ok(Transformed::yes(if has_texts(&sort) { passed(sort, Care::Compact) } else { sort }));
            }
            match held_and_streamed(&node) {
                Some((held, streamed)) if has_texts(&held) => {
                    replace_children_if_necessary(node, vec![passed(held, Care::Compact), streamed])
                        .map(Transformed::yes)
                }
                _ => Ok(Transformed::no(node)),
            }
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

fn has_texts(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let is_view = |kind: &DataType| matches!(kind, DataType::Utf8View | DataType::BinaryView);
    plan.schema().fields().iter().any(|field| is_view(field.data_type()))
}

/// The side that a join holds as one batch, and the side that streams past it.
fn held_and_streamed(node: &Arc<dyn ExecutionPlan>) -> Option<(Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>)> {
    let holds = node.downcast_ref::<HashJoinExec>().is_some()
        || node.downcast_ref::<NestedLoopJoinExec>().is_some()
        || node.downcast_ref::<CrossJoinExec>().is_some();
    match node.children()[..] {
        [held, streamed] if holds => Some((Arc::clone(held), Arc::clone(streamed))),
        _ => None,
    }
}

/// What is done to batches that pass.
#[derive(Clone, Copy, Debug)]
enum Care {
    /// Memory is reserved for all of them until the stream is dropped.
    Count,
    /// Texts out of many buffers are copied into one.
    Compact,
    /// Batches have few rows, and hold nothing but these.
    Cut,
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
            Care::Cut => {
                let most = context.session_config().batch_size();
                let cut = rows.map_ok(move |batch| stream::iter(pieces(batch, most))).try_flatten();
                Box::pin(RecordBatchStreamAdapter::new(self.schema(), cut))
            }
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

/// The batch in pieces of so many rows at most.
fn pieces(batch: RecordBatch, most: usize) -> impl Iterator<Item = Result<RecordBatch>> {
    let rows = batch.num_rows();
    (0..rows.max(1)).step_by(most.max(1)).map(move |first| owned(&batch.slice(first, most.min(rows - first))))
}

/// The batch with each column in memory of its own, where that holds much more than the batch's rows.
fn owned(batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    let columns = batch.columns().iter().map(|column| {
        if column.get_array_memory_size() <= SLICED * bytes_of_rows(column)? {
            return Ok(Arc::clone(column));
        }
        Ok(match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_byte_view::<StringViewType>().gc()),
            DataType::BinaryView => Arc::new(column.as_byte_view::<BinaryViewType>().gc()),
            _ => take(column, &rows, None)?,
        })
    });
    let columns = columns.collect::<Result<_, ArrowError>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &rows)?)
}

/// Bytes of an array's rows and of what an array has besides, without what its buffers hold of other rows.
fn bytes_of_rows(column: &ArrayRef) -> Result<usize, ArrowError> {
    let besides = size_of::<ArrayData>();
    Ok(besides
        + match column.data_type() {
            DataType::Utf8View => bytes_of_views(column.as_byte_view::<StringViewType>()),
            DataType::BinaryView => bytes_of_views(column.as_byte_view::<BinaryViewType>()),
            _ => column.to_data().get_slice_memory_size()?,
        })
}

fn bytes_of_views<T: ByteViewType>(views: &GenericByteViewArray<T>) -> usize {
    size_of_val::<[u128]>(views.views()) + views.total_buffer_bytes_used()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::functions;

    /// A hundred batches of texts, asked: the most buffers that a batch of the answer refers to.
    async fn most_buffers(session: SessionContext, query: &str) -> usize {
        let fields = [("text", DataType::Utf8View), ("number", DataType::Int64)];
        let fields = fields.map(|(name, kind)| Field::new(name, kind, false));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let batch = |batch: i64| {
            let texts = (0..10).map(|row| format!("a text of {row} too long to be kept in its view, {batch}"));
            let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10).map(|row| 10 * batch + row)));
            RecordBatch::try_new(Arc::clone(&schema), vec![texts, numbers]).unwrap()
        };
        let table = MemTable::try_new(Arc::clone(&schema), vec![(0..100).map(batch).collect()]).unwrap();
        session.register_table("texts", Arc::new(table)).unwrap();
        let answer = session.sql(query).await.unwrap().collect().await.unwrap();
        let texts: HashSet<&str> =
            answer.iter().flat_map(|batch| batch.column(0).as_string_view().iter().flatten()).collect();
        assert_eq!(texts.len(), 1000);
        answer.iter().map(|batch| batch.column(0).as_string_view().data_buffers().len()).max().unwrap()
    }

    #[tokio::test]
    async fn what_a_sort_hands_on_refers_to_few_buffers() {
        let (config, query) = (functions::session_config(1), "select text from texts order by text");
        assert!(most_buffers(functions::session(config.clone(), Arc::default()), query).await <= MOST_BUFFERS);
        let bare = most_buffers(SessionContext::new_with_config(config), query).await;
        assert!(bare > MOST_BUFFERS, "the engine sees to it by itself: the exec after a sort can go");
    }

    #[tokio::test]
    async fn texts_refer_to_no_more_buffers_with_each_join_that_holds_them() {
        let config = functions::session_config(1).with_batch_size(10);
        let query = "select texts.text from texts \
                     inner join generate_series(0, 999) as first (n) on first.n = texts.number \
                     inner join generate_series(0, 999) as second (n) on second.n = texts.number \
                     inner join generate_series(0, 999) as third (n) on third.n = texts.number";
        let ours = most_buffers(functions::session(config.clone(), Arc::default()), query).await;
        let bare = most_buffers(SessionContext::new_with_config(config), query).await;
        assert!(ours <= 100 * MOST_BUFFERS, "{ours} buffers");
        assert!(bare > 10 * ours, "the engine sees to it by itself, {bare}: the exec before a build side can go");
    }

    #[test]
    fn a_slice_of_a_large_batch_holds_what_its_rows_take() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let long = |row: i64| format!("a text of {row} too long to be kept in its view");
        let texts: ArrayRef = Arc::new((0..100_000).map(|row| Some(long(row))).collect::<StringViewArray>());
        let all = RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap();
        let slice = all.slice(50_000, 1000);
        let copied = owned(&slice).unwrap();
        assert_eq!(copied, slice);
        assert!(copied.get_array_memory_size() < 100_000, "{}", copied.get_array_memory_size());
        let again = owned(&copied).unwrap();
        assert!(Arc::ptr_eq(again.column(0), copied.column(0)), "what holds little more than its rows is not copied");
    }

    /// What each part of a plan hands on: the most rows of a batch.
    async fn most_rows(plan: Arc<dyn ExecutionPlan>, session: &SessionContext) -> usize {
        let batches = collect(plan, session.task_ctx()).await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
        batches.iter().map(RecordBatch::num_rows).max().unwrap()
    }

    #[tokio::test]
    async fn a_sort_takes_what_a_window_gathered_in_pieces() {
        let session = functions::session(functions::session_config(1), Arc::default());
        let window = "select value, sum(value) over (partition by value % 7) as total from generate_series(1, 100000)";
        let gathered = session.sql(window).await.unwrap().create_physical_plan().await.unwrap();
        let whole = most_rows(Arc::clone(&gathered), &session).await;
        assert_eq!(whole, 100_000, "the engine sees to it by itself: the exec before a sort can go");
        let most = session.copied_config().batch_size();
        assert_eq!(most_rows(passed(gathered, Care::Cut), &session).await, most);
        let sorted = session.sql(&format!("{window} order by total, value")).await.unwrap();
        let plan = displayable(sorted.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string();
        let lines: Vec<&str> = plan.lines().map(str::trim).collect();
        let sort = lines.iter().position(|line| line.starts_with("SortExec")).unwrap();
        assert_eq!(lines[sort + 1], "PassedExec: Cut", "{plan}");
    }
}
