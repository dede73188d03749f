//! Failures in the JSON result line: who reads standard output looks nowhere else.

use chrono::NaiveDate;
use clap::CommandFactory;
use serde_json::{Value, json};
use warehouse::error::ErrorKind;
use warehouse::run::RunStatus;

use crate::cli::{Cli, ReportFormat};
use crate::context::Context;
use crate::exit::CommandError;

/// Commands whose result line is that of a run.
const RUNS: [&str; 6] = ["run", "ingest", "build", "train", "score", "publish"];

/// Says in JSON too why a command could not do what was asked, where JSON was asked for.
pub fn told<T>(
    context: &Context,
    format: ReportFormat,
    done: Result<T, CommandError>,
    line: impl FnOnce(&str, &str) -> Value,
) -> Result<T, CommandError> {
    if let (Err(error), ReportFormat::Json) = (&done, format)
        && let Some(kind) = error.kind_name()
    {
        // The error is told on standard error too, whoever reads this.
        let _ = context.say(line(kind, &error.to_string()));
    }
    done
}

/// Of a command that runs no night.
pub fn line(kind: &str, message: &str) -> Value {
    json!({ "status": RunStatus::Failed, "exit_kind": kind, "failed": { "node": null, "message": message } })
}

/// Of a run, with as much as is known of it.
pub fn line_of_run(run_id: Option<&str>, night: Option<NaiveDate>, kind: &str, message: &str) -> Value {
    json!({
        "run_id": run_id,
        "night": night,
        "status": RunStatus::Failed,
        "exit_kind": kind,
        "release": null,
        "nodes": { "built": 0, "skipped": 0, "held": 0, "failed": 0 },
        "rows": { "ingested": 0, "quarantined": 0 },
        "failed": { "node": null, "message": message },
        "held": null,
        "seconds": null,
    })
}

/// Of arguments that cannot be read, where JSON is asked for among them.
pub fn line_of_usage(arguments: &[String], error: &clap::Error) -> Option<Value> {
    let is_json = |pair: &[String]| pair == ["--format", "json"];
    if !arguments.windows(2).any(is_json) && !arguments.iter().any(|argument| argument == "--format=json") {
        return None;
    }
    let cli = Cli::command();
    let mut words = arguments.iter().skip(1).map(String::as_str);
    let command = words.find(|word| cli.find_subcommand(word).is_some())?;
    let told = error.to_string();
    let told = told.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let kind = ErrorKind::User.name();
    match command {
        command if RUNS.contains(&command) => Some(line_of_run(None, None, kind, &told)),
        "backfill" | "plan" | "maintain" => Some(line(kind, &told)),
        "releases" => words.any(|word| word == "diff").then(|| line(kind, &told)),
        "quarantine" => words.any(|word| word == "replay").then(|| line(kind, &told)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(line: &[&str]) -> Option<Value> {
        let arguments: Vec<String> = ["buho"].iter().chain(line).map(ToString::to_string).collect();
        let error = Cli::try_parse_from(&arguments).unwrap_err();
        line_of_usage(&arguments, &error)
    }

    #[test]
    fn arguments_that_cannot_be_read_have_a_result_line_too() {
        let empty = said(&["run", "--night", "", "--format", "json"]).unwrap();
        assert_eq!((&empty["status"], &empty["exit_kind"]), (&json!("failed"), &json!("user")));
        let message = empty["failed"]["message"].as_str().unwrap();
        assert!(message.contains("--night") && message.contains("YYYY-MM-DD"), "{message}");
        assert!(!message.contains('\n'), "{message}");
        for wrong in [
            &["build", "--format=json", "--night", "31-01-2026"][..],
            &["--threads", "x", "publish", "--format", "json"],
            &["backfill", "--format", "json", "--from", "2026-01-01"],
            &["plan", "--nihgt", "2026-01-01", "--format", "json"],
            &["maintain", "--now", "--format", "json"],
            &["releases", "diff", "--format", "json"],
            &["quarantine", "replay", "--format", "json"],
        ] {
            assert!(said(wrong).is_some(), "{wrong:?}");
        }
        for other in [
            &["run", "--night", ""][..],
            &["run", "--night", "", "--format", "text"],
            &["sql", "--nope", "--format", "json"],
            &["quarantine", "list", "--nope", "--format", "json"],
        ] {
            assert_eq!(said(other), None, "{other:?}");
        }
    }
}
