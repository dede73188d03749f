//! What a contract must say beyond its shape: every column it names exists, every pattern can be read.

use std::collections::HashMap;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};

use super::contract::{Column, ContractFile, Delivery, DroppedColumns, FormatKind};
use super::located::Located;
use super::name::is_identifier;
use super::nearest::Advice;
use super::problem::{Fault, Problem};
use super::types::ColumnType;
use super::yaml::{Node, NodeValue};

/// Columns every bronze table has besides its contract's.
pub const LINEAGE_COLUMNS: &[&str] = &["_file", "_record", "_delivery", "_night"];

/// Everything wrong with a contract that has the right shape.
pub(super) fn check(file: &str, tree: &Node, spec: &ContractFile) -> Vec<Problem> {
    let mut check = Check { file, tree, spec, problems: Vec::new() };
    check.columns();
    check.key_and_event_time();
    check.table();
    check.path();
    check.format();
    check.shares();
    check.dropped_columns();
    check.expectation();
    check.problems
}

struct Check<'a> {
    file: &'a str,
    tree: &'a Node,
    spec: &'a ContractFile,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, line: u64, fault: Fault) {
        self.problems.push(Problem::new(self.file, line, fault));
    }

    fn refuse(&mut self, keys: &[&str], found: &str, rule: impl Into<String>) {
        let key = keys.last().copied().unwrap_or_default().to_owned();
        let fault = Fault::BadValue { key, found: found.to_owned(), rule: rule.into() };
        self.report(self.tree.line_of(keys), fault);
    }

    fn columns(&mut self) {
        if self.spec.columns.is_empty() {
            let found = "[]";
            self.refuse(&["columns"], found, "name at least one column");
        }
        let mut seen: HashMap<&str, u64> = HashMap::new();
        for column in &self.spec.columns {
            let (name, line) = (&column.name, column.name.line);
            if LINEAGE_COLUMNS.contains(&name.as_str()) {
                self.report(line, Fault::ReservedColumn { column: name.value.clone() });
            } else if !is_identifier(name) {
                self.report(line, Fault::BadName { what: "the column", name: name.value.clone() });
            }
            match seen.get(name.as_str()) {
                Some(first) => {
                    let fault = Fault::DuplicateColumn { column: name.value.clone(), first: *first };
                    self.report(line, fault);
                }
                None => drop(seen.insert(name, line)),
            }
        }
    }

    fn known(&mut self, used_by: &str, column: &Located<String>) -> Option<ColumnType> {
        let found = self.spec.columns.iter().find(|known| known.name.as_str() == column.as_str());
        if found.is_none() {
            let names = self.spec.columns.iter().map(|known| known.name.as_str());
            let advice = Advice::new(column, names);
            let (used_by, name) = (used_by.to_owned(), column.value.clone());
            self.report(column.line, Fault::NoSuchColumn { used_by, column: name, advice });
        }
        found.map(|column| column.kind.value)
    }

    fn key_and_event_time(&mut self) {
        let spec = self.spec;
        for column in &spec.key {
            self.known("key", column);
            let changes = |known: &Column| known.name.as_str() == column.as_str() && known.fixed == Some(false);
            if spec.columns.iter().any(changes) {
                let rule =
                    "a key says which row it is and never changes: take `fixed` out, or the column out of the key";
                let (key, found) = ("fixed".to_owned(), "false".to_owned());
                self.report(column.line, Fault::BadValue { key, found, rule: rule.to_owned() });
            }
        }
        if spec.delivery == Delivery::Upsert && spec.key.is_empty() {
            self.report(self.tree.line_of(&["delivery"]), Fault::UpsertWithoutKey);
        }
        if let Some(column) = &spec.event_time {
            match self.known("event_time", column) {
                None | Some(ColumnType::Date | ColumnType::Timestamp) => {}
                Some(kind) => {
                    let (column_name, kind) = (column.value.clone(), kind.to_string());
                    self.report(column.line, Fault::EventTimeType { column: column_name, kind });
                }
            }
        }
    }

    fn table(&mut self) {
        let Some(table) = &self.spec.table else { return };
        if !table.strip_prefix("bronze.").is_some_and(is_identifier) {
            self.refuse(&["table"], table, "write bronze.NAME, in small letters, digits and `_`");
        }
    }

    fn path(&mut self) {
        if let Err(rule) = crate::ingest::check_path(&self.spec.path) {
            let path = self.spec.path.value.clone();
            self.report(self.spec.path.line, Fault::BadPath { path, rule });
        }
    }

    fn format(&mut self) {
        let spec = self.spec;
        let format = &spec.format;
        self.keys_of_other_formats();
        if format.kind == FormatKind::Csv {
            let delimiter = unescaped(&format.delimiter);
            if !matches!(delimiter.as_bytes(), [byte] if byte.is_ascii() && !b"\r\n\"".contains(byte)) {
                let rule = "write one ASCII character, such as `,`, `;` or `\\t`";
                self.refuse(&["format", "delimiter"], &format.delimiter, rule);
            }
            if !matches!(format.quote.as_bytes(), [] | [0x21..=0x7e]) || format.quote == format.delimiter {
                let rule = "write one ASCII character that is not the delimiter, or nothing";
                self.refuse(&["format", "quote"], &format.quote, rule);
            }
        }
        if encoding_rs::Encoding::for_label(format.encoding.as_bytes()).is_none() {
            let advice = Advice::new(&format.encoding, ENCODINGS.iter().copied());
            let fault = Fault::NotOneOf { key: "encoding".to_owned(), found: format.encoding.clone(), advice };
            self.report(self.tree.line_of(&["format", "encoding"]), fault);
        }
        for pattern in &format.date_formats {
            if let Err(rule) = check_date_pattern(pattern) {
                self.refuse(&["format", "date_formats"], pattern, rule);
            }
        }
        for pattern in &format.timestamp_formats {
            if let Err(rule) = check_timestamp_pattern(pattern) {
                self.refuse(&["format", "timestamp_formats"], pattern, rule);
            }
        }
    }

    /// Keys that are written but mean nothing for this format: a slip that would go unseen.
    fn keys_of_other_formats(&mut self) {
        let kind = match self.spec.format.kind {
            FormatKind::Csv => return,
            FormatKind::Jsonl => "jsonl",
            FormatKind::Parquet => "parquet",
        };
        let Some(Node { value: NodeValue::Map(entries), .. }) = self.tree.get("format") else { return };
        for (key, _) in entries {
            let only = match key.as_str() {
                "delimiter" | "quote" | "header" | "null_words" => "csv",
                "encoding" | "decimal_comma" | "compression" if kind == "parquet" => "csv or jsonl",
                _ => continue,
            };
            self.report(key.line, Fault::NotForFormat { key: key.value.clone(), kind, only });
        }
    }

    fn shares(&mut self) {
        let rule = "write a share from 0 to 1, such as 0.01";
        if !(0.0..=1.0).contains(&self.spec.tolerance) {
            self.refuse(&["tolerance"], &self.spec.tolerance.to_string(), rule);
        }
        if let Some(rows) = self.spec.expect.as_ref().and_then(|expect| expect.rows)
            && !(0.0..=1.0).contains(&rows)
        {
            self.refuse(&["expect", "rows"], &rows.to_string(), rule);
        }
    }

    /// Only names in a file tell that one is not there any more.
    fn dropped_columns(&mut self) {
        if self.tree.get("dropped_columns").is_none() {
            return;
        }
        let format = &self.spec.format;
        match format.kind {
            FormatKind::Jsonl => {
                let (key, kind, only) = ("dropped_columns".to_owned(), "jsonl", "csv or parquet");
                self.report(self.tree.line_of(&["dropped_columns"]), Fault::NotForFormat { key, kind, only });
            }
            FormatKind::Csv if !format.header => {
                let found = if self.spec.dropped_columns == DroppedColumns::Fail { "fail" } else { "warn" };
                let rule = "take it out: without a header columns are taken by position, and none can be missing";
                self.refuse(&["dropped_columns"], found, rule);
            }
            FormatKind::Csv | FormatKind::Parquet => {}
        }
    }

    fn expectation(&mut self) {
        let Some(expect) = &self.spec.expect else { return };
        if !is_every(&expect.every) {
            let rule = "write how often: 1 day, 2 days, 1 week, 1 month";
            self.refuse(&["expect", "every"], &expect.every, rule);
        }
        if let Some(by) = &expect.by
            && (by.len() != 5 || NaiveTime::parse_from_str(by, "%H:%M").is_err())
        {
            self.refuse(&["expect", "by"], by, "write a time of day, as HH:MM in quotes");
        }
    }
}

