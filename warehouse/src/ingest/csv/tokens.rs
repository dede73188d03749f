//! Fields of a block: at memory speed where each line is a record, with care where not.

use memchr::memchr;

use crate::ingest::blocks::{
    AfterQuote, Block, Closing, Dialect, Flaw, RecordEnd, after_quote, closing_quote, kept_end, record_end,
};
use crate::ingest::columns::{Field, Row, Tokens};

/// Split the records of `block` into `width` fields each; what does not split is a misfit.
pub(crate) fn tokenise(block: &Block, dialect: &Dialect, width: usize, encoding: &str, tokens: &mut Tokens) {
    tokens.clear(width);
    let clean =
        block.malformed.is_empty() && memchr(0, &block.bytes).is_none() && std::str::from_utf8(&block.bytes).is_ok();
    if block.plain && clean && split_lines(block, dialect, tokens) {
        return;
    }
    tokens.clear(width);
    Careful { block, dialect, clean, encoding, tokens, malformed: 0 }.run();
}

/// The fast path; `false` if some line does not have `width` fields.
fn split_lines(block: &Block, dialect: &Dialect, tokens: &mut Tokens) -> bool {
    let (bytes, width) = (block.bytes.as_slice(), tokens.width);
    let returns = dialect.newline == b'\n' && memchr(b'\r', bytes).is_some();
    tokens.fields.reserve(block.records * width + 1);
    tokens.rows.reserve(block.records);
    let (mut start, mut line, mut column) = (0, 0, 0);
    let complete = marks(bytes, dialect.delimiter, dialect.newline, |at, is_newline| {
        column += 1;
        if is_newline != (column == width) {
            return false;
        }
        if is_newline {
            let end = if returns && at > start && bytes.get(at - 1) == Some(&b'\r') { at - 1 } else { at };
            tokens.fields.push(Field::plain(start, end));
            let ordinal = tokens.rows.len() as u32;
            tokens.rows.push(Row { start: line as u32, end: end as u32, ordinal });
            line = at + 1;
            column = 0;
        } else {
            tokens.fields.push(Field::plain(start, at));
        }
        start = at + 1;
        true
    });
    complete && column == 0 && tokens.rows.len() == block.records
}

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// `0x80` in each byte of `word` that equals the byte repeated in `pattern`, and nothing else.
#[inline]
fn equal_bytes(word: u64, pattern: u64) -> u64 {
    let difference = word ^ pattern;
    !(((difference & LOW_BITS) + LOW_BITS) | difference | LOW_BITS)
}

/// Call `mark` with the place of each delimiter and newline (`true`); stops where it says `false`.
#[inline]
fn marks(bytes: &[u8], delimiter: u8, newline: u8, mut mark: impl FnMut(usize, bool) -> bool) -> bool {
    let delimiters = u64::from_ne_bytes([delimiter; 8]);
    let newlines = u64::from_ne_bytes([newline; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let ends = equal_bytes(word, newlines);
        let mut hits = equal_bytes(word, delimiters) | ends;
        while hits != 0 {
            let bit = hits.trailing_zeros();
            if !mark(i * 8 + bit as usize / 8, ends >> bit & 1 == 1) {
                return false;
            }
            hits &= hits - 1;
        }
    }
    let from = bytes.len() - rest.len();
    for (i, byte) in rest.iter().enumerate() {
        if (*byte == delimiter || *byte == newline) && !mark(from + i, *byte == newline) {
            return false;
        }
    }
    true
}

/// The slow path: record by record.
struct Careful<'a> {
    block: &'a Block,
    dialect: &'a Dialect,
    /// Nothing in the block that is no text.
    clean: bool,
    encoding: &'a str,
    tokens: &'a mut Tokens,
    /// Malformed places before the current record.
    malformed: usize,
}

