//! The path pattern of a contract: a glob with at most one `{date:STRFTIME}`.

use chrono::{Datelike, Days, Months, NaiveDate};
use regex::Regex;

use super::error::IngestError;
use crate::project::contract::Contract;

/// A compiled path pattern.
#[derive(Debug, Clone)]
pub(crate) struct PathPattern {
    regex: Regex,
    /// The folder every match lies in: all of the pattern before its first wildcard.
    pub(crate) folder: String,
    date: Option<DateFormat>,
    text: String,
}

/// How a name carries its date.
#[derive(Debug, Clone)]
struct DateFormat {
    format: String,
    grain: Grain,
}

/// The smallest unit a name's date tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    Day,
    Month,
    Year,
}

/// Whether a path pattern can be read.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with the pattern.
pub fn check_path(pattern: &str) -> Result<(), String> {
    PathPattern::compile(pattern).map(drop)
}

/// Whether a path pattern names one file, and no other is ever looked for.
pub(crate) fn names_one_file(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{'])
}

impl PathPattern {
    /// # Errors
    /// [`IngestError::Pattern`] with what is wrong with it.
    pub(crate) fn new(contract: &Contract) -> Result<Self, IngestError> {
        let pattern = contract.spec.path.as_str();
        Self::compile(pattern).map_err(|reason| IngestError::Pattern {
            contract: contract.file.clone(),
            line: contract.spec.path.line,
            pattern: pattern.to_owned(),
            reason,
        })
    }

    /// `None`: another file. `Some(Err(()))`: a match whose date does not exist.
    pub(crate) fn matches(&self, path: &str) -> Option<Result<Option<NaiveDate>, ()>> {
        let captures = self.regex.captures(path)?;
        let Some(date) = &self.date else { return Some(Ok(None)) };
        let text = captures.name("date")?.as_str();
        Some(date.parse(text).map(Some).ok_or(()))
    }

    /// Whether the last part names files by an extension, so that a folder cannot be meant.
    pub(crate) fn has_extension(&self) -> bool {
        self.text.rsplit('/').next().is_some_and(|name| name.contains('.'))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn compile(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.trim_start_matches("./");
        if pattern.is_empty() {
            return Err("is empty; name the files below the raw location".to_owned());
        }
        if pattern.starts_with('/') || pattern.contains("://") || pattern.split('/').any(|part| part == "..") {
            return Err("must be relative to the raw location, without `..`".to_owned());
        }
        let mut translation = Translation::default();
        let mut rest = pattern;
        while let Some(next) = rest.chars().next() {
            rest = translation.step(next, rest)?;
        }
        let regex =
            Regex::new(&format!("^{}$", translation.regex)).map_err(|error| format!("is not a pattern ({error})"))?;
        let literal = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
        let folder = pattern.get(..literal).and_then(|head| head.rsplit_once('/')).map_or("", |(folder, _)| folder);
        Ok(Self { regex, folder: folder.to_owned(), date: translation.date, text: pattern.to_owned() })
    }
}

/// A pattern on its way to a regular expression.
#[derive(Default)]
struct Translation {
    regex: String,
    date: Option<DateFormat>,
}

impl Translation {
    /// Translate what begins with `next`; gives what is left.
    fn step<'p>(&mut self, next: char, rest: &'p str) -> Result<&'p str, String> {
        if let Some(rest) = rest.strip_prefix("**/") {
            self.regex.push_str("(?:.*/)?");
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix("**") {
            self.regex.push_str(".*");
            return Ok(rest);
        }
        match next {
            '*' => self.regex.push_str("[^/]*"),
            '?' => self.regex.push_str("[^/]"),
            '[' => return self.class(rest),
            '{' => return self.date(rest),
            literal => self.regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
        Ok(rest.get(next.len_utf8()..).unwrap_or(""))
    }

    fn class<'p>(&mut self, rest: &'p str) -> Result<&'p str, String> {
        let (body, after) = rest
            .strip_prefix('[')
            .and_then(|inner| inner.split_once(']'))
            .filter(|(body, _)| !body.is_empty())
            .ok_or("has a `[` without `]`")?;
        let (not, body) = match body.strip_prefix(['!', '^']) {
            Some(body) => ("^", body),
            None => ("", body),
        };
        self.regex.push('[');
        self.regex.push_str(not);
        for c in body.chars() {
            if !c.is_alphanumeric() && c != '-' {
                self.regex.push('\\');
            }
            self.regex.push(c);
        }
        self.regex.push(']');
        Ok(after)
    }

    fn date<'p>(&mut self, rest: &'p str) -> Result<&'p str, String> {
        let (format, after) = rest
            .strip_prefix("{date:")
            .and_then(|inner| inner.split_once('}'))
            .ok_or("has a `{` that is not `{date:%Y-%m-%d}`; alternatives in braces are not known")?;
        if self.date.is_some() {
            return Err("has two `{date:…}`; one date tells a delivery's night".to_owned());
        }
        self.regex.push_str("(?P<date>");
        self.regex.push_str(&date_regex(format)?);
        self.regex.push(')');
        self.date = Some(DateFormat::new(format)?);
        Ok(after)
    }
}

