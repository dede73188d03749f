//! Arguments of the commands that run nights, or look at one beforehand.

use std::num::NonZeroUsize;

use chrono::NaiveDate;
use clap::Args;

use super::{ReportFormat, day, selector};

/// Which night, and what of it.
#[derive(Debug, Args)]
pub struct NightArgs {
    /// The night, YYYY-MM-DD [default: yesterday in the project's time zone]
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub night: Option<NaiveDate>,
    /// Only these nodes: name, +name, name+, tag:x, layer:marts, pack:commerce; a space adds, a
    /// comma narrows
    #[arg(long, value_name = "SEL", value_parser = selector)]
    pub select: Option<String>,
}

#[derive(Debug, Args)]
pub struct StageArgs {
    #[command(flatten)]
    pub of: NightArgs,
    /// json: the last line of standard output is the result as one JSON object
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
    /// Exit with 99 when there was nothing to do
    #[arg(long)]
    pub skip_code: bool,
}

#[derive(Debug, Args)]
pub struct IngestArgs {
    #[command(flatten)]
    pub stages: StageArgs,
    /// Read files anew that are loaded already, as the contract says now: a correction of each
    #[arg(long)]
    pub full_refresh: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub stages: StageArgs,
    /// Build tables even where nothing changed
    #[arg(long)]
    pub full_refresh: bool,
}

#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// The first night, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub from: NaiveDate,
    /// The last night, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub to: NaiveDate,
    /// Nights after the highest release that share one run and one release, for the last of them
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub at_once: NonZeroUsize,
    /// Only these nodes, as in `run`
    #[arg(long, value_name = "SEL", value_parser = selector)]
    pub select: Option<String>,
    /// json: one object a night, and at last one for all of them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The night whose deliveries are to be there, YYYY-MM-DD [default: as for `run`, where nights are run of late]
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub night: Option<NaiveDate>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub of: NightArgs,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}
