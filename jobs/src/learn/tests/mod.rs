//! What a learner promises from night to night.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use chrono::{Months, NaiveDate};
use serde_json::json;
use warehouse::learn::{Champion, Learner, Training, TrainingRows, Verdict, lift_of, promised};
use warehouse::project::{MlNode, Overrides, Project};

use super::Recipes;
use super::backtest::above_median;

mod searches;

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
        newest: features(200, 3),
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
    let of_role = |role: &str| one.sections["backtests"].iter().filter(|row| row["role"] == role).collect::<Vec<_>>();
    let metrics: Vec<&str> = of_role("champion").iter().filter_map(|row| row["metric"].as_str()).collect();
    assert_eq!(metrics[..3], ["log_loss", "roc_auc", "brier"]);
    let report = json!({ "backtests": one.sections["backtests"] });
    let lifts: Vec<f64> = (1..=10).map(|tenth| promised(&report, &lift_of(tenth)).unwrap()).collect();
    assert!(lifts[0] > 1.3 && lifts[9] < 0.7, "{lifts:?}");
    assert!((lifts.iter().sum::<f64>() / 10.0 - 1.0).abs() < 1e-9, "{lifts:?}");
    assert!(of_role("champion").iter().chain(&of_role("chance")).all(|row| row["rows"] == 360));
    assert!(of_role("candidate").iter().any(|row| row["recipe"] == one.recipe.as_str() && row["value"].is_f64()));
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
fn a_regressor_that_cannot_tell_large_from_small_does_not_ship() {
    let node = node_of("regressor", FOREST);
    let found = Recipes.train(task(&node, None)).unwrap();
    assert!(found.artefact.is_some(), "{}", found.reason);
    let found = Recipes.train(shuffled(task(&node, None))).unwrap();
    assert!(found.artefact.is_none());
    assert!(found.reason.starts_with("no better than chance on 360 rows"), "{}", found.reason);
}

