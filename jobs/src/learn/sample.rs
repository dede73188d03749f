//! What it costs to learn from a sample: told by what half of it costs.

use models::metrics::Metric;
use models::recipe::Recipe;
use models::split::Fold;
use serde_json::{Value, json};
use warehouse::learn::{LearnError, Training};
use warehouse::project::ml::MlKind;

use super::backtest::{Backtest, Cut};
use super::candidates;
use super::table::Table;

/// A recipe fitted on half of the sampled entities, and on all of them, judged on the same rows.
pub(super) struct Half {
    /// By the metric that is told: the half, the whole sample.
    told: Option<(Metric, f64, f64)>,
    metrics: Vec<(Metric, f64, f64)>,
    rows: usize,
    /// Entities that were asked for.
    entities: u64,
}

/// Fits a recipe on the rows of every second entity before the cut, and judges it as the backtest of all of them was.
///
/// # Errors
/// The recipe cannot be fitted on so few.
pub(super) fn half(
    recipe: &Recipe,
    table: &Table,
    cut: &Cut,
    whole: &Backtest,
    task: &Training,
) -> Result<Half, LearnError> {
    // Entities are numbered as they come, so that every second one is spread over nights and names.
    let in_half = |row: &usize| table.entities.get(*row).is_some_and(|entity| entity.is_multiple_of(2));
    let train = cut.fold.train.iter().copied().filter(in_half).collect();
    let fold = Fold { train, test: cut.fold.test.clone() };
    let (kind, metric) = (task.node.spec.kind, candidates::metric(&task.node));
    let found = Backtest::run(recipe, table, &Cut { fold, test_from: cut.test_from }, metric, kind)?;
    let pairs = found.metrics.iter().zip(&whole.metrics);
    let metrics: Vec<_> = pairs.map(|((metric, half), (_, whole))| (*metric, *half, *whole)).collect();
    let told = if kind == MlKind::Classifier { Metric::RocAuc } else { metric };
    Ok(Half {
        told: metrics.iter().find(|(metric, ..)| *metric == told).copied(),
        metrics,
        rows: found.rows,
        entities: task.node.spec.sample.as_ref().map_or(0, |sample| sample.entities.value),
    })
}

/// How much better `value` is than `than`.
fn gain(metric: Metric, value: f64, than: f64) -> f64 {
    if metric.higher_is_better() { value - than } else { than - value }
}

impl Half {
    /// The cost of the sample in words. Where what is missing falls as one over the number of entities, as it does where
    /// the variance of the fit is all that more rows mend, n of N entities cost (1 - n/N) times what half of n costs
    /// beyond n.
    pub fn told(&self, all: u64) -> String {
        let sample = format!("learnt from a sample of {} of {all} entities", self.entities);
        let Some((metric, half, whole)) = self.told else { return sample };
        let cost = (gain(metric, whole, half) * (1.0 - self.entities as f64 / all as f64)).max(0.0);
        format!("{sample}, which costs about {cost:.4} of {}: {whole:.4}, half of it {half:.4}", metric.name())
    }

    /// One row a metric.
    pub fn report(&self, recipe: &Recipe) -> Vec<Value> {
        let row = |(metric, half, whole): &(Metric, f64, f64)| {
            json!({
                "role": "half_sample", "family": recipe.family().name(), "recipe": recipe.to_string(),
                "metric": metric.name(), "value": half, "gain": gain(*metric, *half, *whole), "rows": self.rows,
            })
        };
        self.metrics.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(told: (Metric, f64, f64), entities: u64) -> Half {
        Half { told: Some(told), metrics: vec![told], rows: 10, entities }
    }

    #[test]
    fn the_cost_is_what_half_of_the_sample_lost_less_the_share_that_is_in_it() {
        let told = half((Metric::RocAuc, 0.70, 0.74), 250).told(1_000);
        assert_eq!(
            told,
            "learnt from a sample of 250 of 1000 entities, which costs about 0.0300 of roc_auc: 0.7400, half of it 0.7000"
        );
        assert!(half((Metric::Rmse, 12.0, 10.0), 500).told(1_000).contains("about 1.0000 of rmse"));
        assert!(half((Metric::RocAuc, 0.75, 0.74), 250).told(1_000).contains("about 0.0000 of roc_auc"));
    }

    #[test]
    fn the_gain_of_half_a_sample_is_below_zero_where_it_is_worse_by_any_metric() {
        let recipe: Recipe = "classifier logistic".parse().unwrap();
        for told in [(Metric::RocAuc, 0.70, 0.74), (Metric::LogLoss, 0.6, 0.5)] {
            let rows = half(told, 250).report(&recipe);
            assert!(rows[0]["gain"].as_f64().unwrap() < 0.0, "{rows:?}");
            assert_eq!(rows[0]["role"], "half_sample");
        }
    }
}
