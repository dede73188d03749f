//! Whether the tables of a release are in the lake as it says: what a night would stumble over, told before one runs.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::error::RunError;
use super::evolution::refused_contract;
use super::lost::{self, Lost};
use super::sources::refused_strangers;
use super::strangers::refused;
use crate::error::ErrorKind;
use crate::project::Project;
use crate::project::model::Materialized;
use crate::release::Release;
use crate::table::{DataFile, Lake, TableError, TableSnapshot};

/// Tables looked at beside each other.
const TABLES_AT_ONCE: usize = 8;
/// Files of one table asked for beside each other.
const FILES_AT_ONCE: usize = 8;
/// Files that are named; the rest are counted.
const NAMED_FILES: usize = 3;

/// A table that is not as its release says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    pub table: String,
    pub kind: ErrorKind,
    /// What is wrong, and the way out.
    pub text: String,
}

/// The tables of a release that cannot be read at its version, of which a data file is not there, or on which another
/// program's commit lies. No row is read.
pub async fn unsound(lake: &Lake, project: &Project, release: &Release) -> Vec<Unsound> {
    stream::iter(&release.tables)
        .map(|(table, released)| async move {
            match fault(lake, project, table, released.version).await {
                Ok(fault) => fault.map(|text| Unsound { table: table.clone(), kind: ErrorKind::Data, text }),
                Err(error) => Some(Unsound { table: table.clone(), kind: error.kind(), text: error.to_string() }),
            }
        })
        .buffered(TABLES_AT_ONCE)
        .filter_map(|found| async move { found })
        .collect()
        .await
}

async fn fault(lake: &Lake, project: &Project, table: &str, version: u64) -> Result<Option<String>, RunError> {
    let snapshot = match TableSnapshot::load(lake, table, Some(version)).await {
        Err(TableError::MissingVersion { .. }) => None,
        loaded => loaded?,
    };
    let Some(snapshot) = snapshot else { return gone(lake, table, version).await.map(Some) };
    let contract = project.contracts.values().find(|contract| contract.table == table);
    if let Some(because) = contract.and_then(|contract| refused_contract(contract, &snapshot)) {
        return Ok(Some(because));
    }
    let lost = lost_files(lake, &snapshot).await?;
    if !lost.is_empty() {
        let named: Vec<&str> = lost.iter().take(NAMED_FILES).map(|file| file.path.as_str()).collect();
        let more = lost.len().saturating_sub(NAMED_FILES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let kind = project.models.get(table).map(|model| model.spec.materialized);
        let is_mended = is_rebuilt(project, table) || kind == Some(Materialized::Scd2);
        let way_out = match is_mended && project.models.get(table).is_some_and(|model| model.ml.is_none()) {
            false => "put what is missing back from a backup of the lake".to_owned(),
            true => format!(
                "put it back from a backup, or build the table anew: `buho run --select {table} --full-refresh`"
            ),
        };
        return Ok(Some(format!("not there, or cut short: {}{more} — {way_out}", named.join(", "))));
    }
    let above = TableSnapshot::above(lake, table, version).await?;
    Ok(above.strangers.map(|strangers| match table.starts_with("bronze.") {
        true => refused_strangers(&strangers),
        false => refused(table, &strangers, is_rebuilt(project, table)),
    }))
}

/// What is said of a table of which the version is not in its log.
async fn gone(lake: &Lake, table: &str, version: u64) -> Result<String, RunError> {
    let newest = TableSnapshot::load(lake, table, None).await?.map(|newest| newest.version);
    let is_bronze = table.starts_with("bronze.");
    Ok(match Lost::of(lake, table, newest, version).await? {
        Some(lost) if is_bronze => lost::refused_bronze(table, &lost),
        Some(lost) => lost::refused(table, &lost),
        None => TableError::MissingVersion { table: table.to_owned(), version }.to_string(),
    })
}

/// Whether a full refresh writes a table anew whatever lies on it.
fn is_rebuilt(project: &Project, table: &str) -> bool {
    let kind = project.models.get(table).map(|model| model.spec.materialized);
    matches!(kind, Some(Materialized::Table | Materialized::Incremental | Materialized::Merge))
}

/// Data files that are not there, or of another size. One that the listing does not show is asked for by name, for a
/// listing may be behind.
async fn lost_files<'a>(lake: &Lake, snapshot: &'a TableSnapshot) -> Result<Vec<&'a DataFile>, TableError> {
    let folder = lake.table_path(&snapshot.table);
    let failed = |source: object_store::Error| TableError::Read {
        table: snapshot.table.clone(),
        url: folder.to_string(),
        source: Box::new(source.into()),
    };
    let listed: BTreeMap<Path, u64> = lake
        .store()
        .list(Some(&folder))
        .map_ok(|entry| (entry.location, entry.size))
        .try_collect()
        .await
        .map_err(failed)?;
    let (folder, listed) = (&folder, &listed);
    stream::iter(&snapshot.files)
        .map(|file| async move {
            let path = file.path.split('/').fold(folder.clone(), |path, part| path.join(part));
            let size = match listed.get(&path) {
                Some(size) => Some(*size),
                None => match lake.store().head(&path).await {
                    Ok(there) => Some(there.size),
                    Err(object_store::Error::NotFound { .. }) => None,
                    Err(error) => return Err(failed(error)),
                },
            };
            Ok((size != Some(file.size)).then_some(file))
        })
        .buffered(FILES_AT_ONCE)
        .try_filter_map(|lost| async move { Ok(lost) })
        .try_collect()
        .await
}
