//! Whether one model is better than another by more than chance.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::metric::{Metric, Prepared};
use crate::input::{self, InputError};
use crate::parallel;
use crate::parameters::range;
use crate::random::Random;

/// Paired bootstrap by entity: both models are judged on the same resamples, and all rows of an entity go together.
///
/// Entities are drawn with replacement, as many as there are (Efron & Tibshirani 1993, algorithm 6.1 and section 8.5).
/// The test is that of their algorithm 16.2 for a difference: the bootstrap differences, shifted to the null hypothesis
/// of no gain, exceed the gain seen in a share of rounds, and that share is the p-value; with the sample itself counted
/// as one round it is never 0 (Davison & Hinkley 1997, eq. 4.11).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedBootstrap {
    rounds: usize,
    seed: u64,
    threads: usize,
}

/// Two models on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The metric of the first model.
    pub champion: f64,
    /// The metric of the second.
    pub challenger: f64,
    /// How much better the second is; positive is better, whichever way the metric goes.
    pub gain: f64,
    /// Standard deviation of the gain over the rounds.
    pub standard_error: f64,
    /// 2.5 % point of the gain over the rounds.
    pub lower: f64,
    /// 97.5 % point of the gain over the rounds.
    pub upper: f64,
    /// One-sided: how likely a gain as great would be, were there none.
    pub p_better: f64,
    /// One-sided: how likely a loss as great would be, were there none.
    pub p_worse: f64,
    /// Entities that were drawn from.
    pub entities: usize,
}

impl PairedBootstrap {
    /// `rounds` resamples from a seed; at least 100.
    pub fn new(rounds: usize, seed: u64) -> Self {
        Self { rounds, seed, threads: 1 }
    }

    /// Threads that share the rounds; they do not change the result.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Compares two models' predictions of `y`. `entities` names the entity of each row by any number.
    ///
    /// # Errors
    /// Those of the metric; [`MetricError::TooFew`] where over a tenth of the rounds draw no sample with both classes.
    pub fn compare(
        &self,
        metric: Metric,
        y: ArrayView1<'_, f64>,
        champion: ArrayView1<'_, f64>,
        challenger: ArrayView1<'_, f64>,
        entities: ArrayView1<'_, u64>,
    ) -> Result<Comparison, MetricError> {
        range("rounds", self.rounds as f64, "at least 100", self.rounds >= 100)?;
        if entities.len() != y.len() {
            return Err(InputError::Rows { what: "the entities", found: entities.len(), expected: y.len() }.into());
        }
        input::finite("the label", &y)?;
        let pair = Pair {
            champion: metric.prepare(&y, &champion, None)?,
            challenger: metric.prepare(&y, &challenger, None)?,
            sign: if metric.higher_is_better() { 1.0 } else { -1.0 },
        };
        let (groups, count) = dense(&entities);
        let ones = vec![1.0; y.len()];
        let (champion, challenger) = (pair.champion.evaluate(&ones), pair.challenger.evaluate(&ones));
        if !(champion.is_finite() && challenger.is_finite()) {
            return Err(MetricError::Undefined { metric: metric.name(), why: "every target is 0" });
        }
        let gain = pair.sign * (challenger - champion);
        let rounds: Vec<u64> = (0..self.rounds as u64).collect();
        let drawn = parallel::map(&rounds, self.threads, |round| pair.round(self.seed, *round, &groups, count));
        let mut gains: Vec<f64> = drawn.into_iter().filter(|gain| gain.is_finite()).collect();
        let failed = self.rounds - gains.len();
        if failed * 10 > self.rounds {
            return Err(MetricError::TooFew { metric: metric.name(), failed, rounds: self.rounds, entities: count });
        }
        gains.sort_by(f64::total_cmp);
        Ok(summary((champion, challenger), gain, &gains, count))
    }
}

struct Pair {
    champion: Prepared,
    challenger: Prepared,
    sign: f64,
}

impl Pair {
    /// The gain on one resample.
    fn round(&self, seed: u64, round: u64, groups: &[u32], count: usize) -> f64 {
        let mut random = Random::stream(seed, round);
        let mut drawn = vec![0.0_f64; count];
        for _ in 0..count {
            if let Some(times) = drawn.get_mut(random.below(count)) {
                *times += 1.0;
            }
        }
        let weights: Vec<f64> = groups.iter().map(|group| drawn.get(*group as usize).copied().unwrap_or(0.0)).collect();
        self.sign * (self.challenger.evaluate(&weights) - self.champion.evaluate(&weights))
    }
}

fn summary(metrics: (f64, f64), gain: f64, gains: &[f64], entities: usize) -> Comparison {
    let rounds = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / rounds;
    let variance = gains.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (rounds - 1.0);
    let point = |share: f64| gains.get(((rounds - 1.0) * share).round() as usize).copied().unwrap_or(f64::NAN);
    let share = |count: usize| (count + 1) as f64 / (rounds + 1.0);
    Comparison {
        champion: metrics.0,
        challenger: metrics.1,
        gain,
        standard_error: variance.sqrt(),
        lower: point(0.025),
        upper: point(0.975),
        p_better: share(gains.iter().filter(|value| **value - gain >= gain).count()),
        p_worse: share(gains.iter().filter(|value| **value - gain <= gain).count()),
        entities,
    }
}

/// Entities numbered from 0 in their own order, and how many there are.
fn dense(entities: &ArrayView1<'_, u64>) -> (Vec<u32>, usize) {
    let mut names: Vec<u64> = entities.to_vec();
    names.sort_unstable();
    names.dedup();
    let groups = entities.iter().map(|name| names.binary_search(name).unwrap_or(0) as u32).collect();
    (groups, names.len())
}
