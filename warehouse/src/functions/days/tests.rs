use arrow::array::{Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::*;
use crate::functions::{session, session_config};

/// Moments around midnights before and after 1970, and one that is not known.
fn moments() -> TimestampMicrosecondArray {
    let edges = [0, MICROS_A_DAY, -MICROS_A_DAY, 365_000 * MICROS_A_DAY, -365_000 * MICROS_A_DAY];
    let around = edges.iter().flat_map(|edge| [-1, 0, 1].map(|more| Some(edge + more)));
    let spread = (0..5_000).map(|step| Some((step - 2_500) * 37_000_000_007));
    around.chain(spread).chain([None]).collect()
}

fn shop() -> SessionContext {
    let schema = Arc::new(Schema::new(vec![Field::new("moment", MOMENT, true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(moments())]).unwrap();
    let context = session(session_config(1), Arc::default());
    context.register_table("visits", Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
    context
}

#[tokio::test]
async fn a_day_is_what_the_cast_makes_of_it() {
    let frame = shop().sql("select cast(moment as date) as day from visits").await.unwrap();
    let plan = frame.clone().into_optimized_plan().unwrap();
    assert!(plan.to_string().contains("day_of"), "{plan}");
    let batches = frame.collect().await.unwrap();
    assert_eq!(batches[0].schema().field(0).name(), "day");
    assert_eq!(batches[0].column(0), &cast(&(Arc::new(moments()) as Arc<dyn Array>), &DataType::Date32).unwrap());
}

#[tokio::test]
async fn groups_by_day_keep_their_name_and_conditions_the_cast() {
    let query = "select cast(moment as date), count(*) as n from visits
        where cast(moment as date) <= date '1970-01-02' group by cast(moment as date)
        order by 1 nulls last";
    let frame = shop().sql(query).await.unwrap();
    let plan = frame.clone().into_optimized_plan().unwrap().to_string();
    assert!(plan.contains("day_of") && plan.contains("CAST("), "{plan}");
    let said = pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string();
    assert!(said.contains("| 1970-01-01    | 6 |") && said.contains("| 1970-01-02    | 4 |"), "{said}");
}
