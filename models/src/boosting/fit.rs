//! The rounds of boosting.

use std::marker::PhantomData;
use std::sync::Arc;

use linfa::dataset::AsSingleTargets;
use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use ndarray::{ArrayBase, Data, Ix2};

use super::lane::{Draw, Rows};
use super::loss::quantile;
use super::model::Boosting;
use super::params::{BoostingParams, BoostingValidParams};
use crate::parameters::range;
use crate::random::{Chance, Purpose};
use crate::tree::{Columns, Grown, Growth, Histogram, Sample, Scale, Splitting, Task, Team, Tree, TreeError, grow};

impl<K, D, T> Fit<ArrayBase<D, Ix2>, T, TreeError> for BoostingValidParams<K>
where
    K: Task,
    D: Data<Elem = f64>,
    T: AsSingleTargets<Elem = f64>,
{
    type Object = Boosting<K>;

    /// # Errors
    /// See [`TreeError`]; `early_stopping` needs [`fit_with_validation`](Self::fit_with_validation).
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Boosting<K>, TreeError> {
        if let Some(patience) = self.patience {
            let must = "left out, or the fit given a validation set (`fit_with_validation`)";
            range("early_stopping", patience, must, false)?;
        }
        Ok(fit(self, &Sample::of::<K, D, T>(dataset)?, None)?.0)
    }
}

impl<K: Task> BoostingParams<K> {
    /// Checks the settings, then [`BoostingValidParams::fit_with_validation`].
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn fit_with_validation<D, T>(
        &self,
        train: &DatasetBase<ArrayBase<D, Ix2>, T>,
        valid: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<Boosting<K>, TreeError>
    where
        D: Data<Elem = f64>,
        T: AsSingleTargets<Elem = f64>,
    {
        self.check_ref()?.fit_with_validation(train, valid)
    }
}

impl<K: Task> BoostingValidParams<K> {
    /// Fits on `train`, follows the loss on `valid`, and keeps the rounds up to its least; where `early_stopping` is
    /// set, stops that many rounds after it.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn fit_with_validation<D, T>(
        &self,
        train: &DatasetBase<ArrayBase<D, Ix2>, T>,
        valid: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<Boosting<K>, TreeError>
    where
        D: Data<Elem = f64>,
        T: AsSingleTargets<Elem = f64>,
    {
        let (mut model, best) = self.follow(train, valid)?;
        model.trees.truncate(best);
        Ok(model)
    }

    /// As [`Self::fit_with_validation`], but keeps all rounds that were made: the model, and how many of its rounds lose
    /// least. [`Boosting::first`] of it is what a fit of fewer rounds gives.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn follow<D, T>(
        &self,
        train: &DatasetBase<ArrayBase<D, Ix2>, T>,
        valid: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<(Boosting<K>, usize), TreeError>
    where
        D: Data<Elem = f64>,
        T: AsSingleTargets<Elem = f64>,
    {
        let valid = Sample::of::<K, D, T>(valid)?;
        fit(self, &Sample::of::<K, D, T>(train)?, Some(&valid))
    }
}

/// The validation set and what it has said so far.
struct Judge {
    rows: Rows,
    patience: usize,
    best: f64,
    best_round: usize,
}

impl Judge {
    fn new<K>(params: &BoostingValidParams<K>, columns: &Columns, sample: &Sample, start: f64) -> Self {
        let mut rows = Rows::empty(0, 1, params.loss);
        rows.load(columns, sample, start);
        Self { rows, patience: params.patience.unwrap_or(usize::MAX), best: f64::INFINITY, best_round: 0 }
    }

