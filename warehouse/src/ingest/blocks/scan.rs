//! Where a record ends, quotes considered. The one place that decides it: the cutter and the
//! tokeniser must never disagree.

use memchr::{memchr, memchr2};

use super::Flaw;

/// How records are written in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// `None`: quotes are text.
    pub(crate) quote: Option<u8>,
    /// What ends a line: `\n` (a `\r` before it belongs to it), or `\r` in files that have no `\n`.
    pub(crate) newline: u8,
    /// Longest record, in bytes.
    pub(crate) record_bytes: usize,
}

/// How the record that begins somewhere ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordEnd {
    /// Its text ends at `end`, the next one begins at `next`.
    At { end: usize, next: usize },
    /// It is no record; reading goes on at `next`, the line after its first.
    Flawed { end: usize, next: usize, flaw: Flaw },
    /// More bytes are needed to tell.
    Open,
    /// It is too long already and its line has not ended.
    Endless,
}

/// Find the end of the record at `start`. With `last`, no more bytes will come and they end in a
/// newline.
pub(crate) fn record_end(bytes: &[u8], start: usize, dialect: &Dialect, last: bool) -> RecordEnd {
    let Some(quote) = dialect.quote else { return line_end(bytes, start, dialect) };
    let mut at = start;
    loop {
        let Some(found) = memchr2(quote, dialect.newline, bytes.get(at..).unwrap_or_default()) else {
            return unended(bytes, start, dialect, last);
        };
        let hit = at + found;
        if bytes.get(hit) == Some(&dialect.newline) {
            return ended(bytes, start, hit, dialect);
        }
        if !opens_field(bytes, start, hit, dialect) {
            at = hit + 1;
            continue;
        }
        match closing_quote(bytes, hit, quote) {
            // What follows the quote may lie past what was read: this close to the limit the length
            // decides.
            Closing::At { quote: close, .. } if close + 1 - start >= dialect.record_bytes => {
                return unended(bytes, start, dialect, last);
            }
            Closing::At { quote: close, .. } => match after_quote(bytes, close, dialect) {
                AfterQuote::Delimiter => at = close + 1,
                AfterQuote::Newline { next } => return ended(bytes, start, next - 1, dialect),
                AfterQuote::Unknown => return unended(bytes, start, dialect, last),
                AfterQuote::Text => return first_line(bytes, start, dialect, Flaw::TextAfterQuote),
            },
            Closing::Missing => return unended(bytes, start, dialect, last),
        }
    }
}

/// A quote opens a field only where a field begins; elsewhere it is text (`5" screen`).
fn opens_field(bytes: &[u8], start: usize, at: usize, dialect: &Dialect) -> bool {
    at == start || at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&dialect.delimiter)
}

fn line_end(bytes: &[u8], start: usize, dialect: &Dialect) -> RecordEnd {
    match memchr(dialect.newline, bytes.get(start..).unwrap_or_default()) {
        Some(found) => ended(bytes, start, start + found, dialect),
        None if bytes.len() - start.min(bytes.len()) > dialect.record_bytes => RecordEnd::Endless,
        None => RecordEnd::Open,
    }
}

fn ended(bytes: &[u8], start: usize, newline: usize, dialect: &Dialect) -> RecordEnd {
    if newline - start > dialect.record_bytes {
        return too_long(bytes, start, dialect);
    }
    RecordEnd::At { end: without_return(bytes, start, newline, dialect), next: newline + 1 }
}

/// The end of a line's text: before the `\r` of a `\r\n`.
fn without_return(bytes: &[u8], start: usize, newline: usize, dialect: &Dialect) -> usize {
    match newline.checked_sub(1).filter(|before| *before >= start) {
        Some(before) if dialect.newline == b'\n' && bytes.get(before) == Some(&b'\r') => before,
        _ => newline,
    }
}

/// No end in sight: wait, or give up on the record.
fn unended(bytes: &[u8], start: usize, dialect: &Dialect, last: bool) -> RecordEnd {
    if bytes.len() - start > dialect.record_bytes {
        return too_long(bytes, start, dialect);
    }
    if last { first_line(bytes, start, dialect, Flaw::OpenQuoteAtEnd) } else { RecordEnd::Open }
}

/// A record of many lines that is too long has a quote that was never closed: its first line is
/// given up, and not all that follows.
fn too_long(bytes: &[u8], start: usize, dialect: &Dialect) -> RecordEnd {
    let limit = dialect.record_bytes;
    let window = bytes.get(start..bytes.len().min(start + limit + 1)).unwrap_or_default();
    if memchr(dialect.newline, window).is_some() {
        return first_line(bytes, start, dialect, Flaw::OpenQuote { limit });
    }
    match first_line(bytes, start, dialect, Flaw::TooLong { limit }) {
        RecordEnd::Open => RecordEnd::Endless,
        flawed => flawed,
    }
}

fn first_line(bytes: &[u8], start: usize, dialect: &Dialect, flaw: Flaw) -> RecordEnd {
    match memchr(dialect.newline, bytes.get(start..).unwrap_or_default()) {
        Some(found) => {
            let newline = start + found;
            // How a line ends that is too long may lie past what was read: its length decides.
            let too_long = found > dialect.record_bytes;
            let flaw = if too_long { Flaw::TooLong { limit: dialect.record_bytes } } else { flaw };
            RecordEnd::Flawed { end: without_return(bytes, start, newline, dialect), next: newline + 1, flaw }
        }
        None if bytes.len() - start > dialect.record_bytes => RecordEnd::Endless,
        None => RecordEnd::Open,
    }
}

/// Where a quoted field closes.
pub(crate) enum Closing {
    At { quote: usize, doubled: bool },
    Missing,
}

/// The closing quote of the field whose opening quote is at `open`.
pub(crate) fn closing_quote(bytes: &[u8], open: usize, quote: u8) -> Closing {
    let (mut at, mut doubled) = (open + 1, false);
    while let Some(found) = memchr(quote, bytes.get(at..).unwrap_or_default()) {
        let hit = at + found;
        if bytes.get(hit + 1) != Some(&quote) {
            return Closing::At { quote: hit, doubled };
        }
        doubled = true;
        at = hit + 2;
    }
    Closing::Missing
}

pub(crate) enum AfterQuote {
    Delimiter,
    /// The record ends; the next one begins at `next`.
    Newline {
        next: usize,
    },
    Text,
    /// The bytes end here.
    Unknown,
}

/// What follows the closing quote at `close`.
pub(crate) fn after_quote(bytes: &[u8], close: usize, dialect: &Dialect) -> AfterQuote {
    match (bytes.get(close + 1), bytes.get(close + 2)) {
        (None, _) => AfterQuote::Unknown,
        (Some(&byte), _) if byte == dialect.delimiter => AfterQuote::Delimiter,
        (Some(&byte), _) if byte == dialect.newline => AfterQuote::Newline { next: close + 2 },
        (Some(b'\r'), Some(&byte)) if byte == dialect.newline => AfterQuote::Newline { next: close + 3 },
        (Some(b'\r'), None) if dialect.newline == b'\n' => AfterQuote::Unknown,
        _ => AfterQuote::Text,
    }
}
