//! Tables that the latest release has and the project has no more.

use super::*;
use crate::error::ErrorKind;

async fn plan(shop: &Shop) -> Result<NightPlan, RunError> {
    let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await
}

fn remove(shop: &Shop, path: &str) {
    let path = shop.root.path().join(path);
    if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
}

/// A shop with a released mart and another beside it.
async fn two_marts() -> Shop {
    let shop = Shop::new();
    for kind in ["sql", "yml"] {
        let text = if kind == "sql" { DAILY_SQL.to_owned() } else { DAILY_YML.replace("marts.daily", "marts.other") };
        shop.write(&format!("sql/marts/shop/other.{kind}"), &text);
    }
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    assert_eq!(shop.night("2026-02-01").await.status, RunStatus::Done);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_model_is_gone_leaves_the_release_and_plan_and_run_name_it() {
    let shop = two_marts().await;
    remove(&shop, "sql/marts/shop/other.sql");
    remove(&shop, "sql/marts/shop/other.yml");
    let planned = plan(&shop).await.unwrap();
    let leaves = planned.nodes.iter().find(|node| node.node == "marts.other").unwrap();
    assert_eq!(leaves.action, "leave");
    assert_eq!(leaves.why, "leaves the release: the project has no such model any more");
    assert!(!planned.is_empty(), "a run publishes a release without it");
    let report = shop.night("2026-02-01").await;
    let said = "marts.other leaves the release: the project has no such model any more";
    assert!(report.warnings.iter().any(|warning| warning == said), "{:?}", report.warnings);
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let released = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    assert!(!released.tables.contains_key("marts.other") && released.tables.contains_key("marts.daily"));
    assert_eq!(shop.night("2026-02-01").await.warnings, [""; 0], "it is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_a_single_model_left_is_refused_and_the_release_stays() {
    for gone in ["sql", "sql/staging sql/marts"] {
        let shop = two_marts().await;
        gone.split(' ').for_each(|path| remove(&shop, path));
        let request = RunRequest { night: "2026-02-01".parse().unwrap(), ..RunRequest::default() };
        let refused = [plan(&shop).await.unwrap_err(), run_night(&shop.open().await, &request).await.unwrap_err()];
        for refused in refused {
            assert_eq!(refused.kind(), ErrorKind::User, "{refused}");
            let told = refused.to_string();
            assert!(told.contains("release 2026-02-01.1 has 3") && told.contains("look at `sql/`"), "{told}");
        }
        assert_eq!(release::list(&shop.open().await.lake).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_sources_is_told_that_and_not_that_its_exports_are_missing() {
    let shop = Shop::new();
    remove(&shop, "sql");
    let report = shop.night("2026-02-01").await;
    let told = report.warnings.join("\n");
    assert!(told.contains("the project has no source"), "{told}");
    assert!(!told.contains("no export was found"), "{told}");
}
