//! Events as lines for people: `  ✓ marts.revenue_daily built  1234 rows  0.4 s`.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use warehouse::plain::{escaped, escaped_lines};

/// Writes an event as a line.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    pub colour: bool,
    /// Time and level before each line, for logs that are kept.
    pub stamps: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut found = Found::default();
        event.record(&mut found);
        if self.stamps {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {:>5} ", event.metadata().level())?;
        }
        writeln!(writer, "{}", self.line(*event.metadata().level(), &found))
    }
}

impl Lines {
    fn line(&self, level: Level, found: &Found) -> String {
        let (mark, paint) = match level {
            Level::ERROR => ("✗", "31"),
            Level::WARN => ("!", "33"),
            Level::INFO => ("✓", "32"),
            _ => ("·", "2"),
        };
        let mark = self.painted(mark, paint);
        // A message that names its subject itself is not told twice.
        let named = found.subject.is_empty() || found.message.starts_with(&found.subject);
        let subject = if named { String::new() } else { format!("{} ", escaped(&found.subject)) };
        let mut line = format!("{mark} {subject}{}", below(&found.message));
        if !found.rest.is_empty() {
            let rest = format!("  {}", below(&found.rest.join("  ")));
            line.push_str(&self.painted(&rest, "2"));
        }
        line
    }

    fn painted(&self, text: &str, paint: &str) -> String {
        if self.colour { format!("\x1b[{paint}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A text of which no part stands where a line of the log begins, whatever is quoted in it.
fn below(text: &str) -> String {
    escaped_lines(text.trim_end()).replace('\n', "\n    ")
}

/// The fields of an event, those with a unit shown with it.
#[derive(Debug, Default)]
struct Found {
    message: String,
    /// The node, source or table the event is about.
    subject: String,
    rest: Vec<String>,
}

impl Found {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "node" | "source" | "table" if self.subject.is_empty() => self.subject = value,
            "rows" if value == "1" => self.rest.push("1 row".to_owned()),
            "rows" => self.rest.push(format!("{value} rows")),
            "quarantined" if value == "0" => {}
            "quarantined" => self.rest.push(format!("{value} in quarantine")),
            "deliveries" if value == "1" => self.rest.push("1 file".to_owned()),
            "deliveries" => self.rest.push(format!("{value} files")),
            name => self.rest.push(format!("{name}={value}")),
        }
    }
}

impl Visit for Found {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "seconds" {
            self.rest.push(format!("{value:.1} s"));
        } else {
            self.add(field, value.to_string());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_node_first_and_its_figures_last() {
        let lines = Lines { colour: false, stamps: false };
        let found = Found {
            message: "built".to_owned(),
            subject: "marts.revenue_daily".to_owned(),
            rest: vec!["1234 rows".to_owned(), "0.4 s".to_owned()],
        };
        assert_eq!(lines.line(Level::INFO, &found), "✓ marts.revenue_daily built  1234 rows  0.4 s");
    }

    #[test]
    fn a_message_that_names_its_node_is_not_given_it_again() {
        let lines = Lines { colour: false, stamps: false };
        let found =
            Found { message: "orders: nothing came".to_owned(), subject: "orders".to_owned(), ..Found::default() };
        assert_eq!(lines.line(Level::WARN, &found), "! orders: nothing came");
    }

    #[test]
    fn what_a_message_quotes_neither_moves_the_cursor_nor_begins_a_line() {
        let lines = Lines { colour: true, stamps: true };
        let found = Found {
            message: "orders: `\x1b]52;c;aGk=\x07\r\n2026-01-01T00:00:00Z  INFO ✓ all is well`\n".to_owned(),
            subject: "orders".to_owned(),
            rest: vec!["file=\u{202e}vsc.a".to_owned()],
        };
        let line = lines.line(Level::ERROR, &found);
        assert!(line.starts_with("\x1b[31m✗\x1b[0m orders: `\\u{1b}]52;c;aGk=\\u{7}\\r\n    2026-01-01"), "{line:?}");
        assert!(line.ends_with("all is well`\x1b[2m  file=\\u{202e}vsc.a\x1b[0m"), "{line:?}");
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for() {
        let found = Found { message: "x".to_owned(), ..Found::default() };
        let plain = Lines { colour: false, stamps: false }.line(Level::ERROR, &found);
        let painted = Lines { colour: true, stamps: false }.line(Level::ERROR, &found);
        assert_eq!(plain, "✗ x");
        assert!(painted.starts_with("\x1b[31m✗"));
    }
}
