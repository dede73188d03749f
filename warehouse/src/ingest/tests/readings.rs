//! What was read with other settings than a contract has now, and reading it anew.

use super::support::*;
use crate::ingest::*;
use crate::project::contract::Contract;

const DATED: &str = "path: 'orders_{date:%Y-%m-%d}.csv'";

fn orders(head: &str, kinds: &[&str]) -> Contract {
    columns(&format!("{DATED}\n{head}"), kinds)
}

async fn otherwise(world: &World, contract: &Contract, night: &str) -> Option<ReadOtherwise> {
    let files = discover(&*world.store, &object_store::path::Path::from("raw"), contract).await.unwrap();
    read_otherwise(contract, world.options.time_zone, &files, &world.ledger, date(night))
}

async fn two_days(contract: &Contract) -> World {
    let mut world = World::new();
    for day in ["2024-01-01", "2024-01-02"] {
        world.put(&format!("raw/orders_{day}.csv"), format!("id,at\n1,{day}\n")).await;
    }
    world.load(contract, "2024-01-02").await.unwrap();
    world
}

#[tokio::test]
async fn settings_that_decide_values_are_told_of_and_others_are_not() {
    let before = orders("format: { date_formats: ['%Y-%m-%d'] }", &["id INTEGER", "at TIMESTAMP"]);
    let world = two_days(&before).await;
    let formats = |formats: &str| format!("format: {{ date_formats: {formats} }}");
    let same = "['%Y-%m-%d']";
    for (contract, differs) in [
        (before.clone(), ""),
        (orders(&formats("['%Y-%m-%d', '%d/%m/%Y']"), &["id BIGINT!", "at TIMESTAMP", "more VARCHAR"]), ""),
        (orders(&format!("{}\ntolerance: 1", formats(same)), &["id INTEGER", "at TIMESTAMP"]), ""),
        (
            orders(&format!("{}\ntime_zone: America/Lima", formats(same)), &["id INTEGER", "at TIMESTAMP"]),
            "`time_zone`",
        ),
        (orders(&formats("['%d/%m/%Y']"), &["id INTEGER", "at TIMESTAMP"]), "`date_formats`"),
        (orders(&formats(same), &["id VARCHAR", "at TIMESTAMP"]), "column `id`"),
        (
            orders("format: { date_formats: ['%Y-%m-%d'], null_words: [x] }", &["id INTEGER", "at TIMESTAMP"]),
            "`null_words`",
        ),
    ] {
        let found = otherwise(&world, &contract, "2024-01-02").await;
        let told = found.as_ref().map(|found| found.told(&contract, date("2024-01-02"))).unwrap_or_default();
        assert_eq!(found.is_some(), !differs.is_empty(), "{told}");
        assert!(told.contains(differs), "{told}");
    }
    let moved = orders(&formats(same), &["id INTEGER", "at TIMESTAMP"]);
    let mut renamed = moved.clone();
    renamed.spec.columns[0].from = Some("at".to_owned());
    assert!(otherwise(&world, &renamed, "2024-01-01").await.is_some_and(|found| found.deliveries == 1));
    let mut older = world;
    older.ledger.deliveries.iter_mut().for_each(|record| record.reading = None);
    assert_eq!(otherwise(&older, &renamed, "2024-01-02").await, None, "what an earlier version read is not known");
}

#[tokio::test]
async fn a_run_tells_of_it_for_a_week_after_the_last_that_was_read_so() {
    let before = orders("", &["id INTEGER", "at DATE"]);
    let mended = orders("format: { null_words: [x] }", &["id INTEGER", "at DATE"]);
    let mut world = two_days(&before).await;
    let news = async |world: &World, night: &str| otherwise(world, &mended, night).await.unwrap().news;
    assert_eq!(news(&world, "2024-01-09").await, News::Yes);
    let unread = news(&world, "2024-01-10").await;
    assert!(matches!(unread, News::ByFirst { .. }), "no other was read since: {unread:?}");
    world.put("raw/orders_2024-01-03.csv", "id,at\n1,2024-01-03\n").await;
    world.load(&mended, "2024-01-03").await.unwrap();
    assert_eq!(news(&world, "2024-01-09").await, News::Yes);
    assert_eq!(news(&world, "2024-01-10").await, News::No);
}

#[tokio::test]
async fn a_file_that_is_read_anew_takes_its_own_place_and_keeps_its_night() {
    let before = orders("duplicates: skip", &["id VARCHAR", "at DATE"]);
    let mended = orders("duplicates: skip\nformat: { null_words: ['1'] }", &["id VARCHAR", "at DATE"]);
    let mut world = two_days(&before).await;
    // One written again as it was, one that has a twin by now, and one that waits.
    world.put("raw/orders_2024-01-02.csv", "id,at\n1,2024-01-02\n").await;
    world.put("raw/orders_2024-01-03.csv", "id,at\n1,2024-01-01\n").await;
    world.put("raw/orders_2024-01-04.csv", "id,at\n4,2024-01-04\n").await;
    let files = discover(&*world.store, &object_store::path::Path::from("raw"), &mended).await.unwrap();
    let plan = world.plan(&mended, "2024-01-03").await.unwrap().reading_anew(&files);
    let kept = std::sync::Arc::new(Kept::default());
    let store = std::sync::Arc::clone(&world.store);
    let report = load(store, &mended, &plan, &world.options, std::sync::Arc::clone(&kept) as _).await.unwrap();
    assert_eq!((report.replaced.clone(), report.rows), (vec![1, 2], 2), "{report:?}");
    let loaded: Vec<(String, String)> =
        report.ledger.loaded().map(|record| (record.path.clone(), record.night.to_string())).collect();
    let of = |day: &str| (format!("orders_{day}.csv"), day.to_owned());
    assert_eq!(loaded, [of("2024-01-01"), of("2024-01-02")]);
    assert_eq!(report.ledger.skipped().count(), 1);
    world.ledger = report.ledger;
    assert_eq!(otherwise(&world, &mended, "2024-01-03").await, None);
}
