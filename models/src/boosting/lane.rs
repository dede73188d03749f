//! A thread's rows of a boosting fit.

use crate::random::{Chance, Purpose};
use crate::tree::{BinnedRows, Columns, Grown, Lane, Moment, Partition, Sample, Scale, rows_of};

use super::loss::Loss;

/// Rows that take part in a round.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    pub(super) seed: u64,
    pub(super) round: usize,
    pub(super) share: f64,
}

impl Draw {
    pub(super) fn takes_all(self) -> bool {
        self.share >= 1.0
    }
}

pub(super) struct Rows {
    place: usize,
    lanes: usize,
    loss: Loss,
    bins: BinnedRows,
    /// Rows of the training set; the place in it is the row's identity for chance.
    rows: Vec<u32>,
    targets: Vec<f64>,
    weights: Option<Vec<f32>>,
    scores: Vec<f64>,
    moments: Vec<Moment>,
    partition: Partition,
}

impl Rows {
    pub(super) fn empty(place: usize, lanes: usize, loss: Loss) -> Self {
        Self {
            place,
            lanes,
            loss,
            bins: BinnedRows::default(),
            rows: Vec::new(),
            targets: Vec::new(),
            weights: None,
            scores: Vec::new(),
            moments: Vec::new(),
            partition: Partition::default(),
        }
    }

    /// Takes this lane's rows of the training set.
    pub(super) fn load(&mut self, columns: &Columns, sample: &Sample, start: f64) {
        let rows = rows_of(self.place, self.lanes, sample.rows());
        self.bins = BinnedRows::new(columns, sample.x, &rows);
        self.targets = rows.iter().filter_map(|&row| sample.targets.get(row).copied()).collect();
        self.weights = sample.weights.map(|weights| rows.iter().filter_map(|&row| weights.get(row).copied()).collect());
        self.scores = vec![start; rows.len()];
        self.moments = vec![Moment::default(); rows.len()];
        self.rows = rows.into_iter().map(|row| row as u32).collect();
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().and_then(|weights| weights.get(row)).map_or(1.0, |weight| f64::from(*weight))
    }

    /// The largest gradient and hessian.
    pub(super) fn largest(&self) -> (f64, f64) {
        if let Some((gradient, hessian)) = self.loss.largest_slopes() {
            let heaviest = self
                .weights
                .as_ref()
                .map_or(1.0, |weights| weights.iter().fold(0.0, |most, weight| f64::max(most, f64::from(*weight))));
            return (gradient * heaviest, hessian * heaviest);
        }
        let rows = self.targets.iter().zip(&self.scores).enumerate();
        rows.fold((0.0, 0.0), |(most_gradient, most_hessian), (row, (&y, &s))| {
            let (gradient, hessian) = self.loss.slopes(y, s);
            let weight = self.weight(row);
            // A NaN stays: the fit then says that it diverged.
            let larger = |most: f64, new: f64| if new <= most { most } else { new };
            (larger(most_gradient, gradient.abs() * weight), larger(most_hessian, hessian * weight))
        })
    }

    /// New moments, and all rows of the round in one leaf.
    pub(super) fn begin(&mut self, scale: &Scale, draw: Draw) {
        let loss = self.loss;
        let rows = self.moments.iter_mut().zip(self.targets.iter().zip(&self.scores));
        match &self.weights {
            None => rows.for_each(|(moment, (&y, &s))| {
                let (gradient, hessian) = loss.slopes(y, s);
                *moment = scale.moment(gradient, hessian);
            }),
            Some(weights) => rows.zip(weights).for_each(|((moment, (&y, &s)), &weight)| {
                let (gradient, hessian) = loss.slopes(y, s);
                *moment = scale.moment(gradient * f64::from(weight), hessian * f64::from(weight));
            }),
        }
        let all = 0..self.scores.len() as u32;
        if draw.takes_all() && self.weights.is_none() {
            self.partition.start(all);
            return;
        }
        let chance = Chance::new(draw.seed, Purpose::RowsOfRound, draw.round);
        let (rows, weights) = (&self.rows, self.weights.as_ref());
        self.partition.start(all.filter(|&row| {
            let weighs = weights.and_then(|weights| weights.get(row as usize)).is_none_or(|weight| *weight > 0.0);
            let drawn = || rows.get(row as usize).is_some_and(|&row| chance.unit(u64::from(row)) < draw.share);
            weighs && (draw.takes_all() || drawn())
        }));
    }

    /// What the scores leave of the targets, with the weights, leaf by leaf.
    pub(super) fn residuals(&self, leaves: usize) -> Vec<Vec<(f64, f64)>> {
        let residual = |row: &u32| {
            let row = *row as usize;
            Some((self.targets.get(row)? - self.scores.get(row)?, self.weight(row)))
        };
        (0..leaves).map(|leaf| self.partition.leaf(leaf).iter().filter_map(residual).collect()).collect()
    }

    /// Adds the values of a tree to the scores.
    pub(super) fn finish(&mut self, grown: &Grown, all: bool) {
        if all && self.weights.is_none() {
            for (leaf, value) in grown.tree.leaves.iter().enumerate() {
                for &row in self.partition.leaf(leaf) {
                    if let Some(score) = self.scores.get_mut(row as usize) {
                        *score += value.value;
                    }
                }
            }
            return;
        }
        for (row, score) in self.scores.iter_mut().enumerate() {
            *score += grown.tree.value(self.bins.leaf(&grown.ways, &grown.tree, row));
        }
    }

    /// Sum of losses and of weights.
    pub(super) fn loss(&self) -> (f64, f64) {
        let rows = self.targets.iter().zip(&self.scores).enumerate();
        rows.fold((0.0, 0.0), |(sum, weights), (row, (&y, &s))| {
            let weight = self.weight(row);
            (sum + weight * self.loss.of(y, s), weights + weight)
        })
    }
}

impl Lane for Rows {
    fn parts(&mut self) -> (&BinnedRows, &[Moment], &mut Partition) {
        (&self.bins, &self.moments, &mut self.partition)
    }

    fn place(&self) -> (usize, usize) {
        (self.place, self.lanes)
    }
}
