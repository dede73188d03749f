//! What is read to learn which windows changed.

use super::materialize::{events, february, files, from_scratch, status, windowed};
use super::*;

const DAYS: &str = "select day, amount from marts.by_day order by day";

/// What is noted of the files behind `marts.by_day`, newest first: how many, and how many of them were digested.
fn noted(shop: &Shop) -> Vec<(usize, usize)> {
    let folder = shop.root.path().join("lake/_buho/windows/marts.by_day");
    let mut notes: Vec<(usize, usize)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let note: serde_json::Value =
                serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let reads = note["reads"].as_object().unwrap();
            let files = || reads.values().flat_map(|read| read.as_object().unwrap().values());
            (files().count(), files().filter(|file| file.get("days").is_some()).count())
        })
        .collect();
    notes.sort_unstable_by(|left, right| right.cmp(left));
    notes
}

fn deliver(shop: &Shop, day: u32, amount: i64) {
    events(shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), amount)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_that_came_or_left_since_the_rows_before_are_read_for_their_digests() {
    let shop = windowed();
    for day in 1..=3 {
        deliver(&shop, day, 1);
    }
    shop.night(&february(3)).await;
    let first = noted(&shop);
    assert!(matches!(first.as_slice(), [(1.., 0)]), "a first build has nothing to compare with: {first:?}");
    deliver(&shop, 4, 1);
    shop.night(&february(4)).await;
    assert_eq!(noted(&shop)[0], (first[0].0 + 1, 1));
    // The file of the 2nd leaves, of which nobody had asked before; the windows of the others stay.
    let before = files(&shop, "marts.by_day").await;
    deliver(&shop, 2, 20);
    shop.night(&february(4)).await;
    let after = files(&shop, "marts.by_day").await;
    assert!(before.intersection(&after).count() > 0 && shop.ask(DAYS).await.contains("| 2026-02-02 | 20 "));
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(4), DAYS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_left_and_that_nothing_kept_has_all_windows_built_anew() {
    let shop = windowed();
    for day in 1..=3 {
        deliver(&shop, day, i64::from(day));
        shop.night(&february(day)).await;
    }
    // Built anew, it knows of no file what is in it.
    let context = shop.open().await;
    let anew = RunRequest { night: february(3).parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    run_night(&context, &anew).await.unwrap();
    let (before, bronze) = (files(&shop, "marts.by_day").await, files(&shop, "bronze.events").await);
    deliver(&shop, 2, 20);
    let ingest = RunRequest { full_refresh: false, stage: Some(Stage::Ingest), ..anew };
    run_night(&shop.open().await, &ingest).await.unwrap();
    let left: Vec<String> = bronze.difference(&files(&shop, "bronze.events").await).cloned().collect();
    let [left] = left.as_slice() else { panic!("one delivery was replaced: {left:?}") };
    std::fs::remove_file(shop.root.path().join("lake/bronze/events").join(left)).unwrap();
    let report = shop.night(&february(3)).await;
    assert_eq!(status(&report, "marts.by_day"), "built", "{report:#?}");
    assert!(files(&shop, "marts.by_day").await.is_disjoint(&before));
    assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(3), DAYS).await);
}

/// The mean of a day, of which the last bits are others every night, as those of sums of several threads are.
const RATES: &str = "select cast(happened_at as date) as day, avg(cast(amount as double))
    * (cast(1 as double) + cast(extract(day from $night) as double) / cast(1000000000000000 as double)) as rate
from staging.stg_shop__events group by cast(happened_at as date)";
const RATES_YML: &str = "columns: [{ name: day, type: DATE }, { name: rate, type: DOUBLE, tolerance: 1.0e-9 }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_double_that_differs_in_its_last_bits_changes_no_window() {
    let shop = super::materialize::shop();
    shop.write("sql/core/shop/rates.sql", RATES);
    shop.write("sql/core/shop/rates.yml", RATES_YML);
    let sql = "select day, rate from core.rates where day >= $window_start and day < $window_end";
    shop.write("sql/marts/shop/by_day.sql", sql);
    let incremental = "materialized: incremental\nincremental: { time: day, lookback: 1, max_rebuild: 2 }\n";
    shop.write("sql/marts/shop/by_day.yml", &format!("{incremental}{RATES_YML}"));
    for day in 1..=8 {
        deliver(&shop, day, i64::from(day) * 3 + 1);
    }
    shop.night(&february(8)).await;
    let rates = "select day, rate from core.rates order by day";
    for night in [9, 10] {
        let before = shop.ask(rates).await;
        let report = shop.night(&february(night)).await;
        let became = [status(&report, "core.rates"), status(&report, "marts.by_day")];
        assert_eq!(became, ["built", "skipped"], "{report:#?}");
        assert_ne!(shop.ask(rates).await, before, "night {night} has other bits");
    }
    deliver(&shop, 4, 5);
    assert_eq!(status(&shop.night(&february(10)).await, "marts.by_day"), "built");
    assert!(
        shop.ask("select round(rate) as rate from marts.by_day where day = date '2026-02-04'").await.contains("| 5.0 ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_night_sees_the_files_of_a_later_one_cut_and_uncut() {
    let shop = windowed();
    events(&shop, &february(1), &[("a", "2026-02-01 10:00:00", 1), ("later", "2026-02-03 10:00:00", 50)]);
    deliver(&shop, 2, 2);
    for night in [3, 1, 3] {
        shop.night(&february(night)).await;
        assert_eq!(shop.ask(DAYS).await, from_scratch(&shop, &february(3), DAYS).await);
    }
}
