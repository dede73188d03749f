//! Columns as bins: what turns a number or a code into one byte.

use ndarray::{ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::cuts::cuts;
use super::error::TreeError;
use crate::input;
use crate::random::{Chance, Purpose};

/// The bin of a missing value. Bins that hold values come before it.
pub(crate) const MISSING: u8 = 255;

/// Most bins of a column, missing not counted.
pub const MAX_BINS: usize = 255;

/// Largest code of a categorical column.
pub const MAX_CODE: u32 = 1 << 24;

/// Rows that cuts are made of. The share of a bin is then known within a tenth.
const SAMPLE: usize = 100_000;

/// Rows that are searched side by side: one search waits for its comparisons, sixteen do not.
const SIDE_BY_SIDE: usize = 16;

/// How the values of one column become bins.
///
/// NaN is missing. An infinity falls into the outermost bin on its side, together with the largest or smallest finite
/// values. A constant column has one bin and is never split, unless some of its values are missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Ascending ends of bins: bin b holds `cuts[b-1] < x <= cuts[b]`.
    Numeric { cuts: Vec<f64> },
    /// Ascending codes: bin b holds `codes[b]`. Codes that are not among them are missing; of more than 255 the rarest
    /// are left out.
    Categorical { codes: Vec<u32> },
}

impl Column {
    pub(crate) fn bins(&self) -> usize {
        match self {
            Self::Numeric { cuts } => cuts.len() + 1,
            Self::Categorical { codes } => codes.len(),
        }
    }

    pub(crate) fn is_categorical(&self) -> bool {
        matches!(self, Self::Categorical { .. })
    }

    /// The bin of a value.
    pub(crate) fn bin(&self, x: f64) -> u8 {
        if x.is_nan() {
            return MISSING;
        }
        match self {
            Self::Numeric { cuts } => u8::try_from(cuts.partition_point(|&cut| cut < x)).unwrap_or(MISSING),
            Self::Categorical { codes } => code(x)
                .and_then(|code| codes.binary_search(&code).ok())
                .and_then(|place| u8::try_from(place).ok())
                .unwrap_or(MISSING),
        }
    }

    fn categorical(column: usize, values: ArrayView1<f64>, bins: usize) -> Result<Self, TreeError> {
        let mut counts = std::collections::BTreeMap::<u32, usize>::new();
        for (row, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let code = code(value).ok_or(TreeError::Category { column, row, value, limit: MAX_CODE })?;
            *counts.entry(code).or_default() += 1;
        }
        let mut by_count: Vec<(u32, usize)> = counts.into_iter().collect();
        // The sort is stable: of equally rare codes the smaller is kept.
        by_count.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        by_count.truncate(bins);
        let mut codes: Vec<u32> = by_count.into_iter().map(|(code, _)| code).collect();
        codes.sort_unstable();
        Ok(Self::Categorical { codes })
    }

    /// Checks what a stored column says.
    pub(crate) fn check(&self, place: usize) -> Result<(), TreeError> {
        let ascending = match self {
            Self::Numeric { cuts } => {
                cuts.iter().all(|cut| cut.is_finite()) && cuts.iter().zip(cuts.iter().skip(1)).all(|(a, b)| a < b)
            }
            Self::Categorical { codes } => codes.iter().zip(codes.iter().skip(1)).all(|(a, b)| a < b),
        };
        let refused = |problem| TreeError::Stored { place: format!("column {place}"), problem };
        if !ascending {
            return Err(refused("has bins that are not finite and ascending"));
        }
        if self.bins() > MAX_BINS { Err(refused("has more than 255 bins")) } else { Ok(()) }
    }
}

/// A whole number that may be a code.
fn code(x: f64) -> Option<u32> {
    (x >= 0.0 && x <= f64::from(MAX_CODE) && x.fract() == 0.0).then_some(x as u32)
}

