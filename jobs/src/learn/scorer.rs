//! A stored model, asked.

use arrow::array::RecordBatch;
use models::recipe::FittedModel;
use ndarray::ArrayView1;
use warehouse::learn::{LearnError, Reason, Scored, Scorer};

use super::refused;
use super::table::frame;

/// Reads a model back.
pub(super) fn open(artefact: &[u8]) -> Result<Box<dyn Scorer>, LearnError> {
    let model = FittedModel::from_bytes(artefact).map_err(|error| refused(&error))?;
    Ok(Box::new(Stored { model }))
}

struct Stored {
    model: FittedModel,
}

impl Scorer for Stored {
    fn score(&self, features: &RecordBatch, reasons: usize) -> Result<Scored, LearnError> {
        let table = frame(features.clone())?;
        let scores = self.model.score(&table).map_err(|error| refused(&error))?;
        let intervals = scores.intervals.as_ref().map(|found| {
            let ends = found.lower.iter().zip(&found.upper);
            ends.map(|(low, high)| (*low, *high)).collect()
        });
        let mut scored = Scored { scores: scores.values.to_vec(), intervals, reasons: Vec::new() };
        if reasons > 0 {
            let found = self.model.contributions(&table).map_err(|error| refused(&error))?;
            let names = table.names();
            let places: Vec<Option<usize>> =
                self.model.columns().iter().map(|column| names.iter().position(|name| name == column)).collect();
            scored.reasons = found.values.rows().into_iter().map(|row| strongest(row, &places, reasons)).collect();
        }
        Ok(scored)
    }
}

/// The strongest contributions, strongest first; of equal ones the earlier column. Columns that did nothing are none.
fn strongest(row: ArrayView1<'_, f64>, places: &[Option<usize>], count: usize) -> Vec<Reason> {
    let mut found: Vec<Reason> = row
        .iter()
        .zip(places)
        .filter(|(contribution, _)| **contribution != 0.0)
        .filter_map(|(contribution, place)| Some(Reason { column: (*place)?, contribution: *contribution }))
        .collect();
    found.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()).then(a.column.cmp(&b.column)));
    found.truncate(count);
    found
}
