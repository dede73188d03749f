//! Commits of other programs on our tables: noticed, told of, never built upon and never overwritten unasked.

use serde_json::json;

use super::materialize::status;
use super::*;
use crate::error::ErrorKind;
use crate::release::TableState;
use crate::table::fence;

const LATER: &str = "2096-01-01T03:00:00Z";

/// Writes the next version of a table as another program does: the rows of one of its files twice, or none at all.
pub(super) async fn meddle(shop: &Shop, table: &str) -> u64 {
    let context = shop.open().await;
    let newest = TableSnapshot::load(&context.lake, table, None).await.unwrap().unwrap();
    let (version, file) = (newest.version + 1, &newest.files[0]);
    let folder = shop.root.path().join("lake").join(table.replace('.', "/"));
    let copy = format!("stranger-{version}.parquet");
    std::fs::copy(folder.join(&file.path), folder.join(&copy)).unwrap();
    let entry = [
        json!({ "commitInfo": { "timestamp": 0, "operation": "WRITE", "engineInfo": "delta-rs:1.6.1" } }),
        json!({ "add": {
            "path": copy, "partitionValues": {}, "size": file.size, "modificationTime": 0, "dataChange": true,
            "stats": file.stats,
        } }),
    ];
    let lines: Vec<String> = entry.iter().map(ToString::to_string).collect();
    std::fs::write(log_entry(shop, table, version), lines.join("\n")).unwrap();
    version
}

fn log_entry(shop: &Shop, table: &str, version: u64) -> PathBuf {
    shop.root.path().join("lake").join(table.replace('.', "/")).join(format!("_delta_log/{version:020}.json"))
}

fn message(report: &RunReport, node: &str) -> String {
    report.node_reports.iter().find(|report| report.node == node).and_then(|report| report.message.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_does_not_build_on_what_somebody_else_committed_and_a_full_refresh_writes_over_it() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.00")]);
    shop.night("2026-02-01").await;
    let version = meddle(&shop, "marts.daily").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "20.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(status(&report, "marts.daily"), "failed", "{report:#?}");
    assert_eq!(report.exit_kind.as_deref(), Some("data"));
    let told = message(&report, "marts.daily");
    assert!(told.contains(&format!("version {version} of marts.daily was committed by delta-rs:1.6.1")), "{told}");
    assert!(told.contains("buho run --select marts.daily --full-refresh"), "{told}");
    let context = shop.open().await;
    let newest = TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().unwrap();
    assert_eq!(newest.version, version, "nothing was overwritten");
    // Readers of releases see what was audited.
    let held = shop.ask("select count(*) as days from marts.daily").await;
    assert!(held.contains("| 1 "), "{held}");
    // Maintenance takes nothing from such a table, and what no version needs once it is ours again.
    shop.write("lake/marts/daily/nobodys.parquet", "");
    let orphan = shop.root.path().join("lake/marts/daily/nobodys.parquet");
    let maintained = async || maintain(&shop.later(LATER).await, release::Keep { nights: 2, months: 1 }).await.unwrap();
    maintained().await;
    assert!(orphan.exists());

    let request = RunRequest { night: "2026-02-02".parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    let refreshed = run_night(&shop.open().await, &request).await.unwrap();
    assert_eq!(refreshed.status, RunStatus::Done, "{refreshed:#?}");
    let days = shop.ask("select count(*) as days from marts.daily").await;
    assert!(days.contains("| 2 "), "{days}");
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Skipped);
    maintained().await;
    assert!(!orphan.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_somebody_else_put_into_bronze_are_not_read_and_taking_their_entry_out_mends_it() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.00")]);
    let first = shop.night("2026-02-01").await;
    let version = meddle(&shop, "bronze.orders").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "20.00")]);
    let report = shop.night("2026-02-02").await;
    assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
    let told = report.sources.iter().find_map(|source| source.message.clone()).unwrap();
    assert!(told.contains("bronze has what was delivered and nothing else"), "{told}");
    assert!(told.contains(&format!("take `_delta_log/{version:020}.json` out of its folder")), "{told}");
    let rows = shop.ask("select count(*) as n from bronze.orders").await;
    assert!(rows.contains("| 1 "), "{rows}");
    let context = shop.open().await;
    let released = release::latest(&context.lake).await.unwrap().unwrap();
    let bronze = &released.tables["bronze.orders"];
    assert!(bronze.version < version && released.run_id != first.run_id, "{released:#?}");
    assert_eq!((bronze.night, bronze.state), ("2026-02-01".parse().unwrap(), TableState::Failed));

    // A fence on top, as a run that dies leaves one, goes with it: a log has no gaps.
    fence(&context.lake, "bronze.orders", 2, false, ("a-run", context.clock.now())).await.unwrap();
    let newest = TableSnapshot::load(&context.lake, "bronze.orders", None).await.unwrap().unwrap();
    assert_eq!(newest.version, version + 1);
    let way_out = newest.strangers().await.unwrap().unwrap().way_out();
    let both = format!("take `_delta_log/{version:020}.json` to `{:020}.json` out of its folder", version + 1);
    assert!(way_out.starts_with(&both), "{way_out}");
    std::fs::remove_file(log_entry(&shop, "bronze.orders", version + 1)).unwrap();
    std::fs::remove_file(log_entry(&shop, "bronze.orders", version)).unwrap();
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    let rows = shop.ask("select count(*) as n from bronze.orders").await;
    assert!(rows.contains("| 2 "), "{rows}");
}