/// The columns of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// Learns the bins of every column of `x` (rows x columns); those named in `categorical` hold codes.
    ///
    /// Cuts of more than 100,000 rows are made of a sample of as many: one row from each of 100,000 equal stretches,
    /// chosen by `seed`.
    ///
    /// # Errors
    /// [`TreeError::Category`] for a value that is no code, [`TreeError::NoSuchColumn`].
    pub(crate) fn learn(
        x: ArrayView2<f64>,
        categorical: &[usize],
        bins: usize,
        seed: u64,
        threads: usize,
    ) -> Result<Self, TreeError> {
        if let Some(&column) = categorical.iter().find(|&&column| column >= x.ncols()) {
            return Err(TreeError::NoSuchColumn { what: "`categorical`", column, columns: x.ncols() });
        }
        let rows = sample(x.nrows(), seed);
        let learn = |place: usize, values: ArrayView1<f64>| {
            if categorical.contains(&place) {
                return Column::categorical(place, values, bins);
            }
            let values = rows.iter().filter_map(|&row| values.get(row).copied()).collect();
            Ok(Column::Numeric { cuts: cuts(values, bins) })
        };
        let mut found: Vec<Option<Result<Column, TreeError>>> = (0..x.ncols()).map(|_| None).collect();
        let share = x.ncols().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for (part, places) in found.chunks_mut(share).enumerate() {
                let learn = &learn;
                scope.spawn(move || {
                    let columns = x.axis_iter(Axis(1)).enumerate().skip(part * share);
                    for (found, (place, values)) in places.iter_mut().zip(columns) {
                        *found = Some(learn(place, values));
                    }
                });
            }
        });
        found.into_iter().map(|column| column.unwrap_or(Err(TreeError::Worker))).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn all(&self) -> &[Column] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn any_categorical(&self) -> bool {
        self.0.iter().any(Column::is_categorical)
    }

    pub(crate) fn check(&self) -> Result<(), TreeError> {
        self.0.iter().enumerate().try_for_each(|(place, column)| column.check(place))
    }

    /// How many values of each column are codes that the fit did not keep, and so count as missing; 0 for numeric
    /// columns.
    ///
    /// # Errors
    /// [`InputError::Columns`](crate::InputError) where `x` has another number of columns than the fit had.
    pub fn unseen(&self, x: &ArrayView2<f64>) -> Result<Vec<usize>, TreeError> {
        self.check_width(x)?;
        let count = |(column, values): (&Column, ArrayView1<f64>)| match column {
            Column::Numeric { .. } => 0,
            Column::Categorical { .. } => values.iter().filter(|x| !x.is_nan() && column.bin(**x) == MISSING).count(),
        };
        Ok(self.0.iter().zip(x.axis_iter(Axis(1))).map(count).collect())
    }

    pub(crate) fn check_width(&self, x: &ArrayView2<f64>) -> Result<(), TreeError> {
        Ok(input::same_columns(x, self.len())?)
    }

    /// The bins of some rows, row by row, into as many bytes.
    pub(crate) fn bin(&self, x: ArrayView2<f64>, rows: &[usize], found: &mut [u8]) {
        let width = self.len();
        let padded: Vec<Option<Box<[f64; 256]>>> = self.0.iter().map(padded).collect();
        // A few rows at a time: they stay in the cache until their last column is done.
        for (bins, rows) in found.chunks_mut(SIDE_BY_SIDE * width.max(1)).zip(rows.chunks(SIDE_BY_SIDE)) {
            for (place, (column, padded)) in self.0.iter().zip(&padded).enumerate() {
                let mut values = [f64::NAN; SIDE_BY_SIDE];
                for (value, &row) in values.iter_mut().zip(rows) {
                    *value = x.get((row, place)).copied().unwrap_or(f64::NAN);
                }
                let searched = match padded {
                    Some(cuts) => search(cuts, &values),
                    None => values.map(|x| column.bin(x)),
                };
                for (bin, found) in bins.iter_mut().skip(place).step_by(width).zip(searched) {
                    *bin = found;
                }
            }
        }
    }
}

fn padded(column: &Column) -> Option<Box<[f64; 256]>> {
    let Column::Numeric { cuts } = column else { return None };
    let mut padded = Box::new([f64::INFINITY; 256]);
    padded.iter_mut().zip(cuts).for_each(|(to, from)| *to = *from);
    Some(padded)
}

