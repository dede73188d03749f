//! ML nodes: learnt from past nights, scored tonight, kept by night.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use arrow::datatypes::{DataType, Float64Type};
use serde_json::json;

use super::materialize::status;
use super::*;
use crate::learn::{CandidateFault, LearnError, Learner, Reason, Scored, Scorer, Training, Verdict};
use crate::project::ml::MlNode;

/// Learns the mean label of those whose first column is above and below its mean: a closed form.
#[derive(Debug)]
struct TwoMeans;

fn first_column(rows: &RecordBatch) -> Vec<f64> {
    let values = arrow::compute::cast(rows.column(0), &DataType::Float64).unwrap();
    let values = values.as_primitive::<Float64Type>();
    values.iter().map(|value| value.unwrap_or(0.0)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.5 } else { sum / count }
}

impl Learner for TwoMeans {
    fn faults(&self, node: &MlNode) -> Vec<CandidateFault> {
        let unknown = |name: &str| format!("`family` is `{name}` — use `two_means`");
        let families = node.spec.candidates.iter().enumerate();
        families
            .filter(|(_, candidate)| candidate.family.as_str() != "two_means")
            .map(|(candidate, found)| CandidateFault { candidate, message: unknown(&found.family) })
            .collect()
    }

    fn train(&self, task: Training) -> Result<Verdict, LearnError> {
        let values = first_column(&task.rows.features);
        let cut = mean(values.iter().copied());
        let of = |above: bool| {
            let rows = values.iter().zip(&task.rows.labels).filter(|(value, _)| (**value > cut) == above);
            mean(rows.map(|(_, label)| *label))
        };
        let model = json!([cut, of(false), of(true)]);
        Ok(Verdict {
            artefact: Some(model.to_string().into_bytes()),
            reason: match task.champion.as_ref().is_some_and(|champion| champion.is_promoted) {
                true => "promoted".to_owned(),
                false => format!("learnt from {} nights", task.rows.nights.iter().collect::<BTreeSet<_>>().len()),
            },
            family: "two_means".to_owned(),
            recipe: "{}".to_owned(),
            metric: "log_loss".to_owned(),
            metric_value: Some(0.5),
            sections: BTreeMap::from([
                ("importance", vec![json!({"column_name": "orders", "importance": 1.5, "place": 1})]),
                ("backtests", promises()),
            ]),
            memory: json!({"before": task.champion.as_ref().map(|champion| champion.version.clone())}),
        })
    }

    fn open(&self, artefact: &[u8]) -> Result<Box<dyn Scorer>, LearnError> {
        let model: [f64; 3] = serde_json::from_slice(artefact).map_err(|error| LearnError::new(error.to_string()))?;
        Ok(Box::new(Means(model)))
    }
}

/// What each version promises: an area, and the lift of the tenths in which its two scores lie.
fn promises() -> Vec<serde_json::Value> {
    let said = [("roc_auc", 0.875), ("lift_3", 1.75), ("lift_8", 0.25)];
    said.map(|(metric, value)| json!({"role": "champion", "metric": metric, "value": value})).to_vec()
}

struct Means([f64; 3]);

impl Scorer for Means {
    fn score(&self, features: &RecordBatch, reasons: usize) -> Result<Scored, LearnError> {
        let [cut, below, above] = self.0;
        let values = first_column(features);
        let scores = values.iter().map(|value| if *value > cut { above } else { below }).collect();
        let reason = |value: &f64| vec![Reason { column: 0, contribution: *value - cut }];
        let reasons = if reasons == 0 { Vec::new() } else { values.iter().map(reason).collect() };
        Ok(Scored { scores, intervals: None, reasons })
    }
}

const STG_YML: &str = "
materialized: view
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: ordered_on, type: DATE }
  - { name: amount, type: 'DECIMAL(18,2)' }
