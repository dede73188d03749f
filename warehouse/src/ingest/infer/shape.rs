//! The shape of a text: its encoding, its delimiter, whether it has a header.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::ingest::columns::{iso_date, iso_timestamp};

/// Delimiters that exports use, likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Lines looked at.
const LINES: usize = 200;

/// How a text file is written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) encoding: &'static Encoding,
    pub(super) delimiter: u8,
    pub(super) header: bool,
    /// Records with another number of fields than the first.
    pub(super) misfits: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { encoding: UTF_8, delimiter: b',', header: true, misfits: 0 }
    }
}

/// The encoding of bytes without byte order mark.
pub(super) fn encoding(head: &[u8]) -> &'static Encoding {
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let half = head.len() / 2;
    if half > 0 && zeros(1) * 10 > half * 4 {
        return UTF_16LE;
    }
    if half > 0 && zeros(0) * 10 > half * 4 {
        return UTF_16BE;
    }
    match std::str::from_utf8(head) {
        Ok(_) => UTF_8,
        // A character that the sample's end cut in two says nothing.
        Err(error) if error.error_len().is_none() => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

/// The delimiter that cuts most lines into equally many fields.
pub(super) fn delimiter(text: &str) -> u8 {
    let best = DELIMITERS.iter().rev().max_by_key(|delimiter| {
        let counts: Vec<usize> = text
            .lines()
            .filter(|line| !line.is_empty())
            .take(LINES)
            .map(|line| outside_quotes(line, **delimiter))
            .collect();
        let first = counts.first().copied().unwrap_or(0);
        let alike = counts.iter().filter(|count| **count == first).count();
        // Alike in most lines; among those the one that cuts finer.
        let regular = first > 0 && alike * 10 >= counts.len() * 6;
        (regular, if regular { first } else { 0 })
    });
    best.copied().unwrap_or(b',')
}

fn outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    line.bytes()
        .filter(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == delimiter
        })
        .count()
}

/// Whether a first record names the columns: words, all different, none of them a value.
pub(super) fn is_header(first: &[String]) -> bool {
    let is_value = |text: &String| {
        let bytes = text.trim().as_bytes();
        let numeric = bytes.iter().any(u8::is_ascii_digit)
            && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'-' | b'+' | b'/' | b':' | b' '));
        numeric || iso_date(bytes).is_ok() || iso_timestamp(bytes).is_ok() || text.contains('@')
    };
    let mut names: Vec<&str> = first.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    let filled = names.len();
    names.sort_unstable();
    names.dedup();
    filled > 0 && names.len() == filled && !first.iter().any(is_value)
}
