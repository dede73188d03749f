//! Columns that files had: one that lacks them does not pass for one in which nothing was known.

use std::sync::Arc;

use super::support::*;
use crate::project::contract::Contract;

fn orders(asked: &str) -> Contract {
    columns(
        &format!("path: 'orders_{{date:%Y-%m-%d}}.csv'\n{asked}"),
        &["id BIGINT!", "status VARCHAR", "note VARCHAR"],
    )
}

const FAIL: &str = "dropped_columns: fail";

async fn put(world: &World, day: &str, text: &str) {
    world.put(&format!("raw/orders_{day}.csv"), text).await;
}

fn why(loaded: &Loaded) -> String {
    loaded.report.failure.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn a_file_without_a_column_that_files_had_fails_its_source_until_it_is_delivered_again_with_it() {
    let (contract, mut world) = (orders(FAIL), World::new());
    put(&world, "2024-01-01", "id,status\n1,paid\n").await;
    world.load(&contract, "2024-01-01").await.unwrap();
    put(&world, "2024-01-02", "id\n2\n").await;
    let failed = world.load(&contract, "2024-01-02").await.unwrap();
    for part in ["`orders_2024-01-02.csv`", "no column `status`", "since 2024-01-01", "dropped_columns: warn"] {
        assert!(why(&failed).contains(part), "{}", why(&failed));
    }
    assert!(!why(&failed).contains("`note`"), "no file ever had it: {}", why(&failed));
    assert!(!failed.report.ledger_changed && world.ledger.deliveries.len() == 1);
    put(&world, "2024-01-02", "id,status\n2,cancelled\n").await;
    let mended = world.load(&contract, "2024-01-02").await.unwrap();
    assert_eq!((why(&mended).as_str(), joined(&mended)), ("", vec!["2|cancelled|∅|1".to_owned()]));
}

#[tokio::test]
async fn the_files_of_one_load_are_told_apart_by_their_nights() {
    for (first, second, fails) in [("id,status\n1,paid\n", "id\n2\n", true), ("id\n1\n", "id,status\n2,paid\n", false)]
    {
        let (contract, mut world) = (orders(FAIL), World::new());
        put(&world, "2024-01-01", first).await;
        put(&world, "2024-01-02", second).await;
        let loaded = world.load(&contract, "2024-01-02").await.unwrap();
        assert_eq!(!why(&loaded).is_empty(), fails, "{}", why(&loaded));
    }
}

#[tokio::test]
async fn a_column_that_no_file_ever_had_is_not_missed_nor_is_one_by_files_older_than_it() {
    let (contract, mut world) = (orders(FAIL), World::new());
    put(&world, "2024-01-05", "id\n1\n").await;
    assert_eq!(why(&world.load(&contract, "2024-01-05").await.unwrap()), "");
    put(&world, "2024-01-06", "id,status\n2,paid\n").await;
    assert_eq!(why(&world.load(&contract, "2024-01-06").await.unwrap()), "");
    put(&world, "2024-01-04", "id\n3\n").await;
    // A file without any record names no column, and has none of them wrong.
    put(&world, "2024-01-07", "").await;
    let late = world.load(&contract, "2024-01-07").await.unwrap();
    assert_eq!((why(&late).as_str(), late.report.rows), ("", 1));
}

#[tokio::test]
async fn unless_it_is_to_fail_the_file_is_loaded_and_the_run_says_since_when_there_was_one() {
    for asked in ["", "dropped_columns: warn"] {
        let (contract, mut world) = (orders(asked), World::new());
        put(&world, "2024-01-01", "id,status\n1,paid\n").await;
        world.load(&contract, "2024-01-01").await.unwrap();
        put(&world, "2024-01-02", "id\n2\n").await;
        let loaded = world.load(&contract, "2024-01-02").await.unwrap();
        assert_eq!(joined(&loaded), ["2|∅|∅|1"]);
        let told = loaded.report.warnings.join("\n");
        assert!(told.contains("since 2024-01-01") && told.contains("dropped_columns: fail"), "{told}");
    }
}

#[tokio::test]
async fn parquet_files_are_known_by_their_columns_too() {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    let file = |names: &[&str]| {
        let column = |name: &&str| -> (String, ArrayRef) {
            let array: ArrayRef = match *name {
                "id" => Arc::new(Int64Array::from(vec![1])),
                _ => Arc::new(StringArray::from(vec!["paid"])),
            };
            ((*name).to_owned(), array)
        };
        let batch = arrow::record_batch::RecordBatch::try_from_iter(names.iter().map(column)).unwrap();
        let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    let yml = format!("path: 'o_{{date:%Y-%m-%d}}.parquet'\nformat: {{ type: parquet }}\n{FAIL}");
    let (contract, mut world) = (columns(&yml, &["id BIGINT!", "status VARCHAR"]), World::new());
    world.put("raw/o_2024-01-01.parquet", file(&["id", "status"])).await;
    world.load(&contract, "2024-01-01").await.unwrap();
    world.put("raw/o_2024-01-02.parquet", file(&["id"])).await;
    let failed = world.load(&contract, "2024-01-02").await.unwrap();
    assert!(why(&failed).contains("no column `status`"), "{}", why(&failed));
}
