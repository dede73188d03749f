//! What a learner promises from night to night.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use chrono::{Months, NaiveDate};
use serde_json::json;
use warehouse::learn::{Champion, Learner, Training, TrainingRows, Verdict};
use warehouse::project::ml::MlKind;
use warehouse::project::{MlNode, Overrides, Project};

use super::Recipes;

const TABLE: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: recency, type: DOUBLE }
  - { name: channel, type: VARCHAR }
";

fn node(more: &str) -> Arc<MlNode> {
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
    let churn = "kind: classifier\nentity: customer_id\nspine: features.spine\nfeatures: features.customer_night\n\
                 label: select 1\nhorizon: { days: 30 }\noutput: ml.churn_scores\n";
    write("sql/ml/churn.yml", &format!("{churn}{more}"));
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

fn recency(features: &RecordBatch) -> Vec<f64> {
    features.column(0).as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
}

/// Eight months of 120 customers. Those in the middle of recency leave, with some noise: no line tells them.
fn task(node: &Arc<MlNode>, champion: Option<Champion>) -> Training {
    let (customers, months) = (120_usize, 8_u32);
    let first = NaiveDate::from_ymd_opt(2025, 1, 31).unwrap();
    let rows = customers * months as usize;
    let features_of_rows = features(rows, 1);
    let recency = recency(&features_of_rows);
    let labels = recency.iter().enumerate().map(|(row, recency)| {
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

/// A champion of a recipe that was searched for so long ago that challengers are heard.
fn before_the_judge(recipe: &str, candidates: &str) -> Training {
    let first = Recipes.train(&task(&node(candidates), None)).unwrap();
    task(&node(FOREST), Some(champion(recipe, &first, json!(null))))
}

#[test]
fn the_first_night_ships_the_best_of_a_search_and_any_number_of_threads_gives_its_bytes() {
    let task = task(&node(FOREST), None);
    let one = Recipes.train(&task).unwrap();
    let two = Recipes.train(&Training { threads: 2, ..task.clone() }).unwrap();
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
fn a_challenger_that_is_no_better_is_refused_and_the_champions_recipe_is_fitted_anew() {
    let good = "classifier forest depth=6 folds=2 min_rows=5 trees=40";
    let found = Recipes.train(&before_the_judge(good, FOREST)).unwrap();
    assert!(found.reason.contains("not better by more than chance"), "{}", found.reason);
    assert!(found.recipe.contains("trees=40"), "{}", found.recipe);
    assert!(found.sections["backtests"].iter().any(|row| row["role"] == "challenger"));
}

#[test]
fn a_challenger_that_is_better_by_more_than_chance_ships() {
    let bad = "classifier logistic folds=2";
    let found = Recipes.train(&before_the_judge(bad, "candidates: [{ family: logistic }]\n")).unwrap();
    let heard = &found.sections["backtests"];
    assert!(found.reason.contains("better than logistic on later rows"), "{}: {heard:#?}", found.reason);
    assert_eq!(found.family, "forest");
    assert!(found.artefact.is_some());
}

#[test]
fn a_usual_night_refits_the_champions_recipe_and_searches_nothing() {
    let first = Recipes.train(&task(&node(FOREST), None)).unwrap();
    let memory = json!({ "searched_on": "2025-09-29", "search": { "searches": 3, "spent": 0, "tried": [] } });
    let before = champion(&first.recipe, &first, memory);
    let found = Recipes.train(&task(&node(FOREST), Some(before))).unwrap();
    assert_eq!(found.reason, "refitted with the rows of 2025-10-01");
    assert_eq!(found.memory["search"]["searches"], 3);
}

#[test]
fn a_promoted_recipe_ships_whatever_the_candidates_are() {
    let first = Recipes.train(&task(&node(FOREST), None)).unwrap();
    let promoted = Champion { is_promoted: true, ..champion("classifier logistic", &first, json!(null)) };
    let found = Recipes.train(&task(&node(FOREST), Some(promoted))).unwrap();
    assert_eq!((found.family.as_str(), found.artefact.is_some()), ("logistic", true));
    assert_eq!(found.reason, "the recipe of 2025-09-30.00000000 was promoted");
}

#[test]
fn a_model_that_does_not_pass_the_gate_does_not_ship_and_the_reason_has_both_numbers() {
    let gated = node(&format!("{FOREST}metric: auc\ngate: {{ metric: 0.99 }}\n"));
    let found = Recipes.train(&task(&gated, None)).unwrap();
    assert!(found.artefact.is_none());
    assert!(
        found.reason.starts_with("roc_auc is 0.") && found.reason.ends_with("`gate` asks for 0.99"),
        "{}",
        found.reason
    );
}

#[test]
fn a_regressor_says_by_tenths_what_it_predicted_what_came_and_how_often_its_interval_held() {
    let node = node("candidates: [{ family: ridge, set: { folds: 2 } }]\n");
    let mut spec = node.spec.clone();
    spec.kind = MlKind::Regressor;
    let node = Arc::new(MlNode { spec, ..(*node).clone() });
    let mut task = task(&node, None);
    let recency = recency(&task.rows.features);
    task.rows.labels =
        recency.iter().enumerate().map(|(row, recency)| 3.0 * recency + chance(row as u64 + 90_000) as f64).collect();
    let found = Recipes.train(&task).unwrap();
    let bins = &found.sections["calibration"];
    assert_eq!(bins.len(), 10, "{bins:#?}");
    let of = |bin: &serde_json::Value, column: &str| bin[column].as_f64().unwrap();
    assert_eq!(bins.iter().map(|bin| of(bin, "rows")).sum::<f64>(), 360.0);
    for pair in bins.windows(2) {
        assert!(of(&pair[0], "mean_score") < of(&pair[1], "mean_score"), "{bins:#?}");
    }
    for bin in bins {
        assert!((of(bin, "mean_score") - of(bin, "mean_label")).abs() < 20.0, "{bin:#?}");
    }
    let covered: f64 = bins.iter().map(|bin| of(bin, "rows") * of(bin, "coverage")).sum::<f64>() / 360.0;
    assert!((0.85..0.97).contains(&covered), "intervals of 90 %: {covered}");
}

#[test]
fn a_damaged_model_is_refused() {
    let first = Recipes.train(&task(&node(FOREST), None)).unwrap();
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
