//! Isotonic regression.

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use super::{CalibrationError, NEAREST, clipped};
use crate::input;

/// The rising function of the score that is nearest to the labels.
///
/// Minimises `sum_i w_i (y_i - f(s_i))^2` over non-decreasing `f` by pooling adjacent violators (Ayer et al. 1955;
/// Best & Chakravarti 1990). Rows of one score are one point with their mean. Between two blocks `f` is linear, beyond
/// the outer ones constant, as in scikit-learn's `IsotonicRegression(out_of_bounds="clip")`.
///
/// A block of `n` rows without a positive would say 0, which no data can show: values are held off 0 and 1 by
/// `1 / (W + 2)`, `W` the weight of all rows: Laplace's rule for a block as large as the sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct IsotonicCalibration {
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    nearest: f64,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    nearest: f64,
}

impl TryFrom<Stored> for IsotonicCalibration {
    type Error = CalibrationError;

    fn try_from(stored: Stored) -> Result<Self, CalibrationError> {
        let Stored { scores, probabilities, nearest } = stored;
        let rising = |values: &[f64]| values.is_sorted_by(|a, b| a <= b) && values.iter().all(|v| v.is_finite());
        if scores.is_empty() || scores.len() != probabilities.len() {
            return Err(CalibrationError::Damaged { what: "scores and probabilities do not pair up" });
        }
        if !rising(&scores) || !rising(&probabilities) {
            return Err(CalibrationError::Damaged { what: "scores or probabilities do not rise" });
        }
        if !(nearest > 0.0 && nearest < 0.5) || probabilities.iter().any(|p| !(0.0..=1.0).contains(p)) {
            return Err(CalibrationError::Damaged { what: "a probability lies outside 0 to 1" });
        }
        Ok(Self { scores, probabilities, nearest })
    }
}

/// Consecutive scores that share a value.
#[derive(Debug, Clone, Copy)]
struct Block {
    first: f64,
    last: f64,
    weight: f64,
    mean: f64,
}

impl Block {
    fn pool(self, next: Self) -> Self {
        let weight = self.weight + next.weight;
        let mean = self.mean + (next.mean - self.mean) * (next.weight / weight);
        Self { first: self.first, last: next.last, weight, mean }
    }
}

impl IsotonicCalibration {
    /// Fits scores (any scale) to labels 0 and 1; rows without weight do not count.
    ///
    /// # Errors
    /// [`CalibrationError::Input`] for other lengths, labels beside 0 and 1, one class only, a score not finite.
    pub fn fit(
        scores: ArrayView1<'_, f64>,
        y: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<Self, CalibrationError> {
        input::same_rows("the scores", scores.len(), y.len())?;
        let (total, _) = input::two_classes(&y, weights.as_ref())?;
        input::finite("the score", &scores)?;
        let weight_of = |row: usize| weights.as_ref().map_or(1.0, |w| w.get(row).copied().unwrap_or(0.0));
        let mut points: Vec<Block> = scores
            .iter()
            .zip(&y)
            .enumerate()
            .map(|(row, (score, y))| Block { first: *score, last: *score, weight: weight_of(row), mean: *y })
            .filter(|point| point.weight > 0.0)
            .collect();
        points.sort_by(|a, b| a.first.total_cmp(&b.first));
        let mut blocks: Vec<Block> = Vec::new();
        for tie in points.chunk_by(|a, b| a.first == b.first) {
            let Some(point) = tie.iter().copied().reduce(Block::pool) else { continue };
            let mut block = point;
            while let Some(before) = blocks.pop_if(|before| before.mean >= block.mean) {
                block = before.pool(block);
            }
            blocks.push(block);
        }
        let (mut scores, mut probabilities) = (Vec::new(), Vec::new());
        for block in &blocks {
            let ends = if block.first == block.last { vec![block.first] } else { vec![block.first, block.last] };
            probabilities.extend(ends.iter().map(|_| block.mean.clamp(0.0, 1.0)));
            scores.extend(ends);
        }
        Ok(Self { scores, probabilities, nearest: (1.0 / (total + 2.0)).clamp(NEAREST, 0.25) })
    }

    /// Rising scores, their probabilities, and how far these are held off 0 and 1.
    pub(crate) fn points(&self) -> (&[f64], &[f64], f64) {
        (&self.scores, &self.probabilities, self.nearest)
    }

    /// The probability of each score; NaN for NaN.
    pub fn calibrate(&self, scores: &ArrayView1<'_, f64>) -> Array1<f64> {
        scores.mapv(|score| clipped(self.value(score), self.nearest))
    }

    fn value(&self, score: f64) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let at = self.scores.partition_point(|known| *known <= score);
        let known = |at: usize| self.scores.get(at).copied().zip(self.probabilities.get(at).copied());
        match (at.checked_sub(1).and_then(known), known(at)) {
            (Some((left, low)), Some((right, high))) => low + (high - low) * ((score - left) / (right - left)),
            (Some((_, value)), None) | (None, Some((_, value))) => value,
            (None, None) => f64::NAN,
        }
    }
}
