//! A stored model, asked.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use models::recipe::FittedModel;
use ndarray::ArrayView1;
use warehouse::learn::{LearnError, Reason, Scored, Scorer, family};

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
            let families = Families::of(&self.model.columns(), &table.names());
            scored.reasons = found.values.rows().into_iter().map(|row| families.strongest(row, reasons)).collect();
        }
        Ok(scored)
    }
}

/// The model's columns by what they measure: of one thing over several windows a reader wants one reason.
struct Families {
    /// For each column of the model its family's place among the families, and its own among the columns that are given.
    columns: Vec<(usize, Option<usize>)>,
    count: usize,
}

impl Families {
    fn of<'a>(columns: &[&'a str], given: &[&str]) -> Self {
        let mut known: HashMap<&'a str, usize> = HashMap::new();
        let place = |column: &str| given.iter().position(|name| *name == column);
        let columns = columns.iter().map(|column| {
            let next = known.len();
            (*known.entry(family(column)).or_insert(next), place(column))
        });
        Self { columns: columns.collect(), count: known.len() }
    }

    /// The families that did most, the strongest first; of equal ones the earlier column. Those that did nothing are
    /// none. Each is told by that of its columns which did most in the direction of their sum.
    fn strongest(&self, row: ArrayView1<'_, f64>, count: usize) -> Vec<Reason> {
        let mut sums = vec![0.0; self.count];
        for (contribution, (family, _)) in row.iter().zip(&self.columns) {
            if let Some(sum) = sums.get_mut(*family) {
                *sum += contribution;
            }
        }
        let mut told: Vec<Option<(usize, f64)>> = vec![None; self.count];
        for (contribution, (family, place)) in row.iter().zip(&self.columns) {
            let (Some(place), Some(sum), Some(told)) = (place, sums.get(*family), told.get_mut(*family)) else {
                continue;
            };
            let share = contribution * sum.signum();
            if share > 0.0 && told.is_none_or(|(_, most)| share > most) {
                *told = Some((*place, share));
            }
        }
        let told = told.into_iter().zip(sums).filter(|(_, sum)| *sum != 0.0);
        let mut found: Vec<Reason> =
            told.filter_map(|(told, contribution)| Some(Reason { column: told?.0, contribution })).collect();
        found.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()).then(a.column.cmp(&b.column)));
        found.truncate(count);
        found
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn columns_of_one_thing_are_one_reason_told_by_the_one_that_did_most_of_it() {
        let columns = ["orders_30d", "recency", "orders_365d", "orders_trend", "visits_30d", "visits_90d"];
        let given = ["recency", "orders_30d", "orders_365d", "orders_trend", "visits_30d", "visits_90d"];
        let families = Families::of(&columns, &given);
        let found = families.strongest(arr1(&[-0.5, 0.75, -1.0, 0.25, 0.5, -0.5]).view(), 3);
        let reason = |column, contribution| Reason { column, contribution };
        assert_eq!(found, [reason(2, -1.25), reason(0, 0.75)]);
        assert_eq!(families.strongest(arr1(&[0.0; 6]).view(), 3), []);
    }
}
