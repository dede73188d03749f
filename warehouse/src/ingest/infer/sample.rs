//! The begin of each file, as columns of texts.

use std::collections::HashMap;

use memchr::memchr;

use super::shape::{self, Shape};
use crate::ingest::blocks::{Block, Cutter, Dialect};
use crate::ingest::columns::Tokens;
use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;
use crate::ingest::options::Limits;
use crate::ingest::read::{Opener, TextReader, UnpackLimits, Unpacked};
use crate::ingest::{csv, jsonl};
use crate::project::contract::{Compression, FormatKind};
use crate::project::types::ColumnType;

/// Text read of all files: rare values (a third decimal place, a missing one) come late.
const TEXT_BYTES: usize = 48 << 20;
/// Text taken at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// Columns of a contract that is inferred; nobody reads one of more.
const MOST_COLUMNS: usize = 5_000;
/// Values kept of all columns and rows: lines that all differ in their keys make many.
const MOST_VALUES: usize = 20_000_000;
/// Files read.
const FILES: usize = 8;
/// Text that tells encoding and delimiter.
const HEAD_BYTES: usize = 1 << 16;

/// What was read.
pub(super) struct Sample {
    pub(super) kind: FormatKind,
    pub(super) shape: Shape,
    pub(super) columns: Vec<SampleColumn>,
    pub(super) rows: usize,
    /// Text to read of each file.
    pub(super) file_bytes: usize,
}

/// One column: a text a row, `None` where there is no value.
#[derive(Debug, Default)]
pub(super) struct SampleColumn {
    /// In the file; empty in a file without header.
    pub(super) name: String,
    pub(super) values: Vec<Option<String>>,
    /// Parquet says by itself.
    pub(super) kind: Option<ColumnType>,
}

pub(super) fn read(opener: &Opener, name: &str, files: &[RawFile]) -> Result<Sample, IngestError> {
    let nothing = |reason: &str| IngestError::Header {
        path: files.first().map_or_else(String::new, |file| file.path.clone()),
        contract: format!("the contract of {name}"),
        reason: reason.to_owned(),
    };
    let Some(first) = files.first() else { return Err(nothing("no file was given")) };
    if opener.open(first)?.peek(4).is_ok_and(|head| head == b"PAR1") {
        let sample = super::parquet::read(opener, first)?;
        not_too_many(name, sample.columns.len())?;
        return Ok(sample);
    }
    let head = head(opener, first)?;
    let text = decoded(&head);
    let kind = match text.trim_start().chars().next() {
        Some('[') => return Err(IngestError::JsonArray { path: first.path.clone() }),
        Some('{') => FormatKind::Jsonl,
        _ => FormatKind::Csv,
    };
    let delimiter = shape::delimiter(&text);
    let mut sample = Sample {
        kind,
        shape: Shape { encoding: shape::encoding(&head), delimiter, ..Shape::default() },
        columns: Vec::new(),
        rows: 0,
        file_bytes: TEXT_BYTES / files.len().clamp(1, FILES),
    };
    for file in files.iter().take(FILES) {
        match kind {
            FormatKind::Jsonl => sample.add_jsonl(opener, file)?,
            _ => sample.add_csv(opener, file)?,
        }
    }
    if sample.columns.is_empty() {
        return Err(nothing("there are no columns in it"));
    }
    not_too_many(name, sample.columns.len())?;
    Ok(sample)
}

fn not_too_many(source: &str, columns: usize) -> Result<(), IngestError> {
    if columns > MOST_COLUMNS {
        return Err(IngestError::TooManyColumns { source_name: source.to_owned(), columns, most: MOST_COLUMNS });
    }
    Ok(())
}

fn unpacked(opener: &Opener, file: &RawFile) -> Result<Unpacked, IngestError> {
    let limits = UnpackLimits::from(&Limits::default());
    Unpacked::new(opener.open(file)?, Compression::Auto, &file.path, limits)
}

fn head(opener: &Opener, file: &RawFile) -> Result<Vec<u8>, IngestError> {
    let mut head = Vec::new();
    unpacked(opener, file)?.read_into(&mut head, HEAD_BYTES)?;
    Ok(head)
}

fn decoded(head: &[u8]) -> String {
    let (text, _, _) = shape::encoding(head).decode(head);
    text.into_owned()
}

