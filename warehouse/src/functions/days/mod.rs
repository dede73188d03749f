//! `cast(moment as date)` by a division.
//!
//! The engine's cast makes a calendar date of every moment, and a number of days of that: a quarter of the
//! time of a mart that groups twenty million visits by day. A moment is a number of microseconds, so
//! its day is the number of whole days in it, rounded down: day = floor(moment / 86,400,000,000).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

const MICROS_A_DAY: i64 = 86_400_000_000;
const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Puts [`DayOf`] where a query computes the day of a moment. Conditions keep the cast, which the engine can
/// compare with the statistics of files.
#[derive(Debug)]
pub(super) struct DaysByDivision {
    day_of: Arc<ScalarUDF>,
}

impl Default for DaysByDivision {
    fn default() -> Self {
        let signature = Signature::exact(vec![MOMENT], Volatility::Immutable);
        Self { day_of: Arc::new(ScalarUDF::from(DayOf { signature })) }
    }
}

impl DaysByDivision {
    fn replaced(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| match expr {
            Expr::Cast(Cast { expr, field })
                if *field.data_type() == DataType::Date32 && expr.get_type(schema).is_ok_and(|from| from == MOMENT) =>
            {
                Ok(Transformed::yes(self.day_of.call(vec![*expr])))
            }
            expr => Ok(Transformed::no(expr)),
        })
    }
}

impl OptimizerRule for DaysByDivision {
    fn name(&self) -> &str {
        "days_by_division"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(self.replaced(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })
    }
}

/// The day of a moment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DayOf {
    signature: Signature,
}

impl ScalarUDFImpl for DayOf {
    fn name(&self) -> &str {
        "day_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(moments)] if *moments.data_type() == MOMENT => {
                let days = moments.as_primitive::<TimestampMicrosecondType>().unary::<_, Date32Type>(day_of);
                Ok(ColumnarValue::Array(Arc::new(days)))
            }
            [ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(moment, None))] => {
                Ok(ColumnarValue::Scalar(ScalarValue::Date32(moment.map(day_of))))
            }
            other => internal_err!("day_of takes one moment, not {other:?}"),
        }
    }
}

/// Days since 1970-01-01 of microseconds since then: at most 106,751,991 either way.
fn day_of(moment: i64) -> i32 {
    moment.div_euclid(MICROS_A_DAY) as i32
}
