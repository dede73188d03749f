//! Rows that an ML node cannot learn from, or hardly: each is said plainly, and the night goes on.

use super::learn::{CHURN, shop};
use super::materialize::status;
use super::*;

/// What the night's training says of a node whose yml was changed.
async fn reason(from: &str, to: &str) -> String {
    let shop = shop();
    assert!(CHURN.contains(from), "{from}");
    shop.write("sql/ml/churn.yml", &CHURN.replace(from, to));
    let report = shop.learn("2026-04-05").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(status(&report, "ml.churn_scores"), "held");
    assert_eq!(status(&report, "features.customer_night"), "built");
    shop.ask("select outcome, reason from ml.churn_training").await
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_data_is_said_with_what_there_is_and_what_is_needed() {
    let said = reason("gate: { min_rows: 4, min_each_class: 1 }", "").await;
    assert!(said.contains("| none    | 36 rows have a label, and `gate` asks for 200 "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_of_one_class_are_said_with_what_there_is_and_what_is_needed() {
    let said = reason("min_each_class: 1", "min_each_class: 30").await;
    assert!(said.contains(" of 36 rows are positive, and `gate` asks for 30 of either class"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_with_too_little_data_keeps_the_champion_and_scores_with_it() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    let other = CHURN.replace("min_rows: 4", "min_rows: 100").replace("horizon: { days: 20 }", "horizon: { days: 15 }");
    shop.write("sql/ml/churn.yml", &other);
    let report = shop.learn("2026-04-06").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let models = shop.ask("select night, outcome, reason from ml.churn_training order by night").await;
    assert!(models.contains("| 2026-04-06 | kept    | 36 rows have a label, and `gate` asks for 100"), "{models}");
    // Its scores look as far ahead as what it learnt did.
    let horizons = shop.ask("select distinct horizon_days from ml.model_versions").await;
    assert!(horizons.contains("| 20 ") && !horizons.contains("| 15 "), "{horizons}");
    let scores = shop.ask("select distinct model_version from ml.churn_scores where night = '2026-04-06'").await;
    assert!(scores.contains("| 2026-04-05."), "{scores}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_no_class_is_refused_with_its_value() {
    let shop = shop();
    shop.write("sql/ml/churn.yml", &CHURN.replace("then 1 else 0", "then 1 else 2"));
    let report = shop.learn("2026-04-05").await;
    assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
    let said = message(&report);
    assert!(said.contains("the `label` of sql/ml/churn.yml gives 2 — a classifier's is 0 or 1"), "{said}");
}

fn message(report: &RunReport) -> String {
    let training = report.node_reports.iter().find(|found| found.node == "ml.churn_training").unwrap();
    training.message.clone().unwrap()
}
