use crate::project::{Overrides, Project};

const TABLE: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: orders, type: BIGINT }
";
const CHURN: &str = "kind: classifier
entity: customer_id
spine: features.spine
features: features.customer_night
label: select 1
candidates: [{ family: logistic, search: { penalty: { from: 1, to: 9 } } }]
tiers: [{ name: high, top: 0.1 }]
value: { column: features.customer_night.orders }
reasons: { count: 3 }
output: ml.churn_scores
";

fn load(churn: &str) -> Result<Project, Vec<String>> {
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
    write("sql/ml/churn.yml", churn);
    let loaded = Project::load(folder.path(), &Overrides::default(), &|_| None, &[]);
    loaded.map_err(|errors| errors.problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_node_makes_a_training_table_its_scores_and_the_shared_tables() {
    let project = load(CHURN).unwrap();
    let made: Vec<&str> =
        project.models.values().filter(|model| model.layer == "ml").map(|m| m.name.as_str()).collect();
    let shared = ["ml.backtests", "ml.calibration", "ml.churn_scores", "ml.churn_training", "ml.drift"];
    assert_eq!(made, [&shared[..], &["ml.feature_importance", "ml.model_versions", "ml.outcomes"]].concat());
    let scores = &project.models["ml.churn_scores"].spec;
    assert_eq!(scores.key_names(), ["customer_id", "night"]);
    assert!(scores.columns.iter().any(|column| column.name.as_str() == "reason_3_words"));
}

#[test]
fn each_slip_is_named_with_file_line_and_the_way_out() {
    for (written, slip, line, said) in [
        ("kind: classifier", "kind: clasifier", 1, "did you mean `classifier`?"),
        ("entity: customer_id", "entity: custmer_id", 2, "did you mean `customer_id`?"),
        ("spine: features.spine", "spine: features.spin", 3, "did you mean `features.spine`?"),
        ("features: features.customer_night", "features: features.nights", 4, "which the project does not have"),
        ("label: select 1", "labels: select 1", 5, "did you mean `label`?"),
        ("from: 1, to: 9", "from: 9, to: 1", 6, "let `from` be at most `to`"),
        (
            "candidates: [{ family: logistic, search: { penalty: { from: 1, to: 9 } } }]",
            "candidates: []",
            6,
            "at least one",
        ),
        ("top: 0.1", "top: 10", 7, "0.1 is a tenth"),
        ("top: 0.1", "top: 0.1, at_least: 0.5", 7, "exactly one of `at_least` and `top`"),
        ("customer_night.orders", "customer_night.order", 8, "did you mean `orders`?"),
        ("value: { column: features.customer_night.orders }", "value: {}", 8, "give exactly one of the two"),
        ("count: 3", "count: 11", 9, "at most 10 reasons"),
        ("output: ml.churn_scores", "output: marts.churn", 10, "write `ml.`"),
        ("output: ml.churn_scores", "output: ml.churn_scores\nmetric: rmse", 11, "a classifier is judged by"),
        (
            "output: ml.churn_scores",
            "output: ml.churn_scores\nexclude: [orders]",
            4,
            "at least one column to learn from",
        ),
        ("output: ml.churn_scores", "output: ml.churn_scores\nsnapshots: { count: 25 }", 11, "1 to 24 snapshots"),
    ] {
        assert!(CHURN.contains(written), "{written}");
        let problems = load(&CHURN.replacen(written, slip, 1)).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| problem.starts_with(&format!("sql/ml/churn.yml:{line}: ")) && problem.contains(said));
        assert!(found, "{slip}: {problems:#?}");
    }
}

#[test]
fn a_table_that_two_files_make_is_refused_with_both() {
    let problems = load(&CHURN.replace("ml.churn_scores", "ml.backtests")).unwrap_err();
    assert!(problems[0].contains("defines `ml.backtests`, and so does"), "{problems:?}");
}
