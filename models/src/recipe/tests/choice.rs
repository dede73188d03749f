//! Promises of the judge and of the search.

use super::{CLASSIFIERS, shop};
use crate::metrics::Metric;
use crate::random::Random;
use crate::recipe::*;

/// A law with a product in it, which a linear model cannot follow, over eight snapshots.
fn product(rows: usize, seed: u64) -> (Frame, Vec<f64>, Vec<u64>, Vec<i64>) {
    let mut random = Random::new(seed);
    let (mut a, mut b, mut label) = (vec![], vec![], vec![]);
    for _ in 0..rows {
        let (x, y) = (random.normal(), random.normal());
        label.push(f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-2.0 * x * y).exp()))));
        a.push(x);
        b.push(y);
    }
    let mut frame = Frame::new(rows);
    frame.numbers("a", a).unwrap();
    frame.numbers("b", b).unwrap();
    let customers = (0..rows as u64).map(|row| row / 8).collect();
    (frame, label, customers, (0..rows as i64).map(|row| row % 8 * 30).collect())
}

#[test]
fn a_better_recipe_ships_and_one_that_is_the_same_or_cannot_be_fitted_stays_back() {
    let (frame, label, customers, days) = product(3200, 21);
    let training = Training::new(&frame, &label).entities(&customers).days(&days, 60).threads(2);
    let recipe = |text: &str| text.parse::<Recipe>().unwrap();
    let champion = recipe("classifier logistic");
    let boosting = recipe("classifier boosting trees=40 learning_rate=0.2 leaves=6 patience=0 folds=2");
    let challengers = [recipe("classifier logistic penalty=2"), boosting.clone()];
    let judging = Judging::by(Metric::LogLoss).test_from(180).rounds(500);
    let found = judge(&champion, &challengers, &training, &judging).unwrap();
    assert_eq!(found.verdict, Verdict::Ship { challenger: 1 }, "{found}");
    // Snapshots 0 to 120 are known on day 180; those of 180 and 210 judge, that of 150 is purged.
    assert_eq!((found.train_rows, found.test_rows), (2000, 800));
    assert!(found.challengers[1].comparison.unwrap().gain > 0.05);
    assert!(found.to_string().contains("kept back: its gain may be chance"), "{found}");
    let stays = judge(&boosting, std::slice::from_ref(&champion), &training, &judging).unwrap();
    assert_eq!(stays.verdict, Verdict::Keep);
    assert_eq!(judge(&champion, &challengers, &training.threads(1), &judging).unwrap(), found);
    let impossible = [recipe("classifier forest trees=3 folds=20 depth=64 min_rows=1000000")];
    let kept = judge(&champion, &impossible, &training, &judging).unwrap();
    assert_eq!(kept.verdict, Verdict::Keep, "{kept}");
    assert!(judge(&champion, &[recipe("regressor ridge")], &training, &judging).is_err());
}

#[test]
fn a_challenger_that_orders_better_and_overstates_is_kept_back() {
    let (frame, label, customers, days) = product(3200, 21);
    let training = Training::new(&frame, &label).entities(&customers).days(&days, 60).threads(2);
    let recipe = |text: &str| text.parse::<Recipe>().unwrap();
    // By heart and as it comes: the order is good, the probabilities far too sure.
    let sure = "classifier boosting trees=200 learning_rate=0.3 leaves=16 min_rows=1 patience=0 folds=2";
    let judging = Judging::by(Metric::RocAuc).test_from(180).rounds(500);
    let heard =
        |challenger: &str| judge(&recipe("classifier logistic"), &[recipe(challenger)], &training, &judging).unwrap();
    let found = heard(&format!("{sure} calibration=none"));
    let standing = &found.challengers[0];
    assert!(standing.comparison.unwrap().p_better <= found.level, "{found}");
    assert!(!standing.trust.unwrap().holds(), "{standing:?}");
    assert_eq!(found.verdict, Verdict::Keep);
    assert!(found.to_string().contains("kept back: better, but not to be taken at its word"), "{found}");
    let modest = heard("classifier boosting trees=40 learning_rate=0.2 leaves=6 patience=0 folds=2");
    assert_eq!(modest.verdict, Verdict::Ship { challenger: 0 }, "{modest}");
}

