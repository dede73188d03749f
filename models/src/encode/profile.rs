//! What one column of training looks like.

use ndarray::ArrayView1;

use super::report::{Dropped, Warning};
use super::{ColumnKind, EncodeError};

/// Rows below which a column of all different values is no sign of an identifier.
const IDENTIFIER_ROWS: usize = 100;

/// Counts and order statistics of a column.
pub(super) struct Profile {
    pub(super) missing: usize,
    pub(super) infinite: usize,
    /// Finite values in order.
    sorted: Vec<f64>,
    distinct: usize,
}

impl Profile {
    pub(super) fn of(values: &ArrayView1<'_, f64>) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let distinct = sorted.chunk_by(|a, b| a == b).count();
        let missing = values.iter().filter(|value| value.is_nan()).count();
        Self { missing, infinite: values.len() - missing - sorted.len(), sorted, distinct }
    }

    pub(super) fn low(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(0.0)
    }

    pub(super) fn high(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(0.0)
    }

    /// The mean of the two middle values where their number is even.
    pub(super) fn median(&self) -> f64 {
        let at = |place: usize| self.sorted.get(place).copied().unwrap_or(0.0);
        let size = self.sorted.len();
        let (low, high) = (at(size.saturating_sub(1) / 2), at(size / 2));
        low + (high - low) / 2.0
    }

    /// Levels of a category and their rows, by code.
    pub(super) fn levels(&self) -> Vec<(f64, usize)> {
        self.sorted.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len()))).collect()
    }

    /// Why the column is of no use, if it is of none. Missing counts as a value beside others.
    pub(super) fn dropped(&self, kind: ColumnKind) -> Option<Dropped> {
        let rows = self.sorted.len();
        if rows + self.infinite == 0 {
            return Some(Dropped::AllMissing);
        }
        if self.distinct <= 1 && self.missing == 0 && self.infinite == 0 {
            return Some(Dropped::Constant);
        }
        let unique = rows >= IDENTIFIER_ROWS && self.distinct * 10 >= rows * 9;
        (kind == ColumnKind::Categorical && unique).then_some(Dropped::Identifier)
    }

    pub(super) fn warning(&self, kind: ColumnKind) -> Option<Warning> {
        let rows = self.sorted.len();
        let all = rows + self.infinite + self.missing;
        let whole = || self.sorted.iter().all(|value| value.fract() == 0.0);
        // Numbers given in order of arrival: all different, whole, and dense.
        let numbered = self.distinct == rows && self.high() - self.low() < 100.0 * rows as f64 && whole();
        let identifier = match kind {
            ColumnKind::Numeric => rows >= IDENTIFIER_ROWS && numbered,
            ColumnKind::Categorical => self.dropped(kind) == Some(Dropped::Identifier),
        };
        if identifier {
            Some(Warning::LooksLikeIdentifier)
        } else if self.missing * 20 > all * 19 {
            Some(Warning::MostlyMissing)
        } else {
            None
        }
    }
}

/// That codes are whole numbers from 0.
pub(super) fn check_codes(column: usize, name: &str, values: &ArrayView1<'_, f64>) -> Result<(), EncodeError> {
    let good = |value: f64| value.is_nan() || (value >= 0.0 && value.fract() == 0.0 && value < 4e9);
    match values.iter().enumerate().find(|(_, value)| !good(**value)) {
        Some((row, value)) => Err(EncodeError::Code { column, name: name.to_owned(), row, value: *value }),
        None => Ok(()),
    }
}

/// Rows of each class below which a column agrees with the label by chance too easily.
const CLASS_ROWS: usize = 10;

/// Whether a column says the target: one value for each of two classes, or the target itself.
pub(super) fn tells_label(values: &ArrayView1<'_, f64>, y: &ArrayView1<'_, f64>) -> bool {
    if y.len() >= 2 * CLASS_ROWS && y.iter().any(|target| *target != 0.0 && *target != 1.0) {
        return values.iter().zip(y).all(|(value, target)| value == target) && y.iter().any(|t| Some(t) != y.first());
    }
    let mut seen: [(Option<f64>, usize); 2] = [(None, 0), (None, 0)];
    for (value, target) in values.iter().zip(y) {
        let Some(slot) = seen.get_mut(usize::from(*target == 1.0)) else { return false };
        // Bits, so that missing in one class and there in the other counts too.
        if slot.0.is_some_and(|known| known.to_bits() != value.to_bits()) {
            return false;
        }
        *slot = (Some(*value), slot.1 + 1);
    }
    let [(low, negatives), (high, positives)] = seen;
    low.map(f64::to_bits) != high.map(f64::to_bits) && negatives >= CLASS_ROWS && positives >= CLASS_ROWS
}
