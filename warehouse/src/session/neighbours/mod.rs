//! Windows that look no further than the row before: `lag(x)` and `row_number()` over rows that lie in order.
//!
//! `BoundedWindowAggExec` cuts out every partition and evaluates it by itself. Of a table by customer these are a
//! million with two or three rows each, and cutting costs some hundred times what there is to compute. Here a batch
//! is computed as a whole: where a partition begins, there is no row before, and counting begins anew.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, UInt64Array, new_null_array};
use arrow::compute::{concat, partition, take};
use arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::{StandardWindowExpr, StandardWindowFunctionExpr, WindowExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties, replace_children_if_necessary,
};
use futures::StreamExt;

/// Puts a [`NeighboursExec`] in the place of every window that asks for nothing else.
#[derive(Debug, Default)]
pub(crate) struct AskNeighbours;

impl PhysicalOptimizerRule for AskNeighbours {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match NeighboursExec::of(&node) {
                Some(neighbours) => Transformed::yes(Arc::new(neighbours)),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "ask_neighbours"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a column of the window tells of a row.
#[derive(Debug, Clone)]
enum Asked {
    /// What an expression was in the row before; nothing in the first of a partition.
    Before(Arc<dyn PhysicalExpr>),
    /// The row's place in its partition, from 1.
    Place,
}

impl Asked {
    fn of(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Self> {
        let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
        let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>()?;
        match (function.fun().name(), function.args()) {
            ("row_number", []) => Some(Self::Place),
            ("lag", [value, ..]) => {
                let is_as_told = value.data_type(schema).ok()? == *expr.field().ok()?.data_type();
                let is_simple = is_as_told && is_one_row_back(function).unwrap_or(false);
                is_simple.then(|| Self::Before(Arc::clone(value)))
            }
            _ => None,
        }
    }
}

/// Whether a `lag` tells what the row before has and nothing in the first: one of another offset, with another default,
/// past NULLs or from the end answers otherwise for a value with two NULLs after it.
fn is_one_row_back(lag: &WindowUDFExpr) -> Result<bool> {
    let kind = lag.field()?.data_type().clone();
    let value = ScalarValue::new_default(&kind)?.to_array()?;
    let nothing = |rows| new_null_array(&kind, rows);
    let asked = concat(&[&value, &nothing(2)])?;
    let answer = lag.create_evaluator()?.evaluate_all(&[asked], 3)?;
    let expected = concat(&[&nothing(1), &value, &nothing(1)])?;
    Ok(!value.is_null(0) && answer.to_data() == expected.to_data())
}

/// A window computed batch by batch.
#[derive(Debug)]
struct NeighboursExec {
    /// The engine's own, which says what goes in and what comes out.
    window: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    asked: Vec<Asked>,
    metrics: ExecutionPlanMetricsSet,
}

impl NeighboursExec {
    fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let window = plan.downcast_ref::<BoundedWindowAggExec>()?;
        if window.input_order_mode != InputOrderMode::Sorted || window.state_observer().is_some() {
            return None;
        }
        let schema = window.input().schema();
        let asked = window.window_expr().iter().map(|expr| Asked::of(expr, &schema)).collect::<Option<Vec<_>>>()?;
        let keys = window.window_expr().first()?.partition_by().to_vec();
        let is_flat = |key: &Arc<dyn PhysicalExpr>| key.data_type(&schema).is_ok_and(|kind| !kind.is_nested());
        if !keys.iter().all(is_flat) {
            return None;
        }
        let (window, input) = (Arc::clone(plan), Arc::clone(window.input()));
        Some(Self { window, input, keys, asked, metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for NeighboursExec {
    fn fmt_as(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NeighboursExec: ")?;
        self.window.fmt_as(form, f)
    }
}

impl ExecutionPlan for NeighboursExec {
    fn name(&self) -> &str {
        "NeighboursExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.window.apply_expressions(visit)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let window = replace_children_if_necessary(Arc::clone(&self.window), children)?;
        match Self::of(&window) {
            Some(neighbours) => Ok(Arc::new(neighbours)),
            None => Ok(window),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let schema = self.schema();
        let mut so_far = SoFar::new(self.keys.clone(), self.asked.clone());
        let told = rows.map(move |batch| {
            let _busy = metrics.elapsed_compute().timer();
            let batch = batch?;
            let columns = batch.columns().iter().cloned().chain(so_far.told(&batch)?).collect();
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?.record_output(&metrics))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), told)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Where a stream of rows in order has got to.
struct SoFar {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    asked: Vec<Asked>,
    /// The last row's keys, once there was a row.
    last_keys: Option<Vec<ArrayRef>>,
    /// Per column asked for the last row's value, where it is one that the next row asks for.
    last_values: Vec<Option<ArrayRef>>,
    /// Rows of the last row's partition.
    place: u64,
}

impl SoFar {
    fn new(keys: Vec<Arc<dyn PhysicalExpr>>, asked: Vec<Asked>) -> Self {
        let last_values = vec![None; asked.len()];
        Self { keys, asked, last_keys: None, last_values, place: 0 }
    }

    /// What is asked of the next rows.
    fn told(&mut self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = batch.num_rows();
        if rows == 0 {
            let fields = self.asked.iter().map(|asked| match asked {
                Asked::Before(value) => Ok(new_null_array(&value.data_type(batch.schema_ref())?, 0)),
                Asked::Place => Ok(Arc::new(UInt64Array::from_iter_values([])) as ArrayRef),
            });
            return fields.collect();
        }
        let (runs, continues) = self.runs(batch)?;
        let mut told = Vec::with_capacity(self.asked.len());
        for (asked, last) in self.asked.iter().zip(&mut self.last_values) {
            told.push(match asked {
                Asked::Before(value) => {
                    let values = value.evaluate(batch)?.into_array(rows)?;
                    let before = last.replace(values.slice(rows - 1, 1));
                    before_each(&values, before, &runs, continues)?
                }
                Asked::Place => places(&runs, if continues { self.place } else { 0 }),
            });
        }
        let last = runs.last().map_or(0, Range::len) as u64;
        self.place = if continues && runs.len() == 1 { self.place + last } else { last };
        Ok(told)
    }

    /// The batch's runs of rows with equal keys, and whether the first goes on with the keys of the last row before.
    fn runs(&mut self, batch: &RecordBatch) -> Result<(Vec<Range<usize>>, bool)> {
        let rows = batch.num_rows();
        let keys = self.keys.iter().map(|key| key.evaluate(batch)?.into_array(rows));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let last = self.last_keys.replace(keys.iter().map(|key| key.slice(rows - 1, 1)).collect());
        let Some(last) = last else {
            return Ok((runs_of(&keys, rows)?, false));
        };
        let with_last = last.iter().zip(&keys).map(|(last, key)| Ok(concat(&[last, key])?));
        let mut runs = runs_of(&with_last.collect::<Result<Vec<_>>>()?, rows + 1)?;
        // The row before is a run, or the first row of one.
        let continues = runs.first().is_some_and(|run| run.len() > 1);
        if !continues {
            runs.remove(0);
        }
        let without_last = |run: Range<usize>| run.start.saturating_sub(1)..run.end - 1;
        Ok((runs.into_iter().map(without_last).collect(), continues))
    }
}

fn runs_of(keys: &[ArrayRef], rows: usize) -> Result<Vec<Range<usize>>> {
    Ok(if keys.is_empty() { std::iter::once(0..rows).collect() } else { partition(keys)?.ranges() })
}

/// Per row the value of the row before it.
fn before_each(
    values: &ArrayRef,
    before: Option<ArrayRef>,
    runs: &[Range<usize>],
    continues: bool,
) -> Result<ArrayRef> {
    let before = before.unwrap_or_else(|| new_null_array(values.data_type(), 1));
    // With the value before in front of them, the row before a row has that row's number.
    let all = concat(&[&before, values])?;
    let last = u32::try_from(all.len()).map_err(|_| internal_datafusion_err!("a batch of {} rows", values.len()))?;
    let mut has_before = vec![true; values.len()];
    for run in runs {
        if let Some(has_before) = has_before.get_mut(run.start) {
            *has_before = run.start == 0 && continues;
        }
    }
    let rows: UInt32Array = (0..last).zip(has_before).map(|(row, has_before)| has_before.then_some(row)).collect();
    Ok(take(&all, &rows, None)?)
}

/// Per row its place, where the first run has had some rows already.
fn places(runs: &[Range<usize>], had: u64) -> ArrayRef {
    let first = |run: usize| if run == 0 { had } else { 0 };
    let places = runs.iter().enumerate().flat_map(|(number, run)| {
        let had = first(number);
        had + 1..=had + run.len() as u64
    });
    Arc::new(UInt64Array::from_iter_values(places))
}
