//! `buho.toml`: flat keys, each with its line.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::nearest::Advice;
use super::problem::{Fault, Problem};
use super::settings::{Origin, Sourced};

/// The file's name in the project's folder.
pub(super) const NAME: &str = "buho.toml";

/// Its keys, in the order messages list them.
const KEYS: &[&str] = &[
    "name",
    "raw",
    "lake",
    "time_zone",
    "currency",
    "packs",
    "memory",
    "threads",
    "keep_nights",
    "keep_months",
    "maintain_minutes",
];

/// What `buho.toml` may hold, for editors.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "buho.toml", rename = "Project")]
#[expect(dead_code, reason = "only its schema is used: the file is read with the line of each key")]
pub(super) struct ProjectSchema {
    /// The project's name. Default: its folder's.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// Where raw exports lie: a folder (relative to this file) or a URL (`s3://`, `gs://`, `az://`,
    /// `file:`). Default: `raw`.
    raw: Option<String>,
    /// Where tables are kept: a folder (relative to this file) or a URL. Default: `lake`.
    lake: Option<String>,
    /// IANA time zone in which business days begin and end. Default: `UTC`.
    time_zone: Option<String>,
    /// ISO 4217 code of the money in the marts. Default: `EUR`.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    currency: Option<String>,
    /// Standard packs that are on. Default: `["commerce"]`.
    packs: Option<Vec<String>>,
    /// Memory budget of the query engine: `4GiB`, `512MiB`. Default: three quarters of what the
    /// machine (or its container) has beyond 512 MiB.
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|B)$"))]
    memory: Option<String>,
    /// Threads; 0 for all cores. Default: 0.
    #[schemars(range(min = 0, max = 1024))]
    threads: Option<u16>,
    /// Nights whose release is kept. Default: 35.
    #[schemars(range(min = 1))]
    keep_nights: Option<u32>,
    /// Months whose last release is kept. Default: 13.
    #[schemars(range(min = 1))]
    keep_months: Option<u32>,
    /// Minutes of maintenance at the end of each night that published something, as `buho maintain` does it. What is
    /// left then is for the next night. Default: 0, none.
    #[schemars(range(min = 0, max = 1440))]
    maintain_minutes: Option<u32>,
}

/// What `buho.toml` says, as text with lines.
#[derive(Debug, Default)]
pub(super) struct ProjectFile {
    pub name: Option<Sourced<String>>,
    pub raw: Option<Sourced<String>>,
    pub lake: Option<Sourced<String>>,
    pub time_zone: Option<Sourced<String>>,
    pub currency: Option<Sourced<String>>,
    pub packs: Option<Sourced<Vec<String>>>,
    pub memory: Option<Sourced<String>>,
    pub threads: Option<Sourced<String>>,
    pub keep_nights: Option<Sourced<String>>,
    pub keep_months: Option<Sourced<String>>,
    pub maintain_minutes: Option<Sourced<String>>,
}

/// Reads the file; what is wrong with it goes to `problems`, what is right is kept.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> ProjectFile {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, problems, file: ProjectFile::default() };
    for error in errors {
        let line = error.span().map_or(0, |span| reader.line(span.start));
        reader.report(line, Fault::Syntax { message: error.message().lines().next().unwrap_or_default().to_owned() });
    }
    for (key, value) in table.get_ref() {
        let line = reader.line(key.span().start);
        reader.entry(key.get_ref(), value.get_ref(), line);
    }
    reader.problems.sort_by_key(|problem| problem.line);
    reader.file
}

struct Reader<'a, 'p> {
    text: &'a str,
    problems: &'p mut Vec<Problem>,
    file: ProjectFile,
}

impl Reader<'_, '_> {
    fn line(&self, offset: usize) -> u64 {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
    }

    fn report(&mut self, line: u64, fault: Fault) {
        self.problems.push(Problem::new(NAME, line, fault));
    }

