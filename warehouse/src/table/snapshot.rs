//! A table at one version: its schema, its files, what the runs noted in its log.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use deltalake::DeltaTable;
use deltalake::logstore::LogStore;
use serde_json::Value;

use super::commit::{RUN_NOTE, actions_of};
use super::error::TableError;
use super::fence::is_fence;
use super::lake::Lake;
use super::layout::PartitionValues;
use crate::project::types::ColumnType;

/// A data file as the log describes it.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub rows: Option<u64>,
    /// Delta's per-file statistics, as JSON.
    pub stats: Option<String>,
    /// The one value that each partition column has in it.
    pub partition: PartitionValues,
}

/// Commits of other programs on top of a table's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strangers {
    pub table: String,
    /// The oldest and the newest of their versions; fences of ours may lie between and above.
    first: u64,
    version: u64,
    /// The table's newest version.
    top: u64,
    /// The newest version of ours before theirs; `None` where the log has none.
    pub own: Option<u64>,
    /// What wrote the newest, as its commit says.
    by: String,
}

impl std::fmt::Display for Strangers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, version, by, .. } = self;
        write!(
            out,
            "version {version} of {table} was committed by {by}, not by buho; nothing was overwritten, and no release names it"
        )
    }
}

impl Strangers {
    /// What is to be taken away so that the table is as our own commits left it.
    pub fn way_out(&self) -> String {
        let first = format!("`_delta_log/{:020}.json`", self.first);
        match (self.own, self.first == self.top) {
            (None, _) => "move its folder away".to_owned(),
            (Some(_), true) => format!("take {first} out of its folder, with a checkpoint of that version"),
            (Some(_), false) => {
                format!("take {first} to `{:020}.json` out of its folder, with checkpoints of these versions", self.top)
            }
        }
    }
}

/// What lies above a version in a table's log.
#[derive(Debug, Clone, Default)]
pub struct Above {
    /// Commits of other programs on top of all of ours.
    pub strangers: Option<Strangers>,
    /// The info of our newest commit that changed rows: fences, and what maintenance puts into other files, do not.
    pub own: Option<Value>,
}

/// Whether an action changes the rows or the columns of its table.
fn changes_rows(action: &Value) -> bool {
    let file = action.get("add").or_else(|| action.get("remove"));
    action.get("metaData").is_some() || file.is_some_and(|file| file.get("dataChange") != Some(&Value::Bool(false)))
}

async fn entry_of(log: &dyn LogStore, table: &str, version: u64) -> Result<Option<bytes::Bytes>, TableError> {
    log.read_commit_entry(version).await.map_err(|source| TableError::Read {
        table: table.to_owned(),
        url: format!("_delta_log, version {version}"),
        source: Box::new(source),
    })
}

/// What the info of a commit says under a key.
fn said_in(entry: &[u8], key: &str) -> Option<String> {
    let actions = actions_of(entry);
    let info = actions.iter().find_map(|action| action.get("commitInfo"))?;
    info.get(key)?.as_str().map(str::to_owned)
}

/// One version of a table, pinned: later commits do not change it.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    pub table: String,
    pub version: u64,
    pub schema: SchemaRef,
    pub files: Vec<DataFile>,
    /// The whole log state; kept for `txn` look-ups.
    delta: DeltaTable,
}

