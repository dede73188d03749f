//! Whether a table in which children found their keys still has every key that it had.
//!
//! Then what was found is found still, and only new children are asked. Keys leave with files: those of files that
//! left are looked for in the files that came.

use std::collections::BTreeSet;

use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::prelude::ident;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::build::Build;
use super::error::RunError;
use super::keys::KeySet;
use super::reads::BaseTable;
use crate::table::DataFile;

/// A child is asked whole unless the parent's new files have at most one of so many rows of it.
const WORTH_IT: u64 = 2;

/// The files of a parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Files {
    /// The SQL through which they are seen.
    code: String,
    files: BTreeSet<String>,
}

/// A parent, and how it differs from what its children were found in.
pub(super) struct Parent {
    pub base: BaseTable,
    pub now: Files,
    /// Files that left and files that came; `None` where what was before is not known any more.
    change: Option<(Vec<DataFile>, Vec<DataFile>)>,
}

impl Parent {
    /// `None` where its rows cannot be told apart by files.
    pub async fn find(build: &Build<'_>, table: &str, before: Option<&Files>) -> Result<Option<Self>, RunError> {
        let (Some(node), Some(base)) = (build.context.graph.node(table), build.stored_behind(table).await?) else {
            return Ok(None);
        };
        if base.by_night {
            return Ok(None);
        }
        let night = build.night();
        let files = base.files().iter().map(|file| base.key(file, night)).collect();
        let now = Files { code: build.code(node), files };
        let change = match before.filter(|before| before.code == now.code) {
            Some(before) => Self::change(build, &base, before).await?,
            None => None,
        };
        Ok(Some(Self { base, now, change }))
    }

    async fn change(
        build: &Build<'_>,
        base: &BaseTable,
        before: &Files,
    ) -> Result<Option<(Vec<DataFile>, Vec<DataFile>)>, RunError> {
        let (stay, came): (Vec<DataFile>, Vec<DataFile>) =
            base.files().into_iter().partition(|file| before.files.contains(&base.key(file, build.night())));
        let stay: BTreeSet<String> = stay.iter().map(|file| base.key(file, build.night())).collect();
        let mut gone = Vec::new();
        for key in before.files.difference(&stay) {
            match base.gone(&build.context.lake, key).await? {
                Some((file, None)) => gone.push(file),
                // A night that did not see all of a file saw fewer keys than the file has.
                Some((_, Some(_))) | None => return Ok(None),
            }
        }
        Ok(Some((gone, came)))
    }

    /// The files that left and those that came, where looking for the keys of the ones in the others is less work
    /// than asking so many children.
    pub fn to_compare(&self, children: Option<u64>) -> Option<(&[DataFile], &[DataFile])> {
        let (gone, came) = self.change.as_ref()?;
        let rows = came.iter().map(|file| file.rows).sum::<Option<u64>>()?;
        let is_worth_it = gone.is_empty() || rows.saturating_mul(WORTH_IT) <= children?;
        is_worth_it.then_some((gone.as_slice(), came.as_slice()))
    }
}

/// Whether every value of a column of a table in one session is in the one of another. `false` also where memory is
/// too short to find out.
pub(super) async fn all_in(
    gone: &SessionContext,
    came: &SessionContext,
    table: &str,
    field: &str,
) -> Result<bool, DataFusionError> {
    let reservation = MemoryConsumer::new(format!("keys that came to {table}")).register(came.task_ctx().memory_pool());
    let mut rows = came.table(table).await?.select(vec![ident(field)])?.execute_stream().await?;
    let mut keys = KeySet::new(&rows.schema(), &[field])?;
    while let Some(batch) = rows.try_next().await? {
        keys.add(&batch)?;
        if reservation.try_resize(keys.size()).is_err() {
            return Ok(false);
        }
    }
    let mut rows = gone.table(table).await?.select(vec![ident(field)])?.execute_stream().await?;
    while let Some(batch) = rows.try_next().await? {
        if keys.others(&batch)?.num_rows() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
