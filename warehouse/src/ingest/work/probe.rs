//! Opening one file as a load would, to see whether it fits its contract; no row of it is read.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::job::{Job, Shared, Warnings, lock};
use super::open::open;
use crate::error::ErrorKind;
use crate::ingest::columns::ColumnSet;
use crate::ingest::discover::RawFile;
use crate::ingest::error::{IngestError, SinkError};
use crate::ingest::options::{BatchSink, LoadOptions, SinkFactory};
use crate::ingest::quarantine::Quarantine;
use crate::ingest::read::Opener;
use crate::ingest::schema::bronze_schema;
use crate::project::contract::Contract;

/// What a load would warn of when it opens the file.
///
/// # Errors
/// What would stop a load of it: packing, encoding, header, columns.
pub(crate) async fn probe(
    contract: Arc<Contract>,
    file: RawFile,
    opener: Opener,
    options: &LoadOptions,
) -> Result<Vec<String>, IngestError> {
    let shared = Shared {
        schema: bronze_schema(&contract),
        columns: ColumnSet::new(&contract, options.time_zone)?,
        quarantine: Mutex::new(Quarantine::new(&contract.name, &options.limits)),
        warnings: Mutex::new(Warnings::default()),
        options: options.clone(),
        opener,
        sinks: Arc::new(NoSink),
        stop: Arc::new(AtomicBool::new(false)),
        contract: Arc::clone(&contract),
    };
    let night = file.date.unwrap_or_default();
    let opened = tokio::task::spawn_blocking(move || {
        open(&shared, Arc::new(Job::new(1, night, file, None)))?;
        let warnings = lock(&shared.warnings).told();
        Ok(warnings)
    });
    opened.await.map_err(|panic| IngestError::Defect { contract: contract.name.clone(), reason: panic.to_string() })?
}

/// Where rows would go, if any were read.
struct NoSink;

impl SinkFactory for NoSink {
    fn open(&self) -> Result<Box<dyn BatchSink>, SinkError> {
        Err(SinkError { kind: ErrorKind::Defect, source: "a probe reads no rows".into() })
    }
}
