//! Rows of nights in place of those they had.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::materialize::Range;
use crate::project::model::Model;
use crate::run::compute::ComputeError;
use crate::run::rewrite;
use crate::run::work::{Attempt, Made, Work};
use crate::table::StagedFile;

/// The change that puts staged rows in place of those of their nights.
pub(super) async fn replace(
    work: &Work,
    model: &Model,
    nights: &BTreeSet<NaiveDate>,
    adds: Vec<StagedFile>,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    let range = |night: &NaiveDate| Range { start: *night, end: night.succ_opt().unwrap_or(*night) };
    let ranges: Vec<Range> = nights.iter().map(range).collect();
    rewrite::in_place_of(work, model, &ranges, adds, attempt).await
}
