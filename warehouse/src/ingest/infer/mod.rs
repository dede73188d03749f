//! The first contract of a new source, from files of it: what they look like is written down,
//! what only people know is left to them with a comment.

mod names;
mod parquet;
mod sample;
mod shape;
#[cfg(test)]
mod tests;
mod types;
mod yaml;

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::discover::RawFile;
use super::error::IngestError;
use super::read::Opener;
use crate::project::contract::{ContractFile, FormatKind};
use sample::SampleColumn;
use types::{InferredColumn, Numbers};

/// A contract and its text, as `sql/sources/<name>.yml` would hold it.
#[derive(Debug, Clone)]
pub struct Inferred {
    pub contract: ContractFile,
    pub yaml: String,
    /// What to look at before it is used.
    pub notes: Vec<String>,
}

/// What was found, before it is written down.
#[derive(Debug)]
struct Draft {
    name: String,
    path: String,
    kind: FormatKind,
    shape: shape::Shape,
    numbers: Numbers,
    /// Columns whose points may stand before thousands as well as before a fraction, with a value.
    doubtful: Vec<(String, String)>,
    null_words: Vec<String>,
    columns: Vec<InferredColumn>,
    key: Vec<String>,
    event_time: Option<String>,
    rows: usize,
}

impl RawFile {
    /// A single file, outside of any listing: `path` is what it is called below the raw location.
    ///
    /// # Errors
    /// When the store does not have it, or refuses.
    pub async fn at(store: &dyn ObjectStore, location: Path, path: String) -> Result<Self, IngestError> {
        let meta = store.head(&location).await.map_err(|source| IngestError::storage(&path, "find", source))?;
        Ok(Self { path, size: meta.size, etag: meta.e_tag, modified: meta.last_modified, date: None, location })
    }
}

/// Infer the contract of a source from some of its files: the begin of each is read.
///
/// # Errors
/// When a file cannot be read, or holds no columns.
pub async fn infer_contract(
    store: Arc<dyn ObjectStore>,
    name: &str,
    files: &[RawFile],
) -> Result<Inferred, IngestError> {
    let opener = Opener { store, runtime: Handle::current() };
    let (name, files) = (name.to_owned(), files.to_vec());
    let source = name.clone();
    let drafted = tokio::task::spawn_blocking(move || draft(&opener, &name, &files)).await;
    let draft =
        drafted.map_err(|panic| IngestError::Defect { contract: source.clone(), reason: panic.to_string() })??;
    let yaml = yaml::write(&draft);
    // Read back as any contract is, so that what is shown is what will be loaded.
    let contract = serde_saphyr::from_str(&yaml)
        .map_err(|error| IngestError::Defect { contract: source, reason: format!("its contract: {error}") })?;
    Ok(Inferred { contract, yaml, notes: notes(&draft) })
}

fn draft(opener: &Opener, name: &str, files: &[RawFile]) -> Result<Draft, IngestError> {
    let sample = sample::read(opener, name, files)?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let numbers = match sample.kind {
        FormatKind::Csv => types::numbers(&sample.columns, sample.shape.delimiter),
        _ => Numbers::Point,
    };
    let doubtful = match sample.kind {
        FormatKind::Csv => doubtful(&sample.columns),
        _ => Vec::new(),
    };
    let mut columns: Vec<InferredColumn> = sample.columns.iter().map(|column| types::infer(column, numbers)).collect();
    names::distinct(&mut columns);
    let null_words = types::null_words(&columns);
    let key = types::key(&sample.columns, &columns);
    let event_time = types::event_time(&columns);
    Ok(Draft {
        name: name.to_owned(),
        path: names::pattern(&paths),
        kind: sample.kind,
        shape: sample.shape,
        numbers,
        doubtful,
        null_words,
        columns,
        key,
        event_time,
        rows: sample.rows,
    })
}

/// Columns of which the file does not tell what their points (or commas) stand before, by name and value.
fn doubtful(columns: &[SampleColumn]) -> Vec<(String, String)> {
    let point = if columns.iter().any(types::only_with_comma) { ',' } else { '.' };
    if columns.iter().any(|column| types::begins_fractions(column, point)) {
        return Vec::new();
    }
    let doubt =
        |column: &SampleColumn| Some((names::canonical(&column.name), types::doubtful(column, point)?.to_owned()));
    columns.iter().filter_map(doubt).collect()
}

/// What a value may mean besides what is read, and the way out.
fn doubt(column: &str, value: &str, numbers: Numbers) -> String {
    let (read, otherwise) = match numbers {
        Numbers::Comma if value.contains(',') => (
            "the comma before a fraction; if it stands before thousands",
            "take `decimal_comma` out of `format`, give the column the type VARCHAR, and take the commas out in SQL",
        ),
        Numbers::Comma => (
            "the point before thousands, as `;` stands between fields; if it stands before a fraction",
            "take `decimal_comma` out of `format` and give the column the type DECIMAL(18,3)",
        ),
        Numbers::Point => (
            "the point before a fraction; if it stands before thousands",
            "set `decimal_comma: true` under `format` and give the column the type BIGINT",
        ),
    };
    format!("`{column}` has values like `{value}`, read with {read}, {otherwise}")
}

fn notes(draft: &Draft) -> Vec<String> {
    let mut notes = Vec::new();
    if draft.shape.misfits > 0 {
        notes.push(format!(
            "{} of the {} records read do not have the fields of the others; a night would quarantine them",
            draft.shape.misfits,
            draft.rows + draft.shape.misfits
        ));
    }
    for column in draft.columns.iter().filter(|column| column.ambiguous) {
        notes.push(format!(
            "`{}` may be day/month or month/day; day/month was taken: check `date_formats`",
            column.name
        ));
    }
    notes.extend(draft.doubtful.iter().map(|(column, value)| doubt(column, value, draft.numbers)));
    if draft.rows == 0 {
        notes.push("no rows were found, so every column is VARCHAR".to_owned());
    }
    if !draft.path.contains("{date:") {
        notes.push("no date is in the file names: a file belongs to the first night that sees it".to_owned());
    }
    if ["{date:%d", "{date:%m"].iter().any(|begin| draft.path.contains(begin)) {
        notes.push(format!("the date in the file names is read as in {}: is the day before the month?", draft.path));
    }
    notes
}