    fn entry(&mut self, key: &str, value: &DeValue, line: u64) {
        let origin = Origin::File { line };
        match key {
            "packs" => {
                if let Some(value) = self.texts(key, value, line) {
                    self.file.packs = Some(Sourced { value, origin });
                }
            }
            "threads" | "keep_nights" | "keep_months" | "maintain_minutes" => {
                let number = value.as_integer().filter(|number| number.radix() == 10);
                let Some(number) = number else { return self.wrong(key, value, line, "a whole number") };
                let value = number.as_str().replace('_', "");
                if let Some(slot) = self.number(key) {
                    *slot = Some(Sourced { value, origin });
                }
            }
            "memory" if value.is_integer() => {
                let digits = value.as_integer().map(|number| number.as_str().replace('_', ""));
                self.file.memory = digits.map(|digits| Sourced { value: format!("{digits}B"), origin });
            }
            _ => match self.slot(key) {
                Some(slot) => match value.as_str() {
                    Some(text) => *slot = Some(Sourced { value: text.to_owned(), origin }),
                    None => self.wrong(key, value, line, "text in quotes"),
                },
                None => {
                    let advice = Advice::new(key, KEYS.iter().copied());
                    let (key, of) = (key.to_owned(), NAME.to_owned());
                    self.report(line, Fault::UnknownKey { key, of, advice });
                }
            },
        }
    }

    fn number(&mut self, key: &str) -> Option<&mut Option<Sourced<String>>> {
        match key {
            "threads" => Some(&mut self.file.threads),
            "keep_nights" => Some(&mut self.file.keep_nights),
            "keep_months" => Some(&mut self.file.keep_months),
            "maintain_minutes" => Some(&mut self.file.maintain_minutes),
            _ => None,
        }
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<Sourced<String>>> {
        match key {
            "name" => Some(&mut self.file.name),
            "raw" => Some(&mut self.file.raw),
            "lake" => Some(&mut self.file.lake),
            "time_zone" => Some(&mut self.file.time_zone),
            "currency" => Some(&mut self.file.currency),
            "memory" => Some(&mut self.file.memory),
            _ => None,
        }
    }

    fn texts(&mut self, key: &str, value: &DeValue, line: u64) -> Option<Vec<String>> {
        let items = value.as_array();
        let texts: Option<Vec<String>> =
            items.and_then(|items| items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.wrong(key, value, line, "a list of texts in quotes, such as [\"commerce\"]");
        }
        texts
    }

    fn wrong(&mut self, key: &str, value: &DeValue, line: u64, expected: &str) {
        let article = if matches!(value.type_str(), "integer" | "array") { "an" } else { "a" };
        let found = format!("{article} {}", value.type_str());
        let (key, expected) = (key.to_owned(), expected.to_owned());
        self.report(line, Fault::WrongShape { key, found, expected });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_the_keys_that_are_read() {
        let schema = schemars::schema_for!(ProjectSchema).to_value();
        let mut in_schema: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut read = KEYS.to_vec();
        in_schema.sort_unstable();
        read.sort_unstable();
        assert_eq!(in_schema, read);
    }

    #[test]
    fn every_problem_of_the_file_is_reported_with_its_line() {
        let mut problems = Vec::new();
        parse("nam = \"x\"\nraw = 3\n\npacks = [1]\nthreads = \"many\"\n[storage]\nx = 1\n", &mut problems);
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "buho.toml:1: unknown key `nam` in buho.toml — did you mean `name`?",
                "buho.toml:2: `raw` is an integer — write text in quotes",
                "buho.toml:4: `packs` is an array — write a list of texts in quotes, such as [\"commerce\"]",
                "buho.toml:5: `threads` is a string — write a whole number",
                "buho.toml:6: unknown key `storage` in buho.toml — use one of name, raw, lake, time_zone, currency, packs, memory, threads, keep_nights, keep_months, maintain_minutes",
            ]
        );
    }

    #[test]
    fn broken_syntax_is_reported_with_its_line() {
        let mut problems = Vec::new();
        parse("name = \"x\"\nraw = \n", &mut problems);
        assert_eq!(problems[0].line, 2, "{problems:?}");
        assert!(matches!(problems[0].fault, Fault::Syntax { .. }));
    }
}
