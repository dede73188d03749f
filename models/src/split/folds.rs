//! Folds where there is no time.

use ndarray::ArrayView1;

use super::{Fold, SplitError};
use crate::input;
use crate::random::Random;

/// Stratified k-fold of labels 0 and 1, shuffled by a seed.
///
/// Folds hold as many rows of each class as scikit-learn's `StratifiedKFold(shuffle=True)` gives them: the sorted labels
/// are dealt out in turn, so sizes differ by one at most. Which rows of a class go where is a uniform permutation: the
/// same distribution, not the same draws.
///
/// # Errors
/// [`SplitError::TooFew`] where a class has fewer rows than there are folds; [`SplitError::Folds`] below 2 folds;
/// [`SplitError::Input`] for labels beside 0 and 1.
pub fn stratified_folds(y: ArrayView1<'_, f64>, folds: usize, seed: u64) -> Result<Vec<Fold>, SplitError> {
    check_folds(folds)?;
    input::labels(&y)?;
    let mut random = Random::new(seed);
    let mut assigned = vec![0; y.len()];
    let mut dealt = 0;
    let mut classes = [(0.0, "rows of label 0"), (1.0, "rows of label 1")];
    // scikit-learn deals out the class that it meets first.
    if y.first() == Some(&1.0) {
        classes.reverse();
    }
    for (class, what) in classes {
        let rows: Vec<usize> = y.iter().enumerate().filter(|(_, label)| **label == class).map(|(row, _)| row).collect();
        if rows.len() < folds {
            return Err(SplitError::TooFew { what, found: rows.len(), folds });
        }
        // The class takes up dealing where the one before it left off.
        let mut places: Vec<usize> = (dealt..dealt + rows.len()).map(|place| place % folds).collect();
        dealt += rows.len();
        random.shuffle(&mut places);
        assign(&mut assigned, &rows, &places);
    }
    Ok(from_assignment(&assigned, folds))
}

/// Plain k-fold, shuffled by a seed: for regressors. Sizes differ by one at most.
///
/// # Errors
/// [`SplitError::TooFew`] where there are fewer rows than folds; [`SplitError::Folds`] below 2 folds.
pub fn value_folds(rows: usize, folds: usize, seed: u64) -> Result<Vec<Fold>, SplitError> {
    check_folds(folds)?;
    if rows < folds {
        return Err(SplitError::TooFew { what: "rows", found: rows, folds });
    }
    let mut places: Vec<usize> = (0..rows).map(|row| row % folds).collect();
    Random::new(seed).shuffle(&mut places);
    Ok(from_assignment(&places, folds))
}

/// Grouped k-fold: no group is on both sides of a fold. Shuffled by a seed.
///
/// Groups go, largest first and those of one size in random order, to the fold that has the least so far: of the
/// positives where `y` is given and the group has some, else of the rows. Rows and positives stay nearly even
/// (the greedy rule of longest processing time, Graham 1969).
///
/// # Errors
/// [`SplitError::TooFew`] where there are fewer groups than folds; [`SplitError::Folds`] below 2 folds;
/// [`SplitError::Input`] for other lengths or labels beside 0 and 1.
pub fn grouped_folds(
    groups: ArrayView1<'_, u64>,
    y: Option<ArrayView1<'_, f64>>,
    folds: usize,
    seed: u64,
) -> Result<Vec<Fold>, SplitError> {
    check_folds(folds)?;
    if let Some(y) = &y {
        input::same_rows("the label", y.len(), groups.len())?;
        input::labels(y)?;
    }
    let label = |row: usize| y.as_ref().and_then(|y| y.get(row)).copied().unwrap_or(0.0);
    let mut rows: Vec<(u64, usize)> = groups.iter().copied().zip(0..).collect();
    rows.sort_unstable();
    let mut groups: Vec<(f64, &[(u64, usize)])> =
        rows.chunk_by(|a, b| a.0 == b.0).map(|group| (group.iter().map(|(_, row)| label(*row)).sum(), group)).collect();
    if groups.len() < folds {
        return Err(SplitError::TooFew { what: "groups", found: groups.len(), folds });
    }
    Random::new(seed).shuffle(&mut groups);
    groups.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.len().cmp(&a.1.len())));
    let mut loads = vec![(0.0_f64, 0_usize); folds];
    let mut assigned = vec![0; rows.len()];
    for (positives, group) in groups {
        let key = |load: &(f64, usize)| if positives > 0.0 { (load.0, load.1) } else { (0.0, load.1) };
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let lightest = loads.iter().map(key).enumerate().min_by(|a, b| order(&a.1, &b.1)).map_or(0, |(at, _)| at);
        if let Some(load) = loads.get_mut(lightest) {
            *load = (load.0 + positives, load.1 + group.len());
        }
        for (_, row) in group {
            if let Some(place) = assigned.get_mut(*row) {
                *place = lightest;
            }
        }
    }
    Ok(from_assignment(&assigned, folds))
}

fn check_folds(folds: usize) -> Result<(), SplitError> {
    if folds >= 2 { Ok(()) } else { Err(SplitError::Folds { folds }) }
}

fn assign(assigned: &mut [usize], rows: &[usize], places: &[usize]) {
    for (row, place) in rows.iter().zip(places) {
        if let Some(slot) = assigned.get_mut(*row) {
            *slot = *place;
        }
    }
}

fn from_assignment(assigned: &[usize], folds: usize) -> Vec<Fold> {
    let side = |fold: usize, inside: bool| -> Vec<usize> {
        assigned.iter().enumerate().filter(|(_, place)| (**place == fold) == inside).map(|(row, _)| row).collect()
    };
    (0..folds).map(|fold| Fold { train: side(fold, false), test: side(fold, true) }).collect()
}
