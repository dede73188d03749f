//! What the values of a column have in common.

use std::collections::HashSet;

use super::names::canonical;
use super::sample::SampleColumn;
use crate::ingest::columns::{Layout, boolean, decimal, double, integer, iso_date, iso_timestamp, with_point};
use crate::project::types::ColumnType;

/// Words that stand for no value in columns of anything but text.
const NULL_WORDS: [&str; 11] = ["NULL", "null", "N/A", "n/a", "NA", "NaN", "nan", "None", "\\N", "-", "#N/A"];

/// Layouts of days, likeliest first; between day and month first, day wins where both fit.
const DATES: [&str; 7] = ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%m-%d-%Y", "%d %b %Y"];
const TIMES: [&str; 3] = ["%H:%M:%S", "%H:%M", "%I:%M:%S %p"];

/// How fractions are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Point,
    Comma,
}

/// A column of the contract to be.
#[derive(Debug, Clone)]
pub(super) struct InferredColumn {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) kind: ColumnType,
    pub(super) required: bool,
    pub(super) pii: Option<&'static str>,
    /// strftime layout of its days or timestamps, where it is not ISO.
    pub(super) layout: Option<String>,
    /// Day and month could change places.
    pub(super) ambiguous: bool,
    pub(super) null_words: Vec<&'static str>,
}

/// Whether the file writes `1.234,56`: some column is numbers only that way.
pub(super) fn numbers(columns: &[SampleColumn]) -> Numbers {
    let fits = |column: &SampleColumn, style: Numbers| {
        let mut values = texts(column).peekable();
        values.peek().is_some() && values.all(|value| number(value, style).is_some())
    };
    let only_comma = |column: &&SampleColumn| fits(column, Numbers::Comma) && !fits(column, Numbers::Point);
    if columns.iter().any(|column| only_comma(&column)) { Numbers::Comma } else { Numbers::Point }
}

fn texts(column: &SampleColumn) -> impl Iterator<Item = &str> {
    let texts = column.values.iter().flatten().map(|value| value.trim());
    texts.filter(|value| !value.is_empty() && !NULL_WORDS.contains(value))
}

/// A number's text with a point.
fn number(text: &str, style: Numbers) -> Option<String> {
    let plain = match style {
        Numbers::Point => text.to_owned(),
        Numbers::Comma => {
            let mut out = Vec::new();
            with_point(text.as_bytes(), &mut out).ok()?;
            String::from_utf8(out).ok()?
        }
    };
    double(plain.as_bytes()).ok().map(|_| plain)
}

pub(super) fn infer(column: &SampleColumn, numbers: Numbers) -> InferredColumn {
    let name = canonical(&column.name);
    let values: Vec<&str> = texts(column).collect();
    let (kind, layout, ambiguous) = match column.kind {
        // A float is how a library writes a number that may be missing, and never an identifier.
        Some(ColumnType::Double) if is_identifier(&name) => (ColumnType::Bigint, None, false),
        Some(kind) => (kind, None, false),
        None => of_values(&name, &values, numbers),
    };
    let is_null_word = |value: &str| kind != ColumnType::Varchar && NULL_WORDS.contains(&value);
    let no_value = |value: &Option<String>| match value {
        Some(value) => value.trim().is_empty() && column.kind.is_none() || is_null_word(value.trim()),
        None => true,
    };
    let used = |word: &&&str| column.values.iter().flatten().any(|value| value.trim() == **word);
    let null_words = match kind {
        ColumnType::Varchar => Vec::new(),
        _ => NULL_WORDS.iter().filter(used).copied().collect(),
    };
    InferredColumn {
        pii: pii(&name),
        from: column.name.clone(),
        required: !column.values.is_empty() && !column.values.iter().any(no_value),
        name,
        kind,
        layout,
        ambiguous,
        null_words,
    }
}

fn of_values(name: &str, values: &[&str], numbers: Numbers) -> (ColumnType, Option<String>, bool) {
    let all = |fits: &dyn Fn(&[u8]) -> bool| values.iter().all(|value| fits(value.as_bytes()));
    if values.is_empty() || is_identifier(name) {
        return (ColumnType::Varchar, None, false);
    }
    if all(&|text| text.len() > 1 && boolean(text).is_ok()) {
        return (ColumnType::Boolean, None, false);
    }
    if let Some(kind) = numeric(values, numbers) {
        return (kind, None, false);
    }
    if all(&|text| iso_date(text).is_ok()) {
        return (ColumnType::Date, None, false);
    }
    if all(&|text| iso_timestamp(text).is_ok()) {
        return (ColumnType::Timestamp, None, false);
    }
    let fitting = |formats: &[String], fits: &dyn Fn(&Layout, &[u8]) -> bool| -> Vec<String> {
        let fits = |format: &&String| Layout::new(format).is_ok_and(|layout| all(&|text| fits(&layout, text)));
        formats.iter().filter(fits).cloned().collect()
    };
    let dates: Vec<String> = DATES.iter().map(|date| (*date).to_owned()).collect();
    let found = fitting(&dates, &|layout, text| layout.date(text).is_ok());
    if let Some(first) = found.first() {
        return (ColumnType::Date, Some(first.clone()), found.len() > 1);
    }
    let times: Vec<String> =
        dates.iter().flat_map(|date| TIMES.iter().map(move |time| format!("{date} {time}"))).collect();
    let found = fitting(&times, &|layout, text| layout.timestamp(text).is_ok());
    match found.first() {
        Some(first) => (ColumnType::Timestamp, Some(first.clone()), found.len() > 1),
        None => (ColumnType::Varchar, None, false),
    }
}

