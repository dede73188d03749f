//! Arguments of the commands about what nights left: runs, releases, rows that did not fit.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ReportFormat, RowFormat, reason, selector};

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// The last runs, newest first
    List {
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// One run, node by node
    Show {
        /// Id of the run, or the start of it [default: the last run]
        #[arg(value_name = "RUN")]
        run: Option<String>,
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: ReportFormat,
    },
    /// Show who holds the lake, and take it from them if they are dead
    Unlock {
        /// Do it without asking
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ReleasesCommand {
    /// The releases, newest first
    List {
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// One release, table by table
    Show {
        /// A night (2026-01-31) or an id (2026-01-31.2) [default: what readers get]
        #[arg(value_name = "R")]
        release: Option<String>,
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: ReportFormat,
    },
    /// What changed between two releases: columns, rows by key, totals
    Diff {
        /// The earlier one: a night or an id
        #[arg(value_name = "BEFORE")]
        before: String,
        /// The later one [default: what readers get]
        #[arg(value_name = "AFTER")]
        after: Option<String>,
        /// Tables to compare, as in `run --select` [default: the marts]
        #[arg(long, value_name = "SEL", value_parser = selector)]
        select: Option<String>,
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: ReportFormat,
    },
    /// Publish an earlier release's tables again, as a new release
    Rollback {
        /// A night or an id
        #[arg(value_name = "R")]
        release: String,
    },
    /// Keep a release whatever its age
    Pin {
        /// A night or an id
        #[arg(value_name = "R")]
        release: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a pinned release go with its age again
    Unpin {
        /// A night or an id
        #[arg(value_name = "R")]
        release: String,
    },
}

/// Which rows of the quarantine.
#[derive(Debug, Args)]
pub struct QuarantineChoice {
    /// Source whose rows are meant
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Only those of one file, by its path below the raw location
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    /// Only this record of the file
    #[arg(long, value_name = "N", requires = "file")]
    pub record: Option<i64>,
}

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// How many rows, from which files, for which reasons
    List {
        /// Only those of one source
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// The rows themselves, each with its place, reason and text
    Show {
        #[command(flatten)]
        choice: QuarantineChoice,
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
    },
    /// Read held rows again under the contract as it is now; those that fit are loaded, and what
    /// depends on them is built
    Replay {
        #[command(flatten)]
        choice: QuarantineChoice,
        /// Corrected rows: a file in the source's own form, with one record for each held row of --file, in
        /// their order
        #[arg(long, value_name = "FILE", requires = "file", conflicts_with = "record")]
        with: Option<PathBuf>,
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: ReportFormat,
    },
    /// Give held rows up
    Discard {
        #[command(flatten)]
        choice: QuarantineChoice,
        /// Why; kept beside the row
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        /// Who says so [default: the user's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}
