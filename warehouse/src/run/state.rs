//! What a run knows of each table: unchanged at a version, or staged on top of one.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;

use super::held::Hold;
use crate::error::ErrorKind;
use crate::release::{Recipe, ReleasedTable};
use crate::table::{DataFile, Lake, PinnedTable, StagedFile, TableError, TableSnapshot};

/// A table as this run sees it.
#[derive(Debug, Clone)]
pub enum Candidate {
    /// As it was, read with the columns that are declared now; without a snapshot it does not exist
    /// yet and reads as empty.
    Unchanged { snapshot: Option<TableSnapshot>, schema: SchemaRef },
    /// With files that no log refers to yet.
    Staged(StagedTable),
    /// Some of its files alone.
    Files { schema: SchemaRef, files: Vec<DataFile> },
}

/// A table with the change that would make it.
#[derive(Debug, Clone)]
pub struct StagedTable {
    pub table: String,
    pub schema: SchemaRef,
    /// Columns by which the table is partitioned.
    pub partition_by: Vec<String>,
    /// The version the change goes on top of.
    pub base: Option<TableSnapshot>,
    pub adds: Vec<StagedFile>,
    /// Paths of the base's files that leave.
    pub removes: HashSet<String>,
}

impl StagedTable {
    /// The files of the table as it would be.
    pub fn files(&self) -> Vec<DataFile> {
        let kept = self.base.iter().flat_map(|base| &base.files).filter(|file| !self.removes.contains(&file.path));
        kept.cloned().chain(self.adds.iter().map(DataFile::from)).collect()
    }

    /// Paths of the added files that hold nothing but rows of files which leave. None where they hold more rows than
    /// these.
    pub fn handed_on(&self) -> HashSet<&str> {
        let rewritten = || self.adds.iter().filter(|file| file.hands_on);
        let left = self.base.iter().flat_map(|base| &base.files).filter(|file| self.removes.contains(&file.path));
        match left.map(|file| file.rows).sum::<Option<u64>>() {
            Some(left) if rewritten().map(|file| file.rows).sum::<u64>() <= left => {
                rewritten().map(|file| file.path.as_str()).collect()
            }
            _ => HashSet::new(),
        }
    }

    pub fn next_version(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.version + 1)
    }

    /// Rows the change adds.
    pub fn rows(&self) -> u64 {
        self.adds.iter().map(|file| file.rows).sum()
    }
}

impl Candidate {
    pub fn provider(&self, lake: &Lake, table: &str) -> Result<Arc<dyn TableProvider>, TableError> {
        let (schema, files) = match self {
            Self::Unchanged { schema, .. } | Self::Files { schema, .. } => (schema, self.files()),
            Self::Staged(staged) => (&staged.schema, staged.files()),
        };
        Ok(Arc::new(PinnedTable::new(lake, table, schema, &files)?))
    }

    /// The files as the run sees them.
    pub fn files(&self) -> Vec<DataFile> {
        match self {
            Self::Unchanged { snapshot, .. } => snapshot.as_ref().map(|found| found.files.clone()).unwrap_or_default(),
            Self::Staged(staged) => staged.files(),
            Self::Files { files, .. } => files.clone(),
        }
    }

    /// Paths of files that hold nothing but rows of the version before, where a property is known of all its files.
    pub fn handed_on(&self, is_known: impl Fn(&DataFile) -> bool) -> HashSet<&str> {
        match self {
            Self::Staged(staged) if staged.base.iter().flat_map(|base| &base.files).all(is_known) => staged.handed_on(),
            _ => HashSet::new(),
        }
    }

    /// The columns as the run reads them.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::Unchanged { schema, .. } | Self::Files { schema, .. } => schema,
            Self::Staged(staged) => &staged.schema,
        }
    }
}

/// What became of a node in this run.
#[derive(Debug, Clone)]
pub enum NodeState {
    /// Staged and audited; goes out with the release.
    Built { recipe: Recipe },
    /// A run that did not get to its release committed this version of it, made from this; it is audited as if it were
    /// staged, and goes out with the release.
    Committed { version: u64, recipe: Recipe },
    /// Nothing it depends on changed; the released version stands.
    Current { released: ReleasedTable },
    /// Kept at the last release because of what it reads, or not selected.
    Held(Hold),
    /// It failed, or an audit of it did.
    Failed { message: String, kind: ErrorKind },
}

impl NodeState {
    /// Whether it goes out with what no release has yet, as far as is known by now.
    pub fn goes_out(&self) -> bool {
        matches!(self, Self::Built { .. } | Self::Committed { .. })
    }
}

/// The last day that any row of a bronze table belongs to, as far as its files say: the later of
/// delivery night and event day. `None` where a file does not say.
pub fn horizon(files: &[DataFile], event_time: Option<&str>) -> Option<NaiveDate> {
    let mut latest = NaiveDate::MIN;
    for file in files {
        for column in std::iter::once("_night").chain(event_time) {
            if let Some(day) = file.last_day(column)? {
                latest = latest.max(day);
            }
        }
    }
    Some(latest)
}