/// The narrowest type of numbers; none where a leading zero or plus says it is a code.
fn numeric(values: &[&str], numbers: Numbers) -> Option<ColumnType> {
    let (mut whole, mut scale, mut wide, mut float) = (true, 0, false, false);
    for value in values {
        let text = number(value, numbers)?;
        let digits = text.trim_start_matches('-');
        let coded =
            digits.starts_with('0') && digits.len() > 1 && !digits.starts_with("0.") && !digits.contains(['e', 'E']);
        if coded || text.starts_with('+') {
            return None;
        }
        match integer(text.as_bytes()) {
            Ok(n) if !text.contains('.') => wide |= i32::try_from(n).is_err(),
            _ => whole = false,
        }
        float |= text.contains(['e', 'E']);
        scale = scale.max(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
        if !float && decimal(text.as_bytes(), 38, 20).is_err() {
            float = true;
        }
    }
    Some(match (whole, wide, float || scale > 6) {
        (true, false, _) => ColumnType::Integer,
        (true, true, _) => ColumnType::Bigint,
        (false, _, true) => ColumnType::Double,
        (false, _, false) => ColumnType::Decimal(18, i8::try_from(scale.max(2)).unwrap_or(6)),
    })
}

/// Numbers that nobody adds up are text: an order 0042 is not the order 42.
fn is_identifier(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name);
    matches!(last, "id" | "code" | "sku" | "ean" | "zip" | "postcode" | "phone" | "number" | "no" | "ref")
        || name.contains("postal")
        || name.contains("phone")
}

fn pii(name: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 12] = [
        ("email", "email"),
        ("e_mail", "email"),
        ("phone", "phone"),
        ("mobile", "phone"),
        ("first_name", "name"),
        ("last_name", "name"),
        ("surname", "name"),
        ("full_name", "name"),
        ("customer_name", "name"),
        ("birth", "birth_date"),
        ("postal", "postal_code"),
        ("address", "address"),
    ];
    KINDS.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind)
}

/// The words for NULL that any column uses.
pub(super) fn null_words(columns: &[InferredColumn]) -> Vec<String> {
    let used: HashSet<&str> = columns.iter().flat_map(|column| column.null_words.iter().copied()).collect();
    NULL_WORDS.iter().filter(|word| used.contains(**word)).map(|word| (*word).to_owned()).collect()
}

/// The column, or else the two, whose values are different in every row that was read.
pub(super) fn key(sample: &[SampleColumn], columns: &[InferredColumn]) -> Vec<String> {
    let mut candidates: Vec<usize> = (0..columns.len())
        .filter(|place| {
            columns.get(*place).is_some_and(|column| {
                column.required && matches!(column.kind, ColumnType::Varchar | ColumnType::Integer | ColumnType::Bigint)
            })
        })
        .collect();
    let is_id = |place: &usize| {
        columns.get(*place).is_some_and(|column| is_identifier(&column.name) || column.name.contains("line"))
    };
    candidates.sort_by_key(|place| (!is_id(place), *place));
    let names = |places: &[usize]| -> Vec<String> {
        places.iter().filter_map(|place| columns.get(*place)).map(|column| column.name.clone()).collect()
    };
    let single = candidates.iter().filter(|place| is_id(place)).find(|place| unique(sample, &[**place]));
    if let Some(place) = single {
        return names(&[*place]);
    }
    let pairs = candidates
        .iter()
        .take(4)
        .enumerate()
        .flat_map(|(n, first)| candidates.iter().take(4).skip(n + 1).map(move |second| [*first, *second]));
    let mut pairs = pairs.filter(|pair| pair.iter().any(is_id));
    pairs.find(|pair| unique(sample, pair)).map_or_else(Vec::new, |pair| names(&pair))
}

fn unique(sample: &[SampleColumn], places: &[usize]) -> bool {
    let columns: Vec<&SampleColumn> = places.iter().filter_map(|place| sample.get(*place)).collect();
    let rows = columns.first().map_or(0, |column| column.values.len());
    let mut seen = HashSet::new();
    rows > 1
        && columns.iter().all(|column| column.values.len() == rows)
        && (0..rows).all(|row| {
            let values: Vec<Option<&str>> =
                columns.iter().map(|column| column.values.get(row).and_then(|value| value.as_deref())).collect();
            seen.insert(values)
        })
}

/// The moment a row speaks of: the likeliest of the columns that always have one.
pub(super) fn event_time(columns: &[InferredColumn]) -> Option<String> {
    let likely = ["ordered", "occurred", "happened", "started", "paid", "created", "event", "day", "date"];
    let rank = |column: &&InferredColumn| {
        let name = likely.iter().position(|part| column.name.contains(part)).unwrap_or(likely.len());
        (name, column.kind != ColumnType::Timestamp)
    };
    let timed = columns
        .iter()
        .filter(|column| column.required && matches!(column.kind, ColumnType::Date | ColumnType::Timestamp));
    timed.min_by_key(rank).map(|column| column.name.clone())
}
