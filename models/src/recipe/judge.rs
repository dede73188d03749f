//! Whether a challenger's recipe replaces the champion's.

use std::fmt;

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use super::fit::fit;
use super::model::{FittedModel, Scores};
use super::part::Part;
use super::training::Training;
use super::{Kind, Recipe, RecipeError};
use crate::metrics::{Comparison, Metric, PairedBootstrap, calibration_bins, calibration_line};

/// How recipes are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judging {
    metric: Metric,
    test_from: Option<i64>,
    rounds: usize,
    level: f64,
}

impl Judging {
    /// By a metric: on the last snapshot, 2,000 resamples of the entities, one-sided at 1 %.
    pub fn by(metric: Metric) -> Self {
        Self { metric, test_from: None, rounds: 2000, level: 0.01 }
    }

    /// Judge by the snapshots from this day on.
    #[must_use]
    pub fn test_from(mut self, day: i64) -> Self {
        self.test_from = Some(day);
        self
    }

    /// Resamples of the entities, at least 100.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// How likely a gain by chance may be; shared among the challengers (Bonferroni).
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }
}

/// Whether what a model says can be taken at its word, on rows that it had not learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Of a classifier: error of ten bins of equal mass, what chance alone makes of it, and the slope of the outcome
    /// on the log-odds.
    Calibration { error: f64, by_chance: f64, slope: f64 },
    /// Of a regressor: the share of targets that its intervals should cover, and the share that they do.
    Coverage { wanted: f64, found: f64 },
}

impl Trust {
    /// An error at most .02 beyond twice that of chance and a slope of .8 to 1.25; a coverage within .05 of the wanted.
    pub fn holds(&self) -> bool {
        match self {
            Self::Calibration { error, by_chance, slope } => {
                *error <= 0.02 + 2.0 * by_chance && (0.8..=1.25).contains(slope)
            }
            Self::Coverage { wanted, found } => (wanted - found).abs() <= 0.05,
        }
    }

    fn of(scores: &Scores, recipe: &Recipe, test: &Part<'_>) -> Result<Self, RecipeError> {
        let y = test.target();
        if let Some(intervals) = &scores.intervals {
            let ends = intervals.lower.iter().zip(&intervals.upper);
            let inside = y.iter().zip(ends).filter(|(y, (low, high))| *low <= *y && *y <= *high).count();
            return Ok(Self::Coverage { wanted: recipe.real("coverage"), found: inside as f64 / y.len() as f64 });
        }
        let bins = calibration_bins(y, scores.values.view(), test.weights(), 10)?;
        let all: f64 = bins.iter().map(|bin| bin.weight).sum();
        let sum = |of: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
            bins.iter().map(|bin| bin.weight / all * of(bin.weight, bin.predicted, bin.observed)).sum()
        };
        // The mean of |normal| is the square root of 2 / pi of its deviation.
        let chance = |weight: f64, p: f64, _: f64| (2.0 / std::f64::consts::PI * p * (1.0 - p) / weight).sqrt();
        Ok(Self::Calibration {
            error: sum(&|_, predicted, observed| (predicted - observed).abs()),
            by_chance: sum(&chance),
            slope: calibration_line(y, scores.values.view(), test.weights()).map_or(f64::NAN, |line| line.slope),
        })
    }
}

/// One recipe before the judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What was fitted.
    pub recipe: Recipe,
    /// Its metric on the rows that judge; `None` where it could not be fitted.
    pub metric: Option<f64>,
    /// Whether its probabilities or intervals hold there.
    pub trust: Option<Trust>,
    /// Against the champion; `None` for the champion.
    pub comparison: Option<Comparison>,
    /// Why it could not be fitted.
    pub failure: Option<String>,
}

/// What the judge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The champion stays.
    Keep,
    /// This challenger, by its place, is better by more than chance and can be taken at its word.
    Ship { challenger: usize },
}

/// The case and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was compared.
    pub metric: String,
    /// The level that each challenger had to pass.
    pub level: f64,
    /// Rows that were learnt from, before the cut.
    pub train_rows: usize,
    /// Rows that judged, after it.
    pub test_rows: usize,
    /// The champion.
    pub champion: Standing,
    /// The challengers, as they were given.
    pub challengers: Vec<Standing>,
    /// What follows.
    pub verdict: Verdict,
}

impl fmt::Display for Judgement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, level, train_rows, test_rows, champion, .. } = self;
        let held = champion.metric.unwrap_or(f64::NAN);
        writeln!(out, "{metric} on {test_rows} later rows, fitted on {train_rows} before them")?;
        writeln!(out, "champion {}: {held:.5}", champion.recipe)?;
        for (place, standing) in self.challengers.iter().enumerate() {
            write!(out, "challenger {}: ", standing.recipe)?;
            match (&standing.failure, &standing.comparison) {
                (Some(failure), _) => writeln!(out, "could not be fitted: {failure}")?,
                (None, Some(found)) => {
                    let Comparison { challenger, gain, p_better, lower, upper, .. } = found;
                    let shipped = self.verdict == Verdict::Ship { challenger: place };
                    let why = match (shipped, *p_better <= *level, standing.trust.is_some_and(|trust| trust.holds())) {
                        (true, ..) => "ships",
                        (false, false, _) => "kept back: its gain may be chance",
                        (false, true, false) => "kept back: better, but not to be taken at its word",
                        (false, true, true) => "kept back: another is better still",
                    };
                    writeln!(
                        out,
                        "{challenger:.5}, gain {gain:+.5} ({lower:+.5} to {upper:+.5}), p {p_better:.4} of {level:.4}: {why}"
                    )?;
                }
                (None, None) => writeln!(out, "was not compared")?,
            }
        }
        Ok(())
    }
}

