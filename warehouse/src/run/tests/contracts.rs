//! What becomes of bronze where a contract changes.

use std::fs::File;

use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::materialize::{files, status};
use super::*;
use crate::error::ErrorKind;

/// Orders with a column more than [`ORDERS`], and settings of the format.
fn contract(shop: &Shop, column: &str, format: &str) {
    let columns = format!("{ORDERS}{column}");
    shop.write("sql/sources/orders.yml", &columns.replace("\ncolumns:", &format!("\nformat: {format}\ncolumns:")));
}

const PLAIN: &str = "{ type: csv }";

fn delivered(shop: &Shop, day: &str, size: &str) {
    let text = format!("order_id,ordered_at,amount,size\n{day},{day} 10:00:00,1.00,{size}\n");
    shop.write(&format!("raw/orders/orders_{day}.csv"), &text);
}

async fn planned(shop: &Shop, night: &str) -> NightPlan {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await.unwrap()
}

/// `buho ingest --select bronze.orders --full-refresh`.
async fn ingested_anew(shop: &Shop, night: &str) -> RunReport {
    let request = RunRequest {
        stage: Some(Stage::Ingest),
        night: night.parse().unwrap(),
        select: Some(["bronze.orders".to_owned()].into()),
        full_refresh: true,
        ..RunRequest::default()
    };
    run_night(&shop.open().await, &request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_takes_from_bronze_fails_its_source_until_all_is_read_anew() {
    let shop = Shop::new();
    contract(&shop, "  - { name: size, type: VARCHAR }\n", PLAIN);
    delivered(&shop, "2026-02-01", "big");
    delivered(&shop, "2026-02-02", "7");
    shop.night("2026-02-02").await;
    delivered(&shop, "2026-02-03", "8");
    for (column, loss) in [
        ("  - { name: size, type: BIGINT }\n", "column `size` of bronze.orders was VARCHAR and would be BIGINT"),
        ("", "column `size` of bronze.orders goes"),
    ] {
        contract(&shop, column, PLAIN);
        let plan = planned(&shop, "2026-02-03").await;
        let told = plan.sources[0].error.clone().unwrap();
        assert!(told.starts_with("sql/sources/orders.yml: ") && told.contains(loss), "{told}");
        assert!(told.contains("`buho ingest --select bronze.orders --full-refresh`"), "{told}");
        let report = shop.night("2026-02-03").await;
        assert_eq!(status(&report, "bronze.orders"), "failed", "{report:#?}");
        assert_eq!(status(&report, "marts.daily"), "held");
        assert_eq!(report.failed.unwrap().message, told);
        let context = shop.open().await;
        let held = replay(&context, "orders", &Choice::default()).await.unwrap_err();
        assert_eq!((held.kind(), held.to_string()), (ErrorKind::User, told.clone()));
        let latest = release::latest(&context.lake).await.unwrap().unwrap();
        let found = unsound(&context.lake, &context.project, &latest).await;
        assert!(found.iter().any(|unsound| unsound.text == told), "{found:?}");
    }
    contract(&shop, "  - { name: size, type: BIGINT }\n", PLAIN);
    let values = shop.ask("select size from bronze.orders order by size").await;
    assert!(values.contains("big"), "what is stored is read as it is: {values}");
    std::fs::rename(shop.root.path().join("raw/orders/orders_2026-02-01.csv"), shop.root.path().join("away")).unwrap();
    let report = ingested_anew(&shop, "2026-02-03").await;
    let message = report.failed.unwrap().message;
    assert!(message.contains("`orders/orders_2026-02-01.csv` stays as loaded"), "{message}");
    std::fs::rename(shop.root.path().join("away"), shop.root.path().join("raw/orders/orders_2026-02-01.csv")).unwrap();
    delivered(&shop, "2026-02-01", "6");
    let report = ingested_anew(&shop, "2026-02-03").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(shop.night("2026-02-03").await.status, RunStatus::Done);
    let values = shop.ask("select sum(size) as total from bronze.orders").await;
    assert!(values.contains("| 21 "), "{values}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_without_a_value_may_go_and_have_another_type() {
    let shop = Shop::new();
    contract(&shop, "  - { name: size, type: VARCHAR }\n  - { name: weight, type: BIGINT }\n", PLAIN);
    delivered(&shop, "2026-02-01", "");
    shop.night("2026-02-01").await;
    contract(&shop, "  - { name: size, type: INTEGER }\n", PLAIN);
    delivered(&shop, "2026-02-02", "7");
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert!(shop.ask("select sum(size) as total from bronze.orders").await.contains("| 7 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_type_is_that_of_every_file_of_bronze() {
    let shop = Shop::new();
    contract(&shop, "  - { name: size, type: INTEGER }\n", PLAIN);
    delivered(&shop, "2026-02-01", "7");
    shop.night("2026-02-01").await;
    contract(&shop, "  - { name: size, type: BIGINT }\n", PLAIN);
    assert_eq!(planned(&shop, "2026-02-01").await.sources[0].error, None);
    delivered(&shop, "2026-02-02", "9000000000");
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    let folder = shop.root.path().join("lake/bronze/orders");
    for path in files(&shop, "bronze.orders").await {
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.join(&path)).unwrap()).unwrap();
        assert_eq!(file.schema().field_with_name("size").unwrap().data_type(), &DataType::Int64, "{path}");
    }
    assert!(shop.ask("select sum(size) as total from bronze.orders").await.contains("| 9000000007 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_contract_is_told_of_until_what_was_read_otherwise_is_read_anew() {
    let shop = Shop::new();
    contract(&shop, "  - { name: size, type: VARCHAR }\n", PLAIN);
    for day in ["2026-02-01", "2026-02-02", "2026-02-03"] {
        delivered(&shop, day, "n/a");
    }
    shop.write(
        "raw/orders/orders_2026-02-03.csv",
        "order_id,ordered_at,amount,size\nc,2026-02-03 10:00:00,1.00,n/a\nd,never,1.00,n/a\n",
    );
    shop.night("2026-02-03").await;
    assert_eq!(planned(&shop, "2026-02-03").await.sources[0].reading, None);
    contract(&shop, "  - { name: size, type: VARCHAR }\n", "{ type: csv, null_words: [n/a] }");
    let plan = planned(&shop, "2026-02-03").await;
    let told = plan.sources[0].reading.clone().unwrap();
    assert!(told.starts_with("3 deliveries were read with other settings of the contract (`null_words`)"), "{told}");
    let way_out = "`buho ingest --night 2026-02-03 --select bronze.orders --full-refresh`";
    assert!(plan.is_empty() && told.contains(way_out), "{told}");
    let idle = shop.night("2026-02-03").await;
    assert_eq!(idle.status, RunStatus::Skipped);
    assert_eq!(idle.warnings, [format!("orders: {told}")]);

    std::fs::remove_file(shop.root.path().join("raw/orders/orders_2026-02-01.csv")).unwrap();
    let report = ingested_anew(&shop, "2026-02-03").await;
    assert_eq!((report.status.name(), report.rows.ingested), ("done", 2), "{report:#?}");
    assert!(report.warnings[0].contains("`orders/orders_2026-02-01.csv` stays as loaded"), "{:?}", report.warnings);
    let held = shop.ask("select status, count(*) as n from ops.quarantine group by status").await;
    assert!(held.contains("| held     | 1 |") && held.contains("| replaced | 1 |"), "{held}");
    assert_eq!(planned(&shop, "2026-02-03").await.sources[0].reading, None, "of what raw has no more nothing is asked");
    let built = shop.night("2026-02-03").await;
    assert_eq!((built.status.name(), status(&built, "marts.daily").as_str()), ("done", "built"), "{built:#?}");
    let rows = shop.ask("select _night, size from bronze.orders order by _night").await;
    for row in ["| 2026-02-01 | n/a  |", "| 2026-02-02 |      |", "| 2026-02-03 |      |"] {
        assert!(rows.contains(row), "{rows}");
    }
    assert_eq!(shop.night("2026-02-03").await.status, RunStatus::Skipped);
}

/// No later file says since when the contract is what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_mended_contract_of_a_source_without_a_new_file_is_told_of_for_a_week_and_no_longer() {
    let shop = Shop::new();
    let size = "  - { name: size, type: VARCHAR }\n";
    contract(&shop, size, PLAIN);
    delivered(&shop, "2026-01-05", "n/a");
    shop.night("2026-01-05").await;
    let tells = async |night: &str| {
        let report = shop.night(night).await;
        assert_eq!((report.nodes.failed, report.rows.ingested), (0, 0), "{report:#?}");
        report.warnings.iter().any(|said| said.contains("1 delivery was read with other settings"))
    };
    contract(&shop, size, "{ type: csv, null_words: [n/a] }");
    assert_eq!([tells("2026-01-20").await, tells("2026-01-27").await, tells("2026-01-28").await], [true, true, false]);
    let plan = planned(&shop, "2026-01-28").await;
    assert!(plan.sources[0].reading.is_some(), "a plan always says so");
    contract(&shop, size, "{ type: csv, null_words: [n/a, none] }");
    assert_eq!([tells("2026-01-28").await, tells("2026-02-04").await, tells("2026-02-05").await], [true, true, false]);
}