";
pub(super) const SPINE: &str = "select customer_id, cast($night as date) as night from staging.stg_shop__orders
where ordered_on <= $night group by customer_id";
const SPINE_YML: &str = "
key: [customer_id, night]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
";
pub(super) const NIGHT: &str = "select s.customer_id, s.night, cast(count(o.ordered_on) as bigint) as orders
from features.spine as s
left join staging.stg_shop__orders as o on o.customer_id = s.customer_id and o.ordered_on <= s.night
group by s.customer_id, s.night";
const NIGHT_YML: &str = "
key: [customer_id, night]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: orders, type: BIGINT }
";
pub(super) const CHURN: &str = "
kind: classifier
entity: customer_id
spine: features.spine
features: features.customer_night
label: |
  select s.customer_id, s.night, case when count(o.ordered_on) = 0 then 1 else 0 end as label
  from features.spine as s
  left join staging.stg_shop__orders as o
    on o.customer_id = s.customer_id and o.ordered_on > s.night and o.ordered_on <= s.night + $horizon
  group by s.customer_id, s.night
horizon: { days: 20 }
snapshots: { count: 3 }
candidates: [{ family: two_means }]
gate: { min_rows: 4, min_each_class: 1 }
tiers: [{ name: high, at_least: 0.6 }, { name: low, at_least: 0 }]
value: { sql: 'select customer_id, sum(amount) as value from staging.stg_shop__orders group by customer_id' }
reasons: { count: 1, words: { orders: { en: '{value} orders so far', es: '{value} pedidos' } } }
output: ml.churn_scores
";

/// Customers `r…` come back every ten days, `o…` ordered once in January.
pub(super) fn shop() -> Shop {
    let shop = Shop::new();
    let contract = ORDERS.replace("columns:", "columns:\n  - { name: customer_id, type: VARCHAR }");
    shop.write("sql/sources/orders.yml", &contract);
    let staged = STAGED_SQL.replace("order_id,", "customer_id,");
    shop.write("sql/staging/shop/stg_shop__orders.sql", &staged);
    shop.write("sql/staging/shop/stg_shop__orders.yml", STG_YML);
    shop.write("sql/features/shop/spine.sql", SPINE);
    shop.write("sql/features/shop/spine.yml", SPINE_YML);
    shop.write("sql/features/shop/customer_night.sql", NIGHT);
    shop.write("sql/features/shop/customer_night.yml", NIGHT_YML);
    shop.write("sql/ml/churn.yml", CHURN);
    let mut rows = String::from("customer_id,order_id,ordered_at,amount\n");
    for customer in 0..6 {
        for order in 0..12 {
            let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Days::new(order * 10 + customer);
            rows.push_str(&format!("r{customer},r{customer}-{order},{day} 10:00:00,10.00\n"));
        }
        rows.push_str(&format!("o{customer},o{customer},2026-01-0{} 10:00:00,5.00\n", customer + 1));
    }
    shop.write("raw/orders/orders_2026-01-01.csv", &rows);
    shop
}

impl Shop {
    pub(super) async fn learning(&self) -> RunContext {
        self.open_at("2026-05-10T03:00:00Z").await.learning_with(Arc::new(TwoMeans)).unwrap()
    }

    pub(super) async fn learn(&self, night: &str) -> RunReport {
        self.learn_as(night, RunRequest::default()).await
    }

    pub(super) async fn learn_as(&self, night: &str, asked: RunRequest) -> RunReport {
        let request = RunRequest { night: night.parse().unwrap(), ..asked };
        run_night(&self.learning().await, &request).await.unwrap()
    }
}