/// A day's orders, the second of which does not fit where it is not a number.
fn two_orders(shop: &Shop, day: &str, second: &str) {
    let (first, at) = (format!("a{day}"), format!("{day} 10:00:00"));
    shop.orders(day, &[(&first, &at, "10.00"), (&format!("b{day}"), &at, second)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_held_on_top_of_what_somebody_else_committed_to_the_quarantine() {
    let held = "select count(*) as n from ops.quarantine where status = 'held'";
    let shop = Shop::new();
    two_orders(&shop, "2026-02-01", "n/a");
    shop.night("2026-02-01").await;
    let version = meddle(&shop, "ops.quarantine").await;
    let newest =
        async || TableSnapshot::load(&shop.open().await.lake, "ops.quarantine", None).await.unwrap().unwrap().version;
    // What has no row to hold goes out.
    two_orders(&shop, "2026-02-02", "2.00");
    assert_eq!(shop.night("2026-02-02").await.status, RunStatus::Done);
    two_orders(&shop, "2026-02-03", "n/a");
    let report = shop.night("2026-02-03").await;
    assert_eq!((report.exit_kind.as_deref(), report.rows.ingested), (Some("data"), 0), "{report:#?}");
    let told = report.sources.iter().find_map(|source| source.message.clone()).unwrap();
    assert!(told.contains(&format!("version {version} of ops.quarantine was committed by delta-rs:1.6.1")), "{told}");
    assert!(told.contains(&format!("take `_delta_log/{version:020}.json` out of its folder")), "{told}");
    maintain(&shop.open_at(LATER).await, release::Keep { nights: 2, months: 1 }).await.unwrap();
    assert_eq!(newest().await, version, "nothing lies on top of it");
    for refused in [
        replay(&shop.open().await, "orders", &Choice::default()).await.map(drop),
        discard(&shop.open().await, "orders", &Choice::default(), "a test", "ana").await.map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("was committed by delta-rs:1.6.1"), "{error}");
    }

    // What was refused leaves a fence.
    for version in version..=newest().await {
        std::fs::remove_file(log_entry(&shop, "ops.quarantine", version)).unwrap();
    }
    assert_eq!(shop.night("2026-02-03").await.status, RunStatus::Done);
    assert!(shop.ask(held).await.contains("| 2 "), "{}", shop.ask(held).await);
    assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 4 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_know_of_a_source_whose_rows_could_not_be_held() {
    let shop = Shop::new();
    two_orders(&shop, "2026-02-01", "n/a");
    shop.night("2026-02-01").await;
    meddle(&shop, "ops.quarantine").await;
    two_orders(&shop, "2026-02-02", "n/a");
    for stage in [Stage::Ingest, Stage::Build, Stage::Publish] {
        let request = RunRequest { night: "2026-02-02".parse().unwrap(), stage: Some(stage), ..RunRequest::default() };
        let report = run_night(&shop.open().await, &request).await.unwrap();
        assert_eq!(report.worst(), Some(ErrorKind::Data), "{report:#?}");
        let source = report.node_reports.iter().find(|node| node.node == "bronze.orders").unwrap();
        assert!(source.message.as_ref().unwrap().contains("ops.quarantine"), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_rows_of_a_replaced_delivery_wait_for_the_quarantine_to_be_ours() {
    let marked = "select status from ops.quarantine";
    let shop = Shop::new();
    two_orders(&shop, "2026-02-01", "n/a");
    shop.night("2026-02-01").await;
    let version = meddle(&shop, "ops.quarantine").await;
    two_orders(&shop, "2026-02-01", "2.00");
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    std::fs::remove_file(log_entry(&shop, "ops.quarantine", version)).unwrap();
    assert!(shop.ask(marked).await.contains("held"));
    shop.night("2026-02-01").await;
    let status = shop.ask(marked).await;
    assert!(status.contains("replaced") && !status.contains("held"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_keeps_a_table_tells_of_what_somebody_else_committed_to_it() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.00")]);
    shop.night("2026-02-01").await;
    assert_eq!(shop.night("2026-02-01").await.warnings, [""; 0]);
    let version = meddle(&shop, "marts.daily").await;
    // A fence on top hides nothing.
    fence(&shop.open().await.lake, "marts.daily", 2, false, ("a-run", shop.open().await.clock.now())).await.unwrap();
    let again = shop.night("2026-02-01").await;
    assert_eq!(again.status, RunStatus::Skipped, "{again:#?}");
    let [told] = &again.warnings[..] else { panic!("{again:#?}") };
    assert!(told.contains(&format!("version {version} of marts.daily was committed by delta-rs:1.6.1")), "{told}");
    assert!(told.contains("the newest version shows what no audit saw"), "{told}");
    // Held by a selection it is told of, too.
    let select = Some(BTreeSet::from(["staging.stg_shop__orders".to_owned()]));
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), select, ..RunRequest::default() };
    let held = run_night(&shop.open().await, &request).await.unwrap();
    assert!(held.warnings.iter().any(|told| told.contains("committed by delta-rs:1.6.1")), "{held:#?}");
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), full_refresh: true, ..RunRequest::default() };
    let refreshed = run_night(&shop.open().await, &request).await.unwrap();
    assert_eq!((refreshed.status, refreshed.warnings), (RunStatus::Done, Vec::new()));
    assert_eq!(shop.night("2026-02-01").await.warnings, [""; 0], "a table that was written anew is ours");
}

/// What is found of a table of the latest release.
async fn looked_at(shop: &Shop) -> Vec<(String, String)> {
    let context = shop.open().await;
    let latest = release::latest(&context.lake).await.unwrap().unwrap();
    let found = unsound(&context.lake, &context.project, &latest).await;
    found.into_iter().map(|found| (found.table, found.text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_a_lost_file_a_damaged_log_or_a_commit_of_somebody_else_is_told_before_a_night_runs() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.00")]);
    shop.night("2026-02-01").await;
    assert_eq!(looked_at(&shop).await, []);
    let told = async |table: &str, part: &str| match &looked_at(&shop).await[..] {
        [(found, text)] => assert!(found == table && text.contains(part), "{found}: {text}"),
        more => panic!("{more:?}"),
    };
    // A file, and half of it.
    let context = shop.open().await;
    let file = &TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().unwrap().files[0];
    let place = shop.root.path().join("lake/marts/daily").join(&file.path);
    let whole = std::fs::read(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    told("marts.daily", "`buho run --select marts.daily --full-refresh`").await;
    std::fs::write(&place, &whole[1..]).unwrap();
    told("marts.daily", &file.path).await;
    std::fs::write(&place, whole).unwrap();
    // The log's last entry, cut and gone.
    let entry = log_entry(&shop, "bronze.orders", 0);
    let whole = std::fs::read(&entry).unwrap();
    std::fs::write(&entry, &whole[..whole.len() / 2]).unwrap();
    told("bronze.orders", "is cut short or damaged").await;
    std::fs::remove_file(&entry).unwrap();
    told("bronze.orders", "the log of bronze.orders is gone, and the last release names version 0").await;
    std::fs::write(&entry, whole).unwrap();
    let version = meddle(&shop, "bronze.orders").await;
    told("bronze.orders", "bronze has what was delivered and nothing else").await;
    std::fs::remove_file(log_entry(&shop, "bronze.orders", version)).unwrap();
    meddle(&shop, "marts.daily").await;
    told("marts.daily", "write the table anew over it with `buho run --select marts.daily --full-refresh`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_version_whose_entry_is_gone_is_nobody_of_ours() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.00")]);
    shop.night("2026-02-01").await;
    let version = meddle(&shop, "marts.daily").await;
    let context = shop.open().await;
    let mut delta = deltalake::DeltaTable::new(context.lake.log_store("marts.daily").unwrap());
    delta.load().await.unwrap();
    deltalake::checkpoints::create_checkpoint(&delta, None).await.unwrap();
    std::fs::remove_file(log_entry(&shop, "marts.daily", version)).unwrap();
    let newest = TableSnapshot::load(&context.lake, "marts.daily", None).await.unwrap().unwrap();
    assert_eq!(newest.version, version);
    let found = newest.strangers().await.unwrap().unwrap();
    assert_eq!(found.own, Some(version - 1));
    assert!(found.to_string().contains("was committed by another program"), "{found}");
}
