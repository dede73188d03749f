//! Splits by time, with the label's horizon purged.

use ndarray::ArrayView1;

use super::{Fold, SplitError};
use crate::input::InputError;

/// Learns from snapshots whose label was known before the test begins, judges by those from `test_from` on.
///
/// `days` is the snapshot's day of each row, as days of any era. The label of a snapshot on day `t` looks at
/// `(t, t + horizon_days]`: rows with `t + horizon_days > test_from` are in neither part, for their label overlaps what
/// is tested (de Prado 2018, section 7.4.1). An entity may stand on both sides: that is how it will be used.
///
/// # Errors
/// [`SplitError::NoRows`] where a side is empty.
pub fn time_split(days: ArrayView1<'_, i64>, test_from: i64, horizon_days: u32) -> Result<Fold, SplitError> {
    split_between(&days, test_from, i64::MAX, horizon_days)
}

/// The last `folds` snapshots, oldest first, each judged by what was known before it.
///
/// # Errors
/// [`SplitError::NoRows`] where the first of them leaves nothing to learn from; [`SplitError::TooFew`] where there are no
/// more snapshots than folds.
pub fn rolling_splits(days: ArrayView1<'_, i64>, folds: usize, horizon_days: u32) -> Result<Vec<Fold>, SplitError> {
    let mut snapshots: Vec<i64> = days.to_vec();
    snapshots.sort_unstable();
    snapshots.dedup();
    if folds == 0 || snapshots.is_empty() {
        return Err(InputError::Empty { what: "the list of folds or of days" }.into());
    }
    let Some(first) = snapshots.len().checked_sub(folds).filter(|first| *first > 0) else {
        return Err(SplitError::TooFew { what: "snapshots", found: snapshots.len(), folds });
    };
    let tests = snapshots.iter().skip(first);
    tests.map(|day| split_between(&days, *day, day.saturating_add(1), horizon_days)).collect()
}

fn split_between(
    days: &ArrayView1<'_, i64>,
    test_from: i64,
    test_before: i64,
    horizon_days: u32,
) -> Result<Fold, SplitError> {
    let rows = |inside: &dyn Fn(i64) -> bool| -> Vec<usize> {
        days.iter().enumerate().filter(|(_, day)| inside(**day)).map(|(row, _)| row).collect()
    };
    let fold = Fold {
        train: rows(&|day| day < test_from && day.saturating_add(i64::from(horizon_days)) <= test_from),
        test: rows(&|day| test_from <= day && day < test_before),
    };
    if fold.train.is_empty() || fold.test.is_empty() {
        let (train, test) = (fold.train.len(), fold.test.len());
        return Err(SplitError::NoRows { test_from, horizon_days, train, test });
    }
    Ok(fold)
}
