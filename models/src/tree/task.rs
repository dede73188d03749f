//! What a model answers: a class or a number. As a type, so that only classifiers have probabilities.

use ndarray::ArrayView1;

use crate::input::{self, InputError};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Classifier {}
    impl Sealed for super::Regressor {}
}

/// Targets are 0 or 1, and both occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classifier;

/// Targets are finite numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regressor;

/// [`Classifier`] or [`Regressor`].
pub trait Task: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    #[doc(hidden)]
    const CLASSES: bool;

    #[doc(hidden)]
    fn check(y: &ArrayView1<'_, f64>, weights: Option<&ArrayView1<'_, f64>>) -> Result<(), InputError>;
}

impl Task for Classifier {
    const CLASSES: bool = true;

    fn check(y: &ArrayView1<'_, f64>, weights: Option<&ArrayView1<'_, f64>>) -> Result<(), InputError> {
        input::two_classes(y, weights).map(|_| ())
    }
}

impl Task for Regressor {
    const CLASSES: bool = false;

    fn check(y: &ArrayView1<'_, f64>, weights: Option<&ArrayView1<'_, f64>>) -> Result<(), InputError> {
        input::finite("the target", y)?;
        input::weight(y.len(), weights).map(|_| ())
    }
}