/// The bins of several values, by halving without a branch.
#[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 cuts")]
fn search(cuts: &[f64; 256], values: &[f64; SIDE_BY_SIDE]) -> [u8; SIDE_BY_SIDE] {
    let mut found = [0_u8; SIDE_BY_SIDE];
    for step in [128_u8, 64, 32, 16, 8, 4, 2, 1] {
        for (found, x) in found.iter_mut().zip(values) {
            let middle = found.wrapping_add(step - 1);
            *found += step * u8::from(cuts[usize::from(middle)] < *x);
        }
    }
    for (found, x) in found.iter_mut().zip(values) {
        if x.is_nan() {
            *found = MISSING;
        }
    }
    found
}

/// The rows that cuts are made of, ascending.
fn sample(rows: usize, seed: u64) -> Vec<usize> {
    if rows <= SAMPLE {
        return (0..rows).collect();
    }
    let chance = Chance::new(seed, Purpose::SampleOfRows, 0);
    let start = |stretch: usize| (stretch as u128 * rows as u128 / SAMPLE as u128) as usize;
    (0..SAMPLE)
        .map(|stretch| start(stretch) + chance.below(stretch as u64, start(stretch + 1) - start(stretch)))
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn side_by_side_search_finds_the_bin_that_the_definition_names() {
        let values: Vec<f64> = (0..2_000).map(|i| f64::from(i * 7919 % 2_000) / 7.0).collect();
        let x = Array2::from_shape_vec((1_000, 2), values).unwrap();
        let columns = Columns::learn(x.view(), &[], 255, 1, 2).unwrap();
        let mut asked = x.clone();
        asked[[3, 0]] = f64::NAN;
        asked[[4, 1]] = f64::INFINITY;
        asked[[5, 1]] = f64::NEG_INFINITY;
        let rows: Vec<usize> = (0..1_000).collect();
        let mut bins = vec![7; 2_000];
        columns.bin(asked.view(), &rows, &mut bins);
        for ((row, column), &x) in asked.indexed_iter() {
            assert_eq!(bins[row * 2 + column], columns.all()[column].bin(x), "{x}");
        }
        assert_eq!(bins[6], MISSING);
        assert_eq!(usize::from(bins[9]), columns.all()[1].bins() - 1);
        assert_eq!(bins[11], 0);
    }

    #[test]
    fn unseen_codes_are_missing_and_counted() {
        let x = array![[0.0, 5.0], [1.0, 5.0], [2.0, 7.0], [1.0, f64::NAN]];
        let columns = Columns::learn(x.view(), &[1], 255, 1, 1).unwrap();
        let asked = array![[9.0, 6.0], [1.0, 7.0], [1.0, -1.0], [1.0, 5.5], [1.0, f64::NAN]];
        assert_eq!(columns.unseen(&asked.view()).unwrap(), [0, 3]);
        assert_eq!(columns.all()[1].bin(6.0), MISSING);
        assert_eq!(columns.all()[1].bin(7.0), 1);
    }

    #[test]
    fn a_fraction_in_a_categorical_column_is_refused_with_its_place() {
        let x = array![[0.0], [1.5]];
        let error = Columns::learn(x.view(), &[0], 255, 1, 1).unwrap_err().to_string();
        assert!(error.contains("column 0") && error.contains("row 1") && error.contains("1.5"), "{error}");
    }

    #[test]
    fn of_too_many_codes_the_rarest_are_left_out() {
        let codes: Vec<f64> = (0..300).flat_map(|code| vec![f64::from(code); if code < 45 { 1 } else { 3 }]).collect();
        let x = Array2::from_shape_vec((codes.len(), 1), codes).unwrap();
        let columns = Columns::learn(x.view(), &[0], 255, 1, 1).unwrap();
        assert_eq!(columns.all()[0].bins(), 255);
        assert_eq!(columns.unseen(&x.view()).unwrap(), [45]);
    }
}
