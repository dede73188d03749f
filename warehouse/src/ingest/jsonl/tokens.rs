//! Lines to fields.

use std::collections::HashMap;

use super::scan::{Members, Value};
use crate::ingest::blocks::{Block, Dialect, RecordEnd, kept_end, record_end};
use crate::ingest::columns::{Field, Row, Tokens};
use crate::project::contract::Contract;

/// The keys of a contract's columns.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Fields by the key in the file; two columns may read one key.
    places: HashMap<Vec<u8>, Vec<usize>>,
    width: usize,
    /// Keys of the line before, in order, as lines of one file mostly have the same.
    order: Vec<(Vec<u8>, Vec<usize>)>,
}

impl Keys {
    pub(crate) fn new(contract: &Contract) -> Self {
        let mut places: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (place, column) in contract.spec.columns.iter().enumerate() {
            places.entry(column.name_in_file().as_bytes().to_vec()).or_default().push(place);
        }
        Self { places, width: contract.spec.columns.len(), order: Vec::new() }
    }

    /// The places of the `nth` key of a line.
    fn places(&mut self, nth: usize, key: &[u8]) -> &[usize] {
        let guessed = self.order.get(nth).is_some_and(|(known, _)| known == key);
        if !guessed {
            let places = self.places.get(key).cloned().unwrap_or_default();
            self.order.truncate(nth);
            if self.order.len() == nth {
                self.order.push((key.to_vec(), places));
            }
        }
        self.order.get(nth).map_or(&[], |(_, places)| places)
    }
}

/// Find the fields of each line of `block`; what is no JSON object is a misfit.
pub(crate) fn tokenise(block: &Block, dialect: &Dialect, keys: &mut Keys, encoding: &str, tokens: &mut Tokens) {
    tokens.clear(keys.width);
    let bytes = block.bytes.as_slice();
    let mut flaws = block.flaws.iter().peekable();
    let (mut at, mut ordinal) = (0, 0);
    while at < bytes.len() {
        if let Some(known) = flaws.next_if(|flawed| flawed.start == at) {
            let end = kept_end(bytes, at, known.end, dialect.record_bytes);
            let row = Row { start: at as u32, end: end as u32, ordinal };
            tokens.refuse(row, None, known.flaw.to_string());
            (at, ordinal) = (known.next, ordinal + 1);
            continue;
        }
        let RecordEnd::At { end, next } = record_end(bytes, at, dialect, true) else { return };
        if end > at {
            let row = Row { start: at as u32, end: end as u32, ordinal };
            match line(block, row, keys, encoding, tokens) {
                Ok(()) => tokens.rows.push(row),
                Err(reason) => tokens.refuse(row, None, reason),
            }
            ordinal += 1;
        }
        at = next;
    }
}

fn line(block: &Block, row: Row, keys: &mut Keys, encoding: &str, tokens: &mut Tokens) -> Result<(), String> {
    let (start, end) = (row.start as usize, row.end as usize);
    let line = block.bytes.get(start..end).unwrap_or_default();
    let malformed = block.malformed.partition_point(|bad| bad.offset < start);
    if block.malformed.get(malformed).is_some_and(|bad| bad.offset < end) {
        return Err(format!("bytes that are not {encoding}"));
    }
    if let Err(error) = std::str::from_utf8(line) {
        return Err(format!("bytes that are not {encoding}, from byte {} of the record", error.valid_up_to() + 1));
    }
    let first = tokens.fields.len();
    tokens.fields.resize(first + keys.width, Field::NULL);
    let mut members = Members::new(line)?;
    let mut nth = 0;
    while let Some((key, value)) = members.next(nth == 0)? {
        let places = match key {
            Value::Text { start, end, escaped: false } => keys.places(nth, line.get(start..end).unwrap_or_default()),
            Value::Text { start, end, .. } => keys.places(nth, unescaped(line, start, end)?.as_bytes()),
            _ => &[],
        };
        if !places.is_empty() {
            let field = field(line, start, value, &mut tokens.scratch)?;
            for place in places {
                if let Some(slot) = tokens.fields.get_mut(first + place) {
                    *slot = field;
                }
            }
        }
        nth += 1;
    }
    Ok(())
}

/// The field of a value; `base` is where its line begins in the block.
fn field(line: &[u8], base: usize, value: Value, scratch: &mut Vec<u8>) -> Result<Field, String> {
    Ok(match value {
        Value::Null => Field::NULL,
        Value::Bare { start, end } => Field::plain(base + start, base + end),
        Value::Text { start, end, escaped: false } => Field::quoted(base + start, base + end),
        Value::Text { start, end, .. } => {
            let text = unescaped(line, start, end)?;
            if text.contains('\0') {
                return Err("a NUL character in a text".to_owned());
            }
            let from = scratch.len();
            scratch.extend_from_slice(text.as_bytes());
            Field::scratch(from, scratch.len())
        }
    })
}

/// The text between the quotes around `start..end`, its escapes resolved.
fn unescaped(line: &[u8], start: usize, end: usize) -> Result<String, String> {
    let quoted = line.get(start.saturating_sub(1)..=end).unwrap_or_default();
    serde_json::from_slice(quoted).map_err(|error| format!("not JSON: {error} of a text"))
}

/// The members of a line as texts, `None` for null, in the order they stand.
pub(crate) fn texts(line: &[u8]) -> Result<Vec<(String, Option<String>)>, String> {
    let mut members = Members::new(line)?;
    let mut texts = Vec::new();
    while let Some((key, value)) = members.next(texts.is_empty())? {
        let key = text_of(line, key)?.unwrap_or_default();
        texts.push((key, text_of(line, value)?));
    }
    Ok(texts)
}

fn text_of(line: &[u8], value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Bare { start, end } => {
            Ok(Some(String::from_utf8_lossy(line.get(start..end).unwrap_or_default()).into_owned()))
        }
        Value::Text { start, end, .. } => unescaped(line, start, end).map(Some),
    }
}
