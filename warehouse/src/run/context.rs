//! What a run works with, resolved once.

use std::sync::Arc;

use chrono::NaiveDate;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::clock::Clock;
use crate::graph::Graph;
use crate::project::Project;
use crate::session::Engine;
use crate::table::Lake;

/// Project, storage, engine and clock of a run.
#[derive(Debug, Clone)]
pub struct RunContext {
    pub project: Arc<Project>,
    pub graph: Arc<Graph>,
    /// The store of the raw exports, and the folder they lie in.
    pub raw: Arc<dyn ObjectStore>,
    pub raw_root: Path,
    pub lake: Lake,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
}

/// What is asked of a run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub night: NaiveDate,
    /// Nodes to build; `None` is all.
    pub select: Option<std::collections::BTreeSet<String>>,
    /// Build selected tables even where nothing changed.
    pub full_refresh: bool,
}
