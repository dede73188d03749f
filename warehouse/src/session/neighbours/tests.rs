use arrow::array::{Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::displayable;
use datafusion::prelude::SessionContext;

use super::*;
use crate::functions;

/// Rows in a batch: few, so that partitions lie across batches.
const BATCH_ROWS: usize = 7;

/// Two hundred rows of some thirty customers, one of them nobody, with days that are missing.
fn visits() -> MemTable {
    let fields = [("customer", DataType::Utf8View), ("shop", DataType::Int64), ("day", DataType::Int64)];
    let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
    let numbers = 0..200_i64;
    let customers = numbers.clone().map(|n| (n % 31 != 0).then(|| format!("customer {}", n * n % 31)));
    let customers: ArrayRef = Arc::new(customers.collect::<StringViewArray>());
    let shops: ArrayRef = Arc::new(numbers.clone().map(|n| (n % 5 != 0).then_some(n % 2)).collect::<Int64Array>());
    let days: ArrayRef = Arc::new(numbers.map(|n| (n % 11 != 0).then_some(n * 37 % 200)).collect::<Int64Array>());
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![customers, shops, days]).unwrap();
    MemTable::try_new(schema, vec![vec![rows]]).unwrap()
}

/// The plan of a query, and its rows.
async fn asked(session: &SessionContext, query: &str) -> (String, String) {
    session.register_table("visits", Arc::new(visits())).unwrap();
    let asked = session.sql(query).await.unwrap();
    let plan = asked.clone().create_physical_plan().await.unwrap();
    let rows = pretty_format_batches(&asked.collect().await.unwrap()).unwrap().to_string();
    session.deregister_table("visits").unwrap();
    (displayable(plan.as_ref()).indent(false).to_string(), rows)
}

/// Whether a window is asked of neighbours, with the same rows as the engine's.
async fn is_of_neighbours(window: &str) -> bool {
    let query = format!("select customer, shop, day, {window} as told from visits order by customer, shop, day, told");
    let mut found = Vec::new();
    for threads in [1, 3] {
        let config = functions::session_config(threads).with_batch_size(BATCH_ROWS);
        let (plan, ours) = asked(&functions::session(config.clone(), Arc::default()), &query).await;
        let (bare, theirs) = asked(&SessionContext::new_with_config(config), &query).await;
        assert_eq!(ours, theirs, "{window} of {threads} threads\n{plan}");
        assert!(bare.contains("BoundedWindowAggExec"), "the engine does not compute it row by row: {bare}");
        found.push(plan.contains("NeighboursExec"));
    }
    assert_eq!(found.first(), found.last());
    found.iter().all(|found| *found)
}

#[tokio::test]
async fn the_row_before_and_the_place_are_those_that_the_engine_finds() {
    for window in [
        "lag(day) over (partition by customer order by day nulls last, shop)",
        "lag(customer) over (partition by shop order by day, customer)",
        "lag(day + 1) over (order by day, customer, shop)",
        "row_number() over (partition by customer, shop order by day desc nulls last)",
        "row_number() over (order by day, customer, shop)",
        "concat(lag(day) over (partition by customer order by day, shop), '/', \
         row_number() over (partition by customer order by day, shop))",
    ] {
        assert!(is_of_neighbours(window).await, "{window}");
    }
}

#[tokio::test]
async fn what_looks_further_than_one_row_is_left_to_the_engine() {
    for window in [
        "lag(day, 2) over (partition by customer order by day, shop)",
        "lag(day, 1, 0) over (partition by customer order by day, shop)",
        "lag(day) ignore nulls over (partition by customer order by shop, day)",
        "lead(day) over (partition by customer order by day, shop)",
        "rank() over (partition by customer order by day, shop)",
        "concat(lag(day) over (partition by customer order by day, shop), '/', \
         lag(day, 2) over (partition by customer order by day, shop))",
    ] {
        assert!(!is_of_neighbours(window).await, "{window}");
    }
}