#[test]
fn a_heavy_tail_or_a_greatest_value_that_most_have_leaves_two_sides_to_tell_apart() {
    assert_eq!(above_median(&[0.0, 3.0, 1e9, 1.0, 2.0]), [0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(above_median(&[0.0, 0.0, 0.0, 5.0]), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(above_median(&[7.0, 7.0, 1.0, 7.0]), [1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn a_regressor_says_by_tenths_what_it_predicted_what_came_and_how_often_its_interval_held() {
    let mut task = task(&node_of("regressor", "candidates: [{ family: ridge, set: { folds: 2 } }]\n"), None);
    let recency = recency(&task.rows.features);
    task.rows.labels =
        recency.iter().enumerate().map(|(row, recency)| 3.0 * recency + chance(row as u64 + 90_000) as f64).collect();
    let found = Recipes.train(task).unwrap();
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
    let report = json!({ "backtests": found.sections["backtests"] });
    let lifts: Vec<f64> = (1..=10).map(|tenth| promised(&report, &lift_of(tenth)).unwrap()).collect();
    assert!(lifts.is_sorted_by(|a, b| a > b), "the highest predictions first: {lifts:?}");
    assert!((lifts.iter().sum::<f64>() / 10.0 - 1.0).abs() < 0.01, "{lifts:?}");
}

/// The task with columns beside its own.
fn with_columns(task: Training, columns: impl IntoIterator<Item = (String, ArrayRef)>) -> Training {
    let rows = task.rows.labels.len();
    let wider = |batch: &RecordBatch, columns: &[(String, ArrayRef)]| {
        let own = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let own = own.into_iter().zip(batch.columns().iter().cloned());
        let more = columns.iter().map(|(name, values)| (name.clone(), values.slice(0, batch.num_rows())));
        RecordBatch::try_from_iter(own.chain(more)).unwrap()
    };
    let columns: Vec<(String, ArrayRef)> = columns.into_iter().collect();
    assert!(columns.iter().all(|(_, values)| values.len() == rows));
    let features = wider(&task.rows.features, &columns);
    let (tonight, newest) = (wider(&task.tonight, &columns), wider(&task.newest, &columns));
    Training { tonight, newest, rows: TrainingRows { features, ..task.rows }, ..task }
}

fn said_of<'a>(verdict: &'a Verdict, column: &str) -> &'a serde_json::Value {
    verdict.sections["importance"].iter().find(|row| row["column_name"] == column).unwrap()
}

/// A usual night whose champion knows its rows by heart, with what its backtest promised (log-loss).
fn after_one_by_heart(promise: f64) -> Verdict {
    let shallow = "classifier forest trees=20 depth=3 min_rows=20 folds=2";
    let by_heart = promoted("classifier forest trees=20 depth=16 min_rows=1 calibration=none");
    let first = Recipes.train(task(&node(FOREST), None)).unwrap();
    let mut memory = first.memory;
    memory["searched_on"] = json!("2025-09-30");
    let before = champion(shallow, &by_heart, memory.clone());
    let backtests = json!([{ "role": "champion", "metric": "log_loss", "value": promise }]);
    let report = json!({ "memory": memory, "backtests": backtests });
    Recipes.train(task(&node(FOREST), Some(Champion { report, ..before }))).unwrap()
}

#[test]
fn a_refit_is_refused_where_it_is_worse_on_the_newest_rows_and_below_what_was_promised() {
    let refused = after_one_by_heart(0.01);
    assert!(refused.artefact.is_none(), "{}", refused.reason);
    assert!(refused.reason.contains("tonight's fit is worse on the newest rows"), "{}", refused.reason);
    let ships = after_one_by_heart(9.0);
    assert!(ships.artefact.is_some(), "{}", ships.reason);
}

#[test]
fn a_tree_is_said_to_take_missing_values_as_they_are_and_infinite_ones_as_the_greatest() {
    let task = task(&node(FOREST), None);
    let odd = (0..task.rows.labels.len()).map(|row| match row % 50 {
        0 => None,
        1 => Some(f64::INFINITY),
        _ => Some(chance(row as u64 + 9_000) as f64),
    });
    let odd: ArrayRef = Arc::new(Float64Array::from_iter(odd));
    let found = Recipes.train(with_columns(task, [("odd".to_owned(), odd)])).unwrap();
    let said = "as it is, missing values too; infinite is the greatest or the least finite value";
    assert_eq!(said_of(&found, "odd")["treatment"], said);
}

fn told_apart(newest: RecordBatch, tonight: RecordBatch) -> f64 {
    let found = Recipes.train(Training { newest, tonight, ..task(&node(FOREST), None) }).unwrap();
    let row = found.sections["drift"].iter().find(|row| row["measure"] == "c2st").unwrap();
    row["value"].as_f64().unwrap()
}

#[test]
fn drift_is_of_rows_drawn_alike_and_a_column_that_tells_the_night_is_all_of_it() {
    let moved = |by: f64| {
        let tonight = features(600, 2);
        let recency: ArrayRef =
            Arc::new(Float64Array::from_iter_values(recency(&tonight).iter().map(|days| days + by)));
        let columns = std::iter::once(recency).chain(tonight.columns().iter().skip(1).cloned());
        RecordBatch::try_new(tonight.schema(), columns.collect()).unwrap()
    };
    let same = told_apart(features(600, 3), moved(0.0));
    assert!((0.4..0.6).contains(&same), "{same}");
    let some = told_apart(features(600, 3), moved(30.0));
    assert!((0.6..0.95).contains(&some), "{some}");
    let all = told_apart(features(600, 3), moved(1_000.0));
    assert!(all > 0.99, "{all}");
}

#[test]
fn an_identifier_among_the_columns_is_warned_of_though_each_entity_has_many_rows() {
    let task = task(&node(FOREST), None);
    let text = task
        .rows
        .entities
        .iter()
        .map(|entity| Some(format!("c{}", chance(u64::from(*entity)) * 1000 + u64::from(*entity))));
    let text: ArrayRef = Arc::new(StringArray::from_iter(text));
    let number: ArrayRef =
        Arc::new(Int64Array::from_iter_values(task.rows.entities.iter().map(|entity| i64::from(*entity) * 7)));
    // Each of ten shops has many customers; an amount is another each month.
    let shop: ArrayRef =
        Arc::new(Int64Array::from_iter_values(task.rows.entities.iter().map(|entity| i64::from(*entity % 10))));
    let amount: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..task.rows.labels.len() as i64).map(|row| row * row)));
    let columns = [("account", text), ("number", number), ("shop", shop), ("amount", amount)];
    let found = Recipes.train(with_columns(task, columns.map(|(name, values)| (name.to_owned(), values)))).unwrap();
    for (column, warned) in
        [("account", true), ("number", true), ("shop", false), ("amount", false), ("recency", false)]
    {
        let warning = &said_of(&found, column)["warning"];
        assert_eq!(
            warning.as_str().is_some_and(|said| said.contains("name it in `exclude`")),
            warned,
            "{column}: {warning}"
        );
    }
}

#[test]
fn a_column_that_is_0_on_all_rows_is_left_out_and_said_and_is_all_there_is_refused() {
    let task = task(&node(FOREST), None);
    let ages: ArrayRef = Arc::new(Float64Array::from(vec![0.0; task.rows.labels.len()]));
    let found = Recipes.train(with_columns(task.clone(), [("age".to_owned(), Arc::clone(&ages))])).unwrap();
    assert_eq!(said_of(&found, "age")["treatment"], "left out: one value in every row");
    assert_eq!(said_of(&found, "age")["warning"], "has one value in every row, and is left out");
    assert!(said_of(&found, "recency")["warning"].is_null());
    assert_eq!(said_of(&found, "recency")["treatment"], "as it is");
    assert!(found.artefact.is_some());
    let constant = |rows: usize| RecordBatch::try_from_iter([("age", ages.slice(0, rows))]).unwrap();
    let rows = TrainingRows { features: constant(task.rows.labels.len()), ..task.rows };
    let refused = Recipes
        .train(Training { rows, tonight: constant(200), newest: constant(200), ..task })
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no column is left: all 1 are constant, empty or identifiers"), "{refused}");
}

#[test]
fn one_positive_in_a_thousand_is_learnt_from_and_the_probabilities_are_as_rare() {
    let node = node("candidates: [{ family: logistic, set: { folds: 2 } }]\n");
    let task = task(&node, None);
    let (customers, months) = (2_500_usize, 8_usize);
    let rows = customers * months;
    let first = task.rows.nights[0];
    let features_of_rows = features(rows, 5);
    // One in a hundred of those with the highest recency, a tenth of all.
    let rare =
        |(row, recency): (usize, &f64)| f64::from(u8::from(*recency >= 90.0 && chance(row as u64 + 600_000) == 7));
    let labels: Vec<f64> = recency(&features_of_rows).iter().enumerate().map(rare).collect();
    let positives = labels.iter().sum::<f64>();
    assert!((10.0..40.0).contains(&positives), "{positives}");
    let rows = TrainingRows {
        features: features_of_rows,
        entities: (0..rows).map(|row| (row % customers) as u32).collect(),
        nights: (0..rows).map(|row| first + Months::new((row / customers) as u32)).collect(),
        labels,
    };
    let found = Recipes.train(Training { rows, ..task.clone() }).unwrap();
    let scorer = Recipes.open(found.artefact.as_deref().unwrap()).unwrap();
    let scores = scorer.score(&task.tonight, 0).unwrap().scores;
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    assert!((0.0003..0.004).contains(&mean), "{mean}");
}

#[test]
fn five_thousand_columns_are_learnt_from_and_scored_with_reasons() {
    let node =
        node("candidates: [{ family: forest, set: { trees: 5, depth: 3, min_rows: 5, column_share: 1, folds: 2 } }]\n");
    let task = task(&node, None);
    let rows = task.rows.labels.len() as u64;
    let column = |place: u64| -> (String, ArrayRef) {
        let values = (0..rows).map(|row| chance(row * 5_003 + place) as f64);
        (format!("c{place}"), Arc::new(Float64Array::from_iter_values(values)))
    };
    let task = with_columns(task, (0..4_998).map(column));
    assert_eq!(task.rows.features.num_columns(), 5_000);
    let found = Recipes.train(task.clone()).unwrap();
    assert_eq!(found.sections["importance"].len(), 5_000);
    let scored = Recipes.open(found.artefact.as_deref().unwrap()).unwrap().score(&task.tonight, 3).unwrap();
    assert!(scored.reasons.iter().all(|reasons| reasons.len() <= 3));
    assert_eq!(scored.scores.len(), 200);
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
