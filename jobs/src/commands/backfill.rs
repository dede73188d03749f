//! `buho backfill`: many nights, oldest first; a line a night as each ends, and what they came to.

use chrono::NaiveDate;
use serde_json::{Value, json};
use warehouse::error::ErrorKind;
use warehouse::run::{Failure, RunContext, RunReport, RunStatus, backfill};

use super::run::{open, selection};
use crate::cli::{BackfillArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &BackfillArgs) -> Result<Exit, CommandError> {
    let mut sum = Sum::new(args.from, args.to);
    let mut printed = Ok(());
    let ended = nights(context, args, |report| {
        let lines = match args.format {
            ReportFormat::Json => json_lines(&report),
            ReportFormat::Text => text_lines(&report),
        };
        if printed.is_ok() {
            printed = context.say(lines.join("\n"));
        }
        sum.add(&report);
    });
    printed?;
    match args.format {
        ReportFormat::Json => context.say(sum.result_line(ended.as_ref().err()))?,
        ReportFormat::Text if sum.count() > 0 => context.say(&sum)?,
        ReportFormat::Text => {}
    }
    ended?;
    Ok(sum.worst.map_or(Exit::Done, Exit::Failed))
}

fn nights(context: &Context, args: &BackfillArgs, told: impl FnMut(RunReport)) -> Result<(), CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..open(context, project).await? };
        let select = selection(&opened, args.select.as_deref())?;
        Ok(backfill(&opened, args.from, args.to, args.at_once, select.as_ref(), told).await?)
    })
}

/// Each night of a run: those whose deliveries it took in too, then its own.
fn text_lines(report: &RunReport) -> Vec<String> {
    let status = report.status.name();
    let shared = |night: &NaiveDate| format!("{night}  {status:<8} with {}", report.night);
    let mut line = format!("{}  {status:<8} {:>7.1} s  {} rows", report.night, report.seconds, report.rows.ingested);
    if report.rows.quarantined > 0 {
        line.push_str(&format!(", {} in quarantine", report.rows.quarantined));
    }
    if let Some(release) = &report.release {
        line.push_str(&format!(", release {release}"));
    }
    if let Some((became, cause)) = report.cause() {
        line.push_str(&format!("\n            {became} {}: {}", cause.node, cause.message));
    }
    report.earlier.iter().map(shared).chain([line]).collect()
}

fn json_lines(report: &RunReport) -> Vec<String> {
    let shared = |night: &NaiveDate| {
        json!({ "night": night, "with": report.night, "run_id": report.run_id, "status": report.status }).to_string()
    };
    report.earlier.iter().map(shared).chain([report.result_line().to_string()]).collect()
}

/// What the nights that ended came to.
#[derive(Debug)]
struct Sum {
    from: NaiveDate,
    to: NaiveDate,
    done: usize,
    partial: usize,
    failed: usize,
    skipped: usize,
    rows: (u64, u64),
    seconds: f64,
    release: Option<String>,
    cause: Option<Failure>,
    worst: Option<ErrorKind>,
}

impl Sum {
    fn new(from: NaiveDate, to: NaiveDate) -> Self {
        Self {
            from,
            to,
            done: 0,
            partial: 0,
            failed: 0,
            skipped: 0,
            rows: (0, 0),
            seconds: 0.0,
            release: None,
            cause: None,
            worst: None,
        }
    }

    fn add(&mut self, report: &RunReport) {
        let nights = report.earlier.len() + 1;
        match report.status {
            RunStatus::Done => self.done += nights,
            RunStatus::Partial => self.partial += nights,
            RunStatus::Skipped => self.skipped += nights,
            _ => self.failed += nights,
        }
        self.rows = (self.rows.0 + report.rows.ingested, self.rows.1 + report.rows.quarantined);
        self.seconds += report.seconds;
        self.release = report.release.clone().or(self.release.take());
        self.cause = self.cause.take().or(report.cause().map(|(_, cause)| cause.clone()));
        self.worst = self.worst.into_iter().chain(report.worst()).reduce(ErrorKind::worst);
    }

    fn count(&self) -> usize {
        self.done + self.partial + self.failed + self.skipped
    }

    fn asked(&self) -> usize {
        self.from.iter_days().take_while(|night| *night <= self.to).count()
    }

    fn status(&self) -> RunStatus {
        match (self.failed, self.partial, self.done) {
            (1.., _, _) => RunStatus::Failed,
            (0, 1.., _) => RunStatus::Partial,
            (0, 0, 1..) => RunStatus::Done,
            (0, 0, 0) => RunStatus::Skipped,
        }
    }

    /// The last line of standard output, also where an error ended the nights.
    fn result_line(&self, error: Option<&CommandError>) -> Value {
        let of_error = error.map(|error| json!({ "node": null, "message": error.to_string() }));
        json!({
            "from": self.from,
            "to": self.to,
            "status": if error.is_some() { RunStatus::Failed } else { self.status() },
            "exit_kind": error.and_then(CommandError::kind_name).or(self.worst.map(ErrorKind::name)),
            "release": self.release,
            "nights": {
                "asked": self.asked(),
                "done": self.done,
                "partial": self.partial,
                "failed": self.failed,
                "skipped": self.skipped,
            },
            "rows": { "ingested": self.rows.0, "quarantined": self.rows.1 },
            "failed": of_error.or(self.cause.as_ref().map(|cause| json!(cause))),
            "seconds": self.seconds,
        })
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, asked) = (self.count(), self.asked());
        write!(f, "{count} of {asked} nights, {} to {}: ", self.from, self.to)?;
        write!(f, "{} done, {} partial, ", self.done, self.partial)?;
        write!(f, "{} failed, {} skipped, {:.1} s", self.failed, self.skipped, self.seconds)?;
        if let Some(release) = &self.release {
            write!(f, ", release {release}")?;
        }
        match asked.saturating_sub(count) {
            0 => Ok(()),
            left => write!(f, "\n{left} are left: the same command goes on from there"),
        }
    }
}
