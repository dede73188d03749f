//! Arguments of `buho models`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Subcommand, ValueEnum};

use super::{RowFormat, day};

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// The model that each ML node scored with last
    List {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// The nights of one node: which version, why, and how good
    Show {
        /// Name of the ML node: churn of sql/ml/churn.yml
        #[arg(value_name = "NAME")]
        name: String,
        /// What to show of it
        #[arg(long, value_name = "PART", default_value = "nights")]
        part: ModelPart,
        /// How many rows
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// Two versions of a node side by side: their backtests
    Compare {
        /// Name of the ML node
        #[arg(value_name = "NAME")]
        name: String,
        /// A version, as `show` lists them
        #[arg(value_name = "VERSION")]
        one: String,
        /// Another
        #[arg(value_name = "VERSION")]
        other: String,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// Why an entity has its score
    Explain {
        /// Name of the ML node
        #[arg(value_name = "NAME")]
        name: String,
        /// The entity, by its id
        #[arg(value_name = "ENTITY")]
        entity: String,
        /// The night of the score [default: the last]
        #[arg(long, value_name = "DATE", value_parser = day)]
        night: Option<NaiveDate>,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// Write the model of a version as ONNX, for another program to score with
    Export {
        /// Name of the ML node
        #[arg(value_name = "NAME")]
        name: String,
        /// The version, as `show` lists them [default: the last]
        #[arg(value_name = "VERSION")]
        version: Option<String>,
        /// File to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make the recipe of a version the champion's, from the next night trained on
    Promote {
        /// Name of the ML node
        #[arg(value_name = "NAME")]
        name: String,
        /// The version, as `show` lists them
        #[arg(value_name = "VERSION")]
        version: String,
    },
    /// Go back to the recipe before the champion's, from the next night trained on
    Rollback {
        /// Name of the ML node
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// What `buho models show` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelPart {
    /// Night by night: version, outcome and reason
    Nights,
    /// What candidates came to on rows that they had not seen
    Backtests,
    /// What each column weighs
    Importance,
    /// Scores and what came, on test rows
    Calibration,
    /// How far the night is from what was learnt
    Drift,
    /// Past scores held against what came
    Outcomes,
}
