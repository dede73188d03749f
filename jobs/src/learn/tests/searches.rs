//! Searches, and challengers before the judge.

use super::*;

/// Two families whose parameters are sought.
const SOUGHT: &str = "candidates: [{ family: forest, set: { trees: 20, folds: 2 }, search: { depth: { from: 2, to: 8 } } }, \
                      { family: logistic, search: { penalty: { from: 0.1, to: 100 } } }]\n";

/// The rows of the backtests of a role: recipe and value.
fn heard<'a>(verdict: &'a Verdict, role: &str) -> Vec<(&'a str, f64)> {
    let rows = verdict.sections["backtests"].iter().filter(|row| row["role"] == role);
    rows.map(|row| (row["recipe"].as_str().unwrap(), row["value"].as_f64().unwrap())).collect()
}

/// A champion of a recipe that was searched for so long ago that challengers are heard.
fn before_the_judge(recipe: &str) -> Training {
    task(&node(FOREST), Some(champion(recipe, &promoted(recipe), json!(null))))
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
fn what_judges_a_candidate_has_not_chosen_it() {
    let task = task(&node(FOREST), None);
    let found = Recipes.train(task.clone()).unwrap();
    let tried = found.memory["search"]["tried"].as_array().unwrap();
    let most = tried.iter().filter_map(|tried| tried["rows"].as_u64()).max().unwrap();
    let judged = found.sections["backtests"][0]["rows"].as_u64().unwrap();
    // The nights that judge, and the one before them that chose.
    assert!(judged > 0 && most + judged + 120 <= task.rows.labels.len() as u64, "{most} {judged}");
}

#[test]
fn a_usual_night_refits_the_best_few_of_the_last_search_and_remembers_what_they_came_to() {
    let node = node(SOUGHT);
    let first = Recipes.train(task(&node, None)).unwrap();
    let mut memory = first.memory.clone();
    memory["searched_on"] = json!("2025-09-30");
    memory["judged_on"] = json!("2025-09-30");
    let usual = Recipes.train(task(&node, Some(champion(&first.recipe, &first, memory)))).unwrap();
    let few = heard(&usual, "candidate");
    assert_eq!(few.len(), 3, "{few:?}");
    assert_eq!(few[0].0, first.recipe);
    let searched: Vec<&str> = heard(&first, "candidate").iter().map(|(recipe, _)| *recipe).collect();
    assert!(few.iter().all(|(recipe, loss)| searched.contains(recipe) && *loss > 0.0), "{few:?}");
    assert_eq!(usual.memory["search"]["tried"].as_array().unwrap().len(), 3);
    assert_eq!(usual.memory["search"]["searches"], first.memory["search"]["searches"]);
}

#[test]
fn drift_brings_a_search_and_challengers_wait_until_they_are_due() {
    let node = node(SOUGHT);
    let first = Recipes.train(task(&node, None)).unwrap();
    let drifted = |judged_on: &str| {
        let mut memory = first.memory.clone();
        memory["searched_on"] = json!("2025-09-29");
        memory["judged_on"] = json!(judged_on);
        memory["drift"] = json!(0.5);
        let moved = RecordBatch::try_from_iter([
            (
                "recency",
                Arc::new(Float64Array::from_iter_values((0..200).map(|row| f64::from(row) + 500.0))) as ArrayRef,
            ),
            ("channel", Arc::new(StringArray::from_iter((0..200).map(|_| Some("kiosk"))))),
        ]);
        let task = task(&node, Some(champion(&first.recipe, &first, memory)));
        Recipes.train(Training { tonight: moved.unwrap(), ..task }).unwrap()
    };
    let early = drifted("2025-09-28");
    assert_eq!(early.reason, "searched, for tonight drifted; challengers are heard from 2025-10-05 on");
    assert_eq!(early.memory["search"]["searches"], 2);
    assert_eq!(
        (&early.memory["searched_on"], &early.memory["judged_on"]),
        (&json!("2025-10-01"), &json!("2025-09-28"))
    );
    assert!(heard(&early, "challenger").is_empty() && heard(&early, "candidate").len() > 3);
    let due = drifted("2025-09-24");
    assert!(!heard(&due, "challenger").is_empty(), "{}", due.reason);
    assert_eq!(due.memory["judged_on"], "2025-10-01");
    let unseen = due.sections["drift"].iter().find(|row| row["measure"] == "unseen").unwrap();
    assert_eq!((&unseen["column_name"], &unseen["value"]), (&json!("channel"), &json!(1.0)));
}