/// The two sides of a cut.
struct Court<'a> {
    whole: &'a Training<'a>,
    judging: &'a Judging,
    train: Part<'a>,
    test: Part<'a>,
}

impl Court<'_> {
    fn scores(&self, recipe: &Recipe) -> Result<Scores, RecipeError> {
        fit(recipe, &self.train.training(self.whole))?.with_threads(self.whole.threads).score(&self.test.frame())
    }

    fn compare(&self, champion: &Array1<f64>, challenger: &Array1<f64>) -> Result<Comparison, RecipeError> {
        let entities = self.test.entities();
        let Judging { metric, rounds, .. } = *self.judging;
        let bootstrap = PairedBootstrap::new(rounds, self.whole.seed).threads(self.whole.threads);
        let (y, entities) = (self.test.target(), ArrayView1::from(&entities));
        Ok(bootstrap.compare(metric, y, champion.view(), challenger.view(), entities)?)
    }

    fn standing(&self, recipe: &Recipe, champion: &Array1<f64>) -> Standing {
        let found = self.scores(recipe).and_then(|scores| {
            let comparison = self.compare(champion, &scores.values)?;
            Ok((comparison, Trust::of(&scores, recipe, &self.test)?))
        });
        let recipe = recipe.clone();
        match found {
            Ok((comparison, trust)) => Standing {
                recipe,
                metric: Some(comparison.challenger),
                trust: Some(trust),
                comparison: Some(comparison),
                failure: None,
            },
            Err(error) => {
                let failure = Some(error.to_string());
                Standing { recipe, metric: None, trust: None, comparison: None, failure }
            }
        }
    }
}

/// Fits champion and challengers on the rows before the cut, compares them on those after it, and says what follows:
/// a challenger ships where it is better by more than chance, and calibrated; of several the one with the greatest
/// gain. A challenger that cannot be fitted is said, and stays back.
///
/// # Errors
/// Those of [`fit`] for the champion; [`RecipeError::Split`] where a side of the cut is empty; [`RecipeError::Metric`]
/// where the rows after it cannot judge; [`RecipeError::Target`] for a challenger of another kind.
pub fn judge(
    champion: &Recipe,
    challengers: &[Recipe],
    training: &Training<'_>,
    judging: &Judging,
) -> Result<Judgement, RecipeError> {
    let kind = champion.kind();
    if let Some(other) = challengers.iter().find(|other| other.kind() != kind) {
        return Err(RecipeError::Target { what: "a challenger", expected: kind.name(), found: other.kind().name() });
    }
    training.check(kind, training.folds_for(champion))?;
    let cut = training.held_out(kind, judging.test_from)?;
    let (train, test) = (Part::of(training, &cut.train), Part::of(training, &cut.test));
    let court = Court { whole: training, judging, train, test };
    let held = court.scores(champion)?;
    let level = judging.level / challengers.len().max(1) as f64;
    let standings: Vec<Standing> = challengers.iter().map(|recipe| court.standing(recipe, &held.values)).collect();
    let passes = |standing: &Standing| {
        let better = standing.comparison.filter(|found| found.p_better <= level)?;
        standing.trust.is_some_and(|trust| trust.holds()).then_some(better.gain)
    };
    let passed = standings.iter().enumerate().filter_map(|(place, standing)| Some((place, passes(standing)?)));
    let best = passed.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let metric = judging.metric.evaluate(court.test.target(), held.values.view(), None)?;
    Ok(Judgement {
        metric: judging.metric.name().to_owned(),
        level,
        train_rows: cut.train.len(),
        test_rows: cut.test.len(),
        champion: Standing {
            recipe: champion.clone(),
            metric: Some(metric),
            trust: Some(Trust::of(&held, champion, &court.test)?),
            comparison: None,
            failure: None,
        },
        challengers: standings,
        verdict: best.map_or(Verdict::Keep, |(challenger, _)| Verdict::Ship { challenger }),
    })
}

/// Whether tonight's fit of the champion's recipe may take the place of the last one: unless it is worse on these rows,
/// whose outcome is known by now, by more than chance. True together with the numbers.
///
/// # Errors
/// Those of [`FittedModel::score`]; [`RecipeError::Metric`] where the rows cannot judge.
pub fn refit_ships(
    last: &FittedModel,
    tonight: &FittedModel,
    known: &Training<'_>,
    judging: &Judging,
) -> Result<(bool, Comparison), RecipeError> {
    let rows: Vec<usize> = (0..known.target.len()).collect();
    let (train, test) = (Part::of(known, &[]), Part::of(known, &rows));
    let court = Court { whole: known, judging, train, test };
    let frame = court.test.frame();
    let (old, new) = (last.score(&frame)?, tonight.score(&frame)?);
    let found = court.compare(&old.values, &new.values)?;
    Ok((found.p_worse > judging.level, found))
}

/// The metric that recipes of a kind are compared by unless another is given: log-loss, or mean absolute error.
pub fn default_metric(kind: Kind) -> Metric {
    match kind {
        Kind::Classifier => Metric::LogLoss,
        Kind::Regressor => Metric::Mae,
    }
}