impl TableSnapshot {
    /// The newest version, or the one asked for; `None` where the table has no log yet, or only fences in it.
    ///
    /// # Errors
    /// [`TableError::Read`] where the log cannot be read, [`TableError::MissingVersion`] where the
    /// version asked for is gone.
    pub async fn load(lake: &Lake, table: &str, version: Option<u64>) -> Result<Option<Self>, TableError> {
        if version.is_none() && !lake.has_log(table).await? {
            return Ok(None);
        }
        let mut delta = DeltaTable::new(lake.log_store(table)?);
        let loaded = match version {
            Some(version) => delta.load_version(version).await,
            None => delta.load().await,
        };
        if let Err(source) = loaded {
            if version.is_none() && lake.is_unborn(table).await {
                return Ok(None);
            }
            if let Some(version) = version
                && !(lake.has_log(table).await? && lake.has_version(table, version).await)
            {
                return Err(TableError::MissingVersion { table: table.to_owned(), version });
            }
            if let Some(path) = lake.torn_entry(table).await {
                return Err(TableError::Torn { table: table.to_owned(), path });
            }
            return Err(TableError::Read {
                table: table.to_owned(),
                url: delta.table_url().to_string(),
                source: Box::new(source),
            });
        }
        Self::from_delta(table, delta).map(Some)
    }

    /// The newest version, and proof that it is: for who writes what follows from it somewhere else than on top of it,
    /// where nothing else would tell that a listing was behind, or short.
    ///
    /// # Errors
    /// As [`Self::load`]; [`TableError::Unlisted`] where there is a newer one.
    pub async fn newest(lake: &Lake, table: &str) -> Result<Option<Self>, TableError> {
        let found = Self::load(lake, table, None).await?;
        Self::refuse_unlisted(lake, table, found.as_ref()).await?;
        Ok(found)
    }

    /// Asks by name for the version after the one that is taken for the newest, where `None` is that there is no table.
    ///
    /// # Errors
    /// [`TableError::Unlisted`] where it is there, [`TableError::Read`] where the storage does not say.
    pub async fn refuse_unlisted(lake: &Lake, table: &str, newest: Option<&Self>) -> Result<(), TableError> {
        let unlisted = |version| Err(TableError::Unlisted { table: table.to_owned(), version });
        if let Some(newest) = newest {
            let next = newest.version + 1;
            return if lake.finds_version(table, next).await? { unlisted(next) } else { Ok(()) };
        }
        // Bare fences are no table.
        let log_store = lake.log_store(table)?;
        for version in 0.. {
            match entry_of(log_store.as_ref(), table, version).await? {
                Some(entry) if is_fence(&entry) => {}
                Some(_) => return unlisted(version),
                None => break,
            }
        }
        // Maintenance takes the first entries of a log, and leaves a checkpoint.
        match lake.last_checkpoint(table).await? {
            Some(version) => unlisted(version),
            None => Ok(()),
        }
    }

    fn from_delta(table: &str, delta: DeltaTable) -> Result<Self, TableError> {
        let read = |source: deltalake::DeltaTableError| TableError::Read {
            table: table.to_owned(),
            url: delta.table_url().to_string(),
            source: Box::new(source),
        };
        let state = delta.snapshot().map_err(read)?;
        let schema = state.snapshot().arrow_schema();
        for field in schema.fields() {
            if ColumnType::from_arrow(field.data_type()).is_none() {
                return Err(TableError::Type {
                    table: table.to_owned(),
                    column: field.name().clone(),
                    found: field.data_type().to_string(),
                });
            }
        }
        let files = state
            .log_data()
            .iter()
            .map(|view| DataFile {
                path: view.path().into_owned(),
                size: view.size().max(0) as u64,
                rows: view.num_records().map(|rows| rows as u64),
                stats: view.stats(),
                partition: view.partition_values_map().into_iter().collect(),
            })
            .collect();
        Ok(Self { table: table.to_owned(), version: state.version(), schema, files, delta: delta.clone() })
    }

    /// The highest sequence an application noted with `txn`, if any.
    pub async fn transaction(&self, app_id: &str) -> Result<Option<i64>, TableError> {
        let read = |source: deltalake::DeltaTableError| TableError::Read {
            table: self.table.clone(),
            url: self.delta.table_url().to_string(),
            source: Box::new(source),
        };
        let state = self.delta.snapshot().map_err(read)?;
        state.transaction_version(self.delta.log_store().as_ref(), app_id.to_owned()).await.map_err(read)
    }

