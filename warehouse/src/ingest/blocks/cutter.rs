//! Cuts a text into blocks of whole records. Runs under a lock, so it does only what must be done
//! in order: read, find the last record's end, count.

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::scan::{Dialect, RecordEnd, record_end};
use super::{Block, Flaw, FlawedRecord, KEPT_BYTES, kept_end};
use crate::ingest::error::IngestError;
use crate::ingest::read::{Malformed, TextReader};

/// One file on its way to the workers.
pub(crate) struct Cutter {
    text: TextReader,
    dialect: Dialect,
    /// The begin of a record whose end was not read yet.
    carry: Vec<u8>,
    carry_malformed: Vec<Malformed>,
    record: i64,
    line: i64,
    ended: bool,
}

impl Cutter {
    pub(crate) fn new(text: TextReader, mut dialect: Dialect) -> Self {
        dialect.newline = newline_of(text.ahead());
        Self { text, dialect, carry: Vec::new(), carry_malformed: Vec::new(), record: 1, line: 1, ended: false }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// blake3 of the file as stored.
    pub(crate) fn content(&mut self) -> Result<String, IngestError> {
        self.text.content()
    }

    /// Take the first record and do not count it; `None` in a file without records. The header
    /// may be flawed: the block says so.
    pub(crate) fn take_header(&mut self) -> Result<Option<Block>, IngestError> {
        let mut block = Block::default();
        // Smaller than any record limit, so that nothing behind the header is shortened here.
        let bytes = (self.dialect.record_bytes / 2).clamp(1, 1 << 14);
        loop {
            if !self.next(&mut block, bytes)? {
                return Ok(None);
            }
            if block.records > 0 {
                break;
            }
        }
        let mut start = 0;
        let next = loop {
            match record_end(&block.bytes, start, &self.dialect, true) {
                RecordEnd::At { end, next } if end == start => start = next,
                RecordEnd::At { next, .. } | RecordEnd::Flawed { next, .. } => break next,
                RecordEnd::Open | RecordEnd::Endless => break block.bytes.len(),
            }
        };
        self.give_back(&mut block, next);
        Ok(Some(block))
    }

    /// Put all from `next` on before what is carried.
    fn give_back(&mut self, block: &mut Block, next: usize) {
        let mut carry = block.bytes.split_off(next.min(block.bytes.len()));
        let shift = carry.len();
        let (keep, mut back): (Vec<_>, Vec<_>) = block.malformed.drain(..).partition(|bad| bad.offset < next);
        block.malformed = keep;
        back.iter_mut().for_each(|bad| bad.offset -= next);
        back.extend(self.carry_malformed.drain(..).map(|bad| Malformed { offset: bad.offset + shift, ..bad }));
        carry.append(&mut self.carry);
        (self.carry, self.carry_malformed) = (carry, back);
        block.flaws.retain(|flawed| flawed.start < next);
        block.records = 1;
        self.record = 1;
        self.line = block.first_line + memchr_iter(self.dialect.newline, &block.bytes).count() as i64;
    }

    /// Fill `block` with the next whole records, about `want` bytes; `false` at the end.
    pub(crate) fn next(&mut self, block: &mut Block, want: usize) -> Result<bool, IngestError> {
        block.clear();
        (block.first_record, block.first_line) = (self.record, self.line);
        std::mem::swap(&mut block.bytes, &mut self.carry);
        std::mem::swap(&mut block.malformed, &mut self.carry_malformed);
        self.carry.clear();
        loop {
            self.read_more(block, want)?;
            if block.bytes.is_empty() {
                return Ok(false);
            }
            let cut = self.scan(block);
            if cut == 0 && self.is_endless(block) {
                self.skip_line(block)?;
                break;
            }
            if cut > 0 || self.ended {
                self.keep_rest(block, cut);
                break;
            }
        }
        self.record += block.records as i64;
        self.line += memchr_iter(self.dialect.newline, &block.bytes).count() as i64;
        Ok(true)
    }

    fn read_more(&mut self, block: &mut Block, want: usize) -> Result<(), IngestError> {
        if self.ended {
            return Ok(());
        }
        self.ended = !self.text.read_into(&mut block.bytes, &mut block.malformed, want.max(1))?;
        if self.ended && block.bytes.last().is_some_and(|byte| *byte != self.dialect.newline) {
            block.bytes.push(self.dialect.newline);
        }
        Ok(())
    }

    /// Count the whole records; gives where the last one ends.
    fn scan(&self, block: &mut Block) -> usize {
        block.flaws.clear();
        if let Some((cut, records)) = self.scan_plain(&block.bytes) {
            (block.records, block.plain) = (records, true);
            return cut;
        }
        let (mut at, mut records) = (0, 0);
        while at < block.bytes.len() {
            match record_end(&block.bytes, at, &self.dialect, self.ended) {
                RecordEnd::At { end, next } => {
                    records += usize::from(end > at);
                    at = next;
                }
                RecordEnd::Flawed { end, next, flaw } => {
                    records += 1;
                    block.flaws.push(FlawedRecord { start: at, end, next, flaw });
                    at = next;
                }
                RecordEnd::Open | RecordEnd::Endless => break,
            }
        }
        block.records = records;
        block.plain = false;
        at
    }

    /// The common case at memory speed: no quote, no blank line, nothing too long.
    fn scan_plain(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let newline = self.dialect.newline;
        let cut = memrchr(newline, bytes)? + 1;
        let lines = bytes.get(..cut)?;
        if self.dialect.quote.is_some_and(|quote| memchr(quote, lines).is_some()) || self.has_blank(lines) {
            return None;
        }
        let mut at = 0;
        while lines.len() - at > self.dialect.record_bytes {
            let window = lines.get(at..at + self.dialect.record_bytes + 1)?;
            at += memrchr(newline, window)? + 1;
        }
        Some((cut, memchr_iter(newline, lines).count()))
    }

    fn has_blank(&self, lines: &[u8]) -> bool {
        let newline = self.dialect.newline;
        if newline != b'\n' {
            return lines.first() == Some(&newline) || memmem::find(lines, &[newline, newline]).is_some();
        }
        lines.starts_with(b"\n")
            || lines.starts_with(b"\r\n")
            || memmem::find(lines, b"\n\n").is_some()
            || memmem::find(lines, b"\n\r\n").is_some()
    }

    fn is_endless(&self, block: &Block) -> bool {
        record_end(&block.bytes, 0, &self.dialect, self.ended) == RecordEnd::Endless
    }

    /// Keep the begin of a line that is too long and read past its end without keeping it.
    fn skip_line(&mut self, block: &mut Block) -> Result<(), IngestError> {
        let newline = self.dialect.newline;
        let kept = kept_end(&block.bytes, 0, block.bytes.len(), self.dialect.record_bytes);
        block.bytes.truncate(kept);
        block.malformed.retain(|bad| bad.offset < kept);
        let mut more = Vec::new();
        loop {
            more.clear();
            self.carry_malformed.clear();
            if !self.text.read_into(&mut more, &mut self.carry_malformed, KEPT_BYTES)? {
                self.ended = true;
                break;
            }
            if let Some(at) = memchr(newline, &more) {
                self.carry.extend_from_slice(more.get(at + 1..).unwrap_or_default());
                self.carry_malformed.retain(|bad| bad.offset > at);
                self.carry_malformed.iter_mut().for_each(|bad| bad.offset -= at + 1);
                break;
            }
        }
        let flaw = Flaw::TooLong { limit: self.dialect.record_bytes };
        block.bytes.push(newline);
        block.flaws.push(FlawedRecord { start: 0, end: kept, next: kept + 1, flaw });
        block.records = 1;
        Ok(())
    }

    fn keep_rest(&mut self, block: &mut Block, cut: usize) {
        self.carry.extend_from_slice(block.bytes.get(cut..).unwrap_or_default());
        block.bytes.truncate(cut);
        let first_kept = block.malformed.partition_point(|bad| bad.offset < cut);
        self.carry_malformed.clear();
        self.carry_malformed.extend(block.malformed.drain(first_kept..));
        self.carry_malformed.iter_mut().for_each(|bad| bad.offset -= cut);
    }
}

/// Files of old Macs end their lines in `\r`; any `\n` in the first bytes says this is not one.
fn newline_of(head: &[u8]) -> u8 {
    let only_returns = memchr(b'\n', head).is_none() && memchr(b'\r', head).is_some_and(|at| at + 1 < head.len());
    if only_returns { b'\r' } else { b'\n' }
}
