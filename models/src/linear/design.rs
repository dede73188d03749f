//! The matrix of a fit: checked, read in chunks of rows, standardised on the way and never copied as a whole.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, s};

use super::LinearError;
use crate::input::{self, InputError, column_name};
use crate::parallel::{self, CHUNK};

/// A matrix with targets and weights, and the location and scale that standardise its columns.
pub(crate) struct Design<'a> {
    x: ArrayView2<'a, f64>,
    pub(crate) targets: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    /// Sum of the weights: the number of rows where there are none.
    pub(crate) total_weight: f64,
    /// Weighted mean of each column.
    pub(crate) means: Vec<f64>,
    /// What centres a column: its mean, or 0 where columns are taken as they are.
    pub(crate) shifts: Vec<f64>,
    /// 1 / standard deviation (population), 1 where columns are taken as they are, 0 for a constant column.
    pub(crate) factors: Vec<f64>,
    pub(crate) intercept: bool,
    pub(crate) threads: usize,
    blocks: Vec<Range<usize>>,
    /// Of every so many chunks only the first is read: 1 reads all.
    stride: usize,
}

/// How a design treats its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) standardize: bool,
    pub(crate) intercept: bool,
    pub(crate) threads: usize,
}

impl<'a> Design<'a> {
    /// Checks every value and finds mean and standard deviation of each column in one pass.
    ///
    /// # Errors
    /// [`InputError`] for other lengths, no rows, a bad weight or a value that is NaN or infinite.
    pub(crate) fn new(
        x: ArrayView2<'a, f64>,
        targets: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
        names: &[String],
        layout: Layout,
    ) -> Result<Self, LinearError> {
        if x.nrows() == 0 {
            return Err(InputError::Empty { what: "the matrix" }.into());
        }
        input::same_rows("the target", targets.len(), x.nrows())?;
        let total_weight = input::weight(x.nrows(), weights.as_ref())?;
        let columns = x.ncols();
        let mut design = Self {
            x,
            targets: targets.to_vec(),
            weights: weights.map(|weights| weights.to_vec()),
            total_weight,
            means: vec![0.0; columns],
            shifts: vec![0.0; columns],
            factors: vec![1.0; columns],
            intercept: layout.intercept,
            threads: layout.threads,
            blocks: parallel::blocks(x.nrows()),
            stride: 1,
        };
        let moments = design.moments(names)?;
        design.means.clone_from(&moments.means);
        if layout.standardize {
            if layout.intercept {
                design.shifts.clone_from(&moments.means);
            }
            design.factors = moments.factors();
        }
        Ok(design)
    }

    pub(crate) fn rows(&self) -> usize {
        self.x.nrows()
    }

    pub(crate) fn columns(&self) -> usize {
        self.x.ncols()
    }

    /// The same design over every `stride`-th chunk of rows: a systematic sample to start from.
    pub(crate) fn sample(&self, stride: usize) -> Self {
        let mut sample = Self {
            x: self.x,
            targets: self.targets.clone(),
            weights: self.weights.clone(),
            total_weight: 0.0,
            means: self.means.clone(),
            shifts: self.shifts.clone(),
            factors: self.factors.clone(),
            intercept: self.intercept,
            threads: self.threads,
            blocks: parallel::blocks(self.rows()),
            stride,
        };
        sample.total_weight = sample
            .fold(|chunk| match &sample.weights {
                Some(weights) => weights.get(chunk.range()).map_or(0.0, |weights| weights.iter().sum()),
                None => chunk.rows as f64,
            })
            .into_iter()
            .sum();
        sample
    }

    /// One value per block of rows, in the order of the blocks: the sum over its chunks, taken in order.
    fn fold(&self, work: impl Fn(&Chunk<'_>) -> f64 + Sync) -> Vec<f64> {
        self.accumulate(|| 0.0, |sum, chunk| *sum += work(chunk))
    }

    /// One accumulator per block of rows, in the order of the blocks.
    pub(crate) fn accumulate<T: Send>(
        &self,
        start: impl Fn() -> T + Sync,
        add: impl Fn(&mut T, &Chunk<'_>) + Sync,
    ) -> Vec<T> {
        parallel::map(&self.blocks, self.threads, |block| {
            let mut accumulator = start();
            for first in block.clone().step_by(CHUNK * self.stride) {
                let range = first..(first + CHUNK).min(block.end);
                add(&mut accumulator, &self.chunk(range));
            }
            accumulator
        })
    }

    fn chunk(&self, range: Range<usize>) -> Chunk<'_> {
        let view = self.x.slice(s![range.clone(), ..]);
        let rows = range.len();
        let values = match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(view.as_standard_layout().iter().copied().collect()),
        };
        Chunk { start: range.start, rows, values, columns: self.x.ncols() }
    }

