//! Blocks of CSV and JSON lines: cut under a lock, parsed outside it.

use std::sync::{Arc, Mutex};

use arrow::error::ArrowError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;
use memchr::memchr_iter;

use super::emit::{Typed, Worker};
use super::job::{Job, lock};
use crate::ingest::blocks::{Block, Cutter, Dialect};
use crate::ingest::columns::{Misfit, Row};
use crate::ingest::error::IngestError;
use crate::ingest::held::HeldRecords;
use crate::ingest::quarantine::QuarantineRow;
use crate::ingest::read::encode;
use crate::ingest::{csv, jsonl};

/// A text file that is open.
pub(super) struct TextFeed {
    pub(super) job: Arc<Job>,
    pub(super) dialect: Dialect,
    pub(super) encoding: &'static Encoding,
    pub(super) format: TextFormat,
    /// `None` once the file was read to its end.
    pub(super) cutter: Mutex<Option<Cutter>>,
}

/// How a record becomes fields.
pub(super) enum TextFormat {
    Csv(csv::Header),
    Jsonl(jsonl::Keys),
}

impl TextFeed {
    /// Read and write one block; `false` at the end of the file.
    pub(super) fn step(&self, worker: &mut Worker) -> Result<bool, IngestError> {
        if !self.next_block(worker)? {
            return Ok(false);
        }
        self.parse(worker)?;
        Ok(true)
    }

    fn next_block(&self, worker: &mut Worker) -> Result<bool, IngestError> {
        let mut guard = lock(&self.cutter);
        let Some(cutter) = guard.as_mut() else { return Ok(false) };
        if cutter.next(&mut worker.block, worker.shared.options.block_bytes)? {
            return Ok(true);
        }
        let content = cutter.content()?;
        *guard = None;
        drop(guard);
        worker.shared.opener.verify(&self.job.file)?;
        self.job.read(content)?;
        Ok(false)
    }

    fn parse(&self, worker: &mut Worker) -> Result<(), IngestError> {
        let encoding = self.encoding.name();
        let all: Vec<Option<usize>>;
        let places = match &self.format {
            TextFormat::Csv(header) => {
                csv::tokenise(&worker.block, &self.dialect, header.width, encoding, &mut worker.tokens);
                header.places.as_slice()
            }
            TextFormat::Jsonl(keys) => {
                jsonl::tokenise(&worker.block, &self.dialect, &mut keys.clone(), encoding, &mut worker.tokens);
                all = (0..worker.tokens.width).map(Some).collect();
                all.as_slice()
            }
        };
        let (mut typed, misfits) = typed(worker, places).map_err(|error| worker.defect(&error))?;
        let mut quarantine: Vec<QuarantineRow> =
            misfits.into_iter().map(|misfit| self.quarantined(worker, misfit)).collect();
        quarantine.extend(typed.leave_out(&self.job, |place| {
            let row = *worker.tokens.rows.get(place)?;
            Some(self.quarantined(worker, Misfit { row, column: None, reason: String::new() }))
        }));
        if let Some(held) = self.job.held.as_ref().filter(|held| held.are_known_by_line()) {
            self.find(held, worker, &mut typed, &mut quarantine);
        }
        worker.emit(&self.job, typed, quarantine)
    }

    /// Gives held records the numbers that they had when they were held, and all others none.
    fn find(&self, held: &HeldRecords, worker: &Worker, typed: &mut Typed, quarantine: &mut [QuarantineRow]) {
        let (block, newline) = (&worker.block, self.dialect.newline);
        let bytes = |from: usize, to: usize| block.bytes.get(from..to).unwrap_or_default();
        let (mut at, mut line) = (0, block.first_line);
        for (record, row) in typed.records.iter_mut().zip(&worker.tokens.rows) {
            let (start, end) = (row.start as usize, row.end as usize);
            line += memchr_iter(newline, bytes(at, start)).count() as i64;
            at = start;
            *record = held.number_at(line, bytes(start, end), newline);
        }
        for row in quarantine {
            row.record = row.line.map_or(0, |line| held.number_at(line, row.raw.as_bytes(), newline));
        }
    }

    /// A misfit with its place in the file and its raw text.
    fn quarantined(&self, worker: &Worker, misfit: Misfit) -> QuarantineRow {
        let block = &worker.block;
        let columns = &worker.shared.contract.spec.columns;
        let column = misfit.column.and_then(|column| columns.get(column));
        let (raw, raw_base64) = raw(block, misfit.row, self.encoding);
        QuarantineRow {
            delivery: self.job.number,
            night: self.job.night,
            file: Arc::clone(&self.job.path),
            record: block.first_record + i64::from(misfit.row.ordinal),
            line: Some(block.line_of(misfit.row.start as usize, self.dialect.newline)),
            column: column.map(|column| column.name.value.clone()),
            reason: misfit.reason,
            raw,
            raw_base64,
        }
    }
}

fn typed(worker: &mut Worker, places: &[Option<usize>]) -> Result<(Typed, Vec<Misfit>), ArrowError> {
    let read = worker.columns.read(&worker.tokens, &worker.block.bytes, places)?;
    let refused = read.misfits.iter().map(|(row, _)| *row).collect();
    let mut misfits = std::mem::take(&mut worker.tokens.misfits);
    for misfit in &mut misfits {
        // Tokens know the file's columns; the quarantine names the contract's.
        misfit.column = misfit.column.and_then(|field| places.iter().position(|place| *place == Some(field)));
    }
    misfits.extend(read.misfits.into_iter().map(|(_, misfit)| misfit));
    let first = worker.block.first_record;
    let records = worker.tokens.rows.iter().map(|row| first + i64::from(row.ordinal)).collect();
    Ok((Typed { columns: read.arrays, records, refused }, misfits))
}

/// A record's text, and its bytes where the text is not exact.
fn raw(block: &Block, row: Row, encoding: &'static Encoding) -> (String, Option<String>) {
    let (start, end) = (row.start as usize, row.end as usize);
    let bytes = block.bytes.get(start..end).unwrap_or_default();
    let malformed: Vec<_> = block.malformed.iter().filter(|bad| (start..end).contains(&bad.offset)).collect();
    let text = String::from_utf8_lossy(bytes).into_owned();
    if malformed.is_empty() {
        let inexact = text.as_bytes() != bytes;
        return (text, inexact.then(|| STANDARD.encode(bytes)));
    }
    let (mut exact, mut from) = (Vec::new(), start);
    for bad in malformed {
        let piece = block.bytes.get(from..bad.offset).unwrap_or_default();
        exact.extend(encode(&String::from_utf8_lossy(piece), encoding));
        exact.extend_from_slice(&bad.bytes);
        from = bad.offset + '\u{fffd}'.len_utf8();
    }
    let piece = block.bytes.get(from..end).unwrap_or_default();
    exact.extend(encode(&String::from_utf8_lossy(piece), encoding));
    (text, Some(STANDARD.encode(exact)))
}
