//! What a run refuses to build, and a plan says before.

use super::damaged::{cut, objects};
use super::keyed::keeping_history;
use super::late::{SECOND_ENTRY, two_days};
use super::materialize::{events, february, windowed};
use super::pairs::counted;
use super::strangers::meddle;
use super::*;

async fn plan(shop: &Shop, night: &str) -> NightPlan {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    plan_night(&shop.open().await, &request).await.unwrap()
}

fn planned<'a>(plan: &'a NightPlan, node: &str) -> &'a NodePlan {
    plan.nodes.iter().find(|planned| planned.node == node).unwrap()
}

/// A plan says that a node would fail, with the words of the run that then does.
async fn is_foreseen(shop: &Shop, night: &str, node: &str) {
    let plan = plan(shop, night).await;
    let foreseen = planned(&plan, node);
    assert_eq!(foreseen.action, "fail", "{plan:#?}");
    assert!(!plan.is_empty() && foreseen.windows.is_empty());
    assert_eq!(shop.night(night).await.failed.unwrap().message, format!("{node}: {}", foreseen.why));
}

/// Eight nights, then three of them with other rows.
async fn corrected() -> Shop {
    let shop = windowed();
    shop.write("sql/marts/shop/total.sql", "select cast(sum(amount) as bigint) as amount from marts.by_day");
    shop.write("sql/marts/shop/total.yml", "columns: [{ name: amount, type: BIGINT }]\n");
    for day in 1..=8 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 1)]);
    }
    shop.night(&february(8)).await;
    for day in 1..=3 {
        events(&shop, &february(day), &[("a", &format!("{} 10:00:00", february(day)), 5)]);
    }
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_that_more_windows_changed_than_a_run_may_rebuild() {
    let shop = corrected().await;
    let before = plan(&shop, &february(8)).await;
    let unknown = &planned(&before, "marts.by_day").unknown;
    let doubt = "whether it is refused: 3 windows before the lookback changed, from 2026-02-01 to 2026-02-03";
    assert!(unknown.iter().any(|unknown| unknown.starts_with(doubt)), "{unknown:?}");
    let ingest =
        RunRequest { night: february(8).parse().unwrap(), stage: Some(Stage::Ingest), ..RunRequest::default() };
    run_night(&shop.open().await, &ingest).await.unwrap();
    let loaded = plan(&shop, &february(8)).await;
    let below = planned(&loaded, "marts.total");
    assert_eq!((below.action.as_str(), below.why.as_str()), ("hold", "with marts.by_day"));
    is_foreseen(&shop, &february(8), "marts.by_day").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_that_a_run_does_not_build_on_a_log_that_lost_its_end_or_has_commits_of_others() {
    let third = [("c", "2026-02-03 10:00:00", "3.00")];
    for table in ["marts.daily", "bronze.orders"] {
        let lost = two_days().await;
        let folder = lost.root.path().join("lake").join(table.replace('.', "/"));
        std::fs::remove_file(folder.join(SECOND_ENTRY)).unwrap();
        let meddled = two_days().await;
        meddle(&meddled, table).await;
        for shop in [lost, meddled] {
            shop.orders("2026-02-03", &third);
            if table == "marts.daily" {
                is_foreseen(&shop, "2026-02-03", table).await;
                continue;
            }
            let plan = plan(&shop, "2026-02-03").await;
            assert_eq!(plan.sources[0].error, Some(shop.night("2026-02-03").await.failed.unwrap().message));
            assert_eq!(planned(&plan, "marts.daily").action, "hold");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_that_a_history_whose_nights_are_lost_is_not_begun_anew() {
    let shop = keeping_history();
    for day in 1..=3 {
        shop.night(&february(day)).await;
    }
    objects(&shop, "windows/core.customer_history").iter().for_each(|path| cut(path));
    is_foreseen(&shop, &february(4), "core.customer_history").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_would_fail_is_said_to_though_an_audit_compares_it_with_its_own_input() {
    let shop = counted("");
    let sql = "select ordered_on, cast(count(*) as bigint) as orders from marts.daily group by ordered_on";
    shop.write("sql/marts/shop/counted.sql", sql);
    shop.night("2026-02-01").await;
    meddle(&shop, "marts.counted").await;
    shop.orders("2026-02-02", &[("b", "2026-02-02 10:00:00", "1.00")]);
    assert_eq!(planned(&plan(&shop, "2026-02-02").await, "marts.daily").action, "hold");
    is_foreseen(&shop, "2026-02-02", "marts.counted").await;
}
