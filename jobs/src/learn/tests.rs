//! What a learner promises from night to night.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use chrono::{Months, NaiveDate};
use serde_json::json;
use warehouse::learn::{Champion, Learner, Training, TrainingRows, Verdict};
use warehouse::project::{MlNode, Overrides, Project};

use super::Recipes;

const TABLE: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: recency, type: DOUBLE }
  - { name: channel, type: VARCHAR }
";

fn node(more: &str) -> Arc<MlNode> {
    node_of("classifier", more)
}

fn node_of(kind: &str, more: &str) -> Arc<MlNode> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let full = folder.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    };
    write("buho.toml", "");
    for name in ["spine", "customer_night"] {
        write(&format!("sql/features/shop/{name}.sql"), "select 1");
        write(&format!("sql/features/shop/{name}.yml"), TABLE);
    }
    let churn = "entity: customer_id\nspine: features.spine\nfeatures: features.customer_night\n\
                 label: select 1\nhorizon: { days: 30 }\noutput: ml.churn_scores\n";
    write("sql/ml/churn.yml", &format!("kind: {kind}\n{churn}{more}"));
    let project = Project::load(folder.path(), &Overrides::default(), &|_| None, &[]).unwrap();
    Arc::clone(&project.ml[0])
}

const FOREST: &str = "candidates: [{ family: forest, set: { trees: 20, depth: 6, min_rows: 5, folds: 2 } }]\n";

/// A number below 100, the same for the same one: the mixer of SplitMix64 (Steele et al. 2014).
fn chance(of: u64) -> u64 {
    let mut mixed = of.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 100
}

