//! The table after a night, from its rows before and the query's: what a run does to files, on fixtures.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use arrow::datatypes::Date32Type;
use chrono::{NaiveDate, TimeDelta};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;

use crate::graph::schemas::{register, selected_schema};
use crate::graph::{Cut, Moment, Windowing};
use crate::materialize::{self, DELTA, NIGHTS, PRIOR, ROWS, Range};
use crate::project::model::{Materialized, Model, UnitTest, VALID_FROM, VALID_TO};

/// The night of a test, and the days that it builds.
fn moment(test: &UnitTest) -> Moment {
    match test.window {
        Some([first, last]) => Moment::window(test.night, first, last.succ_opt().unwrap_or(last)),
        None => Moment::from(test.night),
    }
}

/// What the model is asked for: all days at once, or one window after the other.
pub(super) fn moments(windowing: Option<&Windowing>, model: &Model, test: &UnitTest) -> Vec<Moment> {
    let all = moment(test);
    if windowing.is_none_or(|windowing| windowing.cut == Cut::Together) {
        return vec![all];
    }
    let range = Range { start: all.window_start, end: all.window_end };
    let windows = range.windows(model.spec.window());
    windows.map(|window| Moment::window(all.night, window.start, window.end)).collect()
}

/// The rows of the table after the night: those before, as they were told apart from the query's.
pub(super) async fn after(
    context: &SessionContext,
    model: &Model,
    test: &UnitTest,
    given: Vec<RecordBatch>,
    prior: RecordBatch,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let spec = &model.spec;
    let ask = async |tables: Vec<(&str, Vec<RecordBatch>)>, sql: String| {
        let tables = tables.into_iter().filter_map(|(name, rows)| Some((name.to_owned(), in_memory(rows)?)));
        register(context, tables)?;
        context.sql(&sql).await?.collect().await
    };
    let selected = vec![RecordBatch::new_empty(selected_schema(model))];
    let given: Vec<RecordBatch> = if given.is_empty() { selected } else { given };
    let before = vec![prior.clone()];
    match spec.materialized {
        Materialized::View | Materialized::Table => Ok(given),
        // Tables that the engine makes have no unit tests.
        Materialized::Nightly => Ok(given),
        Materialized::Incremental => {
            let Moment { window_start: start, window_end: end, .. } = moment(test);
            let kept = ask(vec![(PRIOR, before)], materialize::outside(spec, &[Range { start, end }])).await?;
            Ok([kept, given].concat())
        }
        Materialized::Merge => {
            let Moment { window_start: start, window_end: end, .. } = moment(test);
            let empty = RecordBatch::new_empty(given_schema(&given));
            let some = |rows: Vec<RecordBatch>| if rows.is_empty() { vec![empty.clone()] } else { rows };
            // What was delivered later counts, whichever came to the table first.
            let beside = materialize::beside(spec, &[Range { start, end }]);
            let all = some(ask(vec![(PRIOR, before), (ROWS, given.clone())], beside).await?);
            let newest = some(ask(vec![(ROWS, all)], materialize::newest(spec)).await?);
            ask(vec![(DELTA, newest)], materialize::stand(spec)).await
        }
        Materialized::Scd2 => {
            let tables = || vec![(PRIOR, before.clone()), (ROWS, given.clone())];
            let changed = ask(tables(), materialize::changed(spec, test.night)).await?;
            if changed.iter().all(|batch| batch.num_rows() == 0) {
                return Ok(before);
            }
            let nights = vec![materialize::nights(&observed(test.night, &prior))?];
            let with = |more: Vec<(&'static str, Vec<RecordBatch>)>| [tables(), more].concat();
            let states = with(vec![(DELTA, changed.clone()), (NIGHTS, nights)]);
            let new = ask(states, materialize::history(spec, test.night)).await?;
            let kept = ask(with(vec![(DELTA, changed)]), materialize::others(spec)).await?;
            Ok([kept, new].concat())
        }
    }
}

fn given_schema(given: &[RecordBatch]) -> arrow::datatypes::SchemaRef {
    given.first().map_or_else(|| Arc::new(arrow::datatypes::Schema::empty()), RecordBatch::schema)
}

fn in_memory(rows: Vec<RecordBatch>) -> Option<Arc<dyn datafusion::catalog::TableProvider>> {
    let schema = rows.first()?.schema();
    Some(Arc::new(MemTable::try_new(schema, vec![rows]).ok()?))
}

/// The nights that a history shows: where its states begin and end, and the test's own.
fn observed(night: NaiveDate, prior: &RecordBatch) -> Vec<NaiveDate> {
    let mut nights = BTreeSet::from([night]);
    for name in [VALID_FROM, VALID_TO] {
        let days = prior.column_by_name(name).and_then(|column| column.as_primitive_opt::<Date32Type>());
        let days = days.into_iter().flat_map(|days| days.iter().flatten());
        nights.extend(days.filter_map(|day| NaiveDate::default().checked_add_signed(TimeDelta::days(day.into()))));
    }
    nights.into_iter().collect()
}
