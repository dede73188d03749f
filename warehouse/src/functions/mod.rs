//! The one registry of functions, and the one reading of SQL: models, `buho sql`, unit tests and
//! endpoints all plan with what is set here, so that a query means the same wherever it is typed.

mod days;
mod extremes;

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::{ConfigNonZeroUsize, Dialect};
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

use crate::session::batches::CareForBatches;
use crate::session::neighbours::AskNeighbours;

/// Raised when a function or the reading of SQL changes its result: part of every fingerprint, so
/// that tables made with the former reading are built again.
pub const REGISTRY_VERSION: u32 = 1;

/// The catalog that holds the layers as schemas.
pub const CATALOG: &str = "buho";

/// How SQL is read and planned everywhere in Buho.
///
/// Chosen to read as DuckDB does: `1.5` is a DECIMAL, not a DOUBLE; unquoted names are lower case.
/// Places in the text are kept, so that errors can name line and column.
pub fn session_config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads.max(1))
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    options.sql_parser.dialect = Dialect::Generic;
    // A repartition that is short of memory spills to files that all its inputs share, and its reader waits at the
    // oldest, though what it waits for may be in a younger one: then the query hangs for good (apache/datafusion
    // issue 24883, mended after 55.2). No file stays open where each is full after a batch.
    if let Ok(a_batch) = ConfigNonZeroUsize::try_new(1) {
        options.execution.max_spill_file_size_bytes = a_batch;
    }
    // Rows that a join laid by customer are by customer and night too: they are grouped where they are, in one phase,
    // and not passed around again. Two threads gain by it as many do.
    options.optimizer.subset_repartition_threshold = 1;
    config
}

/// A session with our functions and types over a runtime (memory, disk, object stores).
pub fn session(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_type_planner(Arc::new(DuckTypes))
        .with_optimizer_rule(Arc::new(days::DaysByDivision::default()))
        .with_physical_optimizer_rule(Arc::new(CareForBatches))
        .with_physical_optimizer_rule(Arc::new(AskNeighbours))
        .build();
    let context = SessionContext::new_with_state(state);
    register_functions(&context);
    context
}

/// Adds functions of our own. None has a name of its own, for a model must run in DuckDB too, and what
/// both engines have ([`crate::graph::lint::portable`]) has been enough; `min` and `max` give the engine's
/// results in less memory. One that is added is added here, for models, `buho sql` and endpoints alike,
/// and raises [`REGISTRY_VERSION`] where results change.
pub fn register_functions(context: &SessionContext) {
    for function in extremes::extremes() {
        context.register_udaf(function);
    }
}

/// SQL type names that mean in DuckDB something else than in DataFusion.
#[derive(Debug)]
struct DuckTypes;

impl TypePlanner for DuckTypes {
    fn plan_type(&self, sql_type: &SqlType) -> Result<Option<DataType>> {
        Ok(match sql_type {
            // Microseconds in DuckDB and in Delta; DataFusion's own nanoseconds end in 2262.
            SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, None))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;

    use super::*;

    #[tokio::test]
    async fn rows_that_lie_by_customer_are_grouped_by_customer_and_day_where_they_are() {
        let session = session(session_config(2), Arc::default());
        let visits =
            "create table visits as select value % 7 as customer, value % 5 as day from generate_series(1, 99)";
        session.sql(visits).await.unwrap().collect().await.unwrap();
        let placed = "select *, row_number() over (partition by customer order by day) as place from visits";
        let query = format!("select customer, day, max(place) as visits from ({placed}) group by customer, day");
        let plan = session.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        assert!(plan.contains("AggregateExec: mode=SinglePartitioned"), "{plan}");
        assert_eq!(plan.matches("partitioning=Hash").count(), 1, "{plan}");
        let rows = session.sql(&query).await.unwrap().collect().await.unwrap();
        assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 35);
    }
}