pub(super) const SCORES: &str = "select * from ml.churn_scores order by night, customer_id";
const MODELS: &str =
    "select night, outcome, version, reason, rows, entities, unlabelled, first_snapshot, last_snapshot,
    horizon_days, checksum from ml.churn_training order by night";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_learns_from_nights_whose_horizon_has_passed_and_scores_tonight() {
    let shop = shop();
    let report = shop.learn("2026-04-05").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let models = shop.ask(MODELS).await;
    assert!(models.contains("| 2026-04-05 | shipped | 2026-04-05."), "{models}");
    // 2026-04-05 less 20 days, and the two months before.
    assert!(models.contains("| 2026-01-16     | 2026-03-16    | 20 "), "{models}");
    let scores = shop.ask(SCORES).await;
    assert_eq!(scores.matches("2026-04-05 |").count(), 12, "{scores}");
    let o = shop.ask("select tier, reason_1, reason_1_words, reason_1_words_es, value, model_version from ml.churn_scores where customer_id = 'o1'").await;
    assert!(o.contains("| high | orders   | 1 orders so far | 1 pedidos         | 5.00  | 2026-04-05."), "{o}");
    let importance = shop.ask("select model, night, column_name, importance, place from ml.feature_importance").await;
    assert!(importance.contains("| churn | 2026-04-05 | orders      | 1.5        | 1 "), "{importance}");
    let versions = shop.ask("select model, outcome, family from ml.model_versions").await;
    assert!(versions.contains("| churn | shipped | two_means |"), "{versions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_night_trains_nothing_and_the_same_night_again_gives_the_same_bytes() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    // Features that were made anew are others by name.
    let scores = SCORES.replace('*', "* except (features_read)");
    let before = (shop.ask(MODELS).await, shop.ask(&scores).await);
    assert_eq!(shop.learn("2026-04-05").await.status, RunStatus::Skipped);
    let again = shop.learn_as("2026-04-05", RunRequest { full_refresh: true, ..RunRequest::default() }).await;
    assert_eq!(status(&again, "ml.churn_training"), "built", "{again:#?}");
    assert_eq!(before, (shop.ask(MODELS).await, shop.ask(&scores).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_night_gives_the_same_bytes_with_one_and_two_threads() {
    let (one, two) = (shop(), shop());
    one.write("buho.toml", &BUHO.replace("threads = 2", "threads = 1"));
    one.learn("2026-04-05").await;
    two.learn("2026-04-05").await;
    assert_eq!(one.ask(MODELS).await, two.ask(MODELS).await);
    assert_eq!(one.ask(SCORES).await, two.ask(SCORES).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_replaces_its_own_rows_and_leaves_those_of_other_nights() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    let first = shop.ask("select * from ml.churn_scores where night = '2026-04-05' order by customer_id").await;
    shop.learn("2026-04-06").await;
    let nights = shop.ask("select night, count(*) as n from ml.churn_scores group by night order by night").await;
    assert!(nights.contains("| 2026-04-05 | 12 |") && nights.contains("| 2026-04-06 | 12 |"), "{nights}");
    assert_eq!(first, shop.ask("select * from ml.churn_scores where night = '2026-04-05' order by customer_id").await);
    let champion = shop.ask("select report from ml.churn_training where night = '2026-04-06'").await;
    assert!(champion.contains("\"before\":\"2026-04-05."), "the champion is that of the night before: {champion}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_labels_there_is_no_model_and_the_night_goes_on() {
    let shop = shop();
    let report = shop.learn("2026-01-10").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    assert_eq!(status(&report, "ml.churn_scores"), "held");
    assert_eq!(status(&report, "features.customer_night"), "built");
    let said = report.warnings.join("\n");
    assert!(said.contains("there is no model yet: no row of a night whose horizon has passed has a label"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_one_class_keeps_the_champion_and_says_so() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    shop.write("sql/ml/churn.yml", &CHURN.replace("then 1 else 0", "then 1 else 1"));
    let report = shop.learn("2026-04-06").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let models = shop.ask(MODELS).await;
    assert!(models.contains("| 2026-04-06 | kept    | 2026-04-05."), "{models}");
    assert!(models.contains("the label is 1 on all"), "{models}");
    let scores = shop.ask("select distinct model_version from ml.churn_scores where night = '2026-04-06'").await;
    assert!(scores.contains("| 2026-04-05."), "{scores}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_query_that_fails_keeps_the_champion_and_says_so() {
    let shop = shop();
    shop.learn("2026-04-05").await;
    let fails =
        CHURN.replace("case when count(o.ordered_on) = 0 then 1 else 0 end", "cast(max(s.customer_id) as integer)");
    shop.write("sql/ml/churn.yml", &fails);
    let report = shop.learn("2026-04-06").await;
    assert_eq!(report.status, RunStatus::Done, "{report:#?}");
    let models = shop.ask("select outcome, reason from ml.churn_training where night = '2026-04-06'").await;
    assert!(models.contains("| kept    | the label query failed"), "{models}");
}

/// The failure of a node whose files are changed before the first night.
async fn failure(shop: &Shop, node: &str) -> String {
    let report = shop.learn("2026-04-05").await;
    assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
    let found = report.node_reports.iter().find(|report| report.node == node).unwrap();
    assert_eq!(found.status, "failed", "{report:#?}");
    found.message.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_an_entity_and_night_are_refused_by_name() {
    let shop = shop();
    let twice = NIGHT.replace("group by s.customer_id, s.night", "group by s.customer_id, s.night, o.ordered_on");
    shop.write("sql/features/shop/customer_night.sql", &twice);
    shop.write("sql/features/shop/customer_night.yml", &NIGHT_YML.replace("key: [customer_id, night]", ""));
    let said = failure(&shop, "ml.churn_training").await;
    assert!(said.contains("rows for customer_id r") && said.contains("at night 2026-01-16"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_disappears_between_spine_and_features_is_refused_by_name() {
    let shop = shop();
    shop.write(
        "sql/features/shop/customer_night.sql",
        &NIGHT.replace("group by", "where s.customer_id <> 'o3' group by"),
    );
    let said = failure(&shop, "ml.churn_training").await;
    assert!(said.contains("rows of the spine are not in the features") && said.contains("customer_id o3"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_equals_the_label_is_refused_by_name() {
    let shop = shop();
    let leak = NIGHT.replace("as orders", "as orders,
    cast(max(case when l.ordered_on > s.night and l.ordered_on <= s.night + interval '20' day then 0 else 1 end) as bigint) as gone");
    let leak = leak.replace(
        "group by",
        "left join staging.stg_shop__orders as l on l.customer_id = s.customer_id and l.ordered_on > s.night group by",
    );
    let leak = leak.replace("max(case", "min(case");
    shop.write("sql/features/shop/customer_night.sql", &leak);
    shop.write("sql/features/shop/customer_night.yml", &format!("{NIGHT_YML}  - {{ name: gone, type: BIGINT }}\n"));
    let said = failure(&shop, "ml.churn_training").await;
    assert!(said.contains("column `gone` of `features.customer_night` is the label itself"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_label_is_counted_and_left_out() {
    let shop = shop();
    shop.write(
        "sql/ml/churn.yml",
        &CHURN.replace("case when count", "case when s.customer_id = 'o2' then null when count"),
    );
    shop.learn("2026-04-05").await;
    let models = shop.ask("select outcome, rows, entities, unlabelled from ml.churn_training").await;
    assert!(models.contains("| shipped | 33   | 11       | 3 "), "{models}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_is_not_there_is_the_users_mistake_with_file_and_line() {
    let shop = shop();
    shop.write("sql/ml/churn.yml", &CHURN.replace("two_means", "two_meens"));
    let error = shop.open().await.learning_with(Arc::new(TwoMeans)).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::User);
    assert_eq!(error.to_string(), "sql/ml/churn.yml:14: `family` is `two_meens` — use `two_means`");
}

#[tokio::test(flavor = "multi_thread")]
async fn features_that_ask_for_tonight_are_refused_with_file_and_line() {
    let shop = shop();
    shop.write(
        "sql/features/shop/customer_night.sql",
        &NIGHT.replace("o.ordered_on <= s.night", "o.ordered_on <= $night"),
    );
    let project = Project::load(shop.root.path(), &Overrides::default(), &|_| None, &[]).unwrap();
    let clock = FixedClock::new("2026-05-10T03:00:00Z".parse().unwrap());
    let error = RunContext::open(project, &|_| None, Arc::new(clock)).await.unwrap_err().to_string();
    assert!(
        error.contains("sql/features/shop/customer_night.sql:3:") && error.contains("asks for `$night`"),
        "{error}"
    );
}