#[test]
fn a_refit_ships_unless_it_is_worse_by_more_than_chance() {
    let (frame, label, customers, _) = product(1600, 22);
    let training = Training::new(&frame, &label).entities(&customers);
    let of = |text: &str, seed: u64| fit(&text.parse().unwrap(), &training.seed(seed)).unwrap();
    let boosting = "classifier boosting trees=20 learning_rate=0.2 leaves=6 patience=0 folds=2 row_share=0.8";
    let (last, tonight, worse) = (of(boosting, 1), of(boosting, 2), of("classifier logistic", 1));
    let judging = Judging::by(default_metric(Kind::Classifier)).rounds(300);
    assert!(refit_ships(&last, &tonight, &training, &judging).unwrap().0);
    assert!(!refit_ships(&last, &worse, &training, &judging).unwrap().0);
}

#[test]
fn a_search_finds_the_better_end_of_a_range_within_its_budget_and_remembers_it() {
    let (frame, label, customers, _) = product(1600, 23);
    let training = Training::new(&frame, &label).entities(&customers).seed(5);
    let base: Recipe = "classifier forest trees=5 depth=1".parse().unwrap();
    let space = Space::new(base.clone()).range("depth", 1.0, 8.0).unwrap();
    let linear = Space::new("classifier logistic".parse().unwrap()).range("penalty", 0.01, 100.0).unwrap();
    let search = Search { candidates: 9, budget: 30_000, metric: Metric::LogLoss };
    let run = |threads: usize, last: &SearchRecord| {
        search.run(&[space.clone(), linear.clone()], &training.threads(threads), last).unwrap()
    };
    let record = run(1, &SearchRecord::default());
    assert_eq!(record, run(2, &SearchRecord::default()), "the same for any number of threads");
    assert!(record.spent <= search.budget, "{}", record.spent);
    let best = record.best(3);
    assert!(best[0].value("depth").unwrap() >= 3.0, "{record:#?}");
    assert!(record.tried.last().unwrap().rows > record.tried[0].rows);
    let stored: SearchRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    assert_eq!(stored, record);
    let next = run(1, &stored);
    assert_eq!(next.searches, 2);
    assert!(next.tried.iter().any(|tried| tried.recipe == best[0]), "the best of last time is tried again");
    let few = search.again(&training, &record).unwrap();
    assert_eq!((few.searches, few.tried.len()), (record.searches, 3));
    assert!(few.tried.iter().map(|tried| &tried.recipe).eq(&best), "{few:#?}");
    assert!(few.spent <= search.budget && few.tried.iter().all(|tried| tried.rows > record.tried[0].rows));
    assert_eq!(search.again(&training.threads(2), &record).unwrap(), few);
    assert_eq!(search.again(&training, &SearchRecord::default()).unwrap(), SearchRecord::default());
    let poor = Search { budget: 1000, ..search };
    assert!(matches!(
        poor.run(&[space], &training, &SearchRecord::default()),
        Err(RecipeError::TooFewRows { needed: 50, .. })
    ));
    assert!(Space::new(base).range("dept", 1.0, 2.0).is_err());
}

#[test]
fn some_rows_are_learnt_from_where_they_lie_as_from_a_table_of_them_alone() {
    let shop = shop(900, 5);
    let whole = Training::new(&shop.frame, &shop.churned).entities(&shop.customers).days(&shop.days, 30).seed(3);
    let rows: Vec<usize> = (0..900).filter(|row| row % 4 != 1).rev().collect();
    let part = Part::of(&whole, &rows);
    // Some of some are named by their place among these.
    let again: Vec<usize> = (0..rows.len()).step_by(2).collect();
    let part_of_part = Part::of(&part.training(&whole), &again);
    let chosen: Vec<usize> = again.iter().map(|row| rows[*row]).collect();
    for (part, rows) in [(&part, rows), (&part_of_part, chosen)] {
        let frame = shop.frame.select(&rows);
        let (labels, customers): (Vec<f64>, Vec<u64>) =
            rows.iter().map(|row| (shop.churned[*row], shop.customers[*row])).unzip();
        let days: Vec<i64> = rows.iter().map(|row| shop.days[*row]).collect();
        let alone = Training::new(&frame, &labels).entities(&customers).days(&days, 30).seed(3);
        for text in CLASSIFIERS {
            let recipe: Recipe = text.parse().unwrap();
            let (lying, copied) = (fit(&recipe, &part.training(&whole)).unwrap(), fit(&recipe, &alone).unwrap());
            assert_eq!(lying.to_bytes().unwrap(), copied.to_bytes().unwrap(), "{text}");
        }
    }
}
