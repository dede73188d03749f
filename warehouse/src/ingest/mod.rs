//! Raw exports to typed rows: which files there are, which of them a night takes, and reading
//! them with every core and bounded memory.
//!
//! ```text
//! discover ─► plan_deliveries ─► load ─► LoadReport (ledger, quarantine, replaced deliveries)
//!  (listing)   (pure)             │
//!                                 └─► one BatchSink a worker: rows as bronze_schema
//! ```
//!
//! [`freshness`] says whether a source came as expected, [`infer_contract`] writes the first
//! contract of a new one.

mod blocks;
mod columns;
mod csv;
mod discover;
mod dropped;
mod error;
mod freshness;
mod held;
mod infer;
mod jsonl;
mod ledger;
mod load;
mod options;
mod parquet;
mod pattern;
mod plan;
mod quarantine;
mod read;
mod reading;
mod replay;
mod resolve;
mod schema;
mod work;

pub use discover::{RawFile, discover};
pub use dropped::Dropped;
pub use error::{IngestError, SinkError};
pub use freshness::{Freshness, FreshnessState, doubtful, freshness};
pub use held::{Held, HeldRecord, Replayed};
pub use infer::{Inferred, infer_contract};
pub use ledger::{DeliveryRecord, DeliveryState, Ledger};
pub use load::{load, probe};
pub use options::{BatchSink, Limits, LoadFailure, LoadOptions, LoadReport, OverTolerance, SinkFactory};
pub use pattern::check_path;
pub(crate) use pattern::names_one_file;
pub use plan::{GivenUp, IngestPlan, PlannedDelivery, Reason, WaitingFile, plan_deliveries};
pub use read::Codec;
pub use reading::{News, ReadOtherwise, Reading, is_told, read_otherwise};
pub use replay::{Corrected, replay, replay_corrected};
pub(crate) use schema::is_of_the_engine;
pub use schema::{DELIVERY, FILE, NIGHT, RECORD, bronze_schema, quarantine_schema};

/// Days from 0001-01-01 to 1970-01-01, as chrono counts them.
const EPOCH_FROM_CE: i32 = 719_163;

#[cfg(test)]
mod tests;
