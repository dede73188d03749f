//! Text in blocks of whole records, each with its record and line number: what a worker takes.

mod cutter;
mod scan;

pub(crate) use cutter::Cutter;
pub(crate) use scan::{AfterQuote, Closing, Dialect, RecordEnd, after_quote, closing_quote, record_end};

use std::fmt;

use crate::ingest::read::Malformed;

/// Raw bytes kept of a record that is too long to keep.
pub(crate) const KEPT_BYTES: usize = 1 << 16;

/// Whole records of one file.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Every record ends in the dialect's newline, the last one of a file too.
    pub(crate) bytes: Vec<u8>,
    /// 1-based number of the first record.
    pub(crate) first_record: i64,
    /// 1-based physical line of the first byte.
    pub(crate) first_line: i64,
    /// Records, flawed ones included, blank lines not.
    pub(crate) records: usize,
    /// Records that no field can be taken from, in order.
    pub(crate) flaws: Vec<FlawedRecord>,
    /// Bytes that could not be decoded, in order.
    pub(crate) malformed: Vec<Malformed>,
    /// No quote, no blank line and no flaw: each line is one record.
    pub(crate) plain: bool,
}

/// A record that is refused where it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlawedRecord {
    pub(crate) start: usize,
    /// Where its text ends.
    pub(crate) end: usize,
    /// Where the next record begins.
    pub(crate) next: usize,
    pub(crate) flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// One line that is longer than `limit` bytes.
    TooLong { limit: usize },
    /// The quotes of a record of many lines do not end within `limit` bytes.
    OpenQuote { limit: usize },
    /// The file ends inside quotes.
    OpenQuoteAtEnd,
    /// `"abc"def`.
    TextAfterQuote,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => {
                write!(f, "the record is longer than {limit} bytes; of its text at most {KEPT_BYTES} bytes are kept")
            }
            Self::OpenQuote { limit } => {
                write!(
                    f,
                    "a quote is not closed within {limit} bytes; only this line is refused, reading goes on after it"
                )
            }
            Self::OpenQuoteAtEnd => f.write_str(
                "a quote is not closed before the end of the file; only this line is refused, reading goes on after it",
            ),
            Self::TextAfterQuote => {
                f.write_str("text follows a closing quote; only this line is refused, reading goes on after it")
            }
        }
    }
}

impl Block {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.flaws.clear();
        self.malformed.clear();
        self.records = 0;
        self.plain = false;
    }

    /// 1-based physical line of the byte at `offset`.
    pub(crate) fn line_of(&self, offset: usize, newline: u8) -> i64 {
        let before = self.bytes.get(..offset).unwrap_or(&self.bytes);
        self.first_line + memchr::memchr_iter(newline, before).count() as i64
    }
}

/// Where the kept text of a record that is too long ends: at a UTF-8 character's begin.
pub(crate) fn kept_end(bytes: &[u8], start: usize, end: usize, limit: usize) -> usize {
    let at = end.min(start + KEPT_BYTES.min(limit));
    let begins = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (start..=at).rev().take(4).find(begins).unwrap_or(at)
}