/// Labels a message offers; any label of the WHATWG standard is taken.
const ENCODINGS: &[&str] = &[
    "utf-8",
    "utf-16le",
    "utf-16be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "macintosh",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gbk",
    "gb18030",
    "big5",
];

/// A delimiter as written: `\t` without double quotes is two characters in YAML.
pub fn unescaped(delimiter: &str) -> &str {
    if delimiter == "\\t" { "\t" } else { delimiter }
}

/// `1 day`, `2 days`, `1 week`, `3 months`.
fn is_every(text: &str) -> bool {
    let Some((number, unit)) = text.trim().split_once(' ') else { return false };
    let unit = unit.trim();
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    number.parse::<u32>().is_ok_and(|number| (1..=366).contains(&number))
        && ["day", "week", "month"].contains(&singular)
}

/// Shows a moment by a pattern, or says that it is none.
fn format_with(pattern: &str, moment: &DateTime<FixedOffset>) -> Result<String, String> {
    let items: Vec<Item> = StrftimeItems::new(pattern).collect();
    if items.iter().any(|item| matches!(item, Item::Error)) {
        return Err(format!("`{pattern}` is not a strftime pattern; write for instance %Y-%m-%d"));
    }
    Ok(moment.format_with_items(items.iter()).to_string())
}

/// Days to try a pattern on; one of them tells `%d/%m` from `%m/%d` and `%y` from `%d`.
fn probe() -> DateTime<FixedOffset> {
    let day = NaiveDate::from_ymd_opt(2024, 11, 23).unwrap_or_default();
    day.and_time(NaiveTime::from_hms_opt(13, 14, 15).unwrap_or_default()).and_utc().fixed_offset()
}

fn check_date_pattern(pattern: &str) -> Result<(), String> {
    let shown = format_with(pattern, &probe())?;
    match NaiveDate::parse_from_str(&shown, pattern) {
        Ok(day) if day == probe().date_naive() => Ok(()),
        _ => Err("it does not say year, month and day; write for instance %d/%m/%Y".to_owned()),
    }
}

fn check_timestamp_pattern(pattern: &str) -> Result<(), String> {
    let shown = format_with(pattern, &probe())?;
    let naive = NaiveDateTime::parse_from_str(&shown, pattern).is_ok_and(|found| found.date() == probe().date_naive());
    let offset = DateTime::parse_from_str(&shown, pattern).is_ok();
    let day_only = check_date_pattern(pattern).is_ok();
    if naive || offset || day_only {
        return Ok(());
    }
    Err("it does not say day and time; write for instance %d/%m/%Y %H:%M:%S".to_owned())
}