    /// What the info of the last commit that changed rows says under a key; fences are looked through.
    ///
    /// # Errors
    /// [`TableError::Read`] where the log cannot be read.
    pub async fn note(&self, key: &str) -> Result<Option<Value>, TableError> {
        for version in (0..=self.version).rev() {
            let Some(entry) = self.entry(version).await? else { return Ok(None) };
            let actions = actions_of(&entry);
            if let Some(note) = actions.iter().find_map(|action| action.get("commitInfo")?.get(key)) {
                return Ok(Some(note.clone()));
            }
            if actions.iter().any(|action| action.get("add").is_some() || action.get("remove").is_some()) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The commits of other programs that lie on top of our own, fences looked through. Of a newest version: below it,
    /// a log whose entries are gone is believed to be ours, for `buho maintain` cleans it; its own entry stays.
    ///
    /// # Errors
    /// [`TableError::Read`] where the log cannot be read.
    pub async fn strangers(&self) -> Result<Option<Strangers>, TableError> {
        let mut found: Option<Strangers> = None;
        for version in (0..=self.version).rev() {
            let entry = self.entry(version).await?;
            if entry.is_none() && version < self.version {
                break;
            }
            let entry = entry.unwrap_or_default();
            if is_fence(&entry) {
                continue;
            }
            if said_in(&entry, RUN_NOTE).is_some() {
                return Ok(found.map(|strangers| Strangers { own: Some(version), ..strangers }));
            }
            let strangers = found.get_or_insert_with(|| Strangers {
                table: self.table.clone(),
                first: version,
                version,
                top: self.version,
                own: None,
                by: said_in(&entry, "engineInfo").unwrap_or_else(|| "another program".to_owned()),
            });
            strangers.first = version;
        }
        Ok(found)
    }

    /// What lies above a version of ours: entries are asked for by name until there is none, so a table with nothing
    /// above costs one request.
    ///
    /// # Errors
    /// [`TableError::Read`] where the log cannot be read.
    pub async fn above(lake: &Lake, table: &str, version: u64) -> Result<Above, TableError> {
        let log_store = lake.log_store(table)?;
        let (mut is_strange, mut own) = (false, None);
        for version in version + 1.. {
            let Some(entry) = entry_of(log_store.as_ref(), table, version).await? else { break };
            if is_fence(&entry) {
                continue;
            }
            let actions = actions_of(&entry);
            let info = actions.iter().find_map(|action| action.get("commitInfo"));
            match info.filter(|info| info.get(RUN_NOTE).is_some()) {
                None => is_strange = true,
                Some(info) if actions.iter().any(changes_rows) => own = Some(info.clone()),
                Some(_) => {}
            }
        }
        let newest = if is_strange { Self::load(lake, table, None).await? } else { None };
        let strangers = match newest {
            Some(newest) => newest.strangers().await?,
            None => None,
        };
        Ok(Above { strangers, own })
    }

    async fn entry(&self, version: u64) -> Result<Option<bytes::Bytes>, TableError> {
        entry_of(self.delta.log_store().as_ref(), &self.table, version).await
    }

    /// Whether it has the rows and columns of another version: nothing but fences lies between them.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.paths() == other.paths() && self.schema == other.schema
    }

    /// The paths of its files.
    pub fn paths(&self) -> HashSet<String> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// Rows of all files, where every file says how many it has.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The columns by which the table is partitioned.
    ///
    /// # Errors
    /// [`TableError::Defect`] where the log has no metadata.
    pub fn partition_columns(&self) -> Result<Vec<String>, TableError> {
        Ok(self.metadata()?.partition_columns().iter().map(ToString::to_string).collect())
    }

    pub(super) fn metadata(&self) -> Result<&deltalake::kernel::Metadata, TableError> {
        let state = self.delta.snapshot().map_err(|error| TableError::defect(&self.table, error))?;
        Ok(state.metadata())
    }

    pub(super) fn delta(&self) -> &DeltaTable {
        &self.delta
    }
}
