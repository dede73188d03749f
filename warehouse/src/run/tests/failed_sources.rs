//! Rows of a source that failed, until a load takes them in: each is in bronze or in quarantine, once.

use super::crash::attempt;
use super::*;
use crate::store::faults::Rule;

const DAY: &str = "2026-02-01";
const NEXT: &str = "2026-02-02";
const FIRST: &str = "orders/orders_2026-02-01.csv";
const FAILED: &str = "orders/orders_2026-02-02.csv";
const BRONZE: &str = "select _file, _record, order_id from bronze.orders order by _file, _record";
const QUARANTINE: &str = "select file, record, status, note from ops.quarantine order by file, record, status, note";
const CORRECTED: &str = "order_id,ordered_at,amount\nb,2026-02-01 11:00:00,7.00\n";

/// A first night with a held row, and the delivery of a second of which two of three rows do not fit.
async fn one_held() -> Shop {
    let shop = Shop::new();
    shop.orders(DAY, &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-01 11:00:00", "n/a")]);
    let report = shop.night(DAY).await;
    assert_eq!((report.rows.ingested, report.rows.quarantined), (1, 1), "{report:#?}");
    shop.orders(NEXT, &second("n/a"));
    shop
}

fn second(amount: &str) -> [(&'static str, &'static str, &str); 3] {
    [("c", "2026-02-02 10:00:00", "1.00"), ("d", "2026-02-02 11:00:00", amount), ("e", "2026-02-02 12:00:00", amount)]
}

/// As [`one_held`], and the second night has failed: its two rows are held.
async fn failed() -> Shop {
    let shop = one_held().await;
    fails(&shop).await;
    assert_eq!(held_of(&shop, FAILED).await, 2);
    shop
}

async fn fails(shop: &Shop) {
    let report = shop.night(NEXT).await;
    assert_eq!((report.exit_kind.as_deref(), report.rows.ingested), (Some("data"), 0), "{report:#?}");
}

fn contract(shop: &Shop, from: &str, to: &str) {
    assert!(ORDERS.contains(from));
    shop.write("sql/sources/orders.yml", &ORDERS.replace(from, to));
}

/// The contract takes an amount that is not there.
fn mend(shop: &Shop) {
    contract(
        shop,
        "  - { name: amount, type: 'DECIMAL(18,2)', required: true }",
        "  - { name: amount, type: 'DECIMAL(18,2)' }\nformat: { type: csv, null_words: [n/a] }",
    );
}

fn tolerate(shop: &Shop) {
    contract(shop, "tolerance: 0.5", "tolerance: 0.9");
}

async fn count(shop: &Shop, what: &str) -> usize {
    let answer = shop.ask(&format!("select count(*) as n from {what}")).await;
    answer.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

async fn held_of(shop: &Shop, file: &str) -> usize {
    count(shop, &format!("ops.quarantine where status = 'held' and file = '{file}'")).await
}

async fn correct_the_first(shop: &Shop) {
    let choice = Choice { file: Some(FIRST.to_owned()), record: None };
    let tried = replay_with(&shop.open().await, "orders", &choice, "mended.csv", CORRECTED.into()).await.unwrap();
    assert_eq!(tried.counts(), (1, 1));
}

async fn discard_the_failed(shop: &Shop) {
    let choice = Choice { file: Some(FAILED.to_owned()), record: None };
    assert_eq!(discard(&shop.open().await, "orders", &choice, "a test", "ana").await.unwrap(), 2);
}

async fn discarded(shop: &Shop) -> usize {
    let by_ana = "status = 'discarded' and settled_by = 'ana' and note = 'a test' and settled_at is not null";
    count(shop, &format!("ops.quarantine where file = '{FAILED}' and {by_ana}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_later_run_loads_are_no_longer_held() {
    let shop = failed().await;
    mend(&shop);
    // Of the file that is not loaded, no row is tried: the next run reads it.
    let tried = replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
    assert_eq!(tried.counts(), (1, 1));
    assert_eq!(held_of(&shop, FAILED).await, 2);
    let report = shop.night(NEXT).await;
    assert_eq!((&report.status, report.rows.ingested), (&RunStatus::Done, 3), "{report:#?}");
    assert_eq!(count(&shop, "ops.quarantine").await, 1, "{}", shop.ask(QUARANTINE).await);
    assert_eq!(count(&shop, "bronze.orders").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_later_run_holds_are_held_once_though_other_rows_were_replayed() {
    let shop = failed().await;
    correct_the_first(&shop).await;
    tolerate(&shop);
    shop.night(NEXT).await;
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
    assert_eq!(count(&shop, "bronze.orders").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_the_number_of_one_that_was_not_loaded_is_not_taken_for_it() {
    let shop = failed().await;
    // It comes late, gets the number that the failed one had, and the night is one that does not read that.
    shop.orders("2026-01-31", &second("2.00"));
    shop.night(DAY).await;
    mend(&shop);
    correct_the_first(&shop).await;
    for choice in [None, Some(FAILED.to_owned())] {
        let choice = Choice { file: choice, record: None };
        assert_eq!(replay(&shop.open().await, "orders", &choice).await.unwrap().counts(), (0, 0));
    }
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
    std::fs::remove_file(shop.root.path().join("raw").join(FAILED)).unwrap();
    shop.night(NEXT).await;
    assert_eq!(held_of(&shop, FAILED).await, 0, "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_rows_for_a_file_that_is_not_loaded_are_refused_with_the_way_out() {
    let shop = failed().await;
    let choice = Choice { file: Some(FAILED.to_owned()), record: None };
    let error = replay_with(&shop.open().await, "orders", &choice, "mended.csv", CORRECTED.into()).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains(FAILED) && told.contains("nothing of that is loaded") && told.contains("under the same name"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stay_held_while_the_source_is_not_read_or_fails_for_another_reason() {
    let shop = failed().await;
    let context = shop.open().await;
    let build = RunRequest { stage: Some(Stage::Build), night: NEXT.parse().unwrap(), ..RunRequest::default() };
    run_night(&context, &build).await.unwrap();
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
    shop.write("raw/orders/orders_2026-02-03.csv", "something,else\n1,2\n");
    let report = shop.night("2026-02-03").await;
    assert!(report.failed.unwrap().message.contains("has no column"));
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
    shop.night(DAY).await;
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_outlives_every_later_reading_of_the_same_rows() {
    let shop = failed().await;
    discard_the_failed(&shop).await;
    fails(&shop).await;
    assert_eq!((held_of(&shop, FAILED).await, discarded(&shop).await), (0, 2), "{}", shop.ask(QUARANTINE).await);
    shop.orders("2026-01-31", &second("2.00"));
    shop.night(DAY).await;
    assert_eq!((held_of(&shop, FAILED).await, discarded(&shop).await), (0, 2), "{}", shop.ask(QUARANTINE).await);
    tolerate(&shop);
    assert_eq!(shop.night(NEXT).await.status, RunStatus::Done);
    assert_eq!((held_of(&shop, FAILED).await, discarded(&shop).await), (0, 2), "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_given_up_stay_out_when_their_file_fits_and_is_loaded() {
    for (given_up, ingested) in [(Some(2), 2), (None, 1)] {
        let shop = failed().await;
        let choice = Choice { file: Some(FAILED.to_owned()), record: given_up };
        let count_of = 3 - ingested;
        assert_eq!(discard(&shop.open().await, "orders", &choice, "a test", "ana").await.unwrap(), count_of);
        mend(&shop);
        let report = shop.night(NEXT).await;
        assert_eq!((&report.status, report.rows.ingested), (&RunStatus::Done, ingested), "{report:#?}");
        let (rows, held) = (shop.ask(BRONZE).await, shop.ask(QUARANTINE).await);
        assert_eq!(rows.matches(FAILED).count() as u64, ingested, "{rows}");
        assert!(rows.contains("| c ") && !rows.contains("| d "), "{rows}");
        assert_eq!((held_of(&shop, FAILED).await, discarded(&shop).await as u64), (0, count_of), "{held}");
        assert_eq!(shop.night(NEXT).await.status, RunStatus::Skipped);
        replay(&shop.open().await, "orders", &Choice::default()).await.unwrap();
        assert_eq!(discarded(&shop).await as u64, count_of);
    }
    // The corrected file is another: of its rows nobody has said anything.
    let shop = failed().await;
    discard_the_failed(&shop).await;
    shop.orders(NEXT, &second("2.00"));
    assert_eq!(shop.night(NEXT).await.rows.ingested, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_is_of_the_rows_that_were_seen_and_not_of_others_in_their_place() {
    let shop = failed().await;
    discard_the_failed(&shop).await;
    shop.orders(NEXT, &second("bad"));
    fails(&shop).await;
    assert_eq!((held_of(&shop, FAILED).await, discarded(&shop).await), (2, 0), "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_discards_of_a_file_that_is_gone_are_remembered() {
    let shop = failed().await;
    discard_the_failed(&shop).await;
    std::fs::remove_file(shop.root.path().join("raw").join(FAILED)).unwrap();
    shop.orders("2026-02-03", &second("2.00"));
    shop.night("2026-02-03").await;
    assert_eq!(discarded(&shop).await, 2, "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_file_can_be_settled_one_after_the_other() {
    let shop = Shop::new();
    tolerate(&shop);
    let rows: Vec<_> = (0..12).map(|_| ("a", "2026-02-01 10:00:00", "n/a")).collect();
    let fits = [("b", "2026-02-01 10:00:00", "1.00"); 12];
    shop.orders(DAY, &[rows.as_slice(), &fits].concat());
    shop.night(DAY).await;
    for record in 1..=12 {
        let choice = Choice { file: Some(FIRST.to_owned()), record: Some(record) };
        assert_eq!(discard(&shop.open().await, "orders", &choice, "a test", "ana").await.unwrap(), 1);
    }
    assert_eq!(count(&shop, "ops.quarantine where status = 'discarded'").await, 12);
}

/// Gives the rows of the failed night's file the name that earlier versions gave it.
async fn as_of_an_earlier_version(shop: &Shop) {
    let table = shop.root.path().join("lake/ops/quarantine");
    let found = TableSnapshot::load(&shop.open().await.lake, "ops.quarantine", None).await.unwrap().unwrap();
    let name = &found.files.iter().find(|file| file.integers("delivery") == Some((2, 2))).unwrap().path;
    let old = format!("orders-00000002-{}", name.split_once('-').unwrap().1);
    std::fs::rename(table.join(name), table.join(&old)).unwrap();
    for entry in std::fs::read_dir(table.join("_delta_log")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace(name, &old)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_under_the_name_of_an_earlier_version_are_superseded_too() {
    let shop = failed().await;
    as_of_an_earlier_version(&shop).await;
    correct_the_first(&shop).await;
    tolerate(&shop);
    shop.night(NEXT).await;
    assert_eq!(held_of(&shop, FAILED).await, 2, "{}", shop.ask(QUARANTINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_file_that_was_left_out_for_its_twin_are_held_once() {
    let shop = Shop::new();
    contract(&shop, "orders_{date:%Y-%m-%d}.csv'", "*.csv'\nduplicates: skip");
    for twin in ["a", "b"] {
        shop.write(&format!("raw/orders/{twin}.csv"), &format!("{CORRECTED}c,2026-02-01 12:00:00,n/a\n"));
    }
    shop.night(DAY).await;
    assert_eq!(held_of(&shop, "orders/b.csv").await, 0);
    let strict = ORDERS.replace("orders_{date:%Y-%m-%d}.csv'", "*.csv'\nduplicates: skip");
    shop.write("sql/sources/orders.yml", &strict.replace("tolerance: 0.5", "tolerance: 0.3"));
    shop.write("raw/orders/a.csv", CORRECTED);
    for _ in 0..2 {
        fails(&shop).await;
        assert_eq!(held_of(&shop, "orders/b.csv").await, 1, "{}", shop.ask(QUARANTINE).await);
    }
}

/// The second night dies at each of its writes, a person corrects the held row of the first, and the night is run
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_died_before_a_replay_leaves_each_row_once() {
    let second_night = RunRequest { night: NEXT.parse().unwrap(), ..RunRequest::default() };
    let mut reference = String::new();
    for write in 0.. {
        let shop = one_held().await;
        tolerate(&shop);
        let rule = if write == 0 { Rule::Never } else { Rule::DiesAt { write, applied: true } };
        let (context, store) = attempt(&shop, 0, rule).await;
        let died = run_night(&context, &second_night).await;
        let (context, _) = attempt(&shop, 2, Rule::Never).await;
        let choice = Choice { file: Some(FIRST.to_owned()), record: None };
        replay_with(&context, "orders", &choice, "mended.csv", CORRECTED.into()).await.unwrap();
        let (context, _) = attempt(&shop, 4, Rule::Never).await;
        run_night(&context, &second_night).await.unwrap();
        let rows = format!("{}\n{}", shop.ask(BRONZE).await, shop.ask(QUARANTINE).await);
        if write == 0 {
            assert_eq!(rows.matches(FAILED).count(), 3, "{rows}");
            reference = rows;
        } else if died.is_ok() && store.injected().is_empty() {
            break;
        } else {
            assert_eq!(rows, reference, "died at write {write}");
        }
    }
}
