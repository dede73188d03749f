//! The trees of a forest, each on one thread.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::Fit;
use ndarray::{ArrayBase, Data, Ix2};

use super::grow::{Growing, Soil};
use super::model::{Forest, OutOfBag};
use super::params::ForestValidParams;
use crate::random::{Chance, Purpose};
use crate::tree::{BinnedRows, Cell, Columns, EMPTY, Sample, Scale, Splitting, Task, Tree, TreeError};

impl<K, D, T> Fit<ArrayBase<D, Ix2>, T, TreeError> for ForestValidParams<K>
where
    K: Task,
    D: Data<Elem = f64>,
    T: AsSingleTargets<Elem = f64>,
{
    type Object = Forest<K>;

    /// # Errors
    /// See [`TreeError`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Forest<K>, TreeError> {
        fit(self, &Sample::of::<K, D, T>(dataset)?)
    }
}

/// Trees are told to sum in whole numbers of this unit, for a sum in any order: 2^-40 of the largest deviation.
const UNITS: f64 = (1_u64 << 40) as f64;

fn fit<K: Task>(params: &ForestValidParams<K>, sample: &Sample) -> Result<Forest<K>, TreeError> {
    let shape = &params.shape;
    let columns = Columns::learn(sample.x, &shape.categorical, shape.bins, shape.seed, shape.threads)?;
    let rows = BinnedRows::all(&columns, sample.x, shape.threads);
    // Classes are exact as they are; numbers far from 0 are more so around their mean.
    let mean = if K::CLASSES { 0.0 } else { sample.mean() };
    let weights = sample.weights.unwrap_or(&[]).iter().map(|weight| f64::from(*weight));
    let heaviest = if sample.weights.is_some() { weights.fold(0.0, f64::max) } else { 1.0 };
    let farthest = sample.targets.iter().fold(0.0, |most, y| f64::max(most, (y - mean).abs()));
    let soil = Soil {
        columns: &columns,
        splitting: columns.all().iter().map(|column| Splitting::of(column, 0)).collect(),
        rows: &rows,
        scale: Scale::new(sample.rows(), farthest * heaviest, heaviest),
        limits: params.limits(),
        depth: shape.depth,
        mtry: params.mtry.of(columns.len()),
        seed: shape.seed,
        mean,
        classes: K::CLASSES,
    };
    let plot = Plot { params, sample, soil: &soil, unit: farthest.max(mean.abs()).max(1e-300) / UNITS };
    let (trees, bag) = plot.grow_all()?;
    let out_of_bag = params.out_of_bag.then(|| plot.estimate(&bag));
    Ok(Forest { task: PhantomData, columns, trees, out_of_bag, threads: shape.threads })
}

/// Sums of what trees say of rows that they have not seen, and how many trees that are.
#[derive(Default)]
struct Bag {
    sums: Vec<i64>,
    trees: Vec<u32>,
}

/// A forest while it grows.
struct Plot<'a, 's, K> {
    params: &'a ForestValidParams<K>,
    sample: &'a Sample<'s>,
    soil: &'a Soil<'a>,
    unit: f64,
}

impl<K: Task> Plot<'_, '_, K> {
    /// All trees in their order. Threads take the next tree that nobody has taken; a tree depends on its number alone.
    fn grow_all(&self) -> Result<(Vec<Tree>, Bag), TreeError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut trees, mut bag) = (Vec::new(), self.empty_bag());
            let mut cells = vec![EMPTY; self.sample.rows()];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.params.trees {
                    return (trees, bag);
                }
                trees.push((number, self.grow_one(number, &mut cells, &mut bag)));
            }
        };
        let parts = std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.params.shape.threads).map(|_| scope.spawn(work)).collect();
            let mut parts = vec![work()];
            for other in others {
                parts.push(other.join().map_err(|_| TreeError::Worker)?);
            }
            Ok::<_, TreeError>(parts)
        })?;
        let (mut trees, mut bag) = (Vec::with_capacity(self.params.trees), self.empty_bag());
        for (part, other) in parts {
            trees.extend(part);
            bag.sums.iter_mut().zip(other.sums).for_each(|(sum, more)| *sum += more);
            bag.trees.iter_mut().zip(other.trees).for_each(|(count, more)| *count += more);
        }
        trees.sort_by_key(|(number, _)| *number);
        Ok((trees.into_iter().map(|(_, tree)| tree).collect(), bag))
    }

    fn empty_bag(&self) -> Bag {
        let rows = if self.params.out_of_bag { self.sample.rows() } else { 0 };
        Bag { sums: vec![0; rows], trees: vec![0; rows] }
    }

    fn grow_one(&self, number: usize, cells: &mut [Cell], bag: &mut Bag) -> Tree {
        self.draw(number, cells);
        let (tree, ways) = Growing::new(self.soil, number, cells).grow();
        let rows = bag.sums.iter_mut().zip(&mut bag.trees).zip(cells.iter()).enumerate();
        for (row, ((sum, trees), cell)) in rows {
            if *cell == EMPTY {
                let value = tree.value(self.soil.rows.leaf(&ways, &tree, row));
                *sum += (value / self.unit).round() as i64;
                *trees += 1;
            }
        }
        tree
    }

    /// What each row adds to the histograms of a tree: its deviation and weight, as often as it is drawn.
    fn draw(&self, number: usize, cells: &mut [Cell]) {
        let rows = cells.len();
        let scale = &self.soil.scale;
        // The count of draws is kept where the cell will be.
        if self.params.bootstrap {
            cells.fill(EMPTY);
            let chance = Chance::new(self.params.shape.seed, Purpose::Bootstrap, number);
            for place in 0..rows {
                if let Some([count, _]) = cells.get_mut(chance.below(place as u64, rows)) {
                    *count += 1;
                }
            }
        } else {
            cells.fill([1, 0]);
        }
        for (row, (cell, &y)) in cells.iter_mut().zip(self.sample.targets.iter()).enumerate() {
            let (count, weight) = (cell[0], self.sample.weight(row));
            *cell = if count == 0 || weight == 0.0 {
                EMPTY
            } else {
                scale.cell(scale.moment((self.soil.mean - y) * weight, weight)).map(|word| word.wrapping_mul(count))
            };
        }
    }

    fn estimate(&self, bag: &Bag) -> OutOfBag {
        let predictions: Vec<f64> = bag
            .sums
            .iter()
            .zip(&bag.trees)
            .map(|(&sum, &trees)| if trees == 0 { f64::NAN } else { sum as f64 * self.unit / f64::from(trees) })
            .collect();
        let known = predictions.iter().zip(self.sample.targets.iter()).enumerate().filter(|(_, (p, _))| !p.is_nan());
        let (mut rows, mut sum, mut weights) = (0, 0.0, 0.0);
        for (row, (p, y)) in known {
            let weight = self.sample.weight(row);
            rows += 1;
            sum += weight * (p - y) * (p - y);
            weights += weight;
        }
        OutOfBag { rows, squared_error: if weights > 0.0 { sum / weights } else { 0.0 }, predictions }
    }
}