/// The regular expression of a strftime format, with exactly as many digits as it writes.
fn date_regex(format: &str) -> Result<String, String> {
    let mut regex = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
            continue;
        }
        regex.push_str(match chars.next() {
            Some('Y') => "[0-9]{4}",
            Some('m' | 'd' | 'y' | 'H' | 'M' | 'S') => "[0-9]{2}",
            Some('j') => "[0-9]{3}",
            Some('F') => "[0-9]{4}-[0-9]{2}-[0-9]{2}",
            Some('b') => "[A-Za-z]{3}",
            Some('B') => "[A-Za-z]+",
            Some('%') => "%",
            other => {
                let found = other.map_or(String::new(), String::from);
                return Err(format!("has `%{found}` in its date; use %Y %y %m %d %j %b %B %F %H %M %S"));
            }
        });
    }
    Ok(regex)
}

impl DateFormat {
    fn new(format: &str) -> Result<Self, String> {
        let has = |letters: &[&str]| letters.iter().any(|letter| format.contains(letter));
        let year = has(&["%Y", "%y", "%F"]);
        let month = has(&["%m", "%b", "%B", "%F"]);
        let day = has(&["%d", "%F"]) || has(&["%j"]);
        let grain = match (year, month || has(&["%j"]), day) {
            (true, true, true) => Grain::Day,
            (true, true, false) => Grain::Month,
            (true, false, false) => Grain::Year,
            _ => return Err(format!("has the date `{format}`, which does not tell a year, month or day")),
        };
        Ok(Self { format: format.to_owned(), grain })
    }

    /// The last day the name speaks for: a month's file is whole when the month is over.
    fn parse(&self, text: &str) -> Option<NaiveDate> {
        match self.grain {
            Grain::Day => NaiveDate::parse_and_remainder(text, &self.format)
                .ok()
                .filter(|(_, rest)| rest.is_empty())
                .map(|(date, _)| date),
            Grain::Month => {
                let first = self.first_of(text, "%d")?;
                first.checked_add_months(Months::new(1))?.checked_sub_days(Days::new(1))
            }
            Grain::Year => NaiveDate::from_ymd_opt(self.first_of(text, "%m-%d")?.year(), 12, 31),
        }
    }

    /// Parse with the missing parts as `01`.
    fn first_of(&self, text: &str, missing: &str) -> Option<NaiveDate> {
        let ones = if missing == "%d" { "01" } else { "01-01" };
        NaiveDate::parse_from_str(&format!("{text} {ones}"), &format!("{} {missing}", self.format)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn matched(pattern: &str, path: &str) -> Option<Result<Option<NaiveDate>, ()>> {
        PathPattern::compile(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_glob_matches_within_folders_unless_it_is_doubled() {
        assert_eq!(matched("orders/*.csv", "orders/a.csv"), Some(Ok(None)));
        assert_eq!(matched("orders/*.csv", "orders/b/a.csv"), None);
        assert_eq!(matched("orders/**/*.csv", "orders/b/c/a.csv"), Some(Ok(None)));
        assert_eq!(matched("orders/**/*.csv", "orders/a.csv"), Some(Ok(None)));
        assert_eq!(matched("o?.[ct]sv", "o1.tsv"), Some(Ok(None)));
        assert_eq!(matched("o[!0-9].csv", "o1.csv"), None);
        assert_eq!(matched("a+(b).csv", "a+(b).csv"), Some(Ok(None)));
    }

    #[test]
    fn the_date_of_a_name_is_read_and_checked() {
        let pattern = "orders/orders_{date:%Y-%m-%d}*.csv.gz";
        assert_eq!(matched(pattern, "orders/orders_2024-02-29_2.csv.gz"), Some(Ok(Some(date("2024-02-29")))));
        assert_eq!(matched(pattern, "orders/orders_2024-02-31.csv.gz"), Some(Err(())));
        assert_eq!(matched(pattern, "orders/orders_24-02-29.csv.gz"), None);
        assert_eq!(matched("x_{date:%Y%m%d%H}.csv", "x_2024010213.csv"), Some(Ok(Some(date("2024-01-02")))));
    }

    #[test]
    fn a_monthly_or_yearly_name_speaks_for_its_last_day() {
        assert_eq!(matched("m_{date:%Y-%m}.csv", "m_2024-02.csv"), Some(Ok(Some(date("2024-02-29")))));
        assert_eq!(matched("y_{date:%Y}.csv", "y_2024.csv"), Some(Ok(Some(date("2024-12-31")))));
    }

    #[test]
    fn a_pattern_that_cannot_be_meant_is_refused_with_a_reason() {
        for (pattern, reason) in [
            ("", "empty"),
            ("/abs.csv", "relative"),
            ("../x.csv", "relative"),
            ("a[b.csv", "without `]`"),
            ("{a,b}.csv", "alternatives"),
            ("{date:%Y-%m-%d}/{date:%Y-%m-%d}.csv", "two"),
            ("{date:%Q}.csv", "%Q"),
            ("{date:%d}.csv", "does not tell"),
        ] {
            let error = PathPattern::compile(pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }

    #[test]
    fn the_folder_is_what_stands_before_the_first_wildcard() {
        assert_eq!(PathPattern::compile("a/b/c_*.csv").unwrap().folder, "a/b");
        assert_eq!(PathPattern::compile("c_*.csv").unwrap().folder, "");
        assert_eq!(PathPattern::compile("a/b.csv").unwrap().folder, "a");
    }
}
