//! Where the rows that a node reads come from, file by file.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use object_store::ObjectStoreExt;

use super::error::RunError;
use super::scene::Scene;
use super::state::Candidate;
use super::views;
use crate::project::contract::Contract;
use crate::table::{DataFile, Lake, PinnedTable};

/// Where the rows of a read come from.
pub(super) struct ReadFiles {
    pub scene: Scene,
    /// The one table behind it, where each of its rows makes at most one row of the read.
    pub base: Option<BaseTable>,
}

/// A table whose files are looked at one by one.
pub(super) struct BaseTable {
    pub table: String,
    pub candidate: Candidate,
    /// Of a bronze table.
    pub contract: Option<Contract>,
    /// Whether a view before it asks for the night, so that the same file gives other rows at another.
    pub by_night: bool,
}

impl BaseTable {
    /// The file in one night's eyes: rows that wait for a later night are not read yet.
    pub fn key(&self, file: &DataFile, night: NaiveDate) -> String {
        let one = self.of(std::slice::from_ref(file));
        let waits = self.contract.as_ref().is_some_and(|contract| !views::sees_everything(contract, &one, night));
        if waits || self.by_night { format!("{}@{night}", file.path) } else { file.path.clone() }
    }

    /// The file of a key, and the night that does not see all of it yet.
    pub fn of_key(key: &str) -> (&str, Option<NaiveDate>) {
        let cut = key.rsplit_once('@').and_then(|(path, night)| Some((path, night.parse().ok()?)));
        cut.map_or((key, None), |(path, night)| (path, Some(night)))
    }

    /// The table as if these were all its files.
    fn of(&self, files: &[DataFile]) -> Candidate {
        Candidate::Files { schema: Arc::clone(self.candidate.schema()), files: files.to_vec() }
    }

    pub fn files(&self) -> Vec<DataFile> {
        self.candidate.files()
    }

    /// Some of its files as a night sees them.
    pub fn provider(
        &self,
        lake: &Lake,
        files: &[DataFile],
        night: NaiveDate,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        let candidate = self.of(files);
        match &self.contract {
            Some(contract) => views::bronze_as_of(lake, contract, &candidate, night),
            None => Ok(candidate.provider(lake, &self.table)?),
        }
    }

    /// A file that is not of the table any more, by its key, and the night that did not see all of it; `None` where
    /// nothing kept it.
    pub async fn gone(&self, lake: &Lake, key: &str) -> Result<Option<(DataFile, Option<NaiveDate>)>, RunError> {
        let (path, night) = Self::of_key(key);
        Ok(self.kept_file(lake, path).await?.map(|file| (file, night)))
    }

    /// A file that the table has or had, by its path; `None` where nothing kept it.
    pub async fn kept_file(&self, lake: &Lake, path: &str) -> Result<Option<DataFile>, RunError> {
        let place = path.split('/').fold(lake.table_path(&self.table), |folder, part| folder.join(part));
        match lake.store().head(&place).await {
            Ok(found) => {
                let partition = BTreeMap::new();
                Ok(Some(DataFile { path: path.to_owned(), size: found.size, rows: None, stats: None, partition }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(RunError::query(&self.table, DataFusionError::from(error))),
        }
    }

    /// Files as a night saw them that is gone by; without one all their rows, as the table's columns are now.
    pub fn provider_then(
        &self,
        lake: &Lake,
        files: &[DataFile],
        night: Option<NaiveDate>,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        match night {
            Some(night) => self.provider(lake, files, night),
            None => Ok(Arc::new(PinnedTable::new(lake, &self.table, self.candidate.schema(), files)?)),
        }
    }
}
