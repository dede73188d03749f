use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;

use super::*;
use crate::functions::{session, session_config};

/// Groups of the rows below.
const GROUPS: usize = 700;
const ROWS: usize = 20_000;

/// Text of 0 to 40 bytes that often shares its beginning; some NULL. The first group has no text at all.
fn text(row: usize) -> Option<String> {
    let number = row.wrapping_mul(2_654_435_761) % 1_000_003;
    let long = "ñandú".repeat(number % 7);
    (!row.is_multiple_of(GROUPS) && !number.is_multiple_of(11))
        .then(|| format!("{}{long}{}", &"abcdefgh"[..number % 9], number % 13))
}

/// One column of groups, one of text, in batches of a few hundred rows.
fn table() -> MemTable {
    let fields = vec![Field::new("part", DataType::Int64, false), Field::new("note", DataType::Utf8View, true)];
    let schema = Arc::new(Schema::new(fields));
    let rows: Vec<usize> = (0..ROWS).collect();
    let batches = rows.chunks(300).map(|rows| {
        let parts: arrow::array::Int64Array = rows.iter().map(|row| (row % GROUPS) as i64).collect();
        let notes: arrow::array::StringViewArray = rows.iter().map(|row| text(*row)).collect();
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(parts), Arc::new(notes)]).unwrap()
    });
    MemTable::try_new(Arc::clone(&schema), vec![batches.collect()]).unwrap()
}

async fn asked(batch_rows: usize, query: &str) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let context = session(session_config(2).with_batch_size(batch_rows), Arc::default());
    context.register_table("notes", Arc::new(table())).unwrap();
    let batches = context.sql(query).await.unwrap().collect().await.unwrap();
    let cell = |batch: &RecordBatch, column: usize, row: usize| {
        let text = arrow::compute::cast(batch.column(column), &DataType::Utf8).unwrap();
        let text = arrow::array::AsArray::as_string::<i32>(&text).clone();
        arrow::array::Array::is_valid(&text, row).then(|| text.value(row).to_owned())
    };
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| (cell(batch, 0, row).unwrap(), (cell(batch, 1, row), cell(batch, 2, row)))).collect()
}

fn expected(keep: impl Fn(&str) -> bool) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut found: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    for row in 0..ROWS {
        let group = found.entry((row % GROUPS).to_string()).or_default();
        if let Some(text) = text(row).filter(|text| keep(text)) {
            group.0 = Some(group.0.take().map_or(text.clone(), |least| least.min(text.clone())));
            group.1 = Some(group.1.take().map_or(text.clone(), |greatest| greatest.max(text)));
        }
    }
    found
}

#[tokio::test]
async fn the_least_and_greatest_text_of_each_group_short_or_long() {
    let query = "select part, min(note), max(note) from notes group by part";
    assert_eq!(asked(8192, query).await, expected(|_| true));
    // Groups given out in pieces.
    assert_eq!(asked(64, query).await, expected(|_| true));
}

#[tokio::test]
async fn a_filter_leaves_text_out() {
    let query = "select part, min(note) filter (where note < 'c'), max(note) filter (where note < 'c')
        from notes group by part";
    assert_eq!(asked(8192, query).await, expected(|text| text < "c"));
}

#[test]
fn memory_follows_the_text_that_is_held() {
    let mut held = TextExtremes::new(Extreme::Max);
    let column = |text: &str| vec![Arc::new(arrow::array::StringViewArray::from(vec![text])) as arrow::array::ArrayRef];
    held.update_batch(&column(&"a".repeat(5000)), &[0], None, 1).unwrap();
    assert!(held.size() >= 5000);
    held.update_batch(&column("b"), &[0], None, 1).unwrap();
    assert!(held.size() < 5000, "{}", held.size());
    held.update_batch(&column(&"c".repeat(20)), &[0], None, 1).unwrap();
    let text = held.evaluate(datafusion::logical_expr::EmitTo::All).unwrap();
    assert_eq!(arrow::array::AsArray::as_string_view(&text).value(0), "c".repeat(20));
    assert_eq!(held.size(), 0);
}
