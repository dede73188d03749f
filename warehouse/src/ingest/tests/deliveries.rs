//! Which files a night takes, once each, and what becomes of those that change or come twice.

use super::support::*;
use crate::ingest::*;
use crate::project::contract::Contract;

fn dated(extra: &str) -> Contract {
    columns(&format!("path: 'orders_{{date:%Y-%m-%d}}.csv'\n{extra}"), &["id BIGINT!"])
}

fn undated(extra: &str) -> Contract {
    columns(&format!("path: '*.csv'\n{extra}"), &["id BIGINT!"])
}

fn numbers(ledger: &Ledger) -> Vec<(i64, String, String, DeliveryState)> {
    let record =
        |record: &DeliveryRecord| (record.number, record.path.clone(), record.night.to_string(), record.state.clone());
    ledger.deliveries.iter().map(record).collect()
}

#[tokio::test]
async fn a_dated_pattern_gives_a_night_the_deliveries_up_to_it() {
    let (contract, mut world) = (dated(""), World::new());
    for day in ["2024-01-03", "2024-01-01", "2024-01-02"] {
        world.put(&format!("raw/orders_{day}.csv"), format!("id\n{}\n", &day[8..])).await;
    }
    let loaded = world.load(&contract, "2024-01-02").await.unwrap();
    assert_eq!(loaded.report.loaded, [1, 2]);
    let nights: Vec<_> = numbers(&world.ledger).into_iter().map(|(number, _, night, _)| (number, night)).collect();
    assert_eq!(nights, [(1, "2024-01-01".to_owned()), (2, "2024-01-02".to_owned())]);
    let plan = world.plan(&contract, "2024-01-02").await.unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.waiting[0].path, "orders_2024-01-03.csv");
    // First seen late, it still belongs to the date in its name.
    let loaded = world.load(&contract, "2024-02-01").await.unwrap();
    assert_eq!((loaded.report.loaded, loaded.report.rows), (vec![3], 1));
    assert_eq!(world.ledger.deliveries[2].night, date("2024-01-03"));
}

#[tokio::test]
async fn an_undated_file_belongs_to_the_first_night_that_saw_it() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    world.put("raw/b.csv", "id\n2\n3\n").await;
    let plan = world.plan(&contract, "2024-01-04").await.unwrap();
    assert_eq!(plan.waiting.len(), 1, "an earlier night never sees what a later one saw");
    assert_eq!(plan.deliveries[0].file.path, "b.csv");
    assert_eq!(plan.deliveries[0].night, date("2024-01-04"));
}

#[tokio::test]
async fn an_undated_file_that_comes_with_an_older_night_is_taken_in_and_belongs_to_the_one_that_is_built() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    world.put("raw/b.csv", "id\n2\n3\n").await;
    let files = discover(&*world.store, &object_store::path::Path::from("raw"), &contract).await.unwrap();
    let plan = plan_deliveries(&contract, &files, &world.ledger, date("2024-01-02"), date("2024-01-06"));
    let planned: Vec<_> = plan.deliveries.iter().map(|planned| (planned.file.path.as_str(), planned.night)).collect();
    assert_eq!(planned, [("b.csv", date("2024-01-06"))]);
    assert_eq!(plan.waiting[0].path, "a.csv", "an older night sees no more of what a later one saw");
}

#[tokio::test]
async fn a_second_run_has_nothing_to_do() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    let again = world.load(&contract, "2024-01-05").await.unwrap();
    assert!(!again.report.ledger_changed);
    assert_eq!((again.report.rows, again.report.bytes), (0, 0));
}

#[tokio::test]
async fn a_corrected_delivery_replaces_its_own_rows_and_keeps_its_night() {
    let (contract, mut world) = (dated(""), World::new());
    world.put("raw/orders_2024-01-01.csv", "id\n1\n").await;
    world.put("raw/orders_2024-01-02.csv", "id\n2\n").await;
    world.load(&contract, "2024-01-02").await.unwrap();
    world.put("raw/orders_2024-01-01.csv", "id\n7\n").await;
    let loaded = world.load(&contract, "2024-01-03").await.unwrap();
    assert_eq!(loaded.report.replaced, [1]);
    assert_eq!(joined(&loaded), ["7|1"]);
    assert_eq!(
        numbers(&world.ledger),
        [
            (1, "orders_2024-01-01.csv".into(), "2024-01-01".into(), DeliveryState::Replaced { by: 3 }),
            (2, "orders_2024-01-02.csv".into(), "2024-01-02".into(), DeliveryState::Loaded),
            (3, "orders_2024-01-01.csv".into(), "2024-01-01".into(), DeliveryState::Loaded),
        ]
    );
}

