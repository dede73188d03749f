//! `buho backfill`: many nights, oldest first; a line a night as each ends, and what they came to.

use chrono::NaiveDate;
use serde_json::{Value, json};
use warehouse::error::ErrorKind;
use warehouse::plain::{counted, escaped, said_of};
use warehouse::release;
use warehouse::run::{Failure, RunContext, RunError, RunReport, RunStatus, backfill};

use super::run::{open, selection};
use crate::cli::{BackfillArgs, ReportFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &BackfillArgs) -> Result<Exit, CommandError> {
    let mut sum = Sum::new(args.from, args.to);
    let mut printed = Ok(());
    let ended = nights(context, args, |report, highest| {
        let lines = match args.format {
            ReportFormat::Json => json_lines(&report, highest),
            ReportFormat::Text => text_lines(&report, highest),
        };
        if printed.is_ok() {
            printed = context.say(lines.join("\n"));
        }
        sum.add(&report, highest);
    });
    let said = printed.and_then(|()| match args.format {
        ReportFormat::Json => context.say(sum.result_line(ended.as_ref().err())),
        ReportFormat::Text if sum.count() > 0 => context.say(&sum),
        ReportFormat::Text => Ok(()),
    });
    // What ended the nights counts more than that it could not be said.
    ended?;
    sum.worst.map_or(Exit::Done, Exit::Failed).said(said)
}

/// The highest night that was released before.
type Highest = Option<NaiveDate>;

fn nights(
    context: &Context,
    args: &BackfillArgs,
    mut told: impl FnMut(RunReport, Highest),
) -> Result<(), CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..open(context, project).await? };
        let select = selection(&opened, args.select.as_deref())?;
        let highest = release::latest(&opened.lake).await.map_err(RunError::from)?.map(|release| release.night);
        let told = |report| told(report, highest);
        Ok(backfill(&opened, args.from, args.to, args.at_once.get(), select.as_ref(), told).await?)
    })
}

/// How a night came out whose deliveries the run of another took in: what was released of it before stands, whatever
/// came of that run.
fn shared_status(night: NaiveDate, report: &RunReport, highest: Highest) -> &RunStatus {
    match highest.is_some_and(|highest| night <= highest) && report.worst().is_some() {
        true => &RunStatus::Skipped,
        false => &report.status,
    }
}

/// Each night of a run: those whose deliveries it took in too, then its own.
fn text_lines(report: &RunReport, highest: Highest) -> Vec<String> {
    let shared = |night: &NaiveDate| match shared_status(*night, report, highest) {
        RunStatus::Skipped if report.status != RunStatus::Skipped => {
            format!("{night}  {:<8} as released before; looked at with {}", "stands", report.night)
        }
        status => format!("{night}  {:<8} with {}", status.name(), report.night),
    };
    let status = report.status.name();
    let mut line =
        format!("{}  {status:<8} {:>7.1} s  {}", report.night, report.seconds, counted(report.rows.ingested, "row"));
    if report.rows.quarantined > 0 {
        line.push_str(&format!(", {} in quarantine", report.rows.quarantined));
    }
    if let Some(release) = &report.release {
        line.push_str(&format!(", release {release}"));
    }
    if let Some((became, cause)) = report.cause() {
        line.push_str(&format!("\n            {became} {}", said_of(&cause.node, &escaped(&cause.message))));
    }
    report.earlier.iter().map(shared).chain([line]).collect()
}

fn json_lines(report: &RunReport, highest: Highest) -> Vec<String> {
    let shared = |night: &NaiveDate| {
        let status = shared_status(*night, report, highest);
        json!({ "night": night, "with": report.night, "run_id": report.run_id, "status": status }).to_string()
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

    fn add(&mut self, report: &RunReport, highest: Highest) {
        let shared = report.earlier.iter().map(|night| shared_status(*night, report, highest));
        for status in shared.chain([&report.status]) {
            match status {
                RunStatus::Done => self.done += 1,
                RunStatus::Partial => self.partial += 1,
                RunStatus::Skipped => self.skipped += 1,
                _ => self.failed += 1,
            }
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
