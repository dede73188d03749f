//! Delta tables of the lake: snapshots to read, files to stage, one commit to publish them.
//!
//! ```text
//! node's rows ──► StageWriter ──► StagedFile…   files in the table's folder, in nobody's log
//!                                     │
//!                        commit::Change (adds, removes, schema, txn)
//!                                     ▼
//! TableSnapshot(version n) ──► commit() ──► TableSnapshot(version n + 1)
//! ```
//!
//! A commit is one put-if-absent of `_delta_log/<n + 1>.json`. It is never rebased: where somebody
//! else was first, the caller is told and decides.

pub mod commit;
pub mod error;
mod fence;
mod lake;
mod layout;
mod provider;
mod snapshot;
mod stats;
mod upload;
mod vacuum;
mod writer;

pub use commit::{Change, catch_up_checkpoint, commit};
pub use error::TableError;
pub use fence::fence;
pub use lake::Lake;
pub use layout::{Layout, PartitionValues};
pub use provider::PinnedTable;
pub use snapshot::{Above, DataFile, Strangers, TableSnapshot};
pub use vacuum::{Reclaimed, remove_leftovers, vacuum};
pub use writer::{StageWriter, StagedFile, writer_properties};
