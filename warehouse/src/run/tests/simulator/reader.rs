//! Reads a lake as a stranger does: Delta logs and Parquet files, by none of the engine's code.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, AsArray};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::disk::Disk;

/// A row: each column's value as text, NULL as nothing.
pub(super) type Row = BTreeMap<String, String>;

/// What a table's folder holds of its log.
#[derive(Debug, Default)]
struct Log {
    commits: BTreeMap<u64, Path>,
    checkpoints: BTreeMap<u64, Path>,
}

/// The lake from outside; files never change, so each is decoded once.
#[derive(Debug)]
pub(super) struct Stranger {
    disk: Disk,
    root: Path,
    decoded: HashMap<Path, Vec<Row>>,
}

impl Stranger {
    pub(super) fn new(disk: &Disk, root: &Path) -> Self {
        Self { disk: disk.clone(), root: root.clone(), decoded: HashMap::new() }
    }

    pub(super) fn path(&self, below: &str) -> Path {
        below.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    fn table(&self, table: &str) -> Path {
        self.path(&table.replacen('.', "/", 1))
    }

    /// Names of the objects in a folder, in order.
    pub(super) async fn names(&self, folder: &str) -> Vec<Path> {
        let listed: Vec<_> = self.disk.list(Some(&self.path(folder))).try_collect().await.unwrap();
        listed.into_iter().map(|entry| entry.location).collect()
    }

    async fn bytes(&self, path: &Path) -> Result<Bytes, String> {
        let found = self.disk.get(path).await.map_err(|error| format!("{path} is not there: {error}"))?;
        found.bytes().await.map_err(|error| error.to_string())
    }

    pub(super) async fn json(&self, path: &Path) -> Result<Value, String> {
        serde_json::from_slice(&self.bytes(path).await?).map_err(|error| format!("{path}: {error}"))
    }

    /// The values of an object of one a line, or nothing where it is gone.
    pub(super) async fn lines(&self, path: &Path) -> Option<Vec<Value>> {
        let text = self.bytes(path).await.ok()?;
        text.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    async fn log(&self, table: &str) -> Log {
        let mut log = Log::default();
        for path in self.names(&format!("{}/_delta_log", table.replacen('.', "/", 1))).await {
            let name = path.filename().unwrap_or_default();
            let Some(version) = name.split('.').next().and_then(|number| number.parse().ok()) else { continue };
            if name.ends_with(".checkpoint.parquet") {
                log.checkpoints.insert(version, path);
            } else if name.ends_with(".json") {
                log.commits.insert(version, path);
            }
        }
        log
    }

    /// Versions of which there is an entry, and who wrote each: the run.
    pub(super) async fn versions(&self, table: &str) -> BTreeSet<u64> {
        let log = self.log(table).await;
        log.commits.into_keys().chain(log.checkpoints.into_keys()).collect()
    }

    /// Whether a version has columns: a log that only has fences is no table yet.
    pub(super) async fn has_columns(&self, table: &str, version: u64) -> Result<bool, String> {
        let log = self.log(table).await;
        if log.checkpoints.range(..=version).next().is_some() {
            return Ok(true);
        }
        for path in log.commits.range(..=version).map(|(_, path)| path) {
            if self.bytes(path).await?.windows(10).any(|text| text == b"\"metaData\"") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Paths of the files of a version.
    pub(super) async fn files(&self, table: &str, version: u64) -> Result<BTreeSet<String>, String> {
        let log = self.log(table).await;
        let mut files = BTreeSet::new();
        let checkpoint = log.checkpoints.range(..=version).next_back();
        let mut next = 0;
        if let Some((at, path)) = checkpoint {
            files = self.checkpoint(path).await?;
            next = at + 1;
        }
        for number in next..=version {
            let path = log
                .commits
                .get(&number)
                .ok_or_else(|| format!("{table}: version {version} needs log entry {number}, which is gone"))?;
            let entry = self.bytes(path).await?;
            for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let action: Value = serde_json::from_slice(line).map_err(|error| format!("{path}: {error}"))?;
                if let Some(path) = action.pointer("/remove/path").and_then(Value::as_str) {
                    files.remove(path);
                }
                if let Some(path) = action.pointer("/add/path").and_then(Value::as_str) {
                    files.insert(path.to_owned());
                }
            }
        }
        Ok(files)
    }

    async fn checkpoint(&self, path: &Path) -> Result<BTreeSet<String>, String> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(self.bytes(path).await?)
            .and_then(|builder| builder.build())
            .map_err(|error| format!("{path}: {error}"))?;
        let mut files = BTreeSet::new();
        for batch in reader {
            let batch = batch.map_err(|error| format!("{path}: {error}"))?;
            let Some(add) = batch.column_by_name("add").and_then(|column| column.as_struct_opt()) else { continue };
            let Some(paths) = add.column_by_name("path") else { continue };
            for row in (0..add.len()).filter(|row| add.is_valid(*row) && paths.is_valid(*row)) {
                files.insert(array_value_to_string(paths, row).map_err(|error| error.to_string())?);
            }
        }
        Ok(files)
    }

    /// Whether every file of a version is there.
    pub(super) async fn is_whole(&self, table: &str, version: u64) -> Result<(), String> {
        for file in self.files(table, version).await? {
            let path = self.table(table).join(file.as_str());
            self.disk
                .head(&path)
                .await
                .map_err(|_| format!("{table}: version {version} needs {file}, which is gone"))?;
        }
        Ok(())
    }

    /// The rows of a version.
    pub(super) async fn rows(&mut self, table: &str, version: u64) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        for file in self.files(table, version).await? {
            let path = self.table(table).join(file.as_str());
            if !self.decoded.contains_key(&path) {
                let decoded = decode(self.bytes(&path).await?).map_err(|error| format!("{path}: {error}"))?;
                self.decoded.insert(path.clone(), decoded);
            }
            rows.extend(self.decoded.get(&path).into_iter().flatten().cloned());
        }
        Ok(rows)
    }

    /// The rows of the newest version; none where there is no table.
    pub(super) async fn newest(&mut self, table: &str) -> Result<Vec<Row>, String> {
        match self.versions(table).await.last() {
            Some(version) => self.rows(table, *version).await,
            None => Ok(Vec::new()),
        }
    }
}

fn decode(file: Bytes) -> Result<Vec<Row>, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.build())
        .map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let mut values = Row::new();
            for (column, field) in batch.columns().iter().zip(schema.fields()) {
                if column.is_valid(row) {
                    let value = array_value_to_string(column, row).map_err(|error| error.to_string())?;
                    values.insert(field.name().clone(), value);
                }
            }
            rows.push(values);
        }
    }
    Ok(rows)
}