#[tokio::test]
async fn the_same_content_written_again_is_not_a_change() {
    let (contract, mut world) = (dated(""), World::new());
    world.put("raw/orders_2024-01-01.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-02").await.unwrap();
    let before = world.ledger.deliveries[0].clone();
    world.put("raw/orders_2024-01-01.csv", "id\n1\n").await;
    let loaded = world.load(&contract, "2024-01-02").await.unwrap();
    assert_eq!((loaded.report.rows, loaded.report.replaced.len()), (0, 0));
    assert!(loaded.report.ledger_changed, "the new etag is noted, so that the next night need not hash");
    let after = &world.ledger.deliveries[0];
    assert_ne!(after.etag, before.etag);
    assert_eq!((after.number, &after.content, world.ledger.deliveries.len()), (1, &before.content, 1));
    assert!(world.plan(&contract, "2024-01-02").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_content_under_another_name_is_skipped_where_names_have_no_date() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.put("raw/b.csv", "id\n1\n").await;
    world.put("raw/c.csv", "id\n2\n").await;
    let loaded = world.load(&contract, "2024-01-05").await.unwrap();
    assert_eq!(joined(&loaded), ["1|1", "2|1"]);
    assert_eq!(world.ledger.deliveries[1].state, DeliveryState::Skipped { twin: 1 });
    let told = loaded.report.warnings.join("\n");
    assert!(told.contains("`b.csv` has the content of `a.csv` (delivery 1) and is skipped"), "{told}");
    assert!(world.plan(&contract, "2024-01-05").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_was_skipped_for_its_twin_is_loaded_when_the_twin_changes() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    world.put("raw/b.csv", "id\n1\n").await;
    world.put("raw/c.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-06").await.unwrap();
    world.put("raw/a.csv", "id\n7\n").await;
    // Even a night before its own: the rows are in the tables already.
    let loaded = world.load(&contract, "2024-01-05").await.unwrap();
    assert_eq!((joined(&loaded), loaded.report.replaced), (vec!["1|1".to_owned(), "7|1".to_owned()], vec![1]));
    assert_eq!(
        numbers(&world.ledger),
        [
            (1, "a.csv".into(), "2024-01-05".into(), DeliveryState::Replaced { by: 4 }),
            (2, "b.csv".into(), "2024-01-06".into(), DeliveryState::Loaded),
            (3, "c.csv".into(), "2024-01-06".into(), DeliveryState::Skipped { twin: 1 }),
            (4, "a.csv".into(), "2024-01-05".into(), DeliveryState::Loaded),
        ]
    );
    assert!(world.plan(&contract, "2024-01-06").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_a_run_before_left_without_its_twin_is_loaded_by_the_next() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.put("raw/b.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    world.put("raw/a.csv", "id\n7\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    let left_out = world.ledger.deliveries.iter_mut().find(|record| record.path == "b.csv").unwrap();
    left_out.state = DeliveryState::Skipped { twin: 1 };
    let plan = world.plan(&contract, "2024-01-05").await.unwrap();
    assert_eq!((plan.is_empty(), plan.left_out().collect::<Vec<_>>()), (false, vec!["b.csv"]));
    assert_eq!(joined(&world.load(&contract, "2024-01-05").await.unwrap()), ["1|1"]);
}

#[tokio::test]
async fn a_content_under_another_date_is_loaded_with_a_warning_that_names_its_twin() {
    let (contract, mut world) = (dated(""), World::new());
    world.put("raw/orders_2024-01-01.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-01").await.unwrap();
    world.put("raw/orders_2024-01-02.csv", "id\n1\n").await;
    let loaded = world.load(&contract, "2024-01-02").await.unwrap();
    assert_eq!(loaded.report.rows, 1);
    let told = loaded.report.warnings.join("\n");
    assert!(told.contains("`orders_2024-01-02.csv` has the content of `orders_2024-01-01.csv` (delivery 1)"), "{told}");
}

#[tokio::test]
async fn duplicates_fail_where_the_contract_says_so() {
    let (contract, mut world) = (undated("duplicates: fail"), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.put("raw/b.csv", "id\n1\n").await;
    let error = world.load(&contract, "2024-01-05").await.err().unwrap().to_string();
    assert!(error.contains("`b.csv` has the same content as `a.csv`"), "{error}");
}

#[tokio::test]
async fn an_old_snapshot_that_comes_again_is_news() {
    for mode in ["snapshot", "snapshot\nduplicates: skip", "upsert"] {
        let (contract, mut world) = (undated(&format!("delivery: {mode}")), World::new());
        for (name, id) in [("a", 1), ("b", 2), ("c", 1)] {
            world.put(&format!("raw/{name}.csv"), format!("id\n{id}\n")).await;
            world.load(&contract, "2024-01-05").await.unwrap();
        }
        assert_eq!(world.ledger.loaded().count(), 3, "{mode}");
    }
}

#[tokio::test]
async fn a_corrected_file_with_the_content_of_another_gives_its_rows_back() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.put("raw/b.csv", "id\n2\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    world.put("raw/b.csv", "id\n1\n").await;
    let loaded = world.load(&contract, "2024-01-05").await.unwrap();
    assert_eq!((loaded.report.replaced, loaded.report.rows), (vec![2], 0));
    assert_eq!(world.ledger.current("b.csv").unwrap().state, DeliveryState::Skipped { twin: 1 });
}

#[tokio::test]
async fn a_ledger_reads_back_what_it_wrote() {
    let (contract, mut world) = (undated(""), World::new());
    world.put("raw/a.csv", "id\n1\n").await;
    world.put("raw/b.csv", "id\n1\n").await;
    world.load(&contract, "2024-01-05").await.unwrap();
    let text = serde_json::to_string(&world.ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), world.ledger);
}
