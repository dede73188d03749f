//! ML nodes from night to night: leaks, outcomes, stages, decisions, what happens to a model's bytes.

use arrow::array::cast::AsArray;

use super::learn::{CHURN, NIGHT, SCORES, SPINE, shop};
use super::materialize::status;
use super::stages::released;
use super::*;
use crate::run::{Decision, decide_on_model, model_decisions};

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_reads_what_came_after_is_caught_with_column_entity_and_both_values() {
    let shop = shop();
    let leak = NIGHT.replace("o.ordered_on <= s.night", "o.ordered_on <= s.night + interval '5' day");
    shop.write("sql/features/shop/customer_night.sql", &leak);
    let report = shop.learn("2026-04-05").await;
    assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
    let found = report.node_reports.iter().find(|report| report.node == "ml.churn_training").unwrap();
    let said = found.message.clone().unwrap_or_default();
    assert_eq!(found.status, "failed");
    assert!(said.contains("column `orders` of `features.customer_night` is 6 for customer_id r"), "{said}");
    assert!(said.contains("at night 2026-02-16, and 5 by what had happened until then"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spine_that_picks_by_what_came_after_is_caught_by_whom_it_left_out_or_took() {
    // Only those who would come back within five days, and all but those.
    for (having, said) in [("max(ordered_on) > $night", "r0 is in"), ("max(ordered_on) <= $night", "r0 is not in")] {
        let shop = shop();
        let spine = SPINE.replace("<= $night", "<= $night + interval '5' day") + " having " + having;
        shop.write("sql/features/shop/spine.sql", &spine);
        let report = shop.learn("2026-04-05").await;
        let found = report.node_reports.iter().find(|report| report.node == "ml.churn_training").unwrap();
        let told = found.message.clone().unwrap_or_default();
        assert_eq!(found.status, "failed", "{report:#?}");
        assert!(told.contains(&format!("customer_id {said} `features.spine` at night 2026-02-16")), "{told}");
        assert!(told.contains("whom it picks must not hang on what came after"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_late_is_counted_and_is_no_leak() {
    let shop = shop();
    let late = "customer_id,order_id,ordered_at,amount\nr3,late,2026-02-01 10:00:00,1.00\n";
    shop.write("raw/orders/orders_2026-03-20.csv", late);
    assert_eq!(shop.learn("2026-04-05").await.status, RunStatus::Done);
    let counted = shop.ask("select outcome, late_rows, leaks_checked_on from ml.churn_training").await;
    assert!(counted.contains("| shipped | 1         | 2026-04-05 "), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_a_past_night_are_held_against_what_that_night_stored() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    shop.learn("2026-04-12").await;
    let restated = "select night, restated_rows from ml.churn_training order by night";
    let same = shop.ask(restated).await;
    assert!(same.contains("| 2026-04-05 |               |") && same.contains("| 2026-04-12 | 0 "), "{same}");
    // The export of January comes anew, with one customer's orders left out.
    let export = std::fs::read_to_string(shop.root.path().join("raw/orders/orders_2026-01-01.csv")).unwrap();
    let without: Vec<&str> = export.lines().filter(|line| !line.starts_with("r3,r3-4")).collect();
    assert_eq!(without.len() + 1, export.lines().count());
    shop.write("raw/orders/orders_2026-01-01.csv", &(without.join("\n") + "\n"));
    shop.learn("2026-04-19").await;
    let found = shop.ask(restated).await;
    assert!(found.contains("| 2026-04-19 | 1 "), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_population_is_learnt_from_and_scored() {
    let shop = shop();
    assert_eq!(shop.learn("2026-04-05").await.status, RunStatus::Done);
    let scored = "select count(*) as n from ml.churn_scores";
    let all = shop.ask(scored).await;
    shop.write("sql/ml/churn.yml", &populated("customer_id not in ('o0', 'r0') -- who only tried"));
    assert_eq!(shop.learn("2026-04-05").await.status, RunStatus::Done);
    let some = shop.ask(scored).await;
    assert!(all.contains("| 12 |") && some.contains("| 10 |"), "{all}\n{some}");
    let learnt = shop.ask("select rows, entities, unlabelled from ml.churn_training").await;
    assert!(learnt.contains("| 30   | 10       | 0 "), "{learnt}");
}

fn populated(condition: &str) -> String {
    CHURN.replace("label: |", &format!("population: {condition}\nlabel: |"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_population_that_is_no_condition_on_the_features_is_the_users_mistake_with_file_and_line() {
    for (condition, said) in [
        ("visits > 1", "visits"),
        ("night = $night", "there is no parameter `$night` — a row's night is its column `night`"),
        (
            "customer_id in (select customer_id from staging.stg_shop__orders)",
            "it reads `staging.stg_shop__orders` — a condition is on the columns of `features.customer_night` alone",
        ),
        ("orders > 1) as f union all (select 1", "population"),
    ] {
        let shop = shop();
        shop.write("sql/ml/churn.yml", &populated(condition));
        let project = Project::load(shop.root.path(), &Overrides::default(), &|_| None, &[]).unwrap();
        let clock = Arc::new(FixedClock::new("2026-05-10T03:00:00Z".parse().unwrap()));
        let told = match RunContext::open(project, &|_| None, clock).await {
            Err(error) => error.to_string(),
            Ok(context) => {
                let request = RunRequest { night: "2026-04-05".parse().unwrap(), ..RunRequest::default() };
                run_night(&context, &request).await.unwrap_err().to_string()
            }
        };
        assert!(told.contains("sql/ml/churn.yml:6") && told.contains(said), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_without_a_leak_are_checked_once_a_week_for_the_same_code() {
    let shop = shop();
    for night in ["2026-04-05", "2026-04-06", "2026-04-13"] {
        assert_eq!(shop.learn(night).await.status, RunStatus::Done);
    }
    let checked = "select night, leaks_checked_on, late_rows from ml.churn_training order by night";
    let found = shop.ask(checked).await;
    assert!(found.contains("| 2026-04-05 | 2026-04-05 "), "{found}");
    assert!(found.contains("| 2026-04-06 | 2026-04-05 "), "{found}");
    assert!(found.contains("| 2026-04-13 | 2026-04-13 "), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_scores_are_held_against_what_came_once_their_horizon_has_passed() {
    let shop = shop();
    shop.learn("2026-03-01").await;
    shop.learn("2026-03-02").await;
    let none = shop.ask("select count(*) as n from ml.outcomes").await;
    assert!(none.contains("| 0 |"), "{none}");
    shop.learn("2026-03-21").await;
    let first = shop.ask("select night, rows, metric, value from ml.outcomes where decile = 0 order by night").await;
    assert!(first.contains("| 2026-03-01 | 12   | roc_auc | 1.0 "), "{first}");
    assert_eq!(first.matches("roc_auc").count(), 1, "{first}");
    let promised = "select decile, rows, lift, promised, promised_lift from ml.outcomes order by decile";
    let promised = shop.ask(promised).await;
    for row in
        ["| 0      | 12   | 1.0  | 0.875    |               |", "| 3      | 6    | 2.0  |          | 1.75          |"]
    {
        assert!(promised.contains(row), "{promised}");
    }
    assert!(promised.contains("| 8      | 6    | 0.0  |          | 0.25 "), "{promised}");
    shop.learn("2026-03-22").await;
    let both =
        shop.ask("select night, sum(rows) as n from ml.outcomes where decile > 0 group by night order by night").await;
    assert!(both.contains("| 2026-03-01 | 12 |") && both.contains("| 2026-03-02 | 12 |"), "{both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stage_by_stage_comes_to_what_one_run_does() {
    let (parts, whole) = (shop(), shop());
    let stages = [Stage::Ingest, Stage::Build, Stage::Train, Stage::Score, Stage::Publish];
    for stage in stages {
        let report = parts.learn_as("2026-04-05", RunRequest { stage: Some(stage), ..RunRequest::default() }).await;
        assert_eq!(report.exit_kind, None, "{stage:?}: {report:#?}");
        let computed =
            |node: &str| report.node_reports.iter().any(|found| found.node == node && found.status == "built");
        match stage {
            Stage::Build => {
                assert!(computed("features.customer_night") && !computed("ml.churn_training"), "{report:#?}")
            }
            Stage::Train => assert!(computed("ml.churn_training") && !computed("ml.churn_scores"), "{report:#?}"),
            Stage::Score => assert!(computed("ml.churn_scores"), "{report:#?}"),
            _ => {}
        }
    }
    whole.learn("2026-04-05").await;
    assert_eq!(parts.ask(SCORES).await, whole.ask(SCORES).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_a_model_yet_goes_out_stage_by_stage_as_in_one_run() {
    let (parts, whole) = (shop(), shop());
    let night = "2026-01-10";
    let expected = whole.learn(night).await;
    assert_eq!(status(&expected, "ml.churn_scores"), "held");
    for stage in [Stage::Ingest, Stage::Build, Stage::Train, Stage::Score] {
        let report = parts.learn_as(night, RunRequest { stage: Some(stage), ..RunRequest::default() }).await;
        assert_eq!(report.exit_kind, None, "{stage:?}: {report:#?}");
    }
    let publish = RunRequest { stage: Some(Stage::Publish), ..RunRequest::default() };
    let published = parts.learn_as(night, publish).await;
    let told = |report: &RunReport| {
        let scores = report.node_reports.iter().find(|found| found.node == "ml.churn_scores").unwrap();
        let because = (scores.status.clone(), scores.message.clone());
        (report.status.clone(), report.exit_kind.clone(), report.release.clone(), report.held.clone(), because)
    };
    assert_eq!(told(&published), told(&expected), "{published:#?}");
    assert_eq!(released(&parts).await, released(&whole).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_was_not_trained_is_not_published() {
    let shop = shop();
    for stage in [Stage::Ingest, Stage::Build] {
        shop.learn_as("2026-04-05", RunRequest { stage: Some(stage), ..RunRequest::default() }).await;
    }
    let request =
        RunRequest { night: "2026-04-05".parse().unwrap(), stage: Some(Stage::Publish), ..RunRequest::default() };
    let error = run_night(&shop.learning().await, &request).await.unwrap_err().to_string();
    assert!(
        error.contains("run `buho train --night 2026-04-05`, then `buho score --night 2026-04-05` first"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_version_counts_for_the_next_training_and_for_no_other() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    shop.learn("2026-04-06").await;
    let context = shop.learning().await;
    let version = version_of(&shop, "2026-04-05").await;
    let decision = Decision { action: "promote".to_owned(), version, at: context.clock.now() };
    decide_on_model(&context.lake, "churn", &decision).await.unwrap();
    assert_eq!(model_decisions(&context.lake, "churn").await.unwrap(), [decision]);
    let again = shop.learn("2026-04-06").await;
    assert_eq!(status(&again, "ml.churn_training"), "built", "the same night is trained anew: {again:#?}");
    shop.learn("2026-04-07").await;
    let said = shop.ask("select night, decision, reason from ml.churn_training order by night").await;
    assert!(said.contains("| 2026-04-05 | 0        | learnt"), "{said}");
    assert!(said.contains("| 2026-04-06 | 1        | promoted"), "{said}");
    assert!(said.contains("| 2026-04-07 | 1        | learnt"), "{said}");
}

async fn version_of(shop: &Shop, night: &str) -> String {
    let context = shop.learning().await;
    let reader =
        Reader::open(&context.project, &context.lake, &context.engine, None, context.clock.as_ref()).await.unwrap();
    let query = format!("select version from ml.churn_training where night = '{night}'");
    let rows = reader.query(&query).await.unwrap().collect().await.unwrap();
    let text = arrow::compute::cast(rows[0].column(0), &arrow::datatypes::DataType::Utf8).unwrap();
    text.as_string::<i32>().value(0).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_rolled_back_takes_its_model_with_it() {
    let shop = shop();
    let first = shop.learn("2026-04-05").await.release.unwrap();
    shop.learn("2026-04-06").await;
    rollback(&shop.learning().await, first.parse().unwrap()).await.unwrap();
    let nights = shop.ask("select night, outcome from ml.churn_training").await;
    assert!(nights.contains("2026-04-05") && !nights.contains("2026-04-06"), "{nights}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_tiers_scores_anew_and_trains_nothing() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    shop.write("sql/ml/churn.yml", &CHURN.replace("at_least: 0.6", "at_least: 0.7"));
    let report = shop.learn("2026-04-05").await;
    assert_eq!(status(&report, "ml.churn_training"), "skipped");
    assert_eq!(status(&report, "ml.churn_scores"), "built");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_a_model_yet_is_planned_and_selected_like_any_other() {
    let shop = shop();
    let context = shop.learning().await;
    let selected = crate::graph::select("ml.churn_training+", &context.graph).unwrap();
    for name in ["ml.churn_training", "ml.churn_scores", "ml.model_versions", "ml.outcomes"] {
        assert!(selected.contains(name), "{selected:?}");
    }
    let request = RunRequest { night: "2026-04-05".parse().unwrap(), ..RunRequest::default() };
    let plan = plan_night(&context, &request).await.unwrap();
    let training = plan.nodes.iter().find(|node| node.node == "ml.churn_training").unwrap();
    assert_eq!((training.action.as_str(), training.why.as_str()), ("build", "it was never built"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_a_newer_buho_makes_otherwise_from_what_the_project_changed() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    let mut context = shop.learning().await;
    // As if an engine before this one had made the scores by the same model.
    let fingerprint = context.graph.node("ml.churn_scores").unwrap().fingerprint.to_string();
    let release = shop.root.path().join("lake/_buho/releases/2026-04-05-000001.json");
    let written = std::fs::read_to_string(&release).unwrap();
    let older = written.replace(&fingerprint, "0123");
    assert_ne!(older, written);
    std::fs::write(&release, older).unwrap();
    let nodes = &mut Arc::make_mut(&mut context.graph).nodes;
    let scores = nodes.iter_mut().find(|node| node.name == "ml.churn_scores").unwrap();
    scores.former = vec![("0123".to_owned(), "reasons".to_owned())];
    let request = RunRequest { night: "2026-04-05".parse().unwrap(), ..RunRequest::default() };
    let why = async |context: &RunContext| {
        let plan = plan_night(context, &request).await.unwrap();
        plan.nodes.iter().find(|node| node.node == "ml.churn_scores").unwrap().why.clone()
    };
    assert_eq!(why(&context).await, "this version of buho makes it otherwise: reasons");
    assert_eq!(why(&shop.learning().await).await, "its SQL or columns changed");
}
