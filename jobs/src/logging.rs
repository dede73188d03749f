//! The story on standard error: a line an event, for people or for machines.

mod lines;

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use warehouse::plain::escaped_lines;

use crate::cli::{Global, LogFormat};

static PARTING: AtomicBool = AtomicBool::new(false);

/// Starts the log, and makes a panic a line that asks to be reported.
pub fn start(global: &Global) {
    let format = format_of(global.log_format, std::io::stderr().is_terminal());
    let filter = filter_of(global.quiet, global.verbose);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (in a test of two commands) keeps the first log.
    let _ = match format {
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(layer.with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Text => {
            let terminal = std::io::stderr().is_terminal();
            let lines = lines::Lines { colour: colour(terminal, &|name| std::env::var(name).ok()), stamps: !terminal };
            let layer = fmt::layer().event_format(lines).with_writer(std::io::stderr);
            registry.with(layer).try_init()
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        if PARTING.load(Ordering::SeqCst) {
            tracing::trace!("a task that was stopped: {panic}");
            return;
        }
        tell(&format!("a defect of Buho, please report it with this line: {panic}"));
    }));
}

/// From here on tasks are only let go of: a library that panics because its work is taken from under it
/// is no defect of ours.
pub fn parting() {
    PARTING.store(true, Ordering::SeqCst);
}

/// Tells an error, one event a line of it.
pub fn tell(message: &str) {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{message}");
    } else {
        // Before the log is started, or with one that lets nothing through.
        let _ = writeln!(std::io::stderr(), "error: {}", escaped_lines(message));
    }
}

fn format_of(asked: Option<LogFormat>, terminal: bool) -> LogFormat {
    asked.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json })
}

/// Our own events from INFO up; `-q`, `-v` and `-vv` move that. Libraries log as errors what we ask
/// them in order to know (a table that is not there yet): theirs are told from `-v` on.
/// `BUHO_LOG` holds directives (`warehouse::run=debug`) that are added.
fn filter_of(quiet: bool, verbose: u8) -> EnvFilter {
    let directives = match (quiet, verbose) {
        (true, _) => "off,buho=warn,warehouse=warn",
        (_, 0) => "off,buho=info,warehouse=info",
        (_, 1) => "error,buho=debug,warehouse=debug",
        _ => "debug",
    };
    let added = std::env::var("BUHO_LOG").unwrap_or_default();
    EnvFilter::builder().parse_lossy(format!("{directives},{added}"))
}

/// Colour is for terminals, unless `NO_COLOR` is set or the terminal is dumb.
fn colour(terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> bool {
    let forbidden = env("NO_COLOR").is_some_and(|value| !value.is_empty());
    terminal && !forbidden && env("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_get_json_and_people_get_text_unless_asked_otherwise() {
        assert_eq!(format_of(None, true), LogFormat::Text);
        assert_eq!(format_of(None, false), LogFormat::Json);
        assert_eq!(format_of(Some(LogFormat::Text), false), LogFormat::Text);
    }

    #[test]
    fn no_color_is_honoured() {
        assert!(colour(true, &|_| None));
        assert!(!colour(true, &|name| (name == "NO_COLOR").then(|| "1".to_owned())));
        assert!(!colour(true, &|name| (name == "TERM").then(|| "dumb".to_owned())));
        assert!(!colour(false, &|_| None));
    }
}
