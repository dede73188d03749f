//! Arguments only: what may be typed. What follows from it is resolved in `context`.

mod kept;
mod models;
mod nights;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use kept::{QuarantineChoice, QuarantineCommand, ReleasesCommand, RunsCommand};
pub use models::{ModelPart, ModelsCommand};
pub use nights::{BackfillArgs, DoctorArgs, IngestArgs, PlanArgs, RunArgs, StageArgs};

const AFTER: &str = "\
Exit codes: 0 done; 1 the data failed; 2 your mistake, found before anything ran; 3 try again
(storage, network, disk, memory); 4 another run holds the night; 5 a defect of Buho; 130 and 143
when interrupted or terminated.

Every setting: flag, else environment (BUHO_RAW, BUHO_LAKE, …), else buho.toml, else its default.";

/// A data warehouse that works at night: raw exports in, audited tables out.
#[derive(Debug, Parser)]
#[command(name = "buho", version, after_help = AFTER, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Folder of buho.toml [default: the current folder or the nearest above it that has one]
    #[arg(long, global = true, value_name = "DIR", env = "BUHO_PROJECT")]
    pub project: Option<PathBuf>,
    /// How the story on standard error is told [default: text on a terminal, else json]
    #[arg(long, global = true, value_name = "FORMAT", env = "BUHO_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Tell only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Flags over the settings of buho.toml. Paths are taken from where you stand.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingFlags {
    /// Where raw exports lie: a folder or a URL
    #[arg(long, global = true, value_name = "URL")]
    pub raw: Option<String>,
    /// Where tables are kept: a folder or a URL
    #[arg(long, global = true, value_name = "URL")]
    pub lake: Option<String>,
    /// Memory budget of the query engine: 4GiB, 512MiB
    #[arg(long, global = true, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Threads; 0 for all cores
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write realistic raw exports and run the nights over them: the five-minute tour
    Demo(DemoArgs),
    /// Make a new project
    Init(InitArgs),
    /// Contracts of raw exports
    #[command(subcommand)]
    Source(SourceCommand),
    /// Run a whole night: ingest, build, audit, publish
    Run(RunArgs),
    /// One stage of a run: load deliveries into bronze
    Ingest(IngestArgs),
    /// One stage of a run: compute and stage what has to be built and waits for no model
    Build(StageArgs),
    /// One stage of a run: train the models of ML nodes
    Train(StageArgs),
    /// One stage of a run: score with them, and build what is made from scores
    Score(StageArgs),
    /// One stage of a run: audit what was staged, commit it, release it
    Publish(StageArgs),
    /// Run many nights, oldest first; started again, it goes on
    Backfill(BackfillArgs),
    /// Show what a night would do and why; changes nothing
    Plan(PlanArgs),
    /// Query the tables
    Sql(SqlArgs),
    /// Run the SQL unit tests
    Test(TestArgs),
    /// Show where a table or column comes from, or what depends on it
    Lineage(LineageArgs),
    /// What happened
    #[command(subcommand)]
    Runs(RunsCommand),
    /// What readers see, saw, and can see again
    #[command(subcommand)]
    Releases(ReleasesCommand),
    /// Models that learn: versions, backtests, reasons, and which recipe is the champion
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Rows that did not fit: see them, try them again, give them up
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Drop releases past their age, remove what nothing needs, compact
    ///
    /// Kept are the last 35 nights that were released (`keep_nights` in buho.toml), the last night of each of 13 months
    /// (`keep_months`), and pins. Of a kept night it is the last release, and the last in which no table is held or
    /// failed; of the highest night all are.
    Maintain(MaintainArgs),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(SchemaArgs),
    /// Read everything the night will need and say what is wrong
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to write the demo project into
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub dir: PathBuf,
    /// Customers the shop has
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub customers: u64,
    /// Nights to run, each after a day of deliveries
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub nights: u32,
    /// Days of business up to the last night: thirteen months, so that months can be compared with those a year before
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(30..=1_500))]
    pub days: u32,
    /// Same seed, same bytes
    #[arg(long, value_name = "SEED", default_value_t = 7)]
    pub seed: u64,
    /// Write the exports and run no night
    #[arg(long)]
    pub exports_only: bool,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder of the new project
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Infer a contract from real files, show it, and write it
    Add(SourceAddArgs),
}

