//! Nights that are to come.

use super::*;
use crate::error::ErrorKind;

fn refused(error: &RunError, night: &str) {
    assert_eq!(error.kind(), ErrorKind::User, "{error}");
    let said = format!("night {night} is in the future, today is 2026-02-10 in Europe/Madrid");
    assert!(error.to_string().contains(&said), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_later_than_tomorrow_is_refused_before_anything_is_written() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    let context = shop.open().await;
    let night = "2062-02-01".parse().unwrap();
    for stage in [None, Some(Stage::Ingest), Some(Stage::Build), Some(Stage::Publish)] {
        let request = RunRequest { night, stage, ..RunRequest::default() };
        refused(&run_night(&context, &request).await.unwrap_err(), "2062-02-01");
    }
    let told = backfill(&context, "2026-02-01".parse().unwrap(), "2026-02-12".parse().unwrap(), 1, None, |_| {}).await;
    refused(&told.unwrap_err(), "2026-02-12");
    assert!(std::fs::read_dir(shop.root.path().join("lake")).unwrap().next().is_none(), "nothing is there");
    assert_eq!(shop.night("2026-02-11").await.status, RunStatus::Done, "tomorrow is not refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_night_later_than_tomorrow_is_refused_as_its_run_is() {
    let context = Shop::new().open().await;
    let plan = async |night: &str| {
        plan_night(&context, &RunRequest { night: night.parse().unwrap(), ..RunRequest::default() }).await
    };
    refused(&plan("2062-02-01").await.unwrap_err(), "2062-02-01");
    assert!(plan("2026-02-11").await.is_ok(), "tomorrow is not refused");
}

/// What the doctor says to do once it happened all the same, with another version or a wrong clock.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_release_of_a_night_to_come_the_next_night_builds_on_the_one_before() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let request = RunRequest { night: "2062-02-01".parse().unwrap(), ..RunRequest::default() };
    let ahead = run_night(&shop.open_at("2062-02-02T03:00:00Z").await, &request).await.unwrap();
    let id: release::ReleaseId = ahead.release.unwrap().parse().unwrap();
    std::fs::remove_file(shop.root.path().join("lake").join(id.file())).unwrap();
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!((report.status, report.release.as_deref()), (RunStatus::Done, Some("2026-02-02.1")));
    assert_eq!(report.warnings, [""; 0]);
    assert!(shop.ask("select count(*) as days from marts.daily").await.contains("| 2 "));
}
