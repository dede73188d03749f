//! A stack as linfa fits it and asks it: parameters and learners in one.

use std::fmt;
use std::marker::PhantomData;

use linfa::dataset::AsSingleTargets;
use linfa::traits::{Fit, PredictInplace};
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, ArrayBase, Data, Ix2};

use super::{EnsembleError, Fitted, Learner, Rows, StackParams, StackValidParams, StackedClassifier, StackedRegressor};
use crate::input;
use crate::tree::{Classifier, Regressor, Task};

/// Checked parameters of a stack with its learners.
pub struct ValidStack<'a, K: Task, F = Box<dyn Fitted>> {
    params: StackValidParams,
    learners: Vec<&'a dyn Learner<F>>,
    task: PhantomData<K>,
}

/// A stack of classifiers or of regressors over the learners that it joins.
///
/// ```
/// use linfa::traits::{Fit, Predict};
/// use linfa::{Dataset, ParamGuard};
/// use models::encode::EncoderParams;
/// use models::ensemble::{LogisticLearner, Stack, StackParams};
/// use models::linear::LogisticParams;
/// use models::tree::Classifier;
/// use ndarray::Array2;
///
/// let x = Array2::from_shape_fn((200, 2), |(row, column)| f64::from((row * (7 + 4 * column) % 31) as u32));
/// let y = x.outer_iter().map(|row| f64::from(u8::from(row[0] + row[1] % 9.0 > 18.0))).collect();
/// let linear = LogisticLearner::new("linear", EncoderParams::numeric(2), LogisticParams::new());
/// let stack = Stack::<Classifier>::new(StackParams::new().seed(3), vec![&linear]).check()?;
/// let rows = Dataset::new(x, y);
/// let classes = stack.fit(&rows)?.predict(&rows);
/// assert!(classes.iter().zip(rows.targets()).filter(|(found, label)| found == label).count() > 180);
/// # Ok::<(), models::ensemble::EnsembleError>(())
/// ```
pub struct Stack<'a, K: Task, F = Box<dyn Fitted>>(ValidStack<'a, K, F>);

impl<'a, K: Task, F> Stack<'a, K, F> {
    /// Joins learners: classifiers for labels 0 and 1, regressors for finite targets.
    pub fn new(params: StackParams, learners: Vec<&'a dyn Learner<F>>) -> Self {
        Self(ValidStack { params: params.0, learners, task: PhantomData })
    }
}

impl<K: Task, F> fmt::Debug for ValidStack<'_, K, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.learners.iter().map(|learner| learner.name()).collect();
        out.debug_struct("ValidStack").field("params", &self.params).field("learners", &names).finish()
    }
}

impl<'a, K: Task, F> ParamGuard for Stack<'a, K, F> {
    type Checked = ValidStack<'a, K, F>;
    type Error = EnsembleError;

    /// # Errors
    /// The parameter's name, its value and its range; a stack of no learners.
    fn check_ref(&self) -> Result<&Self::Checked, EnsembleError> {
        self.0.params.check_ranges()?;
        if self.0.learners.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, EnsembleError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Fits what linfa gives, as the rows of a stack.
fn on_rows<D: Data<Elem = f64>, T: AsSingleTargets<Elem = f64>, R>(
    dataset: &DatasetBase<ArrayBase<D, Ix2>, T>,
    fit: impl FnOnce(Rows<'_>) -> R,
) -> R {
    let weights = input::dataset_weights(&dataset.weights);
    let weights = weights.as_ref().map(|weights| weights.view());
    fit(Rows { x: dataset.records.view(), y: dataset.targets.as_single_targets(), weights })
}

impl<F, D, T> Fit<ArrayBase<D, Ix2>, T, EnsembleError> for ValidStack<'_, Classifier, F>
where
    F: Fitted,
    D: Data<Elem = f64>,
    T: AsSingleTargets<Elem = f64>,
{
    type Object = StackedClassifier<F>;

    /// Over stratified folds, as [`StackValidParams::fit`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Self::Object, EnsembleError> {
        on_rows(dataset, |rows| self.params.fit(&self.learners, rows))
    }
}

impl<F, D, T> Fit<ArrayBase<D, Ix2>, T, EnsembleError> for ValidStack<'_, Regressor, F>
where
    F: Fitted,
    D: Data<Elem = f64>,
    T: AsSingleTargets<Elem = f64>,
{
    type Object = StackedRegressor<F>;

    /// Over shuffled folds, as [`StackValidParams::fit_regressors`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Self::Object, EnsembleError> {
        on_rows(dataset, |rows| Ok(self.params.fit_regressors(&self.learners, rows)?.0))
    }
}

/// The class: 1 where its calibrated probability is at least one half. NaN for a matrix that the members were not fitted
/// for, which [`StackedClassifier::predict_probabilities`] tells of.
impl<F: Fitted, D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for StackedClassifier<F> {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        match self.predict_probabilities(&x.view()) {
            Ok(found) => *y = found.mapv_into(|p| if p.is_nan() { p } else { f64::from(u8::from(p >= 0.5)) }),
            Err(_) => y.fill(f64::NAN),
        }
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

/// The expected target. NaN for a matrix that the members were not fitted for, which
/// [`StackedRegressor::predict_values`] tells of.
impl<F: Fitted, D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for StackedRegressor<F> {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        match self.predict_values(&x.view()) {
            Ok(found) => *y = found,
            Err(_) => y.fill(f64::NAN),
        }
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
