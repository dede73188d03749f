//! Releases that were dropped are read for an hour more: by the storage's clock, and whatever a listing shows.

use object_store::ObjectStoreExt;

use super::crash::attempt;
use super::maintain::{KEEP, five_nights};
use super::*;
use crate::clock::{Clock, SystemClock};
use crate::lease::last_link;
use crate::release::{Release, ReleaseId};
use crate::store::faults::Rule;

/// Five nights of which maintenance drops the first three, hours after they were run.
async fn old_nights() -> (Shop, Vec<Release>) {
    let shop = five_nights().await;
    shop.age(TimeDelta::hours(2));
    let lake = shop.open().await.lake;
    let mut releases = Vec::new();
    for id in ["2026-02-01.1", "2026-02-02.1", "2026-02-03.1"] {
        releases.push(release::read(&lake, id.parse().unwrap()).await.unwrap());
    }
    (shop, releases)
}

/// Of these releases those that can be read to their last file.
async fn whole(shop: &Shop, releases: &[Release]) -> Vec<ReleaseId> {
    let lake = shop.open().await.lake;
    let is_whole = async |release: &Release| {
        for (table, released) in &release.tables {
            let Ok(Some(found)) = TableSnapshot::load(&lake, table, Some(released.version)).await else { return false };
            for path in found.paths() {
                if lake
                    .store()
                    .head(&path.split('/').fold(lake.table_path(table), |at, part| at.join(part)))
                    .await
                    .is_err()
                {
                    return false;
                }
            }
        }
        true
    };
    let mut found = Vec::new();
    for release in releases {
        if is_whole(release).await {
            found.push(release.id());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_takes_nothing_from_who_reads_a_dropped_release() {
    let (shop, releases) = old_nights().await;
    let now = SystemClock.now();
    let by_clock = async |ahead: i64| shop.open_at(&(now + TimeDelta::hours(ahead)).to_rfc3339()).await;
    let first = maintain(&by_clock(0).await, KEEP).await.unwrap();
    assert_eq!(first.releases_dropped, 3, "{first:?}");
    shop.write("lake/marts/daily/part-being-written.parquet", "half a file");
    for hours in [5, 5000, -5] {
        let done = maintain(&by_clock(hours).await, KEEP).await.unwrap();
        assert_eq!((done.files_removed, done.log_entries_removed), (0, 0), "{hours}: {done:?}");
        assert_eq!(whole(&shop, &releases).await.len(), 3, "{hours}");
    }
    // Once an hour has passed for the storage, what they alone needed goes, also where the clock is behind.
    shop.age(TimeDelta::hours(2));
    let done = maintain(&by_clock(-5).await, KEEP).await.unwrap();
    assert!(done.files_removed > 1, "{done:?}");
    assert_eq!(whole(&shop, &releases).await, [], "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_release_is_read_for_its_hour_also_where_no_listing_shows_that_it_was_dropped() {
    // Whether the maintenance that drops them comes to its end, or dies after one of its writes.
    for dies_at in [None, Some(2), Some(3), Some(5)] {
        let (shop, releases) = old_nights().await;
        let rule = dies_at.map_or(Rule::Never, |write| Rule::DiesAt { write, applied: true });
        let died = maintain(&attempt(&shop, 0, rule).await.0, KEEP).await.is_err();
        assert_eq!(died, dies_at.is_some());
        shop.age(TimeDelta::minutes(10));
        let short = Rule::Unlisted("_buho/dropped");
        maintain(&attempt(&shop, 20, short).await.0, KEEP).await.unwrap();
        assert_eq!(whole(&shop, &releases).await.len(), 3, "{dies_at:?}");
        let lake = shop.open().await.lake;
        assert_eq!(last_link(&lake).await.unwrap().unwrap().dropped.len(), 3, "{dies_at:?}");
        // Then they go, and nobody asks for them any more.
        shop.age(TimeDelta::hours(2));
        let done = maintain(&attempt(&shop, 180, Rule::Unlisted("_buho/dropped")).await.0, KEEP).await.unwrap();
        assert!(done.files_removed > 0, "{dies_at:?}: {done:?}");
        assert_eq!(whole(&shop, &releases).await, [], "{dies_at:?}");
        assert!(last_link(&lake).await.unwrap().unwrap().dropped.is_empty(), "{dies_at:?}");
    }
}
