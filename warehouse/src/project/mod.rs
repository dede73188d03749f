//! A project on disk: settings, contracts of raw exports, SQL models.

pub mod contract;
pub mod located;
pub mod model;
pub mod types;
