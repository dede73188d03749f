//! A contract from a few lines of YAML, files in memory, sinks that keep what they get.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use chrono::NaiveDate;
use chrono_tz::Tz;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::ingest::*;
use crate::project::contract::{Contract, ContractFile};

pub(crate) const MADRID: Tz = chrono_tz::Europe::Madrid;

pub(crate) fn contract(yaml: &str) -> Contract {
    let spec: ContractFile = serde_saphyr::from_str(yaml).unwrap();
    Contract { name: "orders".into(), table: "bronze.orders".into(), file: "sql/sources/orders.yml".into(), spec }
}

/// A contract with columns `name TYPE[!]`; `!` is required.
pub(crate) fn columns(head: &str, columns: &[&str]) -> Contract {
    let mut yaml = format!("{head}\ncolumns:\n");
    for column in columns {
        let (name, kind) = column.split_once(' ').unwrap();
        let required = kind.ends_with('!');
        yaml.push_str(&format!(
            "  - {{ name: {name}, type: '{}', required: {required} }}\n",
            kind.trim_end_matches('!')
        ));
    }
    contract(&yaml)
}

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) batches: Arc<Mutex<Vec<RecordBatch>>>,
}

struct KeptSink(Arc<Mutex<Vec<RecordBatch>>>);

impl SinkFactory for Kept {
    fn open(&self) -> Result<Box<dyn BatchSink>, SinkError> {
        Ok(Box::new(KeptSink(Arc::clone(&self.batches))))
    }
}

impl BatchSink for KeptSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(batch.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A store with files, and the ledger that loads leave.
pub(crate) struct World {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) ledger: Ledger,
    pub(crate) options: LoadOptions,
}

/// What a load gave.
pub(crate) struct Loaded {
    pub(crate) report: LoadReport,
    /// Rows as text, ordered by delivery and record: the contract's columns, then `_record`.
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) batches: Vec<RecordBatch>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { store: Arc::new(InMemory::new()), ledger: Ledger::default(), options: LoadOptions::new(MADRID, 2) }
    }

    pub(crate) async fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        self.store.put(&Path::from(path), content.as_ref().to_vec().into()).await.unwrap();
    }

    pub(crate) async fn plan(&self, contract: &Contract, night: &str) -> Result<IngestPlan, IngestError> {
        let files = discover(&*self.store, &Path::from("raw"), contract).await?;
        Ok(plan_deliveries(contract, &files, &self.ledger, date(night), date(night)))
    }

    pub(crate) async fn load(&mut self, contract: &Contract, night: &str) -> Result<Loaded, IngestError> {
        let plan = self.plan(contract, night).await?;
        let kept = Arc::new(Kept::default());
        let report = load(Arc::clone(&self.store), contract, &plan, &self.options, Arc::clone(&kept) as _).await?;
        self.ledger = report.ledger.clone();
        let batches = std::mem::take(&mut *kept.batches.lock().unwrap());
        Ok(Loaded { rows: rows(&batches, contract.spec.columns.len()), report, batches })
    }
}

/// Load one file with a contract, in blocks of `block_bytes`.
pub(crate) async fn load_file(
    contract: &Contract,
    name: &str,
    content: impl AsRef<[u8]>,
    block_bytes: usize,
    threads: usize,
) -> Result<Loaded, IngestError> {
    let mut world = World::new();
    world.options.block_bytes = block_bytes;
    world.options.threads = threads;
    world.put(&format!("raw/{name}"), content).await;
    world.load(contract, "2024-06-30").await
}

fn rows(batches: &[RecordBatch], columns: usize) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for batch in batches {
        let delivery = batch.column(columns + 2).as_primitive::<Int64Type>();
        let record = batch.column(columns + 1).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let mut texts: Vec<String> = (0..columns).map(|column| shown(batch.column(column), row)).collect();
            texts.push(record.value(row).to_string());
            all.push((delivery.value(row), record.value(row), texts));
        }
    }
    all.sort();
    all.into_iter().map(|(_, _, texts)| texts).collect()
}

fn shown(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) { "∅".into() } else { array_value_to_string(array, row).unwrap() }
}

/// The quarantine as `(record, line, column, reason, raw, base64)`, empty for NULL.
pub(crate) fn quarantine(loaded: &Loaded) -> Vec<[String; 6]> {
    let mut all = Vec::new();
    for batch in &loaded.report.quarantine {
        for row in 0..batch.num_rows() {
            let text = |name: &str| {
                let column = batch.column_by_name(name).unwrap();
                if column.is_null(row) { String::new() } else { array_value_to_string(column, row).unwrap() }
            };
            all.push(["record", "line", "column_name", "reason", "raw", "raw_base64"].map(text));
        }
    }
    all
}

/// The rows of a load without their record numbers, joined for comparison.
pub(crate) fn joined(loaded: &Loaded) -> Vec<String> {
    loaded.rows.iter().map(|row| row.join("|")).collect()
}