#[derive(Debug, Args)]
pub struct SourceAddArgs {
    /// Name of the source: small letters, digits and `_`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Files as they are delivered: several days make a better contract
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Take the place of the standard source of that name
    #[arg(long)]
    pub replace_standard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query; `-` or none reads it from standard input
    #[arg(value_name = "QUERY", conflicts_with = "file")]
    pub query: Option<String>,
    /// Read the query from a file
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How rows are printed; json is one object a line
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: RowFormat,
    /// Write the rows to a file instead
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The release to read: a night (2026-01-31) or an id (2026-01-31.2) [default: the newest]
    #[arg(long, value_name = "R")]
    pub release: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    Table,
    Csv,
    Json,
    Parquet,
}

/// A selector: a blank one would select everything.
fn selector(text: &str) -> Result<String, String> {
    said(text, "it names nothing: leave it out for everything, or name a table, tag:, layer: or pack:")
}

/// Why somebody did something, to be read long after.
fn reason(text: &str) -> Result<String, String> {
    said(text, "say why in some words")
}

/// A day, in the one form that is taken.
fn day(text: &str) -> Result<NaiveDate, String> {
    text.trim().parse().map_err(|_| "write a day of the calendar as YYYY-MM-DD, such as 2026-01-31".to_owned())
}

fn said(text: &str, otherwise: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err(otherwise.to_owned()) } else { Ok(text.to_owned()) }
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only the tests of these models, as in `run --select`
    #[arg(value_name = "SEL", value_parser = selector)]
    pub select: Option<String>,
}

#[derive(Debug, Args)]
pub struct LineageArgs {
    /// A table (marts.revenue_daily) or a column of it (marts.revenue_daily.net)
    #[arg(value_name = "TABLE[.COLUMN]")]
    pub target: String,
    /// What depends on it, instead of where it comes from
    #[arg(long)]
    pub downstream: bool,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

#[derive(Debug, Args)]
pub struct MaintainArgs {
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// project (buho.toml), source (sql/sources/*.yml), model (sql/<layer>/<pack>/*.yml) or ml (sql/ml/*.yml)
    #[arg(value_name = "KIND")]
    pub kind: String,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_before_and_after_the_command() {
        for line in ["buho --project p --raw r -v run", "buho run --project p --raw r -v"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.project, Some(PathBuf::from("p")));
            assert_eq!(cli.global.settings.raw.as_deref(), Some("r"));
            assert_eq!(cli.global.verbose, 1);
        }
    }

    #[test]
    fn a_night_that_is_no_day_is_refused() {
        for night in ["2026-02-30", "31-01-2026", "", "{{ ds }}"] {
            let refused = Cli::try_parse_from(["buho", "run", "--night", night]).unwrap_err().to_string();
            assert!(refused.contains("as YYYY-MM-DD, such as 2026-01-31"), "{refused}");
        }
    }

    #[test]
    fn the_kinds_of_files_are_named_where_one_asks_for_help() {
        let mut cli = Cli::command();
        let help = cli.find_subcommand_mut("schema").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for kind in warehouse::project::FileKind::ALL {
            assert!(help.contains(&format!("{} (", kind.name())), "{} is not in {help}", kind.name());
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for blank in ["", "  "] {
            for line in
                ["run --select", "backfill --from 2026-02-01 --to 2026-02-02 --select", "releases diff a --select"]
            {
                let line = "buho".split(' ').chain(line.split(' ')).chain([blank]);
                let refused = Cli::try_parse_from(line).unwrap_err().to_string();
                assert!(refused.contains("it names nothing"), "{refused}");
            }
            let refused =
                Cli::try_parse_from(["buho", "quarantine", "discard", "orders", "--reason", blank]).unwrap_err();
            assert!(refused.to_string().contains("say why"), "{refused}");
        }
    }

    #[test]
    fn no_night_at_once_is_refused() {
        assert!(Cli::try_parse_from("buho backfill --from 2026-02-01 --to 2026-02-02 --at-once 0".split(' ')).is_err());
    }

    #[test]
    fn a_query_comes_from_one_place() {
        assert!(Cli::try_parse_from(["buho", "sql", "select 1", "-f", "x.sql"]).is_err());
        assert!(Cli::try_parse_from(["buho", "sql", "select 1", "--format", "csv"]).is_ok());
    }
}