    /// Weighted mean and sum of squares of each column, chunk by chunk (Chan, Golub & LeVeque 1983, eq. 2.1).
    fn moments(&self, names: &[String]) -> Result<Moments, LinearError> {
        let columns = self.columns();
        let parts = self.accumulate(
            || Moments::new(columns),
            |moments, chunk| {
                let weights = self.weights.as_ref().and_then(|weights| weights.get(chunk.range()));
                moments.merge(&Moments::of(chunk, weights));
            },
        );
        let mut all = Moments::new(columns);
        for part in &parts {
            all.merge(part);
        }
        if all.means.iter().chain(&all.squares).all(|value| value.is_finite()) {
            return Ok(all);
        }
        // Rare, so the offender is looked for only now.
        for (row, values) in self.x.axis_iter(Axis(0)).enumerate() {
            if let Some((column, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                let name = column_name(names, column);
                return Err(InputError::NotFinite { column, name, row, value: *value }.into());
            }
        }
        Err(LinearError::Diverged { iterations: 0 })
    }
}

/// Some consecutive rows, row by row.
pub(crate) struct Chunk<'a> {
    start: usize,
    rows: usize,
    columns: usize,
    values: Cow<'a, [f64]>,
}

impl Chunk<'_> {
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows
    }

    /// The rows; none where there are no columns.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns.max(1))
    }
}

/// Weighted moments of columns.
struct Moments {
    weight: f64,
    means: Vec<f64>,
    /// Weighted sums of squared deviations from the mean.
    squares: Vec<f64>,
}

impl Moments {
    fn new(columns: usize) -> Self {
        Self { weight: 0.0, means: vec![0.0; columns], squares: vec![0.0; columns] }
    }

    /// Two passes over a chunk, which is in cache.
    fn of(chunk: &Chunk<'_>, weights: Option<&[f64]>) -> Self {
        let mut moments = Self::new(chunk.columns);
        let weight_of = |row: usize| weights.and_then(|weights| weights.get(row)).copied().unwrap_or(1.0);
        moments.weight = (0..chunk.rows).map(weight_of).sum();
        if moments.weight == 0.0 {
            // Rows without weight still must not hide a NaN.
            for row in chunk.rows() {
                moments.squares.iter_mut().zip(row).for_each(|(square, value)| *square += value * 0.0);
            }
            return moments;
        }
        for (at, row) in chunk.rows().enumerate() {
            let share = weight_of(at) / moments.weight;
            moments.means.iter_mut().zip(row).for_each(|(mean, value)| *mean += share * value);
        }
        for (at, row) in chunk.rows().enumerate() {
            let weight = weight_of(at);
            for ((square, mean), value) in moments.squares.iter_mut().zip(&moments.means).zip(row) {
                *square += weight * (value - mean) * (value - mean);
            }
        }
        moments
    }

    fn merge(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        let share = if weight > 0.0 { other.weight / weight } else { 0.0 };
        let cross = self.weight * share;
        for ((mean, square), (other_mean, other_square)) in
            self.means.iter_mut().zip(&mut self.squares).zip(other.means.iter().zip(&other.squares))
        {
            let delta = other_mean - *mean;
            *mean += delta * share;
            *square += other_square + delta * delta * cross;
        }
        self.weight = weight;
    }

    /// 1 / population standard deviation; 0 where a column varies by no more than its own rounding.
    fn factors(&self) -> Vec<f64> {
        self.means
            .iter()
            .zip(&self.squares)
            .map(|(mean, square)| {
                let deviation = (square / self.weight).sqrt();
                if deviation > 1e-13 * mean.abs() && deviation > f64::MIN_POSITIVE { 1.0 / deviation } else { 0.0 }
            })
            .collect()
    }
}
