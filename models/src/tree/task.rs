//! What a model answers: a class or a number. As a type, so that only classifiers have probabilities.

use super::error::TreeError;

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
    fn check_targets(targets: &[f64]) -> Result<(), TreeError>;
}

impl Task for Classifier {
    const CLASSES: bool = true;

    fn check_targets(targets: &[f64]) -> Result<(), TreeError> {
        let wrong = targets.iter().position(|y| *y != 0.0 && *y != 1.0);
        if let Some((row, &value)) = wrong.and_then(|row| Some((row, targets.get(row)?))) {
            return Err(TreeError::Target { row, value, need: "0 or 1" });
        }
        match targets.first() {
            Some(&class) if targets.iter().all(|y| *y == class) => {
                Err(TreeError::OneClass { class, rows: targets.len() })
            }
            _ => Ok(()),
        }
    }
}

impl Task for Regressor {
    const CLASSES: bool = false;

    fn check_targets(targets: &[f64]) -> Result<(), TreeError> {
        let wrong = targets.iter().enumerate().find(|(_, y)| !y.is_finite());
        wrong.map_or(Ok(()), |(row, &value)| Err(TreeError::Target { row, value, need: "a finite number" }))
    }
}
