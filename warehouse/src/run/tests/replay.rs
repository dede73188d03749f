//! Held rows: tried again under a mended contract, or given up.

use super::crash::attempt;
use super::materialize::{DAYS, EVENTS, february, from_scratch, windowed};
use super::*;
use crate::store::faults::Rule;

const DAY: &str = "2026-02-01";
const ROWS: &str = "select order_id, amount, _file, _record, _night from bronze.orders order by _record";
const HELD: &str = "select record, status, settled_by is not null as settled, note from ops.quarantine order by record";

/// Two of four rows do not fit: one for its amount, one for its day.
async fn two_held() -> Shop {
    let shop = Shop::new();
    let orders = [
        ("a", "2026-02-01 10:00:00", "10.50"),
        ("b", "2026-02-01 11:00:00", "n/a"),
        ("c", "2026-02-31 11:00:00", "3.00"),
        ("d", "2026-02-01 12:00:00", "2.00"),
    ];
    shop.orders(DAY, &orders);
    let report = shop.night(DAY).await;
    assert_eq!((report.rows.ingested, report.rows.quarantined), (2, 2), "{report:#?}");
    shop
}

/// The contract takes an amount that is not there.
fn mend(shop: &Shop) {
    let mended = ORDERS
        .replace("type: 'DECIMAL(18,2)', required: true", "type: 'DECIMAL(18,2)'")
        .replace("key: [order_id]", "key: [order_id]\nformat: { type: csv, null_words: [n/a] }");
    shop.write("sql/sources/orders.yml", &mended);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_rows_that_fit_now_are_loaded_once_under_their_own_file_and_night() {
    let shop = two_held().await;
    let before = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(before.counts(), (2, 0));
    mend(&shop);
    let tried = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(tried.counts(), (2, 1));
    shop.night(DAY).await;
    let rows = shop.ask(ROWS).await;
    assert_eq!(rows.matches("orders/orders_2026-02-01.csv").count(), 3, "{rows}");
    assert!(rows.contains("| b        |        | orders/orders_2026-02-01.csv | 2       | 2026-02-01 |"), "{rows}");
    let held = shop.ask(HELD).await;
    assert!(held.contains("| 2      | replayed | true ") && held.contains("| 3      | held     | false"), "{held}");
    let again = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(again.counts(), (1, 0));
    assert_eq!(shop.ask(ROWS).await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_fit_now_either_is_told_with_the_reason_of_now() {
    let shop = two_held().await;
    let before = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(before.refused.iter().map(|refused| refused.record).collect::<Vec<_>>(), [2, 3]);
    mend(&shop);
    let tried = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    let [refused] = tried.refused.as_slice() else { panic!("{tried:?}") };
    assert_eq!((refused.file.as_str(), refused.record), ("orders/orders_2026-02-01.csv", 3));
    assert!(refused.reason.starts_with("column `ordered_at`: "), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_there_is_not_is_told_with_those_there_are() {
    let shop = two_held().await;
    let context = shop.open().await;
    for (source, advice) in [("ordes", "did you mean `orders`?"), ("nope", "use `orders`")] {
        let error = replay(&context, source, &Choice::default()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no source `{source}` — {advice}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_replayed_rows_is_built_by_the_next_run() {
    let shop = two_held().await;
    let counts = "select count(*) as n from staging.stg_shop__orders";
    assert!(shop.ask(counts).await.contains("| 2 |"));
    mend(&shop);
    replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    let report = shop.night(DAY).await;
    assert_eq!((&report.status, report.nodes.built), (&RunStatus::Done, 1), "{report:#?}");
    assert!(shop.ask(counts).await.contains("| 3 |"));
}

/// `max_rebuild` is for corrections that nobody has asked for: a replay was.
#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_replayed_rows_is_built_for_however_many_nights_also_after_a_replay_that_died() {
    let shop = windowed();
    let contract = EVENTS.replace("columns:", "tolerance: 0.5\ncolumns:");
    shop.write("sql/sources/events.yml", &contract);
    for day in (1..=8).map(february) {
        let text = format!("id,happened_at,amount\na,{day} 10:00:00,1\n,{day} 11:00:00,5\n");
        shop.write(&format!("raw/events/events_{day}.csv"), &text);
    }
    assert_eq!(shop.night(&february(8)).await.status, RunStatus::Done);
    let mended = contract.replace("id, type: VARCHAR, required: true", "id, type: VARCHAR");
    shop.write("sql/sources/events.yml", &mended);
    let context = shop.open().await;
    assert_eq!(replay(&context, "events", &Choice::default()).await.unwrap().counts(), (8, 8));
    // It died here: the night says what is to be done, and so does the next replay do it.
    let refused = shop.night(&february(8)).await.failed.unwrap();
    assert!(refused.message.contains("before the lookback changed"), "{}", refused.message);
    assert_eq!(replay(&context, "events", &Choice::default()).await.unwrap().counts(), (0, 0));
    let built = build_replayed(&context).await.unwrap().unwrap();
    assert_eq!((&built.status, built.night.to_string()), (&RunStatus::Done, february(8)), "{built:#?}");
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(8), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_before_the_first_release_loads_what_fits_and_releases_nothing() {
    for is_mended in [false, true] {
        let shop = Shop::new();
        shop.orders(DAY, &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 11:00:00", "n/a")]);
        let context = shop.open().await;
        let ingest = RunRequest { stage: Some(Stage::Ingest), night: DAY.parse().unwrap(), ..RunRequest::default() };
        run_night(&context, &ingest).await.unwrap();
        if is_mended {
            mend(&shop);
        }
        let context = shop.open().await;
        let tried = replay(&context, "orders", &Choice::default()).await.unwrap();
        assert_eq!(tried.counts(), (1, is_mended.into()));
        assert!(build_replayed(&context).await.unwrap().is_none());
        assert!(release::latest(&context.lake).await.unwrap().is_none());
        let report = shop.night(DAY).await;
        assert_eq!(report.release.as_deref(), Some("2026-02-01.1"), "no later night was released: {report:#?}");
        assert!(shop.ask(ROWS).await.contains("| b ") == is_mended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_works_on_a_lake_refuses_one_that_is_not_there_and_begins_none() {
    let shop = Shop::new();
    let context = shop.open().await;
    let tries = [
        replay(&context, "orders", &Choice::default()).await.map(drop),
        discard(&context, "orders", &Choice::default(), "a test", "ana").await.map(drop),
        maintain(&context, super::maintain::KEEP).await.map(drop),
        rollback(&context, "2026-02-01.1".parse().unwrap()).await.map(drop),
    ];
    for tried in tries {
        let refused = tried.unwrap_err();
        assert_eq!(refused.kind(), crate::error::ErrorKind::User, "{refused}");
        assert!(refused.to_string().contains("there is no lake at"), "{refused}");
    }
    assert!(std::fs::read_dir(shop.root.path().join("lake")).unwrap().next().is_none(), "nothing is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_since_is_not_guessed_at() {
    let shop = two_held().await;
    mend(&shop);
    shop.orders(DAY, &[("a", "2026-02-01 10:00:00", "11.50"), ("b", "2026-02-01 11:00:00", "4.00")]);
    let error = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap_err();
    assert!(error.to_string().contains("orders/orders_2026-02-01.csv"), "{error}");
    assert!(error.to_string().contains("under the same name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_and_is_as_long_as_before_is_not_guessed_at() {
    let shop = two_held().await;
    mend(&shop);
    let file = shop.root.path().join("raw/orders/orders_2026-02-01.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("10.50", "11.50")).unwrap();
    let before = shop.ask(ROWS).await;
    let error = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("`orders/orders_2026-02-01.csv` is not what was loaded"), "{told}");
    assert_eq!(shop.ask(ROWS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_only_written_again_is_replayed() {
    let shop = two_held().await;
    mend(&shop);
    let file = shop.root.path().join("raw/orders/orders_2026-02-01.csv");
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000);
    std::fs::File::options().append(true).open(file).unwrap().set_modified(later).unwrap();
    let tried = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(tried.counts(), (2, 1));
    shop.night(DAY).await;
    assert_eq!(shop.ask(ROWS).await.matches("orders/orders_2026-02-01.csv").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_row_says_why_and_by_whom_and_is_not_tried_again() {
    let shop = two_held().await;
    let choice = Choice { file: Some("orders/orders_2026-02-01.csv".to_owned()), record: Some(3) };
    let context = shop.open().await;
    assert_eq!(discard(&context, "orders", &choice, "a test order", "ana").await.unwrap(), 1);
    let held = shop.ask(HELD).await;
    assert!(held.contains("| 3      | discarded | true    | a test order |"), "{held}");
    assert_eq!(discard(&context, "orders", &choice, "twice", "ana").await.unwrap(), 0);
    assert_eq!(replay(&context, "orders", &Choice::default()).await.unwrap().held, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_after_a_replay_that_died_at_any_write_gives_up_what_is_not_in_bronze() {
    let (mut in_bronze, mut not_yet) = (0, 0);
    for write in 1.. {
        let shop = two_held().await;
        mend(&shop);
        let (context, store) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        let died = replay(&context, "orders", &Choice::default()).await;
        if died.is_ok() && store.injected().is_empty() {
            break;
        }
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        let given_up = discard(&context, "orders", &Choice::default(), "tests", "ana").await.unwrap();
        let (context, _) = attempt(&shop, 4, Rule::Never).await;
        run_night(&context, &RunRequest { night: DAY.parse().unwrap(), ..RunRequest::default() }).await.unwrap();
        let (rows, held) = (shop.ask(ROWS).await, shop.ask(HELD).await);
        let is_loaded = rows.contains("| b ");
        in_bronze += u32::from(is_loaded);
        not_yet += u32::from(!is_loaded);
        assert_eq!(given_up, if is_loaded { 1 } else { 2 }, "died at write {write}: {held}");
        let status = if is_loaded { "| 2      | replayed" } else { "| 2      | discarded" };
        assert!(held.contains(status) && held.contains("| 3      | discarded"), "died at write {write}: {held}");
    }
    assert!(in_bronze > 0 && not_yet > 0, "{in_bronze} {not_yet}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_source_is_refused_with_the_nearest() {
    let shop = two_held().await;
    let error = replay(&shop.open().await, "order", &Choice::default()).await.unwrap_err();
    assert!(error.to_string().contains("did you mean `orders`?"), "{error}");
}

const MENDED: &str = "order_id,ordered_at,amount\nb,2026-02-01 11:00:00,7.00\nc,2026-02-01 13:00:00,bad\n";

async fn with(shop: &Shop, file: Option<&str>, text: &str) -> Result<Tried, RunError> {
    let choice = Choice { file: file.map(str::to_owned), record: None };
    replay_with(&shop.open().await, "orders", &choice, "mended.csv", text.to_owned().into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_rows_are_loaded_once_under_the_file_record_and_night_of_the_held_ones() {
    let shop = two_held().await;
    let file = Some("orders/orders_2026-02-01.csv");
    assert_eq!(with(&shop, file, MENDED).await.unwrap().counts(), (2, 1));
    shop.night(DAY).await;
    let rows = shop.ask(ROWS).await;
    assert!(rows.contains("| b        | 7.00   | orders/orders_2026-02-01.csv | 2       | 2026-02-01 |"), "{rows}");
    let held = shop.ask(HELD).await;
    assert!(held.contains("| 2      | replayed | true    | corrected in mended.csv |"), "{held}");
    assert!(held.contains("| 3      | held "), "{held}");
    // One row is left, so one is wanted.
    let again = "order_id,ordered_at,amount\nc,2026-02-01 13:00:00,3.00\n";
    assert_eq!(with(&shop, file, again).await.unwrap().counts(), (1, 1));
    shop.night(DAY).await;
    let all = shop.ask("select count(*) as n, sum(amount) as amount from bronze.orders").await;
    assert!(all.contains("| 4 | 22.50"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_rows_that_are_not_as_many_as_are_held_change_nothing() {
    let shop = two_held().await;
    let before = shop.ask(ROWS).await;
    let file = Some("orders/orders_2026-02-01.csv");
    let header = "order_id,ordered_at,amount\n";
    for (rows, found) in
        [("", 0), ("b,2026-02-01 11:00:00,7.00\n", 1), ("b,2026-02-01,1\nc,2026-02-02,2\nd,2026-02-03,3\n", 3)]
    {
        let error = with(&shop, file, &format!("{header}{rows}")).await.unwrap_err();
        assert!(error.to_string().contains(&format!("holds {found} records, and 2 are held")), "{error}");
    }
    let error = with(&shop, None, MENDED).await.unwrap_err();
    assert!(error.to_string().contains("--file"), "{error}");
    shop.night(DAY).await;
    assert_eq!(shop.ask(ROWS).await, before);
}
