//! What acting on the top of a list finds.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MetricError;
use super::ranking::ranked;
use crate::parameters::range;

/// One part of the list, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiftRow {
    /// 1 is the top.
    pub part: usize,
    /// Weight of the rows in this part.
    pub weight: f64,
    /// Weight of the positives in this part.
    pub positives: f64,
    /// Share of positives in this part.
    pub rate: f64,
    /// That share over the share in the whole list.
    pub lift: f64,
    /// Share of all positives found in this part and those above it.
    pub gain: f64,
    /// Lift of this part and those above it together.
    pub cumulative_lift: f64,
}

/// Gain and lift by equal parts of the list, 10 for deciles, from the highest score down.
///
/// Rows of one score that fall on a border are divided as their expectation over a random order: positives in
/// proportion. Counts may therefore have decimals.
///
/// # Errors
/// [`MetricError::Input`] as [`roc_auc`](super::roc_auc); [`MetricError::Parameter`] for no parts.
pub fn lift_table(
    y: ArrayView1<'_, f64>,
    scores: ArrayView1<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    parts: usize,
) -> Result<Vec<LiftRow>, MetricError> {
    range("parts", parts as f64, "at least 1", parts > 0)?;
    let (ranking, weights) = ranked(&y, &scores, weights.as_ref())?;
    let runs = ranking.runs(weights.as_deref());
    let all: f64 = runs.iter().map(|run| run.0 + run.1).sum();
    let positives: f64 = runs.iter().map(|run| run.0).sum();
    let mut runs = runs.into_iter();
    let (mut depth, mut found, mut run) = (0.0, 0.0, None::<(f64, f64)>);
    // Positives found at a depth of the list: whole runs, then the due share of the one that the border cuts.
    let mut found_at = |border: f64, last: bool| {
        loop {
            let Some((good, bad)) = run.or_else(|| runs.next()) else { return found };
            let weight = good + bad;
            if !last && depth + weight > border {
                run = Some((good, bad));
                return found + good * ((border - depth) / weight).max(0.0);
            }
            run = None;
            depth += weight;
            found += good;
        }
    };
    let base = positives / all;
    let mut rows = Vec::with_capacity(parts);
    let mut above = 0.0;
    for part in 1..=parts {
        let share = part as f64 / parts as f64;
        let so_far = found_at(all * share, part == parts);
        let (weight, here) = (all / parts as f64, so_far - above);
        rows.push(LiftRow {
            part,
            weight,
            positives: here,
            rate: here / weight,
            lift: here / weight / base,
            gain: so_far / positives,
            cumulative_lift: so_far / (all * share) / base,
        });
        above = so_far;
    }
    Ok(rows)
}
