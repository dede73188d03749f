//! A project on disk: settings, contracts of raw exports, SQL models.
//!
//! [`Project::load`] reads a folder over the standard files and reports every problem at once:
//! `buho.toml` key by key, each YAML file first against the JSON Schema of its kind (all its unknown
//! keys and wrong words), then into its type, then for what only the whole file shows.

mod contract_check;
mod declared;
mod load;
mod load_ml;
mod location;
mod materialized_check;
mod memory;
mod model_check;
mod name;
mod nearest;
mod place;
mod problem;
mod schema;
mod settings;
mod settings_file;
mod shape;
mod yaml;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

pub mod contract;
pub mod located;
pub mod ml;
pub mod model;
pub mod types;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use contract::{Contract, ContractFile};
pub use contract_check::{LINEAGE_COLUMNS, unescaped};
#[cfg(test)]
pub(crate) use declared::{SOURCES, add_sources};
pub use memory::machine as machine_memory;
pub use ml::{MlFile, MlNode};
pub use model::{Model, ModelFile};
pub use name::is_identifier;
pub use nearest::Advice;
pub use place::{LAYERS, StandardFile};
pub use problem::{Fault, Problem, ProjectErrors};
pub use schema::FileKind;
pub use settings::{Origin, Overrides, STANDARD_PACKS, Settings};

/// The name of the file that makes a folder a project.
pub const PROJECT_FILE: &str = settings_file::NAME;

/// A project, read and checked.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder of `buho.toml`.
    pub root: PathBuf,
    pub settings: Settings,
    /// By source name.
    pub contracts: BTreeMap<String, Contract>,
    /// By table name, `<layer>.<name>`; those that ML nodes make among them.
    pub models: BTreeMap<String, Model>,
    /// ML nodes, by name.
    pub ml: Vec<Arc<MlNode>>,
    /// What is wrong with files that are left out; nothing of a project that a night can run.
    pub left_out: Vec<Problem>,
}

impl Project {
    /// Says what is left out: the first, with its place, and how many more there are.
    pub fn told_of_left_out(&self) -> Option<String> {
        let first = self.left_out.first()?.clone();
        let more = match self.left_out.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more: `buho doctor` lists them)"),
        };
        Some(format!("{}{more}", ProjectErrors { root: self.root.clone(), problems: vec![first] }))
    }
}
