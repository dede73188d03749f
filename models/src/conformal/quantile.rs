//! The quantile that makes coverage hold in finite samples.

use super::ConformalError;

/// The `ceil((n + 1) coverage)`-th smallest of `n` scores (Vovk, Gammerman & Shafer 2005; Romano, Patterson & Candes
/// 2019, eq. 8): a new exchangeable score is at most this with probability `coverage` or more, and less than
/// `coverage + 1 / (n + 1)` where scores have no ties.
///
/// # Errors
/// [`ConformalError::Coverage`], and [`ConformalError::TooFew`] where that rank is beyond the last score.
pub(super) fn conformal_quantile(mut scores: Vec<f64>, coverage: f64) -> Result<f64, ConformalError> {
    if !(coverage > 0.0 && coverage < 1.0) {
        return Err(ConformalError::Coverage { coverage });
    }
    let rows = scores.len();
    // 0.9 x 10 is 9.000000000000002 in f64 and would ask for one rank too many.
    let rank = ((rows + 1) as f64 * coverage - 1e-9).ceil().max(1.0) as usize;
    let needed = ((coverage - 1e-9) / (1.0 - coverage)).ceil().max(1.0) as usize;
    let too_few = ConformalError::TooFew { rows, needed, coverage };
    if rank > rows {
        return Err(too_few);
    }
    let (_, value, _) = scores.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Ok(*value)
}