impl Sample {
    fn cutter(&self, opener: &Opener, file: &RawFile, quote: Option<u8>) -> Result<Cutter, IngestError> {
        let text = TextReader::new(unpacked(opener, file)?, self.shape.encoding, HEAD_BYTES)?;
        let record_bytes = Limits::default().record_bytes;
        let dialect = Dialect { delimiter: self.shape.delimiter, quote, newline: b'\n', record_bytes };
        Ok(Cutter::new(text, dialect))
    }

    fn add_csv(&mut self, opener: &Opener, file: &RawFile) -> Result<(), IngestError> {
        let mut cutter = self.cutter(opener, file, Some(b'"'))?;
        let Some(first) = cutter.take_header()? else { return Ok(()) };
        let encoding = self.shape.encoding.name();
        let names = csv::fields_of(&first, &cutter.dialect(), encoding).map_err(|reason| IngestError::Header {
            path: file.path.clone(),
            contract: "the new contract".to_owned(),
            reason,
        })?;
        if self.columns.is_empty() {
            self.shape.header = shape::is_header(&names);
            let name = |name: &String| if self.shape.header { name.clone() } else { String::new() };
            let column = |found: &String| SampleColumn { name: name(found), ..SampleColumn::default() };
            self.columns = names.iter().map(column).collect();
        }
        let order = self.order(&names);
        let mut tokens = Tokens::default();
        if !self.shape.header {
            csv::tokenise(&first, &cutter.dialect(), names.len(), encoding, &mut tokens);
            self.add(&first, &tokens, &order);
        }
        let (mut block, mut read) = (Block::default(), 0);
        while read < self.file_bytes && !self.is_full() && cutter.next(&mut block, BLOCK_BYTES)? {
            read += block.bytes.len();
            csv::tokenise(&block, &cutter.dialect(), names.len(), encoding, &mut tokens);
            self.shape.misfits += tokens.misfits.len();
            self.add(&block, &tokens, &order);
        }
        Ok(())
    }

    /// Whether enough was read, whatever there is more.
    fn is_full(&self) -> bool {
        self.columns.len() > MOST_COLUMNS || self.columns.len().saturating_mul(self.rows) > MOST_VALUES
    }

    /// Where each known column stands in a file with these names.
    fn order(&self, names: &[String]) -> Vec<Option<usize>> {
        let places: HashMap<&String, usize> =
            names.iter().enumerate().rev().map(|(place, name)| (name, place)).collect();
        let place = |(place, column): (usize, &SampleColumn)| match self.shape.header {
            true => places.get(&column.name).copied(),
            false => (place < names.len()).then_some(place),
        };
        self.columns.iter().enumerate().map(place).collect()
    }

    fn add(&mut self, block: &Block, tokens: &Tokens, order: &[Option<usize>]) {
        for (row, _) in tokens.rows.iter().enumerate() {
            for (column, place) in self.columns.iter_mut().zip(order) {
                let field = place.and_then(|place| tokens.fields.get(row * tokens.width + place));
                let text = field.and_then(|field| field.text(&block.bytes, &tokens.scratch));
                let text = text.map(|(text, _)| String::from_utf8_lossy(text).into_owned());
                column.values.push(text.filter(|text| !text.is_empty()));
            }
            self.rows += 1;
        }
    }

    fn add_jsonl(&mut self, opener: &Opener, file: &RawFile) -> Result<(), IngestError> {
        let mut cutter = self.cutter(opener, file, None)?;
        let mut places: HashMap<String, usize> =
            self.columns.iter().enumerate().map(|(place, column)| (column.name.clone(), place)).collect();
        let (mut block, mut read) = (Block::default(), 0);
        while read < self.file_bytes && !self.is_full() && cutter.next(&mut block, BLOCK_BYTES)? {
            read += block.bytes.len();
            self.add_lines(&block.bytes, &mut places);
        }
        self.columns.iter_mut().for_each(|column| column.values.resize(self.rows, None));
        Ok(())
    }

    fn add_lines(&mut self, lines: &[u8], places: &mut HashMap<String, usize>) {
        let mut rest = lines;
        while let Some(end) = memchr(b'\n', rest).filter(|_| !self.is_full()) {
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            let Ok(members) = jsonl::texts(line) else {
                self.shape.misfits += usize::from(!line.trim_ascii().is_empty());
                continue;
            };
            for (key, value) in members {
                let place = *places.entry(key.clone()).or_insert(self.columns.len());
                if place == self.columns.len() {
                    self.columns.push(SampleColumn { name: key, ..SampleColumn::default() });
                }
                if let Some(column) = self.columns.get_mut(place) {
                    column.values.resize(self.rows, None);
                    column.values.push(value);
                }
            }
            self.rows += 1;
        }
    }
}
