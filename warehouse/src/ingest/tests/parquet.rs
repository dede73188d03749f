//! Parquet exports.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::support::*;
use crate::store::faults::{FaultyStore, Rule};

fn file(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn columns_are_projected_by_name_and_records_numbered_across_row_groups() {
    let ids = Int32Array::from_iter_values(0..10_000);
    let words: DictionaryArray<Int32Type> =
        (0..10_000).map(|id| Some(if id % 2 == 0 { "even" } else { "odd" })).collect();
    let bytes = file(vec![("word", Arc::new(words)), ("unused", Arc::new(ids.clone())), ("ID", Arc::new(ids))], 777);
    let contract = columns("path: '*'\nformat: { type: parquet }", &["id BIGINT!", "word VARCHAR"]);
    for threads in [1, 4] {
        let loaded = load_file(&contract, "a.parquet", &bytes, 1, threads).await.unwrap();
        let word = |id: i64| if id % 2 == 0 { "even" } else { "odd" };
        let expected: Vec<String> = (0..10_000).map(|id| format!("{id}|{}|{}", word(id), id + 1)).collect();
        assert_eq!(joined(&loaded), expected);
        assert_eq!(loaded.report.ledger.deliveries[0].content, blake3::hash(&bytes).to_hex().to_string());
    }
}

#[tokio::test]
async fn a_row_group_too_large_to_hold_is_read_page_by_page() {
    let ids = 0..80_000_i64;
    let word = |id: i64| format!("a word of its own, number {}", id * 7919 % 80_000);
    let expected: Vec<String> = ids.clone().map(|id| format!("{id}|{}|{}", word(id), id + 1)).collect();
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(ids.clone().map(word)));
    let bytes = file(vec![("id", Arc::new(Int64Array::from_iter_values(ids))), ("word", words)], 1 << 20);
    assert!(bytes.len() > 2 << 20, "one row group of {} bytes is many blocks", bytes.len());
    let contract = columns("path: '*'\nformat: { type: parquet }", &["word VARCHAR", "id BIGINT!"]);
    let contract_in_file_order = columns("path: '*'\nformat: { type: parquet }", &["id BIGINT!", "word VARCHAR"]);
    let mut world = World::new();
    world.put("raw/a.parquet", &bytes).await;
    world.store = Arc::new(FaultyStore::new(world.store, Rule::LongReads(1 << 20)));
    let at_once = world.load(&contract, "2024-06-30").await.err().unwrap().to_string();
    assert!(at_once.contains("a.parquet"), "a group that may be held has its columns fetched at once: {at_once}");
    world.options.row_group_bytes = 200 << 10;
    assert_eq!(world.load(&contract, "2024-06-30").await.unwrap().rows.len(), 80_000);
    world.ledger = crate::ingest::Ledger::default();
    assert_eq!(joined(&world.load(&contract_in_file_order, "2024-06-30").await.unwrap()), expected);
}

#[tokio::test]
async fn values_are_cast_exactly_or_quarantined() {
    let columns_of_file: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(3_000_000_000), None, Some(4)]))),
        ("price", Arc::new(Float64Array::from(vec![19.99, 0.1, 2.0, 1.005]))),
        ("day", Arc::new(StringArray::from(vec!["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![1_705_312_800_000_000_999; 4]).with_timezone("UTC"))),
        ("wall", Arc::new(TimestampMillisecondArray::from(vec![1_705_312_800_000; 4]))),
        ("tags", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]); 4]))),
    ];
    let bytes = file(columns_of_file, 100);
    let contract = columns(
        "path: '*'\ntolerance: 1.0\nformat: { type: parquet }",
        &[
            "n INTEGER!",
            "price DECIMAL(10,2)",
            "day DATE",
            "at TIMESTAMP",
            "wall TIMESTAMP",
            "tags VARCHAR",
            "none DOUBLE",
        ],
    );
    let loaded = load_file(&contract, "a.parquet", &bytes, 1, 2).await.unwrap();
    assert_eq!(joined(&loaded), ["1|19.99|2024-01-01|2024-01-15T11:00:00|2024-01-15T10:00:00|[1,null]|∅|1"]);
    let rows = quarantine(&loaded);
    let places: Vec<[&str; 4]> =
        rows.iter().map(|row| [&row[0], &row[1], &row[2], &row[3]].map(|text| text.as_str())).collect();
    assert_eq!(
        places,
        [
            ["2", "", "n", "`3000000000` is outside INTEGER"],
            ["3", "", "n", "required, but there is no value"],
            ["4", "", "price", "`1.005` has more decimal places than DECIMAL(10,2)"],
        ]
    );
    assert!(rows[0][4].starts_with("{\"n\":3000000000,\"price\":0.1,\"day\":\"2024-01-02\""), "{}", rows[0][4]);
}

#[tokio::test]
async fn damaged_parquet_is_named_and_never_a_panic() {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values((0..5000).map(|id| format!("word {}", id % 100))));
    let bytes = file(vec![("id", ids), ("word", words)], 1000);
    let contract = columns("path: '*'\ntolerance: 1.0\nformat: { type: parquet }", &["id BIGINT", "word VARCHAR"]);
    let error = load_file(&contract, "a.parquet", "id\n1\n", 1, 1).await.err().unwrap().to_string();
    assert!(error.contains("`a.parquet` cannot be read as Parquet") && error.contains("again"), "{error}");
    assert!(load_file(&contract, "a.parquet", &bytes[..bytes.len() / 2], 1, 1).await.is_err());
    let mut state = 7_u64;
    for _ in 0..150 {
        let mut damaged = bytes.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % damaged.len();
            damaged[at] ^= (state >> 20) as u8;
        }
        if let Err(error) = load_file(&contract, "a.parquet", &damaged, 1, 1).await {
            assert_ne!(error.kind(), crate::error::ErrorKind::Defect, "{error}");
        }
    }
}

#[tokio::test]
async fn a_missing_required_column_is_told() {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
    let contract = columns("path: '*'\nformat: { type: parquet }", &["code BIGINT!"]);
    let error = load_file(&contract, "a.parquet", file(vec![("id", ids)], 10), 1, 1).await.err().unwrap().to_string();
    assert!(error.contains("no column `code`") && error.contains("`id`"), "{error}");
}