    /// Whether to go on after `rounds` rounds.
    fn goes_on(&mut self, grown: &Grown, rounds: usize) -> bool {
        self.rows.finish(grown, false);
        let (sum, weight) = self.rows.loss();
        if sum / weight < self.best {
            self.best = sum / weight;
            self.best_round = rounds;
        }
        rounds - self.best_round < self.patience
    }
}

/// The model of all rounds that were made, and how many of them are best.
fn fit<K: Task>(
    params: &BoostingValidParams<K>,
    sample: &Sample,
    valid: Option<&Sample>,
) -> Result<(Boosting<K>, usize), TreeError> {
    params.loss.check_targets(&sample.targets)?;
    let shape = &params.shape;
    let columns = Columns::learn(sample.x, &shape.categorical, shape.bins, shape.seed, shape.threads)?;
    let start = params.loss.start(sample);
    let mut judge = match valid {
        Some(valid) => {
            columns.check_width(&valid.x)?;
            Some(Judge::new(params, &columns, valid, start))
        }
        None => None,
    };
    let trees = rounds(params, sample, &columns, start, judge.as_mut())?;
    let best = judge.map_or(trees.len(), |judge| judge.best_round);
    Ok((Boosting { task: PhantomData, loss: params.loss, columns, start, trees, threads: shape.threads }, best))
}

/// Which columns may be split how.
fn splitting<K>(params: &BoostingValidParams<K>, columns: &Columns) -> Result<Arc<[Splitting]>, TreeError> {
    if let Some(&(column, _)) = params.monotone.iter().find(|(column, _)| *column >= columns.len()) {
        return Err(TreeError::NoSuchColumn { what: "`monotone`", column, columns: columns.len() });
    }
    let direction = |place| params.monotone.iter().find(|(column, _)| *column == place).map_or(0, |found| found.1);
    Ok(columns.all().iter().enumerate().map(|(place, column)| Splitting::of(column, direction(place))).collect())
}

fn rounds<K: Task>(
    params: &BoostingValidParams<K>,
    sample: &Sample,
    columns: &Columns,
    start: f64,
    mut judge: Option<&mut Judge>,
) -> Result<Vec<Tree>, TreeError> {
    let growth = Growth {
        columns,
        splitting: splitting(params, columns)?,
        limits: params.limits(),
        leaves: params.leaves,
        depth: params.shape.depth,
        held: params.histogram_bytes / Histogram::bytes(columns.len()),
    };
    let lanes = params.shape.threads;
    std::thread::scope(|scope| {
        let lane = |place| Rows::empty(place, lanes, params.loss);
        let mut team = Team::start(scope, lane(0), (1..lanes).map(lane).collect());
        team.all(move |rows| rows.load(columns, sample, start))?;
        let mut trees = Vec::with_capacity(params.rounds.min(1 << 12));
        for round in 0..params.rounds {
            let grown = one_round(params, &growth, sample.rows(), &mut team, round)?;
            let goes_on = judge.as_mut().is_none_or(|judge| judge.goes_on(&grown, round + 1));
            let is_leaf = grown.tree.nodes.is_empty();
            // Nothing left to split, and nothing in it but what the start already says.
            if is_leaf && params.row_share >= 1.0 && params.column_share >= 1.0 {
                break;
            }
            trees.push(grown.tree.clone());
            if !goes_on {
                break;
            }
        }
        Ok(trees)
    })
}

/// Gradients from here on are a fit that runs away, if they are numbers at all.
const LARGEST: f64 = 1e300;

fn one_round<'scope, K: Task>(
    params: &BoostingValidParams<K>,
    growth: &Growth,
    rows: usize,
    team: &mut Team<'scope, Rows>,
    round: usize,
) -> Result<Arc<Grown>, TreeError> {
    let largest = team.all(|rows: &mut Rows| rows.largest())?;
    let (gradient, hessian) = largest.into_iter().fold((0.0, 0.0), |(a, b), (c, d)| (larger(a, c), larger(b, d)));
    if !(0.0..LARGEST).contains(&gradient) || !(0.0..LARGEST).contains(&hessian) {
        return Err(TreeError::Diverged { round });
    }
    let scale = Scale::new(rows, gradient, hessian);
    let draw = Draw { seed: params.shape.seed, round, share: params.row_share };
    team.all(move |rows: &mut Rows| rows.begin(&scale, draw))?;
    let width = growth.columns.len();
    let take = (params.column_share * width as f64).ceil() as usize;
    let chosen = Chance::new(params.shape.seed, Purpose::ColumnsOfRound, round).choose(take, width);
    let mut grown = grow(growth, scale, chosen, team)?;
    if let Some(level) = params.loss.renewal() {
        renew(&mut grown, level, team)?;
    }
    grown.tree.leaves.iter_mut().for_each(|leaf| leaf.value *= params.shrinkage);
    let grown = Arc::new(grown);
    let shared = grown.clone();
    team.all(move |rows: &mut Rows| rows.finish(&shared, draw.takes_all()))?;
    Ok(grown)
}

fn larger(one: f64, other: f64) -> f64 {
    if other <= one { one } else { other }
}

/// Replaces the values of leaves by a quantile of what remains in them.
fn renew<'scope>(grown: &mut Grown, level: f64, team: &mut Team<'scope, Rows>) -> Result<(), TreeError> {
    let leaves = grown.tree.leaves.len();
    let mut parts = team.all(move |rows: &mut Rows| rows.residuals(leaves))?;
    for (place, (leaf, bounds)) in grown.tree.leaves.iter_mut().zip(&grown.bounds).enumerate() {
        let mut all = Vec::new();
        for part in &mut parts {
            all.append(&mut part.get_mut(place).map(std::mem::take).unwrap_or_default());
        }
        if !all.is_empty() {
            leaf.value = quantile(all, level).max(bounds.low).min(bounds.high);
        }
    }
    Ok(())
}