fn features(rows: usize, seed: u64) -> RecordBatch {
    let recency = (0..rows as u64).map(|row| chance(row + seed * 10_000) as f64);
    let channel = (0..rows).map(|row| Some(["web", "shop"][row % 2]));
    let columns: [(&str, ArrayRef); 2] = [
        ("recency", Arc::new(Float64Array::from_iter_values(recency))),
        ("channel", Arc::new(StringArray::from_iter(channel))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Eight months of 120 customers. Those in the middle of recency leave, with some noise: no line tells them.
fn task(node: &Arc<MlNode>, champion: Option<Champion>) -> Training {
    let (customers, months) = (120_usize, 8_u32);
    let first = NaiveDate::from_ymd_opt(2025, 1, 31).unwrap();
    let rows = customers * months as usize;
    let features_of_rows = features(rows, 1);
    let recency = features_of_rows.column(0).as_any().downcast_ref::<Float64Array>().unwrap().clone();
    let labels = recency.values().iter().enumerate().map(|(row, recency)| {
        let leaves = (30.0..75.0).contains(recency);
        f64::from(u8::from(leaves != (chance(row as u64 + 70_000) < 20)))
    });
    Training {
        node: Arc::clone(node),
        night: NaiveDate::from_ymd_opt(2025, 10, 1).unwrap(),
        horizon_days: 30,
        rows: TrainingRows {
            features: features_of_rows,
            entities: (0..rows).map(|row| (row % customers) as u32).collect(),
            nights: (0..rows).map(|row| first + Months::new((row / customers) as u32)).collect(),
            labels: labels.collect(),
        },
        tonight: features(200, 2),
        sample_of: None,
        champion,
        threads: 1,
    }
}

fn champion(recipe: &str, shipped: &Verdict, memory: serde_json::Value) -> Champion {
    Champion {
        night: NaiveDate::from_ymd_opt(2025, 9, 30).unwrap(),
        version: "2025-09-30.00000000".to_owned(),
        recipe: recipe.to_owned(),
        is_promoted: false,
        artefact: shipped.artefact.clone().unwrap(),
        report: json!({ "memory": memory }),
    }
}

/// A recipe that ships because somebody asked for it.
fn promoted(recipe: &str) -> Verdict {
    let first = Recipes.train(task(&node(FOREST), None)).unwrap();
    let asked = Champion { is_promoted: true, ..champion(recipe, &first, json!(null)) };
    Recipes.train(task(&node(FOREST), Some(asked))).unwrap()
}

/// A champion of a recipe that was searched for so long ago that challengers are heard.
fn before_the_judge(recipe: &str) -> Training {
    task(&node(FOREST), Some(champion(recipe, &promoted(recipe), json!(null))))
}

/// Each label beside another row: as a join by the wrong key leaves them.
fn shuffled(task: Training) -> Training {
    let mut task = task;
    task.rows.labels.rotate_left(7);
    task
}

#[test]
fn the_first_night_ships_the_best_of_a_search_and_any_number_of_threads_gives_its_bytes() {
    let task = task(&node(FOREST), None);
    let one = Recipes.train(task.clone()).unwrap();
    let two = Recipes.train(Training { threads: 2, ..task.clone() }).unwrap();
    assert!(one.artefact.is_some() && one.artefact == two.artefact);
    assert!(one.metric_value.unwrap() < 0.65, "{:?}", one.metric_value);
    assert_eq!(one.sections["importance"][0]["column_name"], "recency");
    assert!(one.sections["backtests"].iter().all(|row| row["role"] == "champion" && row["rows"] == 360));
    let scorer = Recipes.open(one.artefact.as_deref().unwrap()).unwrap();
    let scored = scorer.score(&task.tonight, 2).unwrap();
    assert_eq!(scored.scores.len(), 200);
    assert_eq!(scored.reasons[0][0].column, 0);
}

#[test]
fn a_night_that_searches_says_what_its_sample_costs_and_a_usual_one_does_not_ask() {
    let node = node(&format!("{FOREST}sample: {{ entities: 120 }}\n"));
    let sampled = |champion| Training { sample_of: Some(1_200), ..task(&node, champion) };
    let first = Recipes.train(sampled(None)).unwrap();
    assert!(
        first.reason.contains("; learnt from a sample of 120 of 1200 entities, which costs about"),
        "{}",
        first.reason
    );
    let value = |role: &str| {
        let mut rows = first.sections["backtests"].iter();
        rows.find(|row| row["role"] == role && row["metric"] == "roc_auc").unwrap()["value"].as_f64().unwrap()
    };
    assert!(value("half_sample") > 0.5 && value("half_sample") != value("champion"));
    let memory = json!({ "searched_on": "2025-09-29", "search": { "searches": 3, "spent": 0, "tried": [] } });
    let usual = Recipes.train(sampled(Some(champion(&first.recipe, &first, memory)))).unwrap();
    assert_eq!(usual.reason, "refitted with the rows of 2025-10-01");
}

#[test]
fn a_challenger_that_is_no_better_is_refused_and_the_champions_recipe_is_fitted_anew() {
    let good = "classifier forest depth=6 folds=2 min_rows=5 trees=40";
    let found = Recipes.train(before_the_judge(good)).unwrap();
    assert!(found.reason.contains("not better by more than chance"), "{}", found.reason);
    assert!(found.recipe.contains("trees=40"), "{}", found.recipe);
    assert!(found.sections["backtests"].iter().any(|row| row["role"] == "challenger"));
}

#[test]
fn a_challenger_that_is_better_by_more_than_chance_ships() {
    let bad = "classifier logistic folds=2";
    let found = Recipes.train(before_the_judge(bad)).unwrap();
    let heard = &found.sections["backtests"];
    assert!(found.reason.contains("better than logistic on later rows"), "{}: {heard:#?}", found.reason);
    assert_eq!(found.family, "forest");
    assert!(found.artefact.is_some());
}

#[test]
fn a_usual_night_refits_the_champions_recipe_and_searches_nothing() {
    let first = Recipes.train(task(&node(FOREST), None)).unwrap();
    let memory = json!({ "searched_on": "2025-09-29", "search": { "searches": 3, "spent": 0, "tried": [] } });
    let before = champion(&first.recipe, &first, memory);
    let found = Recipes.train(task(&node(FOREST), Some(before))).unwrap();
    assert_eq!(found.reason, "refitted with the rows of 2025-10-01");
    assert_eq!(found.memory["search"]["searches"], 3);
}

#[test]
fn a_promoted_recipe_ships_whatever_the_candidates_are() {
    let found = promoted("classifier logistic");
    assert_eq!((found.family.as_str(), found.artefact.is_some()), ("logistic", true));
    assert_eq!(found.reason, "the recipe of 2025-09-30.00000000 was promoted");
}

#[test]
fn a_model_that_does_not_pass_the_gate_does_not_ship_and_the_reason_has_both_numbers() {
    let gated = node(&format!("{FOREST}metric: auc\ngate: {{ metric: 0.99 }}\n"));
    let found = Recipes.train(task(&gated, None)).unwrap();
    assert!(found.artefact.is_none());
    assert!(
        found.reason.starts_with("roc_auc is 0.") && found.reason.ends_with("`gate` asks for 0.99"),
        "{}",
        found.reason
    );
}

#[test]
fn a_model_of_shuffled_labels_is_no_better_than_chance_and_does_not_ship() {
    let found = Recipes.train(shuffled(task(&node(FOREST), None))).unwrap();
    assert!(found.artefact.is_none());
    assert!(found.reason.starts_with("no better than chance on 360 rows"), "{}", found.reason);
    assert!(found.sections["backtests"].iter().any(|row| row["role"] == "chance" && row["value"] == 0.5));
}

#[test]
fn a_champion_stays_where_tonights_labels_are_shuffled() {
    let first = Recipes.train(task(&node(FOREST), None)).unwrap();
    let before = champion(&first.recipe, &first, first.memory.clone());
    let found = Recipes.train(shuffled(task(&node(FOREST), Some(before)))).unwrap();
    assert!(found.artefact.is_none() && found.reason.starts_with("no better than chance"), "{}", found.reason);
}

#[test]
fn a_regressor_that_errs_no_less_than_one_number_for_all_does_not_ship() {
    for metric in ["rmse", "mae"] {
        let node = node_of("regressor", &format!("{FOREST}metric: {metric}\n"));
        let found = Recipes.train(task(&node, None)).unwrap();
        assert!(found.artefact.is_some(), "{metric}: {}", found.reason);
        let found = Recipes.train(shuffled(task(&node, None))).unwrap();
        assert!(found.artefact.is_none(), "{metric}");
        assert!(found.reason.starts_with("no better than chance on 360 rows"), "{}", found.reason);
    }
}

#[test]
fn a_damaged_model_is_refused() {
    let first = Recipes.train(task(&node(FOREST), None)).unwrap();
    let mut bytes = first.artefact.unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(Recipes.open(&bytes).is_err());
}

#[test]
fn families_and_parameters_that_are_not_there_are_named_with_the_nearest() {
    let faults = Recipes.faults(&node("candidates: [{ family: forrest }, { family: boosting, set: { leafs: 3 } }]\n"));
    let said: Vec<(usize, bool)> =
        faults.iter().map(|fault| (fault.candidate, fault.message.contains("did you mean `"))).collect();
    assert_eq!(said, [(0, true), (1, true)], "{faults:?}");
}
