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

/// Whether the file writes `1.234,56`: some column is numbers only that way, or none tells and `;` stands between
/// fields, as where the comma begins a fraction.
pub(super) fn numbers(columns: &[SampleColumn], delimiter: u8) -> Numbers {
    let is_likely = || delimiter == b';' && columns.iter().any(|column| doubtful(column, '.').is_some());
    let is_contradicted = || columns.iter().any(|column| begins_fractions(column, '.'));
    if columns.iter().any(only_with_comma) || is_likely() && !is_contradicted() {
        Numbers::Comma
    } else {
        Numbers::Point
    }
}

fn fits(column: &SampleColumn, style: Numbers) -> bool {
    let mut values = texts(column).peekable();
    values.peek().is_some() && values.all(|value| number(value, style).is_some())
}

/// Whether a column is numbers only where they are written `1.234,56`.
pub(super) fn only_with_comma(column: &SampleColumn) -> bool {
    fits(column, Numbers::Comma) && !fits(column, Numbers::Point)
}

/// A value of which the point (or comma) may stand before thousands as well as before a fraction: three digits follow
/// wherever there is one, and no number is too long for a group of them.
pub(super) fn doubtful(column: &SampleColumn, point: char) -> Option<&str> {
    if column.kind.is_some() || is_identifier(&canonical(&column.name)) {
        return None;
    }
    let group = |digits: &str| (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let mut example = None;
    for value in texts(column) {
        let digits = value.trim_start_matches('-');
        match digits.split_once(point) {
            Some((whole, rest)) if group(whole) && !whole.starts_with('0') && group(rest) && rest.len() == 3 => {
                example = example.or(Some(value));
            }
            None if group(digits) => {}
            _ => return None,
        }
    }
    example
}

/// Whether the points (or commas) of a column can begin nothing but fractions, so that those of its file do.
pub(super) fn begins_fractions(column: &SampleColumn, point: char) -> bool {
    let style = if point == ',' { Numbers::Comma } else { Numbers::Point };
    let is_number = !is_identifier(&canonical(&column.name)) && fits(column, style);
    is_number && texts(column).any(|value| value.contains(point)) && doubtful(column, point).is_none()
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
    const LAST: [&str; 20] = [
        "id",
        "code",
        "sku",
        "ean",
        "zip",
        "postcode",
        "phone",
        "number",
        "no",
        "ref",
        "num",
        "nr",
        "numero",
        "numer",
        "nummer",
        "codigo",
        "cod",
        "reference",
        "referencia",
        "referenz",
    ];
    LAST.contains(&last) || last.ends_with("nummer") || name.contains("postal") || name.contains("phone")
}

/// Names that begin with a word for `number`, as `Nº pedido` and `Núm. factura`: the number of something, if not how
/// many of them there are.
fn begins_as_number(name: &str) -> bool {
    const FIRST: [&str; 9] = ["no", "nr", "num", "numero", "number", "numer", "nummer", "n", "ref"];
    let mut words = name.split('_');
    let is_number = words.next().is_some_and(|first| FIRST.contains(&first));
    is_number && words.next().is_some_and(|second| second != "of")
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
    let is_surely = |place: &usize| {
        columns.get(*place).is_some_and(|column| is_identifier(&column.name) || column.name.contains("line"))
    };
    let is_id =
        |place: &usize| is_surely(place) || columns.get(*place).is_some_and(|column| begins_as_number(&column.name));
    candidates.sort_by_key(|place| (!is_surely(place), !is_id(place), *place));
    let names = |places: &[usize]| -> Vec<String> {
        places.iter().filter_map(|place| columns.get(*place)).map(|column| column.name.clone()).collect()
    };
    let single = |is_one: &dyn Fn(&usize) -> bool| {
        candidates
            .iter()
            .filter(|place| is_one(place))
            .find(|place| unique(sample, &[**place]))
            .map(|place| vec![*place])
    };
    let pair = |is_one: &dyn Fn(&[usize; 2]) -> bool| {
        let likely = || candidates.iter().take(4).copied();
        let pairs = likely().enumerate().flat_map(|(n, one)| likely().skip(n + 1).map(move |other| [one, other]));
        pairs.filter(is_one).find(|pair| unique(sample, pair)).map(|pair| pair.to_vec())
    };
    // How many there are of something may differ in every row that was read: what is surely a key comes first.
    let found = single(&is_surely)
        .or_else(|| pair(&|pair| pair.iter().all(is_surely)))
        .or_else(|| single(&is_id))
        .or_else(|| pair(&|pair| pair.iter().any(is_id)));
    found.map_or_else(Vec::new, |places| names(&places))
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
