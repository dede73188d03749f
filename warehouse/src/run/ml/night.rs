//! Rows of nights in place of those they had.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDate;

use crate::materialize::Range;
use crate::project::model::Model;
use crate::run::compute::ComputeError;
use crate::run::rewrite::{self, Overlap};
use crate::run::work::{Attempt, Made, Work};
use crate::table::StagedFile;

/// The change that puts staged rows in place of those of their nights.
pub(super) async fn replace(
    work: &Work,
    model: &Model,
    nights: &BTreeSet<NaiveDate>,
    mut adds: Vec<StagedFile>,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    let range = |night: &NaiveDate| Range { start: *night, end: night.succ_opt().unwrap_or(*night) };
    let ranges: Vec<Range> = nights.iter().map(range).collect();
    let time = model.spec.time().map_or("", |time| time.as_str());
    let mut removes = HashSet::new();
    let mut cut = Vec::new();
    for file in work.base_files() {
        match rewrite::overlap(file, time, &ranges) {
            Overlap::None => continue,
            Overlap::Whole => {}
            Overlap::Part => cut.push(file.clone()),
        }
        removes.insert(file.path.clone());
    }
    adds.extend(rewrite::without_ranges(work, model, &cut, &ranges, attempt).await?);
    Ok(Made { adds, removes: Some(removes), standing: None })
}