impl Careful<'_> {
    fn run(&mut self) {
        let bytes = self.block.bytes.as_slice();
        let mut flaws = self.block.flaws.iter().peekable();
        let (mut at, mut ordinal) = (0, 0);
        while at < bytes.len() {
            // The cutter has seen more than this block: a line it shortened looks whole here.
            if let Some(known) = flaws.next_if(|flawed| flawed.start == at) {
                self.flawed(at, known.end, known.flaw, ordinal);
                (at, ordinal) = (known.next, ordinal + 1);
                continue;
            }
            let RecordEnd::At { end, next } = record_end(bytes, at, self.dialect, true) else { return };
            if end > at {
                self.record(Row { start: at as u32, end: end as u32, ordinal });
                ordinal += 1;
            }
            at = next;
        }
    }

    fn flawed(&mut self, start: usize, end: usize, flaw: Flaw, ordinal: u32) {
        let end = match flaw {
            Flaw::TooLong { limit } => kept_end(&self.block.bytes, start, end, limit),
            _ => end,
        };
        self.tokens.refuse(Row { start: start as u32, end: end as u32, ordinal }, None, flaw.to_string());
    }

    fn record(&mut self, row: Row) {
        if !self.clean
            && let Some(reason) = self.unclean(row)
        {
            self.tokens.refuse(row, None, reason);
            return;
        }
        let found = self.fields(row);
        if found == self.tokens.width {
            self.tokens.rows.push(row);
            return;
        }
        let width = self.tokens.width;
        let plural = if found == 1 { "" } else { "s" };
        let shape = if found < width { "too few" } else { "too many" };
        self.tokens.refuse(row, None, format!("{shape}: {found} field{plural} where {width} are expected"));
    }

    /// What in a record is no text.
    fn unclean(&mut self, row: Row) -> Option<String> {
        let (start, end) = (row.start as usize, row.end as usize);
        let malformed = self.block.malformed.get(self.malformed..).unwrap_or_default();
        let before = malformed.partition_point(|bad| bad.offset < start);
        self.malformed += before;
        if malformed.get(before).is_some_and(|bad| bad.offset < end) {
            return Some(format!("bytes that are not {}", self.encoding));
        }
        let text = self.block.bytes.get(start..end).unwrap_or_default();
        if let Err(error) = std::str::from_utf8(text) {
            return Some(format!(
                "bytes that are not {}, from byte {} of the record",
                self.encoding,
                error.valid_up_to() + 1
            ));
        }
        memchr(0, text).map(|at| format!("a NUL byte, at byte {} of the record", at + 1))
    }

    /// Push the fields of a whole record; gives how many there are.
    fn fields(&mut self, row: Row) -> usize {
        let (bytes, dialect) = (self.block.bytes.as_slice(), self.dialect);
        let (mut at, end) = (row.start as usize, row.end as usize);
        let mut found = 0;
        loop {
            found += 1;
            let quoted = dialect.quote.filter(|quote| bytes.get(at) == Some(quote) && at < end);
            if let Some(quote) = quoted
                && let Closing::At { quote: close, doubled } = closing_quote(bytes, at, quote)
            {
                let field = if doubled { self.unescape(at + 1, close, quote) } else { Field::quoted(at + 1, close) };
                self.tokens.fields.push(field);
                match after_quote(bytes, close, dialect) {
                    AfterQuote::Delimiter => at = close + 2,
                    _ => return found,
                }
                continue;
            }
            let rest = bytes.get(at..end).unwrap_or_default();
            let Some(length) = memchr(dialect.delimiter, rest) else {
                self.tokens.fields.push(Field::plain(at, end));
                return found;
            };
            self.tokens.fields.push(Field::plain(at, at + length));
            at += length + 1;
        }
    }

    /// Copy a quoted field with each doubled quote as one.
    fn unescape(&mut self, start: usize, end: usize, quote: u8) -> Field {
        let scratch = &mut self.tokens.scratch;
        let from = scratch.len();
        let mut rest = self.block.bytes.get(start..end).unwrap_or_default();
        while let Some(at) = memchr(quote, rest) {
            scratch.extend_from_slice(rest.get(..=at).unwrap_or_default());
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        scratch.extend_from_slice(rest);
        Field::scratch(from, scratch.len())
    }
}

/// The fields of the first record, for the header.
pub(crate) fn fields_of(block: &Block, dialect: &Dialect, encoding: &str) -> Result<Vec<String>, String> {
    if let Some(flawed) = block.flaws.first() {
        return Err(flawed.flaw.to_string());
    }
    let mut start = 0;
    let row = loop {
        match record_end(&block.bytes, start, dialect, true) {
            RecordEnd::At { end, next } if end == start => start = next,
            RecordEnd::At { end, .. } => break Row { start: start as u32, end: end as u32, ordinal: 0 },
            _ => return Ok(Vec::new()),
        }
    };
    let mut tokens = Tokens::default();
    let mut careful = Careful { block, dialect, clean: false, encoding, tokens: &mut tokens, malformed: 0 };
    if let Some(reason) = careful.unclean(row) {
        return Err(reason);
    }
    careful.fields(row);
    let text = |field: &Field| {
        let (text, _) = field.text(&block.bytes, &tokens.scratch)?;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    Ok(tokens.fields.iter().filter_map(text).collect())
}
