//! Split conformal intervals as linfa fits and asks them.

use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayBase, Axis, Data, Ix2, stack};

use super::{ConformalError, SplitConformal};
use crate::input::InputError;
use crate::parameters::{guarded, setters};

/// Checked parameters of split conformal intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalValidParams {
    coverage: f64,
}

impl ConformalValidParams {
    fn check_ranges(&self) -> Result<(), ConformalError> {
        let coverage = self.coverage;
        if coverage > 0.0 && coverage < 1.0 { Ok(()) } else { Err(ConformalError::Coverage { coverage }) }
    }
}

/// Parameters of [`SplitConformal`]: records are one column of predictions for rows that were not learnt from. Each counts
/// once, whatever the weights of the dataset: exchangeable rows have none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalParams(ConformalValidParams);

impl Default for ConformalParams {
    fn default() -> Self {
        Self::new()
    }
}

impl ConformalParams {
    /// Intervals that cover nine of ten.
    pub fn new() -> Self {
        Self(ConformalValidParams { coverage: 0.9 })
    }
}

setters! {
    ConformalParams {
        /// The share of targets that intervals are to cover.
        coverage: f64,
    }
}

guarded!(ConformalParams => ConformalValidParams, ConformalError);

impl<D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>> Fit<ArrayBase<D, Ix2>, T, ConformalError>
    for ConformalValidParams
{
    type Object = SplitConformal;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<SplitConformal, ConformalError> {
        if dataset.records.ncols() != 1 {
            return Err(InputError::Columns { found: dataset.records.ncols(), expected: 1 }.into());
        }
        let predicted = dataset.records.index_axis(Axis(1), 0);
        SplitConformal::fit(dataset.targets.as_single_targets(), predicted, None, self.coverage)
    }
}

/// Lower and upper end about each prediction of one column. NaN for another number of columns, and where the calibration
/// had a scale for each row, which [`SplitConformal::intervals`] takes.
impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array2<f64>> for SplitConformal {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array2<f64>) {
        let one = (x.ncols() == 1).then(|| x.index_axis(Axis(1), 0));
        let found = one.and_then(|predicted| self.intervals(predicted, None).ok());
        match found.and_then(|found| stack(Axis(1), &[found.lower.view(), found.upper.view()]).ok()) {
            Some(ends) => *y = ends,
            None => y.fill(f64::NAN),
        }
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array2<f64> {
        Array2::zeros((x.nrows(), 2))
    }
}
