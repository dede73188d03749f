//! A night in parts, and many nights at once.

use super::*;
use crate::store::faults::{FaultyStore, Rule};

pub(super) async fn stage(shop: &Shop, night: &str, stage: Stage) -> Result<RunReport, RunError> {
    let context = shop.open().await;
    let request = RunRequest { night: night.parse().unwrap(), stage: Some(stage), ..RunRequest::default() };
    run_night(&context, &request).await
}

pub(super) fn delivered() -> Shop {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 11:00:00", "1.00")]);
    shop
}

const DAILY: &str = "select ordered_on, revenue from marts.daily order by ordered_on";

#[tokio::test(flavor = "multi_thread")]
async fn a_night_run_stage_by_stage_ends_in_the_same_release() {
    let whole = delivered();
    whole.night("2026-02-01").await;
    let parts = delivered();
    let ingested = stage(&parts, "2026-02-01", Stage::Ingest).await.unwrap();
    assert_eq!((ingested.status, ingested.rows.ingested, ingested.release), (RunStatus::Done, 2, None));
    let built = stage(&parts, "2026-02-01", Stage::Build).await.unwrap();
    assert_eq!((built.status, built.release), (RunStatus::Done, None));
    let context = parts.open().await;
    assert!(release::latest(&context.lake).await.unwrap().is_none());
    assert!(TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().is_none());
    let published = stage(&parts, "2026-02-01", Stage::Publish).await.unwrap();
    assert_eq!((published.status, published.release.as_deref()), (RunStatus::Done, Some("2026-02-01.1")));
    assert_eq!(parts.ask(DAILY).await, whole.ask(DAILY).await);
    for again in [Stage::Ingest, Stage::Build, Stage::Publish] {
        assert_eq!(stage(&parts, "2026-02-01", again).await.unwrap().status, RunStatus::Skipped, "{again:?}");
    }
    assert_eq!(parts.night("2026-02-01").await.status, RunStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_computes_nothing_and_releases_nothing_that_is_not_built() {
    let shop = delivered();
    stage(&shop, "2026-02-01", Stage::Ingest).await.unwrap();
    let error = stage(&shop, "2026-02-01", Stage::Publish).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::User);
    assert!(error.to_string().contains("not built for night 2026-02-01: marts.daily"), "{error}");
    assert!(error.to_string().contains("buho build --night 2026-02-01"), "{error}");
    assert!(release::latest(&shop.open().await.lake).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_finds_a_delivery_unloaded_builds_nothing_on_the_rest() {
    let shop = delivered();
    let report = stage(&shop, "2026-02-01", Stage::Build).await.unwrap();
    assert_eq!(report.status, RunStatus::Failed);
    let message = report.failed.unwrap().message;
    assert!(message.contains("`orders/orders_2026-02-01.csv` is not loaded — run `buho ingest --night"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_holds_what_fails_its_audit() {
    let shop = delivered();
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("c", "2026-02-02 10:00:00", "-5.00")]);
    stage(&shop, "2026-02-02", Stage::Ingest).await.unwrap();
    stage(&shop, "2026-02-02", Stage::Build).await.unwrap();
    let published = stage(&shop, "2026-02-02", Stage::Publish).await.unwrap();
    assert_eq!(published.status, RunStatus::Partial);
    assert!(!shop.ask(DAILY).await.contains("-5.00"));
}

/// What each night of a backfill came to.
async fn backfilled(shop: &Shop, from: &str, to: &str) -> Vec<(String, RunStatus)> {
    let context = shop.open().await;
    let mut told = Vec::new();
    let tell = |report: RunReport| told.push((report.night.to_string(), report.status));
    backfill(&context, from.parse().unwrap(), to.parse().unwrap(), 1, None, tell).await.unwrap();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_that_a_backfill_runs_together_give_the_tables_of_nights_run_one_by_one() {
    let question = super::materialize::EVERY_KIND;
    let delivered = || {
        let shop = super::materialize::every_kind();
        for (day, amount) in (1..=5).zip(["1.00", "1.00", "2.00", "3.00", "3.00"]) {
            let night = format!("2026-02-0{day}");
            let at = format!("{night} 10:00:00");
            shop.orders(&night, &[("a", &at, amount), (&format!("o{day}"), &at, "9.00")]);
        }
        shop
    };
    let one_by_one = delivered();
    backfilled(&one_by_one, "2026-02-01", "2026-02-05").await;
    let expected = one_by_one.ask(question).await;
    for at_once in [2, 3, 9] {
        let shop = delivered();
        let context = shop.open().await;
        let (from, to) = ("2026-02-01".parse().unwrap(), "2026-02-05".parse().unwrap());
        let mut told = Vec::new();
        backfill(&context, from, to, at_once, None, |report| told.push(report.night.to_string())).await.unwrap();
        assert_eq!(shop.ask(question).await, expected, "{at_once} at once");
        let released = release::list(&context.lake).await.unwrap();
        assert_eq!(released.iter().map(|id| id.night.to_string()).collect::<Vec<_>>(), told);
        assert_eq!(told.len(), 5_usize.div_ceil(at_once), "{told:?}");
        assert_eq!(told.last().map(String::as_str), Some("2026-02-05"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_releases_night_after_night_and_goes_on_where_it_stopped() {
    let shop = delivered();
    for day in ["2026-02-02", "2026-02-03", "2026-02-04"] {
        shop.orders(day, &[("c", &format!("{day} 10:00:00"), "2.00")]);
    }
    let done =
        |nights: &[&str]| -> Vec<_> { nights.iter().map(|night| ((*night).to_owned(), RunStatus::Done)).collect() };
    assert_eq!(backfilled(&shop, "2026-02-01", "2026-02-02").await, done(&["2026-02-01", "2026-02-02"]));
    let all = backfilled(&shop, "2026-02-01", "2026-02-04").await;
    assert_eq!(all[0], ("2026-02-02".to_owned(), RunStatus::Skipped));
    assert_eq!(all[1..], done(&["2026-02-03", "2026-02-04"]));
    let context = shop.open().await;
    let nights: Vec<String> =
        release::list(&context.lake).await.unwrap().iter().map(|id| id.night.to_string()).collect();
    assert_eq!(nights, ["2026-02-01", "2026-02-02", "2026-02-03", "2026-02-04"]);
    let wrong = backfill(&context, "2026-02-04".parse().unwrap(), "2026-02-01".parse().unwrap(), 1, None, |_| {}).await;
    assert!(wrong.unwrap_err().to_string().contains("--from 2026-02-01 --to 2026-02-04"));
}

/// Of a night whose source was not read, neither the history nor the files go to a later one.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_storage_failed_ends_there_and_takes_the_night_in_when_it_is_run_again() {
    let delivered = || {
        let shop = super::materialize::every_kind();
        // Names without dates: a file is of the night that sees it first.
        shop.write("sql/sources/orders.yml", &ORDERS.replace("orders_{date:%Y-%m-%d}", "*"));
        shop.orders("2026-02-02", &[("a", "2026-02-02 10:00:00", "10.50")]);
        shop
    };
    let later = |shop: &Shop| {
        shop.orders("2026-02-01", &[("b", "2026-02-01 10:00:00", "1.00")]);
        shop.orders("2026-02-03", &[("c", "2026-02-03 10:00:00", "2.00")]);
    };
    let shop = delivered();
    shop.night("2026-02-02").await;
    later(&shop);
    let mut context = shop.open().await;
    // The first listing of raw fails: that of the earliest night.
    let raw = FaultyStore::new(Arc::clone(&context.raw), Rule::Listings(1.into()));
    context.raw = Arc::new(raw);
    let mut told = Vec::new();
    let (from, to) = ("2026-02-01".parse().unwrap(), "2026-02-03".parse().unwrap());
    backfill(&context, from, to, 1, None, |report| told.push((report.status.clone(), report.worst()))).await.unwrap();
    assert_eq!(told, [(RunStatus::Partial, Some(crate::error::ErrorKind::Retry))]);
    assert_eq!(release::latest(&context.lake).await.unwrap().unwrap().night.to_string(), "2026-02-02");
    let healed = backfilled(&shop, "2026-02-01", "2026-02-03").await;
    assert_eq!(healed.iter().map(|(_, status)| status.clone()).collect::<Vec<_>>(), [RunStatus::Done, RunStatus::Done]);
    let undisturbed = delivered();
    undisturbed.night("2026-02-02").await;
    later(&undisturbed);
    backfilled(&undisturbed, "2026-02-01", "2026-02-03").await;
    let question = super::materialize::EVERY_KIND;
    assert_eq!(shop.ask(question).await, undisturbed.ask(question).await);
}

/// What the highest night could not release stays so; the nights after it are run all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_goes_on_past_a_night_that_went_out_in_part() {
    let shop = delivered();
    shop.night("2026-02-01").await;
    shop.orders("2026-02-02", &[("c", "2026-02-02 10:00:00", "-5.00")]);
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Partial);
    shop.orders("2026-02-03", &[("d", "2026-02-03 10:00:00", "1.00")]);
    let nights = backfilled(&shop, "2026-02-02", "2026-02-03").await;
    assert_eq!(nights.len(), 2, "{nights:?}");
    let latest = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    assert_eq!(latest.night.to_string(), "2026-02-03");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_older_nights_fills_the_history_and_builds_the_tables_once() {
    let shop = super::materialize::every_kind();
    for (day, amount) in [("2026-02-01", "1.00"), ("2026-02-02", "2.00"), ("2026-02-03", "3.00")] {
        shop.orders(day, &[("a", &format!("{day} 10:00:00"), amount)]);
    }
    shop.night("2026-02-03").await;
    assert_eq!(backfilled(&shop, "2026-02-01", "2026-02-02").await.len(), 1);
    let in_order = super::materialize::every_kind();
    for (day, amount) in [("2026-02-01", "1.00"), ("2026-02-02", "2.00"), ("2026-02-03", "3.00")] {
        in_order.orders(day, &[("a", &format!("{day} 10:00:00"), amount)]);
        in_order.night(day).await;
    }
    let question = super::materialize::EVERY_KIND;
    assert_eq!(shop.ask(question).await, in_order.ask(question).await);
    assert_eq!(backfilled(&shop, "2026-02-01", "2026-02-03").await, [("2026-02-03".to_owned(), RunStatus::Skipped)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_of_the_ingest_stage_loads_what_the_selected_tables_are_made_from() {
    let shop = delivered();
    shop.write("sql/sources/other.yml", &super::ORDERS.replace("orders/orders_", "other/other_"));
    shop.write("raw/other/other_2026-02-01.csv", "order_id,ordered_at,amount\nx,2026-02-01 10:00:00,1.00\n");
    let context = shop.open().await;
    let select = Some(BTreeSet::from(["marts.daily".to_owned()]));
    let request = RunRequest {
        night: "2026-02-01".parse().unwrap(),
        stage: Some(Stage::Ingest),
        select,
        ..RunRequest::default()
    };
    let report = run_night(&context, &request).await.unwrap();
    let loaded: Vec<&str> = report.sources.iter().map(|source| source.source.as_str()).collect();
    assert_eq!((loaded, report.rows.ingested), (vec!["orders"], 2));
    assert!(TableSnapshot::load(&context.lake, "bronze.other", None).await.unwrap().is_none());
}

/// A second mart that cannot be made of ids that are no numbers.
fn with_a_mart_that_cannot_be_made(shop: &Shop) {
    shop.write(
        "sql/marts/shop/broken.sql",
        "select ordered_on, max(cast(order_id as bigint)) as nothing from staging.stg_shop__orders group by ordered_on",
    );
    let yml =
        "key: [ordered_on]\ncolumns:\n  - { name: ordered_on, type: DATE }\n  - { name: nothing, type: BIGINT }\n";
    shop.write("sql/marts/shop/broken.yml", yml);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stage_could_not_make_is_held_by_publish_and_the_rest_goes_out() {
    let night = "2026-02-01";
    let whole = delivered();
    with_a_mart_that_cannot_be_made(&whole);
    let expected = whole.night(night).await;
    assert_eq!((&expected.status, expected.nodes.failed), (&RunStatus::Partial, 1), "{expected:#?}");
    let parts = delivered();
    with_a_mart_that_cannot_be_made(&parts);
    stage(&parts, night, Stage::Ingest).await.unwrap();
    let built = stage(&parts, night, Stage::Build).await.unwrap();
    assert_eq!((&built.status, built.nodes.failed), (&RunStatus::Failed, 1), "{built:#?}");
    let published = stage(&parts, night, Stage::Publish).await.unwrap();
    let counts = |report: &RunReport| (report.nodes.failed, report.nodes.held);
    assert_eq!((&published.status, counts(&published)), (&expected.status, counts(&expected)), "{published:#?}");
    let told = |report: &RunReport| report.failed.clone().map(|failed| failed.message);
    assert!(told(&published).is_some_and(|message| message.contains(&told(&built).unwrap())), "{published:#?}");
    assert_eq!(parts.ask(DAILY).await, whole.ask(DAILY).await);
    // Once it can be made, it goes out.
    parts.write(
        "sql/marts/shop/broken.sql",
        "select ordered_on, cast(1 as bigint) as nothing from staging.stg_shop__orders group by ordered_on",
    );
    stage(&parts, night, Stage::Build).await.unwrap();
    assert_eq!(stage(&parts, night, Stage::Publish).await.unwrap().status, RunStatus::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_between_build_and_publish_is_told_of_and_waits() {
    let shop = delivered();
    stage(&shop, "2026-02-01", Stage::Ingest).await.unwrap();
    stage(&shop, "2026-02-01", Stage::Build).await.unwrap();
    shop.orders("2026-01-31", &[("z", "2026-01-31 12:00:00", "7.00")]);
    let published = stage(&shop, "2026-02-01", Stage::Publish).await.unwrap();
    assert_eq!((&published.status, published.release.as_deref()), (&RunStatus::Done, Some("2026-02-01.1")));
    let told = published.warnings.iter().any(|said| said.contains("orders_2026-01-31.csv` is not loaded"));
    assert!(told, "{published:#?}");
    assert!(shop.ask(DAILY).await.contains("11.50"));
    // Who forgets to load and to build is not told that all is well.
    let nothing = stage(&shop, "2026-02-01", Stage::Publish).await.unwrap();
    assert_eq!((&nothing.status, nothing.exit_kind.as_deref()), (&RunStatus::Failed, Some("user")));
    let told = nothing.failed.unwrap().message;
    assert!(told.contains("is not loaded — run `buho ingest"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_location_whose_files_wait_is_not_told_to_be_without_any() {
    let shop = Shop::new();
    for first in [Stage::Ingest, Stage::Build] {
        stage(&shop, "2026-02-01", first).await.unwrap();
    }
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let published = stage(&shop, "2026-02-01", Stage::Publish).await.unwrap();
    let said = published.warnings.join("\n");
    assert!(said.contains("orders_2026-02-01.csv` is not loaded"), "{said}");
    let before = delivered().night("2026-01-31").await;
    for said in [said, before.warnings.join("\n")] {
        assert!(!said.contains("no export was found"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_known_says_its_id_also_where_it_ends_without_a_report() {
    let shop = delivered();
    let (ask, stop) = Stop::channel();
    let context = RunContext { stop, ..shop.open().await };
    let request = RunRequest { night: "2030-01-01".parse().unwrap(), ..RunRequest::default() };
    assert!(run_night(&context, &request).await.is_err(), "it is in the future");
    assert_eq!(context.begun.run_id(), None, "nothing began");
    // Told to end once it has the lake: the fence is behind it then.
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    let watched = async {
        while context.begun.run_id().is_none() {
            tokio::task::yield_now().await;
        }
        ask.send_replace(true);
    };
    let (ended, ()) = tokio::join!(run_night(&context, &request), watched);
    let known = context.begun.run_id().unwrap();
    match ended {
        Err(error) => assert!(matches!(error, RunError::Stopped), "{error}"),
        Ok(report) => assert_eq!(report.run_id, known),
    }
    let recorded = run_by_id(&context.lake, &known).await.unwrap().unwrap();
    assert_eq!((recorded.run_id, recorded.night), (known, request.night));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_of_selected_nodes_does_not_wait_for_deliveries_of_others() {
    let shop = delivered();
    let contract = std::fs::read_to_string(shop.root.path().join("sql/sources/orders.yml")).unwrap();
    shop.write("sql/sources/others.yml", &contract.replace("orders", "others"));
    shop.write("raw/others/others_2026-02-01.csv", "order_id,ordered_at,amount\nz,2026-02-01 12:00:00,7.00\n");
    let select = Some(BTreeSet::from(["marts.daily".to_owned(), "staging.stg_shop__orders".to_owned()]));
    let context = shop.open().await;
    for stage in [Stage::Ingest, Stage::Build, Stage::Publish] {
        let (night, select) = ("2026-02-01".parse().unwrap(), select.clone());
        let request = RunRequest { night, stage: Some(stage), select, ..RunRequest::default() };
        let report = run_night(&context, &request).await.unwrap();
        assert_eq!(report.status, RunStatus::Done, "{stage:?}: {report:#?}");
    }
    assert!(shop.ask(DAILY).await.contains("11.50"));
}

/// Two sources, a table that asks for the night below each, and a first night.
pub(super) async fn two_sources() -> Shop {
    let shop = Shop::new();
    for source in ["orders", "others"] {
        let contract = ORDERS.replace("orders/orders_", &format!("{source}/{source}_"));
        let contract = contract.replace("columns:", "dropped_columns: fail\ncolumns:");
        let note = "  - { name: note, type: VARCHAR }\n";
        shop.write(&format!("sql/sources/{source}.yml"), &format!("{}{note}", contract.trim_start()));
        let staged = format!("sql/staging/shop/stg_shop__{source}");
        shop.write(&format!("{staged}.sql"), &STAGED_SQL.replace("bronze.orders", &format!("bronze.{source}")));
        shop.write(&format!("{staged}.yml"), STAGED_YML);
        let sql = format!(
            "select cast($night as date) as night, cast(sum(amount) as decimal(18, 2)) as revenue from staging.stg_shop__{source}"
        );
        shop.write(&format!("sql/marts/shop/{source}_now.sql"), &sql);
        let yml = "columns:\n  - { name: night, type: DATE }\n  - { name: revenue, type: 'DECIMAL(18,2)' }\n";
        shop.write(&format!("sql/marts/shop/{source}_now.yml"), yml);
        deliver(&shop, source, "2026-02-01", "order_id,ordered_at,amount,note\na,2026-02-01 10:00:00,1.00,x\n");
    }
    shop.night("2026-02-01").await;
    deliver(&shop, "others", "2026-02-02", "order_id,ordered_at,amount,note\nb,2026-02-02 10:00:00,5.00,x\n");
    shop
}

pub(super) fn deliver(shop: &Shop, source: &str, night: &str, text: &str) {
    shop.write(&format!("raw/{source}/{source}_{night}.csv"), text);
}

/// What the latest release says of each table.
pub(super) async fn released(shop: &Shop) -> Vec<(String, String, release::TableState)> {
    let released = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    let said = |(name, table): (String, release::ReleasedTable)| (name, table.night.to_string(), table.state);
    released.tables.into_iter().map(said).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_the_ingest_stage_could_not_load_is_held_as_a_whole_run_holds_it() {
    let night = "2026-02-02";
    let over_tolerance = "order_id,ordered_at,amount,note\nb,2026-02-02 10:00:00,n/a,x\n";
    let not_the_export = "something,else\n1,2\n";
    let lacks_a_column = "order_id,ordered_at,amount\nb,2026-02-02 10:00:00,2.00\n";
    for text in [over_tolerance, not_the_export, lacks_a_column] {
        let whole = two_sources().await;
        deliver(&whole, "orders", night, text);
        let expected = whole.night(night).await;
        assert_eq!((&expected.status, expected.exit_kind.as_deref()), (&RunStatus::Partial, Some("data")), "{text}");
        let parts = two_sources().await;
        deliver(&parts, "orders", night, text);
        for part in [Stage::Ingest, Stage::Build] {
            let report = stage(&parts, night, part).await.unwrap();
            assert_eq!(report.worst(), Some(crate::error::ErrorKind::Data), "{part:?}: {report:#?}");
            assert_eq!(report.failed.unwrap().message, expected.failed.as_ref().unwrap().message);
        }
        let published = stage(&parts, night, Stage::Publish).await.unwrap();
        let told = |report: &RunReport| (report.status.clone(), report.exit_kind.clone(), report.release.clone());
        assert_eq!(told(&published), told(&expected), "{text}: {published:#?}");
        assert_eq!(released(&parts).await, released(&whole).await, "{text}");
        // Mended, it is another delivery, of which no stage has said anything yet.
        deliver(&parts, "orders", night, &over_tolerance.replace("n/a", "12.50"));
        let early = stage(&parts, night, Stage::Build).await.unwrap().failed.unwrap().message;
        assert!(early.contains("is not loaded — run `buho ingest"), "{early}");
        for part in [Stage::Ingest, Stage::Build, Stage::Publish] {
            assert_eq!(stage(&parts, night, part).await.unwrap().status, RunStatus::Done, "{part:?}");
        }
        assert!(parts.ask("select * from marts.orders_now").await.contains("| 2026-02-02 | 13.50"));
    }
}
